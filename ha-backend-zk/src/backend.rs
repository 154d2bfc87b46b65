//! The backend of the contract.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use ha_core::spi::{Backend, Capabilities, Scope, Session, SessionRequest};
use ha_core::{Error, ErrorKind};

use crate::config::ZkConfig;
use crate::continuity::Continuity;
use crate::open;
use crate::session::ZkSession;

/// A ZooKeeper ensemble as a store.
///
/// All sessions of one value share what is known of the history of the store, so a process makes one value for an ensemble.
#[derive(Clone)]
pub struct ZkBackend {
    config: Arc<ZkConfig>,
    continuity: Arc<Continuity>,
}

impl ZkBackend {
    /// The ensemble that `config` names. Connects to nothing.
    #[must_use]
    pub fn new(config: ZkConfig) -> Self {
        let continuity = Continuity::default();
        continuity.expect_ttl(config.recovery_hold.unwrap_or_default());
        Self { config: Arc::new(config), continuity: Arc::new(continuity) }
    }
}

impl fmt::Debug for ZkBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ZkBackend").field(&self.config).finish()
    }
}

#[async_trait]
impl Backend for ZkBackend {
    fn capabilities(&self) -> &Capabilities {
        capabilities(self.config.tls.is_some())
    }

    async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        check_ttl(request.ttl)?;
        let link = open::open(&self.config, &self.continuity, request).await?;
        Ok(Arc::new(ZkSession::new(link)))
    }
}

/// What every supported ZooKeeper can do, with the default limits of a server.
pub(crate) fn capabilities(tls: bool) -> &'static Capabilities {
    fn new(tls: bool) -> Capabilities {
        let mut capabilities = Capabilities::new("zk", Scope::Hosts);
        capabilities.ttl_step = Duration::from_millis(1);
        // A server counts from when it heard of us last, which can be a while before a renewal was sent: heartbeats are collected, and passed on to the leader
        // every half tick.
        capabilities.validity_per_mille = 500;
        // Sessions end in steps of one tick, by default of two seconds.
        capabilities.expiry_slack = Duration::from_secs(2);
        // What a restored backup still knows of a session is not trusted.
        capabilities.sessions_outlive_discontinuity = false;
        capabilities.ends_sessions = !tls;
        capabilities
    }
    static PLAIN: LazyLock<Capabilities> = LazyLock::new(|| new(false));
    static TLS: LazyLock<Capabilities> = LazyLock::new(|| new(true));
    if tls { &TLS } else { &PLAIN }
}

fn check_ttl(ttl: Option<Duration>) -> Result<(), Error> {
    let Capabilities { ttl_min, ttl_max, .. } = capabilities(false);
    match ttl {
        Some(ttl) if ttl < *ttl_min || ttl > *ttl_max => {
            Err(Error::new(ErrorKind::InvalidInput, "open a session")
                .on(format_args!("with a ttl of {ttl:?}"))
                .because(format_args!("ZooKeeper takes a ttl of {ttl_min:?} to {ttl_max:?}")))
        }
        _ => Ok(()),
    }
}
