//! What a watch has to tell its reader. Pure: no I/O, no clock.

use std::collections::VecDeque;

use crate::spi::{Lineage, Revision, WatchEvent};
use crate::view::View;

/// How many changes wait for a slow reader before a snapshot takes their place.
const WAITING_MAX: usize = 1_000;

/// Joins the watches of one session after another into one that never goes back, in bounded memory.
#[derive(Debug, Default)]
pub(super) struct Feed {
    view: View,
    lineage: Lineage,
    /// The newest revision told in this history.
    newest: Revision,
    /// The view is older than what was told: another session reads from a server that lags.
    is_behind: bool,
    /// The reader knows that it cannot know.
    is_interrupted: bool,
    waiting: VecDeque<WatchEvent>,
    changes: usize,
    /// The view itself is the next to be told, once nothing waits any more.
    owes_snapshot: bool,
}

impl Feed {
    /// Takes what the watch of the present session delivered.
    pub(super) fn take(&mut self, event: WatchEvent) {
        match event {
            WatchEvent::Interrupted => self.interrupt(),
            WatchEvent::Discontinuity(lineage) => {
                self.view.apply(event);
                self.enter(lineage);
                // What still waits belongs to a history that is over.
                self.forget_waiting();
                self.waiting.push_back(WatchEvent::Discontinuity(lineage));
            }
            WatchEvent::Snapshot { revision, lineage, .. } => {
                self.enter(lineage);
                self.view.apply(event);
                self.show(revision);
            }
            WatchEvent::Changed { ref changes, revision, lineage } => {
                self.enter(lineage);
                let count = changes.len();
                self.view.apply(event.clone());
                if self.is_behind {
                    self.show(revision);
                } else {
                    self.newest = revision;
                    self.push_change(event, count);
                }
            }
        }
    }

    /// The session is over, or something is known to have happened that the watch does not show yet.
    pub(super) fn interrupt(&mut self) {
        if self.is_interrupted {
            return;
        }
        self.is_interrupted = true;
        if std::mem::take(&mut self.owes_snapshot) {
            let snapshot = self.snapshot();
            self.waiting.push_back(snapshot);
        }
        self.waiting.push_back(WatchEvent::Interrupted);
    }

    /// The next item for the reader.
    pub(super) fn pop(&mut self) -> Option<WatchEvent> {
        let Some(event) = self.waiting.pop_front() else {
            return std::mem::take(&mut self.owes_snapshot).then(|| self.snapshot());
        };
        if let WatchEvent::Changed { changes, .. } = &event {
            self.changes -= changes.len();
        }
        Some(event)
    }

    fn enter(&mut self, lineage: Lineage) {
        if lineage.generation() > self.lineage.generation() {
            self.newest = Revision::default();
        }
        self.lineage = lineage;
    }

    /// Tells the whole view, as of `revision`, unless the reader has seen newer.
    fn show(&mut self, revision: Revision) {
        self.is_behind = revision < self.newest;
        if self.is_behind {
            self.interrupt();
            return;
        }
        self.newest = revision;
        self.is_interrupted = false;
        // It replaces whatever waits, but not the news that the store forgot something.
        let told =
            self.waiting.iter().rev().find(|event| matches!(event, WatchEvent::Discontinuity(_))).cloned();
        self.forget_waiting();
        self.waiting.extend(told);
        self.owes_snapshot = true;
    }

    fn push_change(&mut self, event: WatchEvent, count: usize) {
        if self.owes_snapshot {
            return;
        }
        self.changes += count;
        if self.changes > WAITING_MAX && !self.waiting.is_empty() {
            self.show(self.newest);
        } else {
            self.waiting.push_back(event);
        }
    }

    fn forget_waiting(&mut self) {
        self.waiting.clear();
        self.changes = 0;
        self.owes_snapshot = false;
    }

    fn snapshot(&self) -> WatchEvent {
        let entries = self.view.entries().cloned().collect();
        WatchEvent::Snapshot { entries, revision: self.view.revision(), lineage: self.lineage }
    }
}

#[cfg(test)]
#[path = "feed_test.rs"]
mod tests;
