//! The backend of the contract.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use ha_core::spi::{Backend, Capabilities, Scope, Session, SessionId, SessionRequest};
use ha_core::{Error, ErrorKind, Ttl};

use crate::config::LocalConfig;
use crate::keys::Number;
use crate::life::Life;
use crate::session::{Lease, LocalSession};
use crate::site::Site;
use crate::step::Step;

const OPEN: &str = "open a session";

/// A file as a store for the processes of one machine.
///
/// All values of one process that name the same file share one connection to it for writing and one for reading.
#[derive(Clone, Debug)]
pub struct LocalBackend {
    config: LocalConfig,
}

impl LocalBackend {
    /// The store that `config` names. Opens nothing.
    #[must_use]
    pub fn new(config: LocalConfig) -> Self {
        Self { config }
    }

    /// The process that is in the middle of a transaction of this store just now, if another one is: for as long as it is *stopped* there, nobody
    /// can commit. Zero is a process of another pid namespace.
    ///
    /// # Errors
    /// `Denied`, `InvalidInput`, `Unavailable`: the store cannot be opened; nothing is known about it.
    pub fn writer(&self) -> Result<Option<u32>, Error> {
        let site = Site::get(&self.config)?;
        Ok(site.shared.gate.occupant().map(|process| u32::try_from(process).unwrap_or(0)))
    }
}

#[async_trait]
impl Backend for LocalBackend {
    fn capabilities(&self) -> &Capabilities {
        capabilities()
    }

    async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        check_ttl(request.ttl)?;
        let site = Site::get(&self.config)?;
        let session = match request.ttl {
            Some(ttl) => open_session(site, request, ttl).await?,
            None => open_observer(site, request).await?,
        };
        Ok(Arc::new(session))
    }
}

/// Opens a session: the deadline counts from now, before anything is waited for.
async fn open_session(
    site: Arc<Site>,
    request: SessionRequest,
    ttl: Duration,
) -> Result<LocalSession, Error> {
    let shared = Arc::clone(&site.shared);
    let deadline = shared.clock.now() + ttl;
    let nanos = i64::try_from(ttl.as_nanos()).unwrap_or(i64::MAX);
    let (node, for_step) = (request.node.clone(), Arc::clone(&shared));
    let opening = move |step: &mut Step<'_>| {
        let number = step.next_number();
        // Its file comes first: without one it would not be seen to live.
        let life = Life::create(&for_step.folder, for_step.boot, number, deadline).map_err(|error| {
            Error::new(ErrorKind::Unavailable, OPEN).on(for_step.folder.display()).because(format_args!(
                "{error}; this user must be able to create files there, and the disk must have room"
            ))
        })?;
        step.open_session(&node, nanos, &for_step.process_text)?;
        Ok((number, Arc::new(life)))
    };
    let for_unwanted = Arc::clone(&shared);
    let unwanted = move |(number, _life): (Number, Arc<Life>)| {
        drop(for_unwanted.queue.submit(
            "close a session that nobody waited for",
            move |step| step.end_session(number),
            None,
        ));
    };
    let answer = shared.queue.submit(OPEN, opening, Some(Arc::new(unwanted)))?;
    let (number, life) =
        answer.within(&*request.runtime, shared.config.timeout, || shared.explain_waiting(OPEN)).await?;
    let (holder, over) = shared.add_holder(Some(number));
    let lease = Some(Lease { number, ttl, life });
    let SessionRequest { namespace, runtime, .. } = request;
    Ok(LocalSession { site, id: number.id()?, namespace, runtime, holder, over, lease })
}

/// Opens an observer: of its existence nobody else learns.
async fn open_observer(site: Arc<Site>, request: SessionRequest) -> Result<LocalSession, Error> {
    let shared = Arc::clone(&site.shared);
    // Also finds out whether the store can be used.
    let answer = shared.queue.submit(OPEN, |_| Ok(()), None)?;
    answer.within(&*request.runtime, shared.config.timeout, || shared.explain_waiting(OPEN)).await?;
    let (holder, over) = shared.add_holder(None);
    let random = (request.runtime.random(), request.runtime.random());
    let id = SessionId::parse(&format!("o{:016x}{:016x}", random.0, random.1))?;
    let SessionRequest { namespace, runtime, .. } = request;
    Ok(LocalSession { site, id, namespace, runtime, holder, over, lease: None })
}

/// What every local store can do.
pub(crate) fn capabilities() -> &'static Capabilities {
    static CAPABILITIES: LazyLock<Capabilities> = LazyLock::new(|| {
        let mut capabilities = Capabilities::new("local", Scope::Processes);
        capabilities.commits_inline = true;
        capabilities.ttl_min = Ttl::MIN;
        capabilities.ttl_max = Ttl::MAX;
        capabilities.expiry_slack = Duration::from_millis(250);
        capabilities.operations_max = 1_000;
        capabilities
    });
    &CAPABILITIES
}

fn check_ttl(ttl: Option<Duration>) -> Result<(), Error> {
    let Capabilities { ttl_min, ttl_max, .. } = capabilities();
    match ttl {
        Some(ttl) if ttl < *ttl_min || ttl > *ttl_max => Err(Error::new(ErrorKind::InvalidInput, OPEN)
            .on(format_args!("with a ttl of {ttl:?}"))
            .because(format_args!("a local store takes a ttl of {ttl_min:?} to {ttl_max:?}"))),
        _ => Ok(()),
    }
}
