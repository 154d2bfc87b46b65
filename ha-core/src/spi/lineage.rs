//! Whether the store still knows everything that it ever acknowledged.

use crate::error::{Error, ErrorKind};
use crate::runtime::Instant;
use crate::spi::Txn;

/// Which unbroken history of the store an answer belongs to.
///
/// The generation grows whenever the store may have forgotten acknowledged commits: after a failover that lost writes,
/// or from a restored backup. An answer of an older generation is void for whoever has seen a newer one. Until
/// `hold_until` nobody is granted anything, because a forgotten holder may still believe in its grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    generation: u64,
    hold_until: Option<Instant>,
}

impl Lineage {
    /// Generation `generation`, with no hold.
    #[must_use]
    pub fn new(generation: u64) -> Self {
        Self { generation, hold_until: None }
    }

    /// The same generation, with new grants held back until `hold_until` on the local clock.
    #[must_use]
    pub fn held_until(mut self, hold_until: Instant) -> Self {
        self.hold_until = Some(hold_until);
        self
    }

    /// The generation; larger is newer.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Refuses, in this history, a transaction that was [asked in](Txn::asked_in) an earlier one.
    ///
    /// Its guards do not tell: what they ask for may have been brought back. A process that was frozen, or a request that was held up, would go on as if nothing had been forgotten, with numbers that
    /// it chose below forgotten ones.
    ///
    /// # Errors
    /// `Recovering`, with nothing done and with [this history](Error::lineage).
    pub fn admit(&self, txn: &Txn) -> Result<(), Error> {
        match txn.history() {
            Some(history) if history < self.generation => Err(Error::new(ErrorKind::Recovering, "commit")
                .because("the store has gone back to an older state since this was asked for; look again, and try again")
                .with_lineage(*self)),
            _ => Ok(()),
        }
    }

    /// Until when new grants are held back, on the local clock, counted from the receipt of the answer.
    #[must_use]
    pub fn hold_until(&self) -> Option<Instant> {
        self.hold_until
    }
}

#[cfg(test)]
mod tests {
    use super::Lineage;
    use crate::error::{Effect, ErrorKind};
    use crate::spi::Txn;

    #[test]
    fn a_history_takes_what_was_asked_for_in_it_and_in_none() {
        let lineage = Lineage::new(7);
        lineage.admit(&Txn::new()).unwrap();
        lineage.admit(&Txn::new().asked_in(lineage)).unwrap();
        lineage.admit(&Txn::new().asked_in(Lineage::new(8))).unwrap();
        let error = lineage.admit(&Txn::new().asked_in(Lineage::new(6))).unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Recovering, Effect::NotApplied));
        assert_eq!(error.lineage(), Some(lineage));
    }
}
