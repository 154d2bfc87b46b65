//! Opening a session: one of the server's, and a marker that lives as long.

use std::sync::Arc;
use std::time::Duration;

use ha_core::runtime::{Backoff, Instant, Runtime, within};
use ha_core::spi::{SessionId, SessionRequest};
use ha_core::{Error, ErrorKind};

use crate::client::{Connection, Failure, FailureKind, Life, Settings, Stat};
use crate::config::ZkConfig;
use crate::continuity::Continuity;
use crate::history;
use crate::keys::Layout;
use crate::link::{Link, Parts};
use crate::pulse::Pulse;
use crate::record;
use crate::stamp::session_text;
use crate::together::together;

const OPERATION: &str = "open a session";

/// How long opening is tried.
const PATIENCE: Duration = Duration::from_secs(5);

/// For how long the servers remember an observer that they hear nothing of. It owns nothing, and to be forgotten costs it a new session.
const OBSERVER_TTL: Duration = Duration::from_secs(30);

/// Opens a session, or an observer.
pub(crate) async fn open(
    config: &ZkConfig,
    continuity: &Arc<Continuity>,
    request: SessionRequest,
) -> Result<Arc<Link>, Error> {
    let settings = Arc::new(config.settings()?);
    let give_up = request.runtime.now() + PATIENCE;
    let mut backoff = Backoff::urgent();
    loop {
        // Each attempt has a session of its own: what became of an earlier one can never be mistaken for this one.
        let failure = match attempt(config, &settings, continuity, &request, give_up).await? {
            Ok(link) => return Ok(link),
            Err(failure) => failure,
        };
        if !is_worth_another(&failure) || request.runtime.now() >= give_up {
            return Err(failure.into_error(OPERATION));
        }
        backoff.wait(&*request.runtime).await;
    }
}

fn is_worth_another(failure: &Failure) -> bool {
    // A session that is over before it began, or a node that somebody removed at that moment.
    failure.is_transient() || matches!(failure.kind, FailureKind::Ended | FailureKind::NoNode)
}

/// One attempt. What it leaves when it fails, or is dropped, owns nothing but its marker, and is closed.
async fn attempt(
    config: &ZkConfig,
    settings: &Arc<Settings>,
    continuity: &Arc<Continuity>,
    request: &SessionRequest,
    give_up: Instant,
) -> Result<Result<Arc<Link>, Failure>, Error> {
    let runtime = &request.runtime;
    let sent = runtime.now();
    let layout = Layout::new(&config.chroot, &request.namespace);
    let history = layout.history(&request.node);
    let floor = continuity.beat(&history);
    let wanted = in_millis(request.ttl.unwrap_or(OBSERVER_TTL));
    let limit = give_up.saturating_since(sent);
    let opened = within(&**runtime, limit, Box::pin(Connection::open(settings, wanted, None))).await;
    let connection = match opened {
        Some(Ok(connection)) => connection,
        Some(Err(failure)) => return Ok(Err(failure)),
        None => return Ok(Err(Failure::new(FailureKind::NotSent, "no server lets us begin a session"))),
    };
    let granted = connection.granted();
    if request.ttl.is_some_and(|ttl| granted < ttl) {
        return Err(Error::new(ErrorKind::Unsupported, OPERATION).because(format_args!(
            "a ttl of {wanted:?} was asked for and only {granted:?} granted; raise maxSessionTimeout of the servers"
        )));
    }
    let id = SessionId::parse(&session_text(connection.session()))?;
    let label = record::encode(&request.node, granted);
    let marker = layout.marker(id.as_str());
    let prepared = async {
        let proof = match request.ttl {
            Some(_) => Some(begin(&**runtime, &connection, &layout, (&marker, &label), &history).await?),
            None => None,
        };
        Ok((proof, connection.watch_tree(&marker).await?))
    };
    let (proof, watcher) = match within(&**runtime, limit, Box::pin(prepared)).await {
        Some(Ok(prepared)) => prepared,
        Some(Err(failure)) => return Ok(Err(failure)),
        None => return Ok(Err(Failure::new(FailureKind::Unknown, "no server answers"))),
    };
    let (proven, generation) = match proof {
        Some((proven, left)) => (proven, continuity.judge(&history, floor, left, runtime.now())),
        None => (sent, continuity.generation()),
    };
    let link = Arc::new(Link::new(Parts {
        runtime: Arc::clone(runtime),
        settings: Arc::clone(settings),
        layout,
        id,
        ttl: request.ttl.map(|_| granted),
        history,
        label,
        continuity: Arc::clone(continuity),
        generation,
        deadline: proven + granted,
        connection,
    }));
    link.pulse.send_replace(Pulse { is_connected: true, epoch: 1 });
    link.spawn("zk-pulse", Arc::clone(&link).follow_pulse(watcher));
    if request.ttl.is_some() {
        continuity.expect_ttl(granted);
        link.spawn("zk-deadline", Arc::clone(&link).watch_deadline());
    }
    Ok(Ok(link))
}

/// The server counts in milliseconds.
fn in_millis(ttl: Duration) -> Duration {
    let millis = u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    Duration::from_millis(millis)
}

/// Creates the marker and proves that it is there: from when on that holds, and what the proof left. The servers count the ttl from the latest request that they had; on a slow
/// way the session would be given up here before it is used, if it counted from the first one.
async fn begin(
    runtime: &dyn Runtime,
    connection: &Connection,
    layout: &Layout,
    (marker, label): (&str, &[u8]),
    history: &str,
) -> Result<(Instant, Stat), Failure> {
    make_marker(connection, layout, marker, label).await?;
    let proven = runtime.now();
    match history::write(connection, marker, history).await? {
        Some(left) => Ok((proven, left)),
        None => Err(Failure::new(FailureKind::Ended, "the session was ended before it began")),
    }
}

/// Creates the marker, and what it stands in where that is missing.
async fn make_marker(
    connection: &Connection,
    layout: &Layout,
    marker: &str,
    label: &[u8],
) -> Result<(), Failure> {
    match connection.create(marker, label, Life::Ephemeral).await {
        Ok(_) => return Ok(()),
        Err(failure) if failure.kind == FailureKind::NoNode => {}
        Err(failure) => return Err(failure),
    }
    let skeleton = layout.skeleton();
    let nodes = together(skeleton.iter().map(|path| connection.create(path, b"", Life::Persistent)));
    let marker = connection.create(marker, label, Life::Ephemeral);
    // In one flight, in this order.
    let (nodes, marker) = tokio::join!(biased; Box::pin(nodes), Box::pin(marker));
    let refused =
        nodes.into_iter().filter_map(Result::err).find(|failure| failure.kind != FailureKind::Exists);
    match (marker, refused) {
        (Ok(_), _) => Ok(()),
        (Err(_), Some(refused)) => Err(refused),
        (Err(failure), None) => Err(failure),
    }
}
