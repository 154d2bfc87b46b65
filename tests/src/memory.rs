//! The harness of the in-memory backend.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ha_core::memory::{MemoryBackend, RequestFault};
use ha_core::spi::{Backend, Name};

use crate::faults::{CommitFault, Fault, FaultKind, Faults};
use crate::harness::{Harness, Missing, Store};

/// Judges the in-memory backend, on a store of its own for each case.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct MemoryHarness {}

impl MemoryHarness {
    /// The harness.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
}

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
        Some(Arc::new(MemoryFaults(self.0.faults())))
    }
}

/// How often a commit is pending, before its effect and again after it.
const YIELDS: u32 = 4;

/// How long it takes to find out what became of a request whose reply was lost.
const RESOLVED_AFTER: Duration = Duration::from_millis(5);

#[derive(Debug)]
struct MemoryFaults(ha_core::memory::Faults);

#[async_trait]
impl Faults for MemoryFaults {
    fn offers(&self, _kind: FaultKind) -> bool {
        true
    }

    async fn inject(&self, fault: Fault) {
        let faults = &self.0;
        match fault {
            Fault::Commits(node, each) => faults.script(node.as_str(), each.into_iter().map(request_fault)),
            Fault::Cut(node) => faults.cut(node.as_str()),
            Fault::CutReplies(node) => faults.cut_replies(node.as_str()),
            Fault::Heal(node) => {
                faults.heal(node.as_str());
                faults.slow(node.as_str(), Duration::ZERO, Duration::ZERO);
                faults.fail_renewals(node.as_str(), false);
            }
            Fault::Slow(node, delay) => faults.slow(node.as_str(), delay, delay),
            Fault::FailRenewals(node) => faults.fail_renewals(node.as_str(), true),
            Fault::YieldAlways(node) => faults.yield_always(node.as_str(), YIELDS, YIELDS),
            Fault::InterruptWatches(node) => faults.interrupt_watches(node.as_str()),
            Fault::Expire(session) => faults.expire_session(&session),
            Fault::Delete(namespace, key) => {
                assert!(faults.delete(namespace.as_str(), &key), "there is nothing at {key} to delete");
            }
            Fault::Record => faults.record(),
            Fault::Forget(hold) => faults.rewind(hold),
        }
    }
}

fn request_fault(fault: CommitFault) -> RequestFault {
    match fault {
        CommitFault::Pass => RequestFault::None,
        CommitFault::LoseRequest => RequestFault::LoseRequest,
        CommitFault::LoseReply => RequestFault::LoseReply { answer_after: RESOLVED_AFTER },
        CommitFault::Delay(delay) => RequestFault::DelayRequest(delay),
    }
}
