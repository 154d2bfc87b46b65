//! The watch of a collection: the server tells the names of what changes, and the nodes are read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ha_core::spi::{Change, Collection, Entry, Name};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::client::{Children, Connection, Failure, FailureKind, News, Node, Sign, TreeWatcher};
use crate::keys;
use crate::link::Link;
use crate::stamp::entry;

use super::dirty::{Changed, Dirty};
use super::view::View;

/// How often changes are read again because of more of them. One transaction changes several entries, and they are told one after the other.
const ROUNDS_MAX: usize = 8;

/// A collection that is watched, until this is dropped.
pub(super) struct TreeWatch {
    path: String,
    dirty: Arc<Dirty>,
    _listening: DropGuard,
}

impl TreeWatch {
    /// Watches and reads the collection; `None` if the session is over.
    pub(super) async fn open(
        link: &Arc<Link>,
        connection: &Connection,
        collection: &Collection,
        view: &mut View,
    ) -> Result<Option<Self>, Failure> {
        let path = link.layout.collection(collection);
        let floor = link.continuity.known();
        let (barrier, watcher, children) = tokio::join!(
            biased;
            link.barrier(connection),
            Box::pin(connection.watch_tree(&path)),
            Box::pin(connection.children(&path)),
        );
        let watcher = watcher?;
        if !barrier? {
            return Ok(None);
        }
        let watch = Self::listen(link, path, watcher);
        watch.read_these(link, connection, collection, view, (floor, children?)).await?;
        Ok(Some(watch))
    }

    /// Takes what the server tells as soon as it comes: the library keeps all of it.
    fn listen(link: &Arc<Link>, path: String, mut watcher: TreeWatcher) -> Self {
        let (dirty, done) = (Arc::new(Dirty::default()), CancellationToken::new());
        let watch =
            Self { path: path.clone(), dirty: Arc::clone(&dirty), _listening: done.clone().drop_guard() };
        link.spawn("zk-watch", async move {
            loop {
                let news = tokio::select! {
                    biased;
                    () = done.cancelled() => return,
                    news = watcher.next() => news,
                };
                match news {
                    News::Node(node) => {
                        let below = node.strip_prefix(&path).and_then(|rest| rest.strip_prefix('/'));
                        below.and_then(keys::name).into_iter().for_each(|name| dirty.add(name));
                    }
                    // Changes of the connection come by the pulse.
                    News::Session(Sign::Ended) => return,
                    News::Session(_) => {}
                }
            }
        });
        watch
    }

    async fn read_everything(
        &self,
        link: &Arc<Link>,
        connection: &Connection,
        collection: &Collection,
        view: &mut View,
    ) -> Result<(), Failure> {
        let floor = link.continuity.known();
        let children = connection.children(&self.path).await?;
        self.read_these(link, connection, collection, view, (floor, children)).await
    }

    /// Reads the children that were listed after the transaction `floor` was known.
    async fn read_these(
        &self,
        link: &Arc<Link>,
        connection: &Connection,
        collection: &Collection,
        view: &mut View,
        (floor, children): (u64, Option<Children>),
    ) -> Result<(), Failure> {
        let children = children.unwrap_or_default();
        let names: Vec<Name> = children.names.iter().filter_map(|node| keys::name(node)).collect();
        let mut nodes: BTreeMap<Name, Node> =
            link.read_all(connection, &self.path, &names).await?.into_iter().collect();
        // A transaction between the two looks may show in one entry and not in another one that it created: then what it changed is read again.
        for _ in 0..ROUNDS_MAX {
            tokio::task::yield_now().await;
            let Some(changed) = self.dirty.take() else { break };
            let Changed::These(changed) = changed else {
                return Err(Failure::new(FailureKind::Refused, "more changes than can be told apart"));
            };
            let changed: Vec<Name> = changed.into_iter().collect();
            for (name, node) in link.read_each(connection, &self.path, &changed).await? {
                match node {
                    Some(node) => drop(nodes.insert(name, node)),
                    None => drop(nodes.remove(&name)),
                }
            }
        }
        let modified = nodes.values().map(|node| node.stat.modified);
        let modified: Vec<u64> = modified.chain([children.changed]).collect();
        modified.iter().for_each(|modified| link.saw(*modified));
        view.replace(nodes.iter().map(|(name, node)| entry(collection.key(name.clone()), node)));
        view.advance(floor, modified);
        Ok(())
    }

    /// Waits for changes and reads them; `None` if there were so many that the view was read anew.
    pub(super) async fn changed(
        &mut self,
        link: &Arc<Link>,
        collection: &Collection,
        view: &mut View,
    ) -> Result<Option<Vec<Change>>, Failure> {
        self.dirty.wait().await;
        let connection = link.connection();
        let connection = connection.ok_or_else(|| Failure::new(FailureKind::Ended, "the session ends"))?;
        let floor = link.continuity.known();
        let mut names = BTreeSet::new();
        let mut found: Vec<(Name, Option<Node>)> = Vec::new();
        for _ in 0..ROUNDS_MAX {
            match self.dirty.take() {
                Some(Changed::Anything) => {
                    self.read_everything(link, &connection, collection, view).await?;
                    return Ok(None);
                }
                Some(Changed::These(more)) => names.extend(more),
                None => break,
            }
            let all: Vec<Name> = names.iter().cloned().collect();
            found = link.read_each(&connection, &self.path, &all).await?;
            // What the reading may have seen of other entries was told before its answer: whoever takes it goes first.
            tokio::task::yield_now().await;
        }
        let mut modified = Vec::new();
        let mut changes = Vec::new();
        for (name, node) in found {
            modified.extend(node.as_ref().map(|node| node.stat.modified));
            let entry: Option<Entry> = node.map(|node| entry(collection.key(name.clone()), &node));
            changes.extend(view.change(name, entry));
        }
        modified.iter().for_each(|modified| link.saw(*modified));
        view.advance(floor, modified);
        Ok(Some(changes))
    }
}
