//! The places of this process in the queue, and what was asked about them.

use super::{Asked, PAUSE, Queue};
use crate::lock::record::Share;
use crate::names::Key;
use crate::runtime::Instant;
use crate::spi::{Revision, Stamp};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Its creation is under way.
    Creating,
    /// In the queue; what is ahead is as `ahead` says.
    Queued { stamp: Stamp, ahead: Ahead },
    /// It holds its share of the lock.
    Granted { stamp: Stamp },
    /// To be deleted; `sent` while the deletion is under way.
    Leaving { stamp: Stamp, sent: bool, caller: Option<u64> },
}

/// What is known of the queue ahead of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    /// Has to be listed.
    Unknown,
    /// Nobody who keeps it out.
    Nobody,
    /// These keep it out, while all of them are there as they were.
    Entries(Vec<Stamp>),
}

/// A holder of the whole goes on as a reader.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Downgrade {
    /// Whether the change is under way.
    pub(super) sent: bool,
    /// Who waits for it; nobody if the store has to be told again.
    pub(super) caller: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Place {
    pub(super) id: u64,
    pub(super) key: Key,
    pub(super) share: Share,
    pub(super) status: Status,
    pub(super) downgrade: Option<Downgrade>,
}

impl Place {
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.status, Status::Leaving { .. })
    }

    pub(super) fn is_ungranted(&self) -> bool {
        matches!(self.status, Status::Creating | Status::Queued { .. })
    }

    pub(super) fn is_blocked(&self) -> bool {
        matches!(self.status, Status::Queued { ahead: Ahead::Entries(_), .. })
    }

    /// What a view has to show of a place that waits.
    pub(super) fn queued(&self) -> Option<(u64, Share, Stamp)> {
        match &self.status {
            Status::Queued { stamp, .. } => Some((self.id, self.share, stamp.clone())),
            _ => None,
        }
    }

    /// What is in the store of it, as far as that is known.
    pub(super) fn stamp(&self) -> Option<&Stamp> {
        match &self.status {
            Status::Creating => None,
            Status::Queued { stamp, .. } | Status::Granted { stamp } | Status::Leaving { stamp, .. } => {
                Some(stamp)
            }
        }
    }

    /// Orders places by age. Those whose creation is under way come last.
    pub(super) fn age(&self) -> (bool, Option<Revision>) {
        let created = self.stamp().map(Stamp::created);
        (created.is_none(), created)
    }

    /// The stamp of a place whose deletion has to be sent.
    pub(super) fn unsent(&self) -> Option<(u64, Stamp)> {
        match &self.status {
            Status::Leaving { stamp, sent: false, .. } => Some((self.id, stamp.clone())),
            _ => None,
        }
    }

    /// Notes whether the deletion is under way.
    pub(super) fn set_sent(&mut self, now: bool) {
        if let Status::Leaving { sent, .. } = &mut self.status {
            *sent = now;
        }
    }

    /// What was seen ahead of it no longer counts.
    pub(super) fn forget_view(&mut self) {
        if let Status::Queued { ahead, .. } = &mut self.status {
            *ahead = Ahead::Unknown;
        }
    }

    /// Is to be deleted. One whose creation is under way is left to the waiters; it is let go once resolved.
    pub(super) fn leave(&mut self, by: Option<u64>) {
        self.downgrade = None;
        match &mut self.status {
            Status::Queued { stamp, .. } | Status::Granted { stamp } => {
                self.status = Status::Leaving { stamp: stamp.clone(), sent: false, caller: by };
            }
            Status::Leaving { caller, .. } => *caller = caller.or(by),
            Status::Creating => {}
        }
    }
}

impl Queue {
    pub(super) fn place(&mut self, id: u64) -> Option<&mut Place> {
        self.places.iter_mut().find(|place| place.id == id)
    }

    pub(super) fn place_at(&self, key: &Key) -> Option<&Place> {
        self.places.iter().find(|place| place.key == *key)
    }

    pub(super) fn add_place(&mut self, key: Key, share: Share, status: Status) -> u64 {
        self.next_place += 1;
        self.places.push(Place { id: self.next_place, key, share, status, downgrade: None });
        self.next_place
    }

    pub(super) fn drop_place(&mut self, id: Option<u64>) {
        if let Some(at) = self.places.iter().position(|place| Some(place.id) == id) {
            self.remove(at);
        }
    }

    /// Removes a place that is not in the store any more.
    pub(super) fn remove(&mut self, at: usize) -> Place {
        let place = self.places.remove(at);
        self.forget_ahead(&place.key);
        if !self.asked.is_empty() {
            self.gone.push((place.key.clone(), self.next_tag));
        }
        place
    }

    /// Forgets the names of places that are gone: their session is over, or they may be back.
    pub(super) fn forget_names(&mut self) {
        self.gone.clear();
        self.free.iter_mut().for_each(Vec::clear);
    }

    /// Whether a place of ours with this key is gone, though an answer may still show it.
    pub(super) fn is_gone(&self, key: &Key) -> bool {
        self.gone.iter().any(|(gone, _)| gone == key)
    }

    pub(super) fn set_ahead(&mut self, id: u64, now_ahead: Ahead) {
        if let Some(Place { status: Status::Queued { ahead, .. }, .. }) = self.place(id) {
            *ahead = now_ahead;
        }
    }

    /// `key` vanished, or is not what it was: whoever had it ahead has to look again.
    pub(super) fn forget_ahead(&mut self, key: &Key) {
        self.set_behind(key, &Ahead::Unknown);
    }

    /// Whoever had `key` ahead has `now_ahead` there.
    pub(super) fn set_behind(&mut self, key: &Key, now_ahead: &Ahead) {
        for place in &mut self.places {
            if let Status::Queued { ahead, .. } = &mut place.status
                && matches!(ahead, Ahead::Entries(entries) if entries.iter().any(|entry| entry.key() == key))
            {
                ahead.clone_from(now_ahead);
            }
        }
    }

    pub(super) fn ask(&mut self, asked: Asked) -> u64 {
        self.next_tag += 1;
        self.asked.push((self.next_tag, asked));
        self.next_tag
    }

    pub(super) fn answered(&mut self, tag: u64) -> Option<Asked> {
        let at = self.asked.iter().position(|(other, _)| *other == tag)?;
        let asked = self.asked.swap_remove(at).1;
        let oldest = self.asked.iter().map(|(other, _)| *other).chain([tag]).min().unwrap_or(tag);
        self.gone.retain(|(_, last)| *last >= oldest);
        Some(asked)
    }

    pub(super) fn is_asked(&self, what: impl Fn(&Asked) -> bool) -> bool {
        self.asked.iter().any(|(_, other)| what(other))
    }

    pub(super) fn pause(&mut self, now: Instant) {
        self.retry_at = Some(now + PAUSE);
    }
}
