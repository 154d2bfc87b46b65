//! Disturbed watches: interrupted, cut off, or shown another history.

use std::task::Poll;

use crate::memory::namespace::Namespace;
use crate::memory::store::Wakes;
use crate::memory::watch::{Watcher, WatcherId};
use crate::spi::{Key, Lineage, Stamp, WatchEvent};

/// What keeps a watcher from its next change.
#[derive(Debug, Default)]
pub(super) struct Disturbance {
    /// It has still to be told that it was interrupted.
    interrupted: bool,
    /// Nothing reaches it.
    cut: bool,
    /// It has still to be told of this discontinuity.
    discontinuity: Option<Lineage>,
}

impl Disturbance {
    /// What comes before the next snapshot or change; `Ready(None)`: nothing.
    pub(super) fn poll(&mut self) -> Poll<Option<WatchEvent>> {
        if std::mem::take(&mut self.interrupted) {
            return Poll::Ready(Some(WatchEvent::Interrupted));
        }
        if self.cut {
            return Poll::Pending;
        }
        Poll::Ready(self.discontinuity.take().map(WatchEvent::Discontinuity))
    }
}

impl Namespace {
    /// Cuts the watches of `node`.
    pub(super) fn cut_watches(&mut self, node: &str, wakes: &mut Wakes) {
        self.disturb(node, wakes, |disturbance| {
            disturbance.interrupted |= !disturbance.cut;
            disturbance.cut = true;
        });
    }

    /// Cuts a watch that is opened while its node is cut off.
    pub(super) fn cut_watch(&mut self, id: WatcherId) {
        if let Some(watcher) = self.watchers.get_mut(&id) {
            watcher.disturbance = Disturbance { interrupted: true, cut: true, discontinuity: None };
        }
    }

    /// Lets the watches of `node` go on.
    pub(super) fn heal_watches(&mut self, node: &str, wakes: &mut Wakes) {
        let is_cut = |watcher: &&mut Watcher| watcher.node.as_str() == node && watcher.disturbance.cut;
        for watcher in self.watchers.values_mut().filter(is_cut) {
            watcher.disturbance.cut = false;
            watcher.begin_again(wakes);
        }
    }

    /// Interrupts the watches of `node` for a moment.
    pub(super) fn interrupt_watches(&mut self, node: &str, wakes: &mut Wakes) {
        self.disturb(node, wakes, |disturbance| disturbance.interrupted |= !disturbance.cut);
    }

    /// Tells all watches that the store may have forgotten commits.
    pub(super) fn break_watches(&mut self, lineage: Lineage, wakes: &mut Wakes) {
        for watcher in self.watchers.values_mut() {
            watcher.disturbance.discontinuity = Some(lineage);
            watcher.begin_again(wakes);
        }
    }

    /// Deletes the entry at `key`, in a commit of nobody.
    pub(super) fn delete(&mut self, key: &Key, wakes: &mut Wakes) -> bool {
        if self.entry(key).is_none() {
            return false;
        }
        self.begin_commit();
        self.remove(key, wakes)
    }

    /// Deletes those of `stamps` that still exist, in one commit of nobody.
    pub(super) fn delete_incarnations(&mut self, stamps: &[Stamp], wakes: &mut Wakes) {
        let live: Vec<&Stamp> = stamps.iter().filter(|stamp| self.is_held(stamp)).collect();
        if !live.is_empty() {
            self.begin_commit();
        }
        for stamp in live {
            self.remove(stamp.key(), wakes);
        }
    }

    fn disturb(&mut self, node: &str, wakes: &mut Wakes, change: impl Fn(&mut Disturbance)) {
        let of_node = |watcher: &&mut Watcher| watcher.node.as_str() == node;
        for watcher in self.watchers.values_mut().filter(of_node) {
            change(&mut watcher.disturbance);
            watcher.begin_again(wakes);
        }
    }
}
