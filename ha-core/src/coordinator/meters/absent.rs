//! Nothing is counted.

use std::sync::Arc;
use std::time::Duration;

use crate::coordinator::{Event, Grant, LossReason};
use crate::names::Name;
use crate::runtime::Runtime;
use crate::spi::Session;

/// The meters of a build without metrics.
#[derive(Debug)]
pub(crate) struct Meters;

impl Meters {
    pub(crate) fn new(_namespace: &Name, _node: &Name) -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "the same calls as with metrics")]
    pub(crate) fn wrap(&self, session: Arc<dyn Session>, _runtime: &Arc<dyn Runtime>) -> Arc<dyn Session> {
        session
    }

    pub(crate) fn event(&self, _event: &Event) {}

    pub(crate) fn granted(&self, _kind: &'static str, _grant: &Grant) {}

    pub(crate) fn ended(&self, _kind: &'static str, _grant: &Grant, _reason: LossReason) {}

    pub(crate) fn planned(&self, _partitions: &str, _moves: u64, _unplaced: usize) {}

    pub(crate) fn members(&self, _group: &str, _count: usize) {}

    pub(crate) fn waited(&self, _kind: &'static str, _time: Duration) {}

    pub(crate) fn took_over(&self, _kind: &'static str, _grant: &Grant, _vacant: Duration) {}

    pub(crate) fn renewed(&self, _took: Duration, _remaining: Duration) {}

    pub(crate) fn renewal_failed(&self) {}
}
