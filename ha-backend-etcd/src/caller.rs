//! One request to some member, with a timeout, and what its answer or its failure says about the member.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ha_core::runtime::{Backoff, Instant, Runtime, within};

use crate::client::{Connection, Failure, FailureKind, Found, Header, Read, TxnAnswer, TxnRequest};
use crate::continuity::{Continuity, Verdict};
use crate::pool::{Lane, Member, Pool};

/// For how long a request is tried whose caller waits, before it is said to be not done.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the requests of one session reach the cluster.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) pool: Pool,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) continuity: Arc<Continuity>,
    timeout: Duration,
    /// Answers in a row that do not continue the history.
    doubts: AtomicU32,
}

impl Caller {
    /// Each attempt of a request may take `timeout`.
    pub(crate) fn new(
        pool: Pool,
        runtime: Arc<dyn Runtime>,
        continuity: Arc<Continuity>,
        timeout: Duration,
    ) -> Self {
        Self { pool, runtime, continuity, timeout, doubts: AtomicU32::new(0) }
    }

    pub(crate) fn now(&self) -> Instant {
        self.runtime.now()
    }

    /// How long one attempt may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// When a request that begins now is given up.
    pub(crate) fn give_up_at(&self) -> Instant {
        self.now() + PATIENCE.max(self.timeout * 3)
    }

    /// One attempt at `member`. A timeout leaves unknown whether it was done, and the connection is not used again.
    pub(crate) async fn attempt<T, F>(
        &self,
        member: &Member,
        lane: Lane,
        limit: Duration,
        request: impl FnOnce(Arc<Connection>) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>> + Send,
    {
        let (number, connection) = member.connection(lane).await?;
        // The futures of the client are large.
        let answer = within(&*self.runtime, limit, Box::pin(request(connection))).await;
        let result = answer.unwrap_or_else(|| {
            // It may be half open: then it would swallow whatever comes next.
            member.leave(lane, number);
            let address = member.address();
            Err(Failure::new(FailureKind::Unknown, format_args!("no answer of {address} in {limit:?}")))
        });
        match &result {
            Err(failure) if failure.is_transient() => {
                tracing::debug!(member = member.address(), %failure, "request failed");
                self.pool.failed(member, self.now());
            }
            _ => self.pool.answered(member),
        }
        result
    }

    /// One attempt at a transaction. An answer that does not continue the history is none: it leaves unknown what was done.
    pub(crate) async fn txn(&self, request: TxnRequest) -> Result<TxnAnswer, Failure> {
        let floor = self.continuity.known();
        let answer = self.txn_unjudged(request).await?;
        self.judge(floor, answer.header)?;
        Ok(answer)
    }

    /// The same, whatever history the answer belongs to.
    pub(crate) async fn txn_unjudged(&self, request: TxnRequest) -> Result<TxnAnswer, Failure> {
        let member = self.pool.pick(self.now());
        self.attempt(&member, Lane::Requests, self.timeout, |connection| async move {
            connection.txn(request).await
        })
        .await
    }

    /// Reads, on one member after the other, until one answers or patience is over.
    pub(crate) async fn read(&self, read: Read) -> Result<(Header, Found), Failure> {
        let give_up = self.give_up_at();
        let mut backoff = Backoff::urgent();
        loop {
            let failure = match self.read_once(&read).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if !failure.is_transient() || self.now() >= give_up {
                return Err(failure);
            }
            backoff.wait(&*self.runtime).await;
        }
    }

    async fn read_once(&self, read: &Read) -> Result<(Header, Found), Failure> {
        let floor = self.continuity.known();
        let member = self.pool.pick(self.now());
        let read = read.clone();
        let answer = self
            .attempt(&member, Lane::Requests, self.timeout, |connection| async move {
                connection.read(read).await
            })
            .await?;
        self.judge(floor, answer.0)?;
        Ok(answer)
    }

    /// Reads what the preferred member has, without the others. `None` if it does not answer, or if that is older than `floor`: then the others have to be asked. Neither
    /// proves anything about the history.
    pub(crate) async fn read_alone(&self, read: Read, floor: Header) -> Option<(Header, Found)> {
        let member = self.pool.pick(self.now());
        let answer = self.attempt(&member, Lane::Requests, self.timeout, |connection| async move {
            connection.read(Read { alone: true, ..read }).await
        });
        let (header, found) = answer.await.ok()?;
        (header.cluster == floor.cluster && header.revision >= floor.revision).then_some((header, found))
    }

    /// Refuses an answer that is older than what was known when its request was sent, or of another cluster.
    pub(crate) fn judge(&self, floor: Header, answer: Header) -> Result<(), Failure> {
        if self.continuity.judge(floor, answer) == Verdict::Continued {
            self.doubts.store(0, Ordering::Relaxed);
            return Ok(());
        }
        self.doubts.fetch_add(1, Ordering::Relaxed);
        // It may be one member that is behind, or that was configured by mistake: the next one is asked.
        self.pool.failed(&self.pool.pick(self.now()), self.now());
        Err(Failure::new(
            FailureKind::Unknown,
            format_args!("the answer is of revision {}, after {}", answer.revision, floor.revision),
        ))
    }

    /// Whether it is the whole cluster that does not continue the history, and not one member.
    pub(crate) fn is_doubtful(&self) -> bool {
        let doubts = usize::try_from(self.doubts.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        doubts > self.pool.len()
    }
}
