//! What all nodes of a run share: the store, the resource, the world, the clock.

use std::sync::Arc;
use std::time::Duration;

use ha_core::memory::MemoryBackend;
use ha_core::runtime::Runtime;
use ha_core::{Coordinator, CoordinatorBuilder};

use super::clock::Clock;
use super::inputs::Inputs;
use super::options::Sabotage;
use super::resource::Resource;
use super::timeline::Timeline;
use super::world::World;

/// The names of the nodes.
pub(super) const NODES: [&str; 4] = ["node-1", "node-2", "node-3", "node-4"];

/// The surroundings of the nodes.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) store: MemoryBackend,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) clock: Clock,
    pub(super) timeline: Timeline,
    pub(super) resource: Arc<Resource>,
    pub(super) world: Arc<World>,
    pub(super) inputs: Inputs,
    pub(super) ttl: Duration,
    pub(super) sabotage: Option<Sabotage>,
}

impl Site {
    /// Starts to configure a coordinator on the store of this site.
    pub(super) fn coordinator(&self) -> CoordinatorBuilder {
        Coordinator::builder(Arc::new(self.store.clone())).namespace("platform").ttl(self.ttl)
    }

    /// Whether this defect was asked for.
    pub(super) fn is_sabotaged(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }
}
