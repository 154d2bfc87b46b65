//! The watches of this process: what each has still to be told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use ha_core::spi::{Change, Entry, Lineage, Name, Revision, WatchEvent, WatchTarget};

use crate::keys::Place;
use crate::sync::lock;

/// How many entries with untold changes a watch remembers. With more it is sent a snapshot instead.
const UNTOLD_MAX: usize = 1_024;

/// The number of a watch in this process, never used again.
pub(crate) type WatchId = u64;

/// Tells the sessions and observers of this process apart.
pub(crate) type Holder = u64;

/// Where an answer stands in the history of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) revision: Revision,
    pub(crate) lineage: Lineage,
}

/// What a watch has to be told next.
#[derive(Debug)]
enum Untold {
    /// A snapshot that is to be read.
    Wanted,
    /// So much that it was forgotten: a snapshot is read once somebody asks.
    TooMuch,
    /// The state of the whole target.
    Snapshot(BTreeMap<Name, Entry>, Standing),
    /// The latest change of each entry; often none.
    Changes(BTreeMap<Name, Change>, Option<Standing>),
}

#[derive(Debug)]
struct Watch {
    holder: Holder,
    target: Arc<WatchTarget>,
    place: Place,
    untold: Untold,
    /// The store cannot be read: to be said once.
    interrupted: bool,
    waker: Option<Waker>,
}

/// The watches of the sessions of this process.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    watches: BTreeMap<WatchId, Watch>,
    opened: WatchId,
    /// By place, and by name where one entry is watched.
    by_target: BTreeMap<(Place, Option<Name>), Vec<WatchId>>,
}

impl Hub {
    /// Opens a watch, for which a snapshot is to be read.
    pub(crate) fn open(&self, holder: Holder, target: WatchTarget, place: Place) -> WatchId {
        let mut state = lock(&self.state);
        state.opened += 1;
        let id = state.opened;
        state.by_target.entry(spot(&place, &target)).or_default().push(id);
        let target = Arc::new(target);
        let watch = Watch { holder, target, place, untold: Untold::Wanted, interrupted: false, waker: None };
        state.watches.insert(id, watch);
        id
    }

    /// Ends a watch.
    pub(crate) fn close(&self, id: WatchId) {
        let waker = lock(&self.state).remove(id);
        wake(waker);
    }

    /// Ends all watches of a session that is over.
    pub(crate) fn close_all_of(&self, holder: Holder) {
        let wakers: Vec<Waker> = {
            let mut state = lock(&self.state);
            let of_holder = state.watches.iter().filter(|(_, watch)| watch.holder == holder);
            let ids: Vec<WatchId> = of_holder.map(|(id, _)| *id).collect();
            ids.into_iter().filter_map(|id| state.remove(id)).collect()
        };
        wake(wakers);
    }

    /// The next item of a watch; `None` once it has ended. The flag says whether a snapshot has to be read for it.
    pub(crate) fn poll(&self, id: WatchId, waker: &Waker) -> (Poll<Option<WatchEvent>>, bool) {
        let mut state = lock(&self.state);
        let Some(watch) = state.watches.get_mut(&id) else { return (Poll::Ready(None), false) };
        if std::mem::take(&mut watch.interrupted) {
            return (Poll::Ready(Some(WatchEvent::Interrupted)), false);
        }
        let nothing = Untold::Changes(BTreeMap::new(), None);
        match std::mem::replace(&mut watch.untold, nothing) {
            Untold::Snapshot(entries, Standing { revision, lineage }) => {
                let entries = entries.into_values().collect();
                (Poll::Ready(Some(WatchEvent::Snapshot { entries, revision, lineage })), false)
            }
            Untold::Changes(changes, Some(Standing { revision, lineage })) if !changes.is_empty() => {
                let changes = changes.into_values().collect();
                (Poll::Ready(Some(WatchEvent::Changed { changes, revision, lineage })), false)
            }
            untold => {
                let forgotten = matches!(untold, Untold::TooMuch);
                watch.untold = if forgotten { Untold::Wanted } else { untold };
                watch.waker = Some(waker.clone());
                (Poll::Pending, forgotten)
            }
        }
    }

    /// The watch that was opened last.
    pub(crate) fn newest(&self) -> WatchId {
        lock(&self.state).opened
    }

    /// The watches that wait for a snapshot, up to the one that was opened as `newest`.
    pub(crate) fn wanted(&self, newest: WatchId) -> Vec<(WatchId, Place, Arc<WatchTarget>)> {
        let state = lock(&self.state);
        let known = state.watches.range(..=newest);
        let wanted = known.filter(|(_, watch)| matches!(watch.untold, Untold::Wanted));
        wanted.map(|(id, watch)| (*id, watch.place.clone(), Arc::clone(&watch.target))).collect()
    }

    /// Gives a watch its snapshot.
    pub(crate) fn put_snapshot(&self, id: WatchId, entries: Vec<Entry>, standing: Standing) {
        let waker = {
            let mut state = lock(&self.state);
            let Some(watch) = state.watches.get_mut(&id) else { return };
            let entries = entries.into_iter().map(|entry| (entry.key().name().clone(), entry)).collect();
            watch.untold = Untold::Snapshot(entries, standing);
            watch.waker.take()
        };
        wake(waker);
    }

    /// The target of some watch that the entry `name` at `place` belongs to.
    pub(crate) fn target_of(&self, place: &Place, name: &Name) -> Option<Arc<WatchTarget>> {
        let state = lock(&self.state);
        let id = state.concerned(place, name).next()?;
        state.watches.get(&id).map(|watch| Arc::clone(&watch.target))
    }

    /// Tells all whom it concerns of the latest changes, all at once: who sees the revision of `standing` has to see every change up to it.
    pub(crate) fn tell(&self, changes: &[(Place, Name, Change)], standing: Standing) {
        let wakers: Vec<Waker> = {
            let mut state = lock(&self.state);
            let mut told = Vec::new();
            for (place, name, change) in changes {
                state.note(place, name, change, standing, &mut told);
            }
            told
        };
        wake(wakers);
    }

    /// Has a snapshot read for every watch: changes were missed, or could not be read, in which case `say_so`.
    pub(crate) fn begin_again(&self, say_so: bool) {
        let wakers: Vec<Waker> = {
            let mut state = lock(&self.state);
            let mut told = Vec::new();
            for watch in state.watches.values_mut() {
                watch.untold = Untold::Wanted;
                watch.interrupted |= say_so;
                told.extend(watch.waker.take());
            }
            told
        };
        wake(wakers);
    }
}

impl State {
    /// The watches of the entry `name` at `place`, and of its whole collection.
    fn concerned(&self, place: &Place, name: &Name) -> impl Iterator<Item = WatchId> {
        let of = |spot| self.by_target.get(&spot).into_iter().flatten().copied();
        of((place.clone(), None)).chain(of((place.clone(), Some(name.clone()))))
    }

    /// Notes one change for all whom it concerns.
    fn note(
        &mut self,
        place: &Place,
        name: &Name,
        change: &Change,
        standing: Standing,
        told: &mut Vec<Waker>,
    ) {
        let concerned: Vec<WatchId> = self.concerned(place, name).collect();
        for id in concerned {
            let Some(watch) = self.watches.get_mut(&id) else { continue };
            watch.untold.note(name, change, standing);
            told.extend(watch.waker.take());
        }
    }

    fn remove(&mut self, id: WatchId) -> Option<Waker> {
        let watch = self.watches.remove(&id)?;
        let spot = spot(&watch.place, &watch.target);
        if let Some(ids) = self.by_target.get_mut(&spot) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_target.remove(&spot);
            }
        }
        watch.waker
    }
}

impl Untold {
    /// Remembers a change, in the place of an earlier one of the same entry: a `Put` shows by its `created` that the incarnation before it
    /// vanished.
    fn note(&mut self, name: &Name, change: &Change, standing: Standing) {
        match self {
            Self::Wanted | Self::TooMuch => {}
            Self::Snapshot(entries, stands) => {
                *stands = standing;
                match change {
                    Change::Put(entry) => drop(entries.insert(name.clone(), entry.clone())),
                    _ => drop(entries.remove(name)),
                }
            }
            Self::Changes(changes, stands) => {
                *stands = Some(standing);
                changes.insert(name.clone(), change.clone());
                if changes.len() > UNTOLD_MAX {
                    *self = Self::TooMuch;
                }
            }
        }
    }
}

fn spot(place: &Place, target: &WatchTarget) -> (Place, Option<Name>) {
    let name = match target {
        WatchTarget::Entry(key) => Some(key.name().clone()),
        _ => None,
    };
    (place.clone(), name)
}

/// Wakes outside of the lock: waking can run code that uses the hub.
fn wake(wakers: impl IntoIterator<Item = Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

#[cfg(test)]
mod tests {
    use super::{Hub, WatchId};
    use crate::keys::Place;
    use ha_core::spi::{Collection, WatchTarget};

    #[test]
    fn a_watch_that_is_opened_during_a_look_waits_for_the_next_one() {
        let hub = Hub::default();
        let open = || {
            let target = WatchTarget::Collection(Collection::parse(&["c"]).unwrap());
            hub.open(1, target, Place::from_bytes(b"c".to_vec()))
        };
        let wanted =
            |newest: WatchId| -> Vec<WatchId> { hub.wanted(newest).into_iter().map(|(id, ..)| id).collect() };
        let early = open();
        let look = hub.newest();
        let late = open();
        assert_eq!(wanted(look), [early], "what the look reads may be older than the late one");
        assert_eq!(wanted(hub.newest()), [early, late]);
    }
}
