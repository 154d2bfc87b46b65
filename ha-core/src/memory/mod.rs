//! The in-memory backend: the executable specification of the contract in [`spi`](crate::spi).
//!
//! It does exactly what the contract says, in the simplest way: one lock, ordered maps, and every commit done when its
//! future is first polled. What a case of the conformance suite asks of any backend can be read here.
//!
//! It serves one process: the tasks and threads that share a store exclude each other, nobody else. All of it is
//! forgotten when the process ends. So it is for tests, for examples and for services that run alone, and it is only
//! used when asked for by name.
//!
//! A store reads time through the runtimes of its sessions, which have to show the same clock.

#[cfg(feature = "test-util")]
mod disturb;
mod expiry;
#[cfg(feature = "test-util")]
mod faults;
mod link;
mod namespace;
#[cfg(feature = "test-util")]
mod route;
mod session;
#[cfg(feature = "test-util")]
mod stats;
mod store;
mod table;
mod txn;
#[cfg(feature = "test-util")]
mod undo;
mod watch;

#[cfg(test)]
mod expiry_test;
#[cfg(test)]
#[cfg(feature = "test-util")]
mod faults_test;
#[cfg(test)]
mod test_runtime;
#[cfg(test)]
mod txn_test;
#[cfg(test)]
#[cfg(feature = "test-util")]
mod undo_test;
#[cfg(test)]
mod watch_test;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use crate::error::{Error, ErrorKind};
#[cfg(feature = "test-util")]
pub use crate::memory::faults::{Faults, RequestFault};
use crate::memory::link::Link;
use crate::memory::session::MemorySession;
#[cfg(feature = "test-util")]
pub use crate::memory::stats::Stats;
use crate::memory::store::Store;
use crate::spi::{Backend, Capabilities, Name, Scope, Session, SessionRequest};
use crate::sync::lock;
use crate::token::Ttl;

/// A store in the memory of this process. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryBackend {
    store: Arc<Store>,
}

impl MemoryBackend {
    /// A store of its own, which is gone when the last clone and the last session on it are.
    #[must_use]
    pub fn new() -> Self {
        Self { store: Arc::default() }
    }

    /// The store `name` of this process: made when it is first asked for, and kept until the process ends.
    ///
    /// # Errors
    /// `InvalidInput` if `name` is not a [`Name`].
    pub fn named(name: &str) -> Result<Self, Error> {
        static STORES: Mutex<BTreeMap<Name, MemoryBackend>> = Mutex::new(BTreeMap::new());
        let name = Name::parse(name)?;
        Ok(lock(&STORES).entry(name).or_default().clone())
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    fn capabilities(&self) -> &Capabilities {
        capabilities()
    }

    async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        check_ttl(request.ttl)?;
        #[cfg(feature = "test-util")]
        let link = Arc::new(Link::open_through_faults(Arc::clone(&self.store), request).await?);
        #[cfg(not(feature = "test-util"))]
        let link = Arc::new(Link::open(Arc::clone(&self.store), request)?);
        let reaper = expiry::reap_while_alive(
            Arc::downgrade(link.store()),
            link.namespace(),
            link.id().clone(),
            Arc::clone(link.runtime()),
        );
        link.runtime().spawn("memory-reaper", Box::pin(reaper));
        Ok(Arc::new(MemorySession::new(link)))
    }
}

/// What every memory store can do.
fn capabilities() -> &'static Capabilities {
    static CAPABILITIES: LazyLock<Capabilities> = LazyLock::new(|| {
        let mut capabilities = Capabilities::new("memory", Scope::Threads);
        capabilities.ttl_min = Ttl::MIN;
        capabilities.ttl_max = Ttl::MAX;
        capabilities.expiry_slack = Duration::from_millis(50);
        capabilities.operations_max = 1_000;
        capabilities.commits_inline = true;
        capabilities.takes = true;
        capabilities
    });
    &CAPABILITIES
}

fn check_ttl(ttl: Option<Duration>) -> Result<(), Error> {
    let Capabilities { ttl_min, ttl_max, .. } = capabilities();
    match ttl {
        Some(ttl) if ttl < *ttl_min || ttl > *ttl_max => {
            Err(Error::new(ErrorKind::InvalidInput, "open session")
                .on(format_args!("with a ttl of {ttl:?}"))
                .because(format_args!("the memory backend takes a ttl of {ttl_min:?} to {ttl_max:?}")))
        }
        _ => Ok(()),
    }
}
