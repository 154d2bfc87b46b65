//! Renewals: proof of life to the leader of the cluster, whatever one member does.

use std::sync::Arc;
use std::time::Duration;

use ha_core::Error;
use ha_core::runtime::within;
use ha_core::spi::Renewal;
use tokio::sync::mpsc;

use crate::client::{Connection, Failure, FailureKind, Read};
use crate::link::{Grant, Link};
use crate::over::Why;
use crate::pool::{Lane, Member};

const OPERATION: &str = "renew the session";

/// After how long another member is asked as well. A renewal can hang for seven seconds behind a leader that is frozen.
fn patience(ttl: Duration) -> Duration {
    (ttl / 6).min(Duration::from_secs(1))
}

impl Link {
    /// Renews the lease once, through as many members as it takes: the next one is asked when one has not answered in time, and
    /// whichever answers first counts. All of it is sent after the call, so that any answer proves life from the call on.
    pub(crate) async fn renew(self: &Arc<Self>) -> Result<Renewal, Error> {
        self.check(OPERATION)?;
        let grant = self.require_lease(OPERATION)?;
        let (answers, mut answered) = mpsc::unbounded_channel();
        let (mut asked, mut open) = (0, 0);
        let mut busy: Option<Asked> = None;
        loop {
            if asked <= self.caller.pool.len() {
                let next = self.ask(grant, busy.take(), answers.clone()).await;
                busy = Some(next.map_err(|failure| failure.into_error(OPERATION))?);
                asked += 1;
                open += 1;
            }
            let wait = if asked <= self.caller.pool.len() { patience(grant.ttl) } else { grant.ttl };
            let late = self.runtime().sleep_until(self.caller.now() + wait);
            let answer = tokio::select! {
                biased;
                answer = answered.recv() => answer,
                () = late => None,
            };
            let failure = match answer {
                Some(Ok(())) => {
                    self.check(OPERATION)?;
                    return Ok(Renewal::new(self.lineage()));
                }
                Some(Err(failure)) => {
                    open -= 1;
                    failure
                }
                None => Failure::new(FailureKind::Unknown, format_args!("no answer in {wait:?}")),
            };
            if failure.kind == FailureKind::LeaseNotFound {
                return Err(self.end(Why::Lost).0.error(OPERATION));
            }
            if self.caller.is_doubtful() {
                self.suspect_history().await;
            }
            self.check(OPERATION)?;
            let is_last = asked > self.caller.pool.len() && (open == 0 || wait == grant.ttl);
            if !failure.is_transient() || is_last {
                return Err(failure.into_error(OPERATION));
            }
            tracing::debug!(session = %self.id, %failure, "another member is asked to renew");
        }
    }

    /// Asks the member whose turn it is; another one than `busy`, which has not answered and whose connection may be dead.
    async fn ask(
        self: &Arc<Self>,
        grant: Grant,
        busy: Option<Asked>,
        answers: mpsc::UnboundedSender<Result<(), Failure>>,
    ) -> Result<Asked, Failure> {
        let pool = &self.caller.pool;
        let member = match &busy {
            None => pool.pick(self.caller.now()),
            Some(busy) => {
                busy.member.leave(Lane::Renewals, busy.number);
                pool.failed(&busy.member, self.caller.now());
                pool.pick_beside(&busy.member, self.caller.now())
            }
        };
        let (number, connection) = member.connection(Lane::Renewals).await?;
        let (link, asked) = (Arc::clone(self), Arc::clone(&member));
        self.spawn("etcd-renew", async move {
            let answer =
                within(&**link.runtime(), grant.ttl, Box::pin(link.renew_at(connection, grant))).await;
            let late = || Err(Failure::new(FailureKind::Unknown, "no answer within the ttl"));
            let answer = answer.unwrap_or_else(late);
            if answer.is_ok() {
                link.caller.pool.answered(&asked);
            }
            // The renewal may have been answered by another member meanwhile.
            answers.send(answer).ok();
        });
        Ok(Asked { member, number })
    }

    /// Renews, and looks whether the record is still there: a server can answer for a lease that it has just revoked.
    async fn renew_at(&self, connection: Arc<Connection>, grant: Grant) -> Result<(), Failure> {
        connection.keep_alive(grant.lease).await?;
        let floor = self.caller.continuity.known();
        let (header, found) = connection.read(Read::revisions(self.record.clone())).await?;
        self.caller.judge(floor, header)?;
        if found.kvs.is_empty() {
            return Err(Failure::new(FailureKind::LeaseNotFound, "the record of the session is gone"));
        }
        Ok(())
    }
}

/// A member that was asked, on its connection with this number.
struct Asked {
    member: Arc<Member>,
    number: u64,
}
