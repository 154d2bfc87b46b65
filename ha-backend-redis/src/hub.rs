//! The watches of one session: what each has still to be told.
//!
//! Two sources meet here. The log tells what changes, in order; a reading tells how a target stands. A reading counts for a watch if it is as new as the place
//! from which on the log is followed. What went by meanwhile and is not in it is added, and what the log tells later and is in it is left out. So a view never
//! goes back, nothing is missed between the two, and a reading of what changes all the time comes to an end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use ha_core::spi::{Change, Collection, Entry, Lineage, Name, Revision, WatchEvent, WatchTarget};

use crate::keys;
use crate::record::Changed;
use crate::sync::lock;
use crate::untold::Untold;

/// So much that goes by during a reading is kept. With more, the target is read again.
const MEANWHILE_MAX: usize = 4_096;

/// The number of a watch in its session, never used again.
pub(crate) type WatchId = u64;

/// The watches of a session.
#[derive(Debug, Default)]
pub(crate) struct Hub(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    watches: BTreeMap<WatchId, Watch>,
    opened: WatchId,
    /// By place, and by name where one entry is watched.
    by_target: BTreeMap<Spot, Vec<WatchId>>,
    lineage: Lineage,
    /// The revision from which on the log is followed without a gap; `None` while it is not followed.
    followed_from: Option<u64>,
    is_over: bool,
}

type Spot = (Vec<u8>, Option<Name>);

#[derive(Debug)]
struct Watch {
    target: Arc<WatchTarget>,
    spot: Spot,
    /// Some task reads how the target stands.
    is_reading: bool,
    /// What has been told or will be, contains everything up to this revision.
    complete: u64,
    /// What went by while the target was being read.
    meanwhile: Vec<(u64, Change)>,
    /// The last change that went by and could not be kept.
    missed: u64,
    untold: Untold,
    waker: Option<Waker>,
}

/// What became of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The watch has it, or there is no such watch any more.
    Done,
    /// It is older than what went by: it has to be read again.
    Again,
    /// The log is not followed: all targets will be read once it is.
    Later,
}

impl Hub {
    /// Opens a watch. True if its target is to be read now; otherwise that is done once the log is followed.
    pub(crate) fn open(&self, target: WatchTarget) -> (WatchId, bool) {
        let mut state = lock(&self.0);
        state.opened += 1;
        let id = state.opened;
        if state.is_over {
            return (id, false);
        }
        let spot = match &target {
            WatchTarget::Entry(key) => (keys::place(key.collection()), Some(key.name().clone())),
            WatchTarget::Collection(collection) => (keys::place(collection), None),
            _ => (Vec::new(), None),
        };
        state.by_target.entry(spot.clone()).or_default().push(id);
        let is_reading = state.followed_from.is_some();
        let watch = Watch {
            target: Arc::new(target),
            spot,
            is_reading,
            complete: 0,
            meanwhile: Vec::new(),
            missed: 0,
            untold: Untold::wanted(),
            waker: None,
        };
        state.watches.insert(id, watch);
        (id, is_reading)
    }

    /// Ends a watch.
    pub(crate) fn close(&self, id: WatchId) {
        let watch = lock(&self.0).remove(id);
        wake(watch.and_then(|watch| watch.waker));
    }

    /// The session is over: all watches end.
    pub(crate) fn end(&self) {
        let watches = {
            let mut state = lock(&self.0);
            state.is_over = true;
            state.by_target.clear();
            std::mem::take(&mut state.watches)
        };
        wake(watches.into_values().filter_map(|watch| watch.waker));
    }

    /// The next item of a watch; `None` once it has ended. The flag says whether its target has to be read.
    pub(crate) fn poll(&self, id: WatchId, waker: &Waker) -> (Poll<Option<WatchEvent>>, bool) {
        let mut state = lock(&self.0);
        let is_followed = state.followed_from.is_some();
        let Some(watch) = state.watches.get_mut(&id) else { return (Poll::Ready(None), false) };
        if let Some(event) = watch.untold.next() {
            return (Poll::Ready(Some(event)), false);
        }
        watch.waker = Some(waker.clone());
        let to_read = watch.untold.is_forgotten() && is_followed && !watch.is_reading;
        if to_read {
            watch.is_reading = true;
            watch.begin_reading();
        }
        (Poll::Pending, to_read)
    }

    /// What an answer belongs to. A generation that is newer than the one before is told to every watch, and everything is to be read anew: the task that
    /// follows the log begins again by it.
    pub(crate) fn belongs_to(&self, lineage: Lineage) {
        let wakers: Vec<Waker> = {
            let mut state = lock(&self.0);
            let before = state.lineage.generation();
            if lineage.generation() < before {
                return;
            }
            state.lineage = lineage;
            if lineage.generation() == before || before == 0 {
                return;
            }
            state.followed_from = None;
            state.for_each(|watch| watch.untold.begin_history(lineage))
        };
        wake(wakers);
    }

    /// The log is followed from `revision` of `generation` on. Returns the watches whose targets are to be read now.
    pub(crate) fn follow(&self, generation: u64, revision: u64) -> Vec<WatchId> {
        let mut state = lock(&self.0);
        if state.lineage.generation() != generation {
            return Vec::new();
        }
        state.followed_from = Some(revision);
        let mut to_read = Vec::new();
        for (id, watch) in &mut state.watches {
            watch.begin_reading();
            if !watch.is_reading {
                watch.is_reading = true;
                to_read.push(*id);
            }
        }
        to_read
    }

    /// Nobody knows what happens now.
    pub(crate) fn interrupt(&self) {
        let wakers = {
            let mut state = lock(&self.0);
            state.followed_from = None;
            state.for_each(|watch| watch.untold.interrupt())
        };
        wake(wakers);
    }

    /// What a task is to read for a watch; `None` if it has ended.
    pub(crate) fn target(&self, id: WatchId) -> Option<Arc<WatchTarget>> {
        lock(&self.0).watches.get(&id).map(|watch| Arc::clone(&watch.target))
    }

    /// How the target of a watch stood at `revision`.
    pub(crate) fn put(&self, id: WatchId, entries: Vec<Entry>, revision: u64, lineage: Lineage) -> Taken {
        let waker = {
            let mut state = lock(&self.0);
            let (followed_from, current) = (state.followed_from, state.lineage.generation());
            let Some(watch) = state.watches.get_mut(&id) else { return Taken::Done };
            let Some(from) = followed_from else {
                watch.is_reading = false;
                return Taken::Later;
            };
            if lineage.generation() != current || revision < from.max(watch.missed) {
                return Taken::Again;
            }
            (watch.is_reading, watch.complete) = (false, revision);
            watch.untold.snapshot(entries, Revision::new(revision), lineage);
            for (at, change) in std::mem::take(&mut watch.meanwhile) {
                if at > revision {
                    watch.untold.note(change, Revision::new(at), lineage);
                }
            }
            watch.waker.take()
        };
        wake(waker);
        Taken::Done
    }

    /// The log tells what was changed at `revision` of `generation`.
    pub(crate) fn tell(&self, changes: &[Changed], generation: u64, revision: u64) {
        let (wakers, unreadable) = {
            let mut state = lock(&self.0);
            if state.lineage.generation() != generation {
                return;
            }
            let mut told = Vec::new();
            let mut unreadable = false;
            for change in changes {
                unreadable |= !state.note(change, revision, &mut told);
            }
            (told, unreadable)
        };
        if unreadable {
            tracing::error!(revision, "the log tells of an entry that nobody could have written");
        }
        wake(wakers);
    }

    #[cfg(test)]
    fn is_reading(&self, id: WatchId) -> bool {
        lock(&self.0).watches.get(&id).is_some_and(|watch| watch.is_reading)
    }
}

impl State {
    /// Does something to every watch. Returns who is to be woken.
    fn for_each(&mut self, mut act: impl FnMut(&mut Watch)) -> Vec<Waker> {
        let watches = self.watches.values_mut();
        watches
            .filter_map(|watch| {
                act(watch);
                watch.waker.take()
            })
            .collect()
    }

    /// Notes one change for all whom it concerns. False if it makes no sense.
    fn note(&mut self, change: &Changed, revision: u64, told: &mut Vec<Waker>) -> bool {
        let mut makes_sense = true;
        for name in [None, Some(change.name.clone())] {
            let spot = (change.place.clone(), name);
            let ids = self.by_target.get(&spot).cloned().unwrap_or_default();
            for id in ids {
                let Some(watch) = self.watches.get_mut(&id) else { continue };
                match change.to(collection(&watch.target)) {
                    Ok(known) => watch.note(known, revision, self.lineage),
                    Err(_) => makes_sense = false,
                }
                told.extend(watch.waker.take());
            }
        }
        makes_sense
    }

    fn remove(&mut self, id: WatchId) -> Option<Watch> {
        let watch = self.watches.remove(&id)?;
        if let Some(ids) = self.by_target.get_mut(&watch.spot) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_target.remove(&watch.spot);
            }
        }
        Some(watch)
    }
}

impl Watch {
    /// Whatever was read and told before does not count any more.
    fn begin_reading(&mut self) {
        self.untold.want();
        self.meanwhile.clear();
        self.missed = 0;
    }

    /// A change that the log tells; `None` if it is too long for the log.
    fn note(&mut self, change: Option<Change>, revision: u64, lineage: Lineage) {
        match change {
            Some(change) if self.is_reading && self.meanwhile.len() < MEANWHILE_MAX => {
                self.meanwhile.push((revision, change));
            }
            _ if self.is_reading => self.missed = revision,
            _ if revision <= self.complete => {}
            Some(change) => self.untold.note(change, Revision::new(revision), lineage),
            None => self.untold.forget(),
        }
    }
}

/// The collection that a target is, or is in.
fn collection(target: &WatchTarget) -> Option<&Collection> {
    match target {
        WatchTarget::Entry(key) => Some(key.collection()),
        WatchTarget::Collection(collection) => Some(collection),
        _ => None,
    }
}

/// Wakes outside of the lock: waking can run code that uses the hub.
fn wake(wakers: impl IntoIterator<Item = Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

#[cfg(test)]
#[path = "hub_test.rs"]
mod tests;
