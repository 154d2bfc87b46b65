//! Renewals: proof of life to the server, on a connection of their own.

use ha_core::Error;
use ha_core::spi::Renewal;

use crate::answer::Status;
use crate::clock::micros;
use crate::link::{Ended, Link};
use crate::over::Why;
use crate::scripts::{Call, Script};

const OPERATION: &str = "renew the session";

/// A connection that has just broken says nothing about the server: it is tried once more on a new one.
const ATTEMPTS: usize = 2;

impl Link {
    /// Renews once. All of it is sent after the call, so that the answer proves life from the call on.
    ///
    /// A copy that arrives late puts the end of the session off, by a ttl at most, and proves nothing to anybody.
    pub(crate) async fn renew(&self) -> Result<Renewal, Error> {
        let ttl = self.require_ttl(OPERATION)?;
        let call = Call::new(Script::Renew).of(self.session()).with(micros(ttl).to_string());
        let limit = self.server.config.timeout.min(ttl / 4);
        let mut attempt = 1;
        loop {
            let answered = match self.renewals.live(&self.server).await {
                Ok(live) => self.call_on(&live, &call, limit).await,
                Err(failure) => Err(failure),
            };
            self.over.check(OPERATION)?;
            match answered {
                Ok(answer) if answer.status == Status::Done => return Ok(Renewal::new(self.lineage())),
                Ok(_) => {
                    let Ended(why) = self.end(Why::Lost);
                    return Err(why.error(OPERATION));
                }
                Err(failure) if failure.is_transient() && attempt < ATTEMPTS => attempt += 1,
                Err(failure) => return Err(failure.into_error(OPERATION)),
            }
        }
    }
}
