//! The backend of the contract.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ha_core::spi::{Backend, Capabilities, Name, Scope, Session, SessionRequest};
use ha_core::{Error, ErrorKind};

use crate::config::RedisConfig;
use crate::history::History;
use crate::open;
use crate::session::RedisSession;
use crate::sync::lock;

/// For how long a forgotten holder may believe in its grant, as far as an observer knows that has no ttl of its own.
const HOLD_OF_OBSERVERS: Duration = Duration::from_secs(10);

/// A Redis or Valkey server as a store.
///
/// All sessions of one value share what is known of the history of the store, so a process makes one value for a server.
#[derive(Clone)]
pub struct RedisBackend {
    config: Arc<RedisConfig>,
    histories: Arc<Mutex<BTreeMap<Name, Arc<History>>>>,
}

impl RedisBackend {
    /// The server that `config` names. Connects to nothing.
    #[must_use]
    pub fn new(config: RedisConfig) -> Self {
        Self { config: Arc::new(config), histories: Arc::default() }
    }

    fn history(&self, namespace: &Name) -> Arc<History> {
        Arc::clone(lock(&self.histories).entry(namespace.clone()).or_default())
    }
}

impl fmt::Debug for RedisBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisBackend").field(&self.config).finish()
    }
}

#[async_trait]
impl Backend for RedisBackend {
    fn capabilities(&self) -> &Capabilities {
        capabilities()
    }

    async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        check_ttl(request.ttl)?;
        let history = self.history(&request.namespace);
        history.expect_ttl(self.config.hold.max(request.ttl.unwrap_or(HOLD_OF_OBSERVERS)));
        let link = open::open(&self.config, history, request).await?;
        Ok(Arc::new(RedisSession::new(link)))
    }
}

/// What a server can do.
pub(crate) fn capabilities() -> &'static Capabilities {
    static CAPABILITIES: LazyLock<Capabilities> = LazyLock::new(|| {
        let mut capabilities = Capabilities::new("redis", Scope::Hosts);
        // The clock of the server counts microseconds.
        capabilities.ttl_step = Duration::from_micros(1);
        // A server that was replaced, and does not know it yet, answers what it knows.
        capabilities.linearizable_reads = false;
        capabilities.survives_failover = false;
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
                .because(format_args!("redis takes a ttl of {ttl_min:?} to {ttl_max:?}")))
        }
        _ => Ok(()),
    }
}
