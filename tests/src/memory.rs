//! The harness of the in-memory backend.

use std::sync::Arc;
use std::time::Duration;

use ha_core::memory::MemoryBackend;
use ha_core::spi::{Backend, Name};

use crate::faults::Faults;
use crate::harness::{Harness, Missing, Store};

/// Judges the in-memory backend, on a store of its own for each case.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryHarness;

impl Harness for MemoryHarness {
    fn name(&self) -> &str {
        "memory"
    }

    fn store(&self) -> Result<Arc<dyn Store>, Missing> {
        Ok(Arc::new(MemoryStore(MemoryBackend::new())))
    }

    fn ttl(&self) -> Duration {
        Duration::from_millis(300)
    }
}

#[derive(Debug)]
struct MemoryStore(MemoryBackend);

impl Store for MemoryStore {
    fn connect(&self, _node: &Name) -> Arc<dyn Backend> {
        Arc::new(self.0.clone())
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        None
    }
}
