//! Who is watched: those who keep our first place out, and nobody else, so that a release wakes only whom it may admit (R10).

use std::collections::BTreeSet;

use super::place::{Ahead, Status};
use super::{Outputs, Queue};
use crate::coordinator::Output;
use crate::names::Key;
use crate::spi::{Change, Stamp, WatchEvent, WatchTarget};
use crate::zoo::{Bug, planted};

/// Where more entries than this keep us out, the whole queue is watched: one watch, and still nothing is asked before one of them goes.
const MANY: usize = 8;

impl Queue {
    /// Watches those who keep our first place out. Others behind it are looked at when it is granted.
    pub(super) fn watch_ahead(&mut self, out: &mut Outputs) {
        let wanted = self.to_watch();
        self.watched.retain(|(slot, target)| {
            let stays = wanted.contains(target);
            if !stays {
                out.push(Output::Unwatch { slot: *slot });
            }
            stays
        });
        for target in wanted {
            if self.watched.iter().any(|(_, other)| *other == target) {
                continue;
            }
            let is_free = |slot: &u8| self.watched.iter().all(|(other, _)| other != slot);
            let Some(slot) = (0..=u8::MAX).find(is_free) else { return };
            self.watched.push((slot, target.clone()));
            out.push(Output::Watch { slot, target });
        }
    }

    fn to_watch(&self) -> Vec<WatchTarget> {
        let mut keeping_out = self.keeping_out().peekable();
        if keeping_out.peek().is_none() {
            return Vec::new();
        }
        // What is ours is changed by us: its commit tells.
        let ours: BTreeSet<&Key> = self.places.iter().map(|place| &place.key).collect();
        let keys: Vec<&Key> = keeping_out.map(Stamp::key).filter(|key| !ours.contains(key)).collect();
        if keys.len() > MANY {
            return vec![WatchTarget::Collection(self.collection.clone())];
        }
        keys.into_iter().cloned().map(WatchTarget::Entry).collect()
    }

    /// Those who keep our first place out, as they were seen.
    fn keeping_out(&self) -> impl Iterator<Item = &Stamp> {
        let first = self.places.iter().find_map(|place| match &place.status {
            Status::Queued { ahead: Ahead::Entries(entries), .. } => Some(entries),
            _ => None,
        });
        first.into_iter().flatten()
    }

    pub(super) fn on_watched(&mut self, slot: u8, event: &WatchEvent, out: &mut Outputs) {
        let Some((_, target)) = self.watched.iter().find(|(other, _)| *other == slot) else { return };
        let told = |entry: &Stamp| match target {
            WatchTarget::Entry(key) => entry.key() == key,
            _ => self.place_at(entry.key()).is_none(),
        };
        let gone = |entry: &&Stamp| match event {
            // A holder that goes on as a reader keeps its entry, with another value.
            WatchEvent::Snapshot { entries, .. } => {
                !planted(Bug::FirstSnapshotIgnored)
                    && entries.iter().all(|other| !is_same_state(other.stamp(), entry))
            }
            WatchEvent::Changed { changes, .. } => changes.iter().any(|change| match change {
                Change::Removed(stamp) => stamp.key() == entry.key(),
                Change::Put(other) => other.key() == entry.key() && !is_same_state(other.stamp(), entry),
            }),
            WatchEvent::Interrupted | WatchEvent::Discontinuity(_) => false,
        };
        let gone: Vec<Key> =
            self.keeping_out().filter(|entry| told(entry)).filter(gone).map(|e| e.key().clone()).collect();
        if gone.is_empty() {
            return;
        }
        // Whoever vanished may have died in mid-queue: list again. If that shows one of them once more, from before, a new watch tells.
        for key in &gone {
            let ahead = if planted(Bug::VanishedMeansTurn) { Ahead::Nobody } else { Ahead::Unknown };
            self.set_behind(key, &ahead);
        }
        self.watched.retain(|(other, _)| *other != slot);
        out.push(Output::Unwatch { slot });
    }
}

fn is_same_state(one: &Stamp, other: &Stamp) -> bool {
    one.is_same_incarnation(other) && one.modified() == other.modified()
}
