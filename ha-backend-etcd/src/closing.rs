//! Ending sessions: our own, and that of a node proven dead.

use std::sync::Arc;

use ha_core::runtime::{Backoff, within};
use ha_core::spi::SessionId;
use ha_core::{Error, ErrorKind};
use tokio::sync::oneshot;

use crate::client::{Failure, FailureKind};
use crate::link::Link;
use crate::over::Why;
use crate::pool::Lane;

const CLOSE: &str = "close the session";
const END: &str = "end the session";

impl Link {
    /// Revokes the lease, however long that takes, and also when nobody waits for it any more.
    pub(crate) async fn close(self: &Arc<Self>) -> Result<(), Error> {
        if self.grant.is_none() || self.over.why() == Some(Why::Closed) {
            self.end(Why::Closed);
            return Ok(());
        }
        let (done, closed) = oneshot::channel();
        let link = Arc::clone(self);
        self.spawn("etcd-close", async move {
            link.revoke_own().await;
            link.end(Why::Closed);
            // Nobody may wait for it any more.
            done.send(()).ok();
        });
        let patience = self.caller.give_up_at().saturating_since(self.caller.now());
        match within(&**self.runtime(), patience, closed).await {
            Some(Ok(())) => Ok(()),
            _ => Err(Error::new(ErrorKind::Unavailable, CLOSE).because(
                "no member answered; it is tried further, and otherwise the session ends by its ttl",
            )),
        }
    }

    /// Ends another session as a whole.
    pub(crate) async fn end_other(self: &Arc<Self>, other: &SessionId) -> Result<(), Error> {
        self.check(END)?;
        self.require_lease(END)?;
        let lease = i64::from_str_radix(other.as_str(), 16).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, END)
                .on(other)
                .because("no session of this store has such an id")
                .with_source(error)
        })?;
        let give_up = self.caller.give_up_at();
        let mut backoff = Backoff::urgent();
        loop {
            let Err(failure) = self.revoke(lease).await else { return Ok(()) };
            self.check(END)?;
            if !failure.is_transient() || self.caller.now() >= give_up {
                return Err(failure.into_error(END));
            }
            backoff.wait(&**self.runtime()).await;
        }
    }

    /// Revokes the own lease, however long that takes. Without renewals the lease ends by itself in the end, and then that is the answer.
    pub(crate) async fn revoke_own(self: &Arc<Self>) {
        let Some(grant) = self.grant else { return };
        let mut backoff = Backoff::patient();
        while let Err(failure) = self.revoke(grant.lease).await {
            tracing::debug!(session = %self.id, %failure, "cannot end the session yet");
            backoff.wait(&**self.runtime()).await;
        }
    }

    /// One attempt. A lease that is not there is revoked; ids are used once, so that it cannot come again.
    async fn revoke(&self, lease: i64) -> Result<(), Failure> {
        let member = self.caller.pool.pick(self.caller.now());
        let revoked =
            self.caller.attempt(&member, Lane::Requests, self.caller.timeout(), |connection| async move {
                connection.revoke(lease).await
            });
        match revoked.await {
            Err(failure) if failure.kind == FailureKind::LeaseNotFound => Ok(()),
            result => result,
        }
    }
}
