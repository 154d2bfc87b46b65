//! The backend of the contract.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use ha_core::spi::{Backend, Capabilities, Scope, Session, SessionRequest};
use ha_core::{Error, ErrorKind};

use crate::config::EtcdConfig;
use crate::continuity::Continuity;
use crate::open;
use crate::session::EtcdSession;

/// An etcd cluster as a store.
///
/// All sessions of one value share what is known of the history of the store, so a process makes one value for a cluster.
#[derive(Clone)]
pub struct EtcdBackend {
    config: Arc<EtcdConfig>,
    continuity: Arc<Continuity>,
}

impl EtcdBackend {
    /// The cluster that `config` names. Connects to nothing.
    #[must_use]
    pub fn new(config: EtcdConfig) -> Self {
        let continuity = Continuity::default();
        continuity.expect_ttl(config.recovery_hold.unwrap_or_default());
        Self { config: Arc::new(config), continuity: Arc::new(continuity) }
    }
}

impl fmt::Debug for EtcdBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EtcdBackend").field(&self.config).finish()
    }
}

#[async_trait]
impl Backend for EtcdBackend {
    fn capabilities(&self) -> &Capabilities {
        capabilities()
    }

    async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        check_ttl(request.ttl)?;
        let link = open::open(&self.config, &self.continuity, request).await?;
        Ok(Arc::new(EtcdSession::new(link)))
    }
}

/// What every supported etcd can do, with the default limits of a server.
pub(crate) fn capabilities() -> &'static Capabilities {
    static CAPABILITIES: LazyLock<Capabilities> = LazyLock::new(|| {
        let mut capabilities = Capabilities::new("etcd", Scope::Hosts);
        capabilities.ttl_step = Duration::from_secs(1);
        // ADR 9: what a restored backup still knows of a session is not trusted.
        capabilities.sessions_outlive_discontinuity = false;
        // A read walks over all names of its range that the history still has: those of a busy lock are hundreds of thousands before the next compaction.
        capabilities.remembers_names = true;
        // The server takes 128 conditions. Each operation has one, each guard is one, and the session is one more.
        capabilities.operations_max = 60;
        capabilities
    });
    &CAPABILITIES
}

fn check_ttl(ttl: Option<Duration>) -> Result<(), Error> {
    let Capabilities { ttl_min, ttl_max, .. } = capabilities();
    match ttl {
        Some(ttl) if ttl < *ttl_min || ttl > *ttl_max => {
            Err(Error::new(ErrorKind::InvalidInput, "open a session")
                .on(format_args!("with a ttl of {ttl:?}"))
                .because(format_args!("etcd takes a ttl of {ttl_min:?} to {ttl_max:?}")))
        }
        _ => Ok(()),
    }
}
