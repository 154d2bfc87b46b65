//! The watch of one entry: the server tells one change, and reading it orders the next watch.

use std::sync::Arc;

use ha_core::spi::{Change, Key};

use crate::client::{Connection, Failure, FailureKind, Node, OneWatcher};
use crate::link::Link;
use crate::stamp::entry;

use super::view::View;

/// One entry that is watched.
pub(super) struct NodeWatch {
    path: String,
    /// Gone once it has told something.
    watcher: Option<OneWatcher>,
}

impl NodeWatch {
    /// Watches and reads the entry. No write goes in front: what a session reads is not older than what it has seen, and more is not promised here.
    pub(super) async fn open(
        link: &Arc<Link>,
        connection: &Connection,
        key: &Key,
        view: &mut View,
    ) -> Result<Self, Failure> {
        let path = link.layout.entry(key);
        let floor = link.seen();
        let (node, watcher) = Box::pin(connection.watch_node(&path)).await?;
        view.replace(node.as_ref().map(|node| entry(key.clone(), node)));
        advance(link, view, floor, node.as_ref());
        Ok(Self { path, watcher: Some(watcher) })
    }

    /// Waits for a change and reads it.
    pub(super) async fn changed(
        &mut self,
        link: &Arc<Link>,
        key: &Key,
        view: &mut View,
    ) -> Result<Vec<Change>, Failure> {
        if let Some(watcher) = self.watcher.take() {
            let deleted = watcher.changed().await;
            // Whoever waits for that need not wait until it is read. The next call watches again, and reads what has come since. What is our own goes with the session, too: that it
            // is over is to be told before, and the reading finds out.
            if let Some(gone) = deleted.and_then(|created| view.forget(key.name(), created, &link.id)) {
                return Ok(vec![gone]);
            }
        }
        let connection = link.connection();
        let connection = connection.ok_or_else(|| Failure::new(FailureKind::Ended, "the session ends"))?;
        let floor = link.seen();
        let (node, watcher) = Box::pin(connection.watch_node(&self.path)).await?;
        self.watcher = Some(watcher);
        let change = view.change(key.name().clone(), node.as_ref().map(|node| entry(key.clone(), node)));
        advance(link, view, floor, node.as_ref());
        Ok(change.into_iter().collect())
    }
}

fn advance(link: &Link, view: &mut View, floor: u64, node: Option<&Node>) {
    let modified = node.map(|node| node.stat.modified);
    modified.into_iter().for_each(|modified| link.saw(modified));
    view.advance(floor, modified);
}
