//! Ending sessions: our own, and that of a node proven dead.

use std::sync::Arc;

use ha_core::runtime::{Backoff, within};
use ha_core::spi::SessionId;
use ha_core::{Error, ErrorKind};
use tokio::sync::oneshot;

use crate::answer::Status;
use crate::failure::Failure;
use crate::keys::SESSION_BYTES;
use crate::link::{Ended, Link};
use crate::over::Why;
use crate::scripts::{Call, Script};

const CLOSE: &str = "close the session";
const END: &str = "end the session";

impl Link {
    /// Ends the own session, however long that takes, and also when nobody waits for it any more.
    pub(crate) async fn close(self: &Arc<Self>) -> Result<(), Error> {
        let Some(ttl) = self.ttl.filter(|_| self.over.why().is_none()) else {
            self.end(Why::Closed);
            return Ok(());
        };
        self.begin_closing();
        let (done, closed) = oneshot::channel();
        let link = Arc::clone(self);
        self.spawn("redis-close", async move {
            let ending = link.end_own();
            // Without renewals it ends by itself in the end; whoever needs to know has found out by then.
            let ended = within(&**link.runtime(), ttl * 2, ending).await.is_some();
            link.end(Why::Closed);
            // Nobody may wait for it any more.
            done.send(ended).ok();
        });
        let patience = self.give_up_at().saturating_since(self.now());
        match within(&**self.runtime(), patience, closed).await {
            Some(Ok(true)) => Ok(()),
            _ => Err(Error::new(ErrorKind::Unavailable, CLOSE).because(
                "the server does not answer; it is tried further, and otherwise the session ends by its ttl",
            )),
        }
    }

    async fn end_own(&self) {
        let mut backoff = Backoff::urgent();
        while let Err(failure) = self.end_once(&self.id).await {
            tracing::debug!(session = %self.id, %failure, "cannot end the session yet");
            backoff.wait(&**self.runtime()).await;
        }
    }

    /// Ends another session as a whole. Its id is never used again, so that ending it again does nothing.
    pub(crate) async fn end_other(&self, other: &SessionId) -> Result<(), Error> {
        self.require_ttl(END)?;
        let is_ours = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if other.as_str().len() != SESSION_BYTES || !other.as_str().bytes().all(is_ours) {
            return Err(Error::new(ErrorKind::InvalidInput, END)
                .on(other)
                .because("no session of this store has such an id"));
        }
        let give_up = self.give_up_at();
        let mut backoff = Backoff::urgent();
        loop {
            let failure = match self.end_once(other).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(Ended(why))) => return Err(why.error(END)),
                Err(failure) => failure,
            };
            self.over.check(END)?;
            if !failure.is_transient() || self.now() >= give_up {
                return Err(failure.into_error(END));
            }
            backoff.wait(&**self.runtime()).await;
        }
    }

    async fn end_once(&self, session: &SessionId) -> Result<Result<(), Ended>, Failure> {
        let call = Call::new(Script::End).of(self.session()).of(Some(session));
        let answer = self.call(&self.requests, &call).await?;
        Ok(if answer.status == Status::Lost { Err(self.end(Why::Lost)) } else { Ok(()) })
    }
}
