//! Opening a session: a lease with an id of its own, and a record that lives as long.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ha_core::runtime::Backoff;
use ha_core::spi::{SessionId, SessionRequest};
use ha_core::{Error, ErrorKind};

use crate::caller::Caller;
use crate::client::{Compare, Endpoint, Failure, FailureKind, Is, Lease, Read, Step, TxnRequest};
use crate::config::EtcdConfig;
use crate::continuity::Continuity;
use crate::keys::Layout;
use crate::link::{Grant, Link};
use crate::over::Why;
use crate::page::session_text;
use crate::plan::STEPS_MAX;
use crate::pool::{Lane, Pool};
use crate::record;
use crate::version::Version;

const OPERATION: &str = "open a session";

/// Opens a session, or an observer.
pub(crate) async fn open(
    config: &EtcdConfig,
    continuity: &Arc<Continuity>,
    request: SessionRequest,
) -> Result<Arc<Link>, Error> {
    let layout = Layout::new(&config.prefix, &request.namespace);
    let Some(ttl) = request.ttl else {
        let caller = caller(config, continuity, &request)?;
        let link = link(caller, layout, id(&request), None, Vec::new())?;
        greet(&link.caller, &link.record).await?;
        return Ok(link);
    };
    let give_up = caller(config, continuity, &request)?.give_up_at();
    let mut backoff = Backoff::urgent();
    loop {
        // Each attempt has an id of its own: what became of an earlier one can never be mistaken for this one.
        let caller = caller(config, continuity, &request)?;
        let failure = match attempt(caller, &layout, &request, ttl).await? {
            Ok(link) => return Ok(link),
            Err(failure) => failure,
        };
        let taken = failure.kind == FailureKind::LeaseExists;
        if !(failure.is_transient() || taken) || request.runtime.now() >= give_up {
            return Err(failure.into_error(OPERATION));
        }
        backoff.wait(&*request.runtime).await;
    }
}

fn caller(
    config: &EtcdConfig,
    continuity: &Arc<Continuity>,
    request: &SessionRequest,
) -> Result<Caller, Error> {
    let tls = config.tls.as_ref().map(crate::tls::EtcdTls::load).transpose()?;
    let endpoint = |address: &String| Endpoint {
        address: address.clone(),
        tls: tls.clone(),
        credentials: config.credentials.clone(),
    };
    let endpoints = config.endpoints.iter().map(endpoint).collect();
    let runtime = Arc::clone(&request.runtime);
    let pool = Pool::new(endpoints, runtime.random());
    Ok(Caller::new(pool, runtime, Arc::clone(continuity), config.timeout))
}

/// A positive number that was hardly ever used before. The server refuses it if a lease has it now.
fn id(request: &SessionRequest) -> i64 {
    i64::try_from(request.runtime.random() >> 1).unwrap_or(1).max(1)
}

fn link(
    caller: Caller,
    layout: Layout,
    id: i64,
    grant: Option<Grant>,
    label: Vec<u8>,
) -> Result<Arc<Link>, Error> {
    let id = SessionId::parse(&session_text(id))?;
    Ok(Arc::new(Link::new(caller, layout, id, grant, label)))
}

/// One attempt, with an id of its own. What it leaves when it fails owns nothing, and is revoked in the background.
async fn attempt(
    caller: Caller,
    layout: &Layout,
    request: &SessionRequest,
    ttl: Duration,
) -> Result<Result<Arc<Link>, Failure>, Error> {
    let lease = id(request);
    let label = record::encode(&request.node, ttl);
    let wanted = Grant { lease, ttl };
    let member = caller.pool.pick(caller.now());
    let seconds = i64::try_from(ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0)).unwrap_or(i64::MAX);
    let granting = caller.attempt(&member, Lane::Requests, caller.timeout(), |connection| async move {
        connection.grant(lease, seconds).await
    });
    // In one flight: the lease is being used up while we get to know the server.
    let record = layout.session(&session_text(lease));
    let granted = tokio::try_join!(
        biased;
        Box::pin(async { granting.await.map_err(Ok) }),
        Box::pin(async { greet(&caller, &record).await.map_err(Err) }),
    );
    let granted = match granted {
        Ok(((_, granted), ())) => granted,
        Err(Ok(failure)) if failure.is_not_applied() => return Ok(Err(failure)),
        Err(failure) => {
            abandon(link(caller, layout.clone(), lease, Some(wanted), label)?);
            return failure.map(Err);
        }
    };
    let grant = Grant { lease, ttl: Duration::from_secs(granted) };
    let link = link(caller, layout.clone(), lease, Some(grant), label)?;
    let unfinished = Unfinished(Some(Arc::clone(&link)));
    if grant.ttl < ttl {
        return Err(Error::new(ErrorKind::Unsupported, OPERATION)
            .because(format_args!("a ttl of {ttl:?} was asked for and only {:?} granted", grant.ttl)));
    }
    if let Err(failure) = write_record(&link, lease).await {
        return Ok(Err(failure));
    }
    link.caller.continuity.expect_ttl(grant.ttl);
    unfinished.finished();
    Ok(Ok(link))
}

async fn write_record(link: &Link, lease: i64) -> Result<(), Failure> {
    let absent = Compare { key: link.record.clone(), is: Is::CreatedAt(0) };
    let put = Step::Put { key: link.record.clone(), value: link.label.clone(), lease: Lease::Of(lease) };
    let request = TxnRequest { when: vec![absent], then: vec![put], otherwise: Vec::new() };
    let answer = link.caller.txn(request).await?;
    if !answer.succeeded {
        return Err(Failure::new(FailureKind::LeaseExists, "there is a record of a session with this id"));
    }
    link.fence.store(answer.header.revision, Ordering::Release);
    Ok(())
}

/// Whether the server is one that this backend can work with. Learns what it knows of the history, too.
async fn greet(caller: &Caller, record: &[u8]) -> Result<(), Error> {
    let (taken, is_known) =
        tokio::join!(biased; Box::pin(check_limit(caller, record)), Box::pin(check_version(caller)));
    taken.and(is_known)
}

/// Refuses servers that take shorter transactions than will be sent.
async fn check_limit(caller: &Caller, record: &[u8]) -> Result<(), Error> {
    let absent = Compare { key: record.to_vec(), is: Is::CreatedAt(0) };
    let read = Step::Read(Read::revisions(record.to_vec()));
    // As long a transaction as any: a server that was configured to take less refuses it now.
    let request = TxnRequest { when: vec![absent; STEPS_MAX], then: vec![read], otherwise: Vec::new() };
    let give_up = caller.give_up_at();
    let mut backoff = Backoff::urgent();
    loop {
        match caller.txn(request.clone()).await {
            Ok(_) => return Ok(()),
            Err(failure) if failure.kind == FailureKind::TooLarge => {
                return Err(Error::new(ErrorKind::Unsupported, OPERATION).because(format_args!(
                    "{failure}; start the servers with --max-txn-ops={STEPS_MAX} or more"
                )));
            }
            Err(failure) if !failure.is_transient() || caller.now() >= give_up => {
                return Err(failure.into_error(OPERATION));
            }
            Err(_) => backoff.wait(&*caller.runtime).await,
        }
    }
}

/// Refuses servers that are too old. One that does not tell its version is taken: the rest of it works.
async fn check_version(caller: &Caller) -> Result<(), Error> {
    let member = caller.pool.pick(caller.now());
    let told =
        caller
            .attempt(&member, Lane::Requests, caller.timeout(), |connection| async move {
                connection.version().await
            })
            .await;
    match told {
        Ok(text) => Version::parse(&text).map_or(Ok(()), |version| version.check(member.address())),
        Err(failure) => {
            tracing::debug!(member = member.address(), %failure, "the server does not tell its version");
            Ok(())
        }
    }
}

/// Revokes, in the background, what an attempt may have left.
fn abandon(link: Arc<Link>) {
    let runtime = Arc::clone(link.runtime());
    runtime.spawn("etcd-abandon", Box::pin(async move { link.revoke_own().await }));
}

/// An attempt that is not finished: dropped like that, its lease is revoked.
struct Unfinished(Option<Arc<Link>>);

impl Unfinished {
    fn finished(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(link) = self.0.take() {
            link.over.set(Why::Closed);
            abandon(link);
        }
    }
}
