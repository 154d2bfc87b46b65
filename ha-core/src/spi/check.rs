//! What no backend takes: refused before anything is sent, with the same words everywhere.

#![expect(clippy::disallowed_types, reason = "the keys are only counted, in no order")]

use std::collections::HashSet;
use std::fmt;

use crate::error::{Error, ErrorKind};
use crate::names::Key;
use crate::spi::{Capabilities, Operation, Txn};

impl Txn {
    /// Refuses a transaction that no backend takes, or that is beyond `capabilities`. The first step of every
    /// [`commit`](super::Session::commit).
    ///
    /// # Errors
    /// `TooLarge` for too many guards or operations, or too long a value; `InvalidInput` for two operations on one key, or two
    /// session-owned creations in one collection; `Unsupported` for a take where the capabilities do not say that there are any.
    pub fn check(&self, capabilities: &Capabilities) -> Result<(), Error> {
        let count = self.operations().len().max(self.guards().len());
        if count > capabilities.operations_max {
            return Err(Error::new(ErrorKind::TooLarge, "commit").because(format_args!(
                "{count} guards or operations in one transaction, at most {} fit; split it",
                capabilities.operations_max
            )));
        }
        if self.choice().is_some() && !capabilities.takes {
            return Err(Error::new(ErrorKind::Unsupported, "commit").because(format_args!(
                "a {} store does not choose what is taken; look what is ready, and take that",
                capabilities.backend
            )));
        }
        for operation in self.operations() {
            let (Operation::Create { value, .. } | Operation::Update { value, .. }) = operation else {
                continue;
            };
            if value.len() > capabilities.value_bytes_max {
                return Err(Error::new(ErrorKind::TooLarge, "commit").on(operation.key()).because(
                    format_args!(
                        "a value of {} bytes, at most {} fit",
                        value.len(),
                        capabilities.value_bytes_max
                    ),
                ));
            }
        }
        if self.operations().len() > 1 {
            refuse_ambiguity(self.operations())?;
        }
        Ok(())
    }
}

fn refuse_ambiguity(operations: &[Operation]) -> Result<(), Error> {
    let refuse = |subject: &dyn fmt::Display, reason: &str| {
        Err(Error::new(ErrorKind::InvalidInput, "commit").on(subject).because(reason))
    };
    let mut keys: HashSet<&Key> = HashSet::with_capacity(operations.len());
    if let Some(twice) = operations.iter().map(Operation::key).find(|key| !keys.insert(key)) {
        return refuse(twice, "two operations of one transaction change it; use two transactions");
    }
    let is_owned = |operation: &&Operation| matches!(operation, Operation::Create { owned: true, .. });
    let mut collections: Vec<_> =
        operations.iter().filter(is_owned).map(|operation| operation.key().collection()).collect();
    collections.sort_unstable();
    if let Some(pair) = collections.windows(2).find(|pair| pair[0] == pair[1]) {
        return refuse(
            pair[0],
            "one transaction creates two session-owned entries in it, which would be of the same age; use two transactions",
        );
    }
    Ok(())
}
