//! What the operator's process keeps for all nodes of a run: the store, the resource, the world, the clock.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ha_core::runtime::Runtime;
use ha_core::{Coordinator, Error};

use super::clock::Clock;
use super::inputs::Inputs;
use super::options::Sabotage;
use super::resource::Resource;
use super::store::Store;
use super::timeline::Timeline;
use super::world::World;

/// The names of the nodes.
pub(super) const NODES: [&str; 4] = ["node-1", "node-2", "node-3", "node-4"];

/// The names of the trackers.
pub(super) const TRACKERS: [&str; 3] = ["tracker-1", "tracker-2", "tracker-3"];

/// The operator's view, which is no node.
pub(super) const CONSOLE: &str = "console";

/// Who adds the work of the trackers.
pub(super) const INTAKE: &str = "intake";

/// The surroundings of the nodes.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) store: Store,
    /// Keeps the entries of this run apart from those of others in the same store.
    pub(super) namespace: String,
    /// Where the output files are.
    pub(super) folder: PathBuf,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) clock: Clock,
    pub(super) timeline: Timeline,
    pub(super) resource: Arc<Resource>,
    pub(super) world: Arc<World>,
    pub(super) inputs: Inputs,
    pub(super) ttl: Duration,
    /// How much later than usual a take-over may be.
    pub(super) patience: Duration,
    pub(super) sabotage: Option<Sabotage>,
}

impl Site {
    /// Connects this process to the store as `node`, with what `configure` adds.
    pub(super) async fn connect(
        &self,
        node: &str,
        configure: impl FnOnce(ha::Builder) -> ha::Builder,
    ) -> Result<Coordinator, Error> {
        let builder = ha::builder().namespace(self.namespace.as_str()).node(node).ttl(self.ttl);
        configure(builder).connect(&self.store.url(node)).await
    }
}
