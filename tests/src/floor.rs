//! Partitions at work, for cases: who runs what, and that nobody else does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ha_core::partition::{Partition, Partitions};
use ha_core::{Coordinator, Error, Grant};
use tokio::task::JoinHandle;

use crate::context::Context;

/// Where partitions run. Fails as soon as two of them run at once, or a token is not larger than the one before.
#[derive(Debug, Default)]
pub(crate) struct Floor(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    running: BTreeMap<u32, (String, Grant)>,
    tokens: BTreeMap<u32, u64>,
    /// How often each partition was started.
    starts: BTreeMap<u32, u64>,
    wrong: Option<String>,
}

impl Floor {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `node` begins to run a partition.
    pub(crate) fn enter(self: &Arc<Self>, node: &str, partition: u32, grant: &Grant) -> Present {
        let mut state = self.state();
        let token = grant.token().as_u64();
        let last = state.tokens.insert(partition, token).unwrap_or(0);
        if grant.is_valid() && token <= last {
            state.wrong = Some(format!("partition {partition}: token {token} after {last}"));
        }
        let other = state.running.insert(partition, (node.to_owned(), grant.clone()));
        if let Some((other, held)) = other.filter(|(_, held)| held.is_valid() && grant.is_valid()) {
            state.wrong = Some(format!("partition {partition}: {node} while {other} has {held:?}"));
        }
        *state.starts.entry(partition).or_default() += 1;
        Present { floor: Arc::clone(self), partition, token }
    }

    /// Who runs what with a valid grant.
    pub(crate) fn owners(&self) -> BTreeMap<u32, String> {
        let state = self.state();
        assert_eq!(state.wrong, None);
        let valid = state.running.iter().filter(|(_, (_, grant))| grant.is_valid());
        valid.map(|(partition, (node, _))| (*partition, node.clone())).collect()
    }

    /// The token by which a partition runs.
    pub(crate) fn token(&self, partition: u32) -> u64 {
        self.state().tokens.get(&partition).copied().unwrap_or(0)
    }

    /// How many partitions each of these nodes runs.
    pub(crate) fn counts<const N: usize>(&self, nodes: [&str; N]) -> [usize; N] {
        let owners = self.owners();
        nodes.map(|node| owners.values().filter(|owner| *owner == node).count())
    }

    /// How often partitions were started, all together.
    pub(crate) fn starts(&self) -> u64 {
        self.state().starts.values().sum()
    }

    /// Waits until so many partitions run, spread like that over these nodes.
    pub(crate) async fn until<const N: usize>(&self, cx: &Context, nodes: [&str; N], counts: [usize; N]) {
        let what = format!("{nodes:?} run {counts:?} partitions");
        cx.until(&what, 30, async || self.counts(nodes) == counts).await;
    }
}

/// A partition runs as long as this is there.
#[derive(Debug)]
pub(crate) struct Present {
    floor: Arc<Floor>,
    partition: u32,
    token: u64,
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut state = self.floor.state();
        if state.running.get(&self.partition).is_some_and(|(_, grant)| grant.token().as_u64() == self.token) {
            state.running.remove(&self.partition);
        }
    }
}

/// A node that runs what it is assigned, until it is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    task: JoinHandle<Error>,
}

impl Worker {
    /// Runs each partition until it is revoked.
    pub(crate) fn start(floor: &Arc<Floor>, node: &Coordinator, partitions: Partitions) -> Self {
        Self::busy(floor, node, partitions, |partition| async move { partition.revoked().await })
    }

    /// Runs `work` for each partition.
    pub(crate) fn busy<F>(
        floor: &Arc<Floor>,
        node: &Coordinator,
        partitions: Partitions,
        work: impl Fn(Partition) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (floor, node) = (Arc::clone(floor), node.node().to_owned());
        let task = tokio::spawn(async move {
            let run = partitions.run(|partition, grant| {
                let present = floor.enter(&node, partition.id(), &grant);
                let work = work(partition);
                async move {
                    let _present = present;
                    work.await;
                }
            });
            match run.await {
                Ok(()) => unreachable!("it never returns but with an error"),
                Err(error) => error,
            }
        });
        Self { task }
    }

    /// Ends it, and waits until nothing of it is left in this process: what it dropped, it has dropped.
    pub(crate) async fn stop(mut self) {
        self.task.abort();
        // It was ended by this call, or by itself just before.
        drop((&mut self.task).await);
    }

    /// The error that ended it.
    pub(crate) async fn ended(mut self) -> Error {
        (&mut self.task).await.unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}
