//! A backend that could choose what is taken, judged as one that cannot.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ha_core::Error;
use ha_core::spi::{Backend, Capabilities, Name, Session, SessionRequest};

use crate::faults::Faults;
use crate::harness::{Harness, Missing, Store};

/// The same harness, whose backends do not say that they take.
#[derive(Debug)]
pub(crate) struct Untaking(pub(crate) Arc<dyn Harness>);

impl Harness for Untaking {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn store(&self) -> Result<Arc<dyn Store>, Missing> {
        Ok(Arc::new(UntakingStore(self.0.store()?)))
    }

    fn ttl(&self) -> Duration {
        self.0.ttl()
    }

    fn margin(&self) -> Duration {
        self.0.margin()
    }

    fn bound(&self) -> Duration {
        self.0.bound()
    }
}

#[derive(Debug)]
struct UntakingStore(Arc<dyn Store>);

impl Store for UntakingStore {
    fn connect(&self, node: &Name) -> Arc<dyn Backend> {
        let backend = self.0.connect(node);
        let mut capabilities = backend.capabilities().clone();
        capabilities.takes = false;
        Arc::new(UntakingBackend { backend, capabilities })
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        self.0.faults()
    }
}

#[derive(Debug)]
struct UntakingBackend {
    backend: Arc<dyn Backend>,
    capabilities: Capabilities,
}

#[async_trait]
impl Backend for UntakingBackend {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        self.backend.open_session(request).await
    }
}
