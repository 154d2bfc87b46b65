//! Renewals: [proof of life](crate::history) to the majority of the servers.

use std::sync::Arc;

use ha_core::runtime::within;
use ha_core::spi::Renewal;
use ha_core::{Error, ErrorKind};

use crate::client::{Failure, FailureKind};
use crate::link::Link;
use crate::over::Why;
use crate::sync::lock;

const OPERATION: &str = "renew the session";

impl Link {
    /// Renews the session once.
    pub(crate) async fn renew(self: &Arc<Self>) -> Result<Renewal, Error> {
        self.check(OPERATION)?;
        let ttl = self.require_ttl(OPERATION)?;
        let sent = self.now();
        let connection = match self.connected(sent + ttl).await {
            Ok(connection) => connection,
            Err(failure) => return Err(self.settled(failure, OPERATION).await),
        };
        let renewed = self.prove(&connection).await;
        // Whoever ends the session waits for the connection.
        drop(connection);
        match renewed {
            Ok(true) => {
                let mut deadline = lock(&self.deadline);
                *deadline = (*deadline).max(sent + ttl);
                Ok(Renewal::new(self.lineage()))
            }
            Ok(false) => Err(self.over.why().unwrap_or(Why::Lost).error(OPERATION)),
            Err(failure) => Err(self.settled(failure, OPERATION).await),
        }
    }

    /// The error of an operation of which nothing was done. The library may have given the session up; whether it is over is found out then.
    pub(crate) async fn settled(self: &Arc<Self>, failure: Failure, operation: &'static str) -> Error {
        if failure.kind == FailureKind::Ended {
            self.end(Why::Lost);
            let patience = self.give_up_at().saturating_since(self.now());
            if within(&*self.runtime, patience, self.over.completed()).await.is_none() {
                return Error::new(ErrorKind::Unavailable, operation)
                    .because("the session was given up, and no server says yet that it is over; try again");
            }
        }
        match self.over.why() {
            Some(why) => why.error(operation),
            None => failure.into_error(operation),
        }
    }
}
