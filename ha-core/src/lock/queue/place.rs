//! The places of this process in the queue, and what was asked about them.

use super::{Asked, PAUSE, Queue};
use crate::names::Key;
use crate::runtime::Instant;
use crate::spi::{Revision, Stamp};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Its creation is under way.
    Creating,
    /// In the queue; what is ahead is as `ahead` says.
    Queued { stamp: Stamp, ahead: Ahead },
    /// It holds the lock.
    Granted { stamp: Stamp },
    /// To be deleted; `sent` while the deletion is under way.
    Leaving { stamp: Stamp, sent: bool, caller: Option<u64> },
}

/// What is known of the queue ahead of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    /// Has to be listed.
    Unknown,
    /// Is being listed.
    Asked,
    /// Nothing: it is the oldest.
    Nothing,
    /// This entry.
    Entry(Key),
}

#[derive(Debug)]
pub(super) struct Place {
    pub(super) id: u64,
    pub(super) key: Key,
    pub(super) status: Status,
}

impl Place {
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.status, Status::Leaving { .. })
    }

    pub(super) fn is_ungranted(&self) -> bool {
        matches!(self.status, Status::Creating | Status::Queued { .. })
    }

    /// Orders places by age. Those whose creation is under way come last.
    pub(super) fn age(&self) -> (bool, Option<Revision>) {
        match &self.status {
            Status::Creating => (true, None),
            Status::Queued { stamp, .. } | Status::Granted { stamp } | Status::Leaving { stamp, .. } => {
                (false, Some(stamp.created()))
            }
        }
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

    pub(super) fn add_place(&mut self, key: Key, status: Status) -> u64 {
        self.next_place += 1;
        self.places.push(Place { id: self.next_place, key, status });
        self.next_place
    }

    pub(super) fn drop_place(&mut self, id: Option<u64>) {
        if let Some(at) = self.places.iter().position(|place| Some(place.id) == id) {
            let key = self.places.remove(at).key;
            self.forget_ahead(&key);
        }
    }

    pub(super) fn set_ahead(&mut self, id: u64, now_ahead: Ahead) {
        if let Some(Place { status: Status::Queued { ahead, .. }, .. }) = self.place(id) {
            *ahead = now_ahead;
        }
    }

    /// `key` vanished: whoever had it ahead has to look again.
    pub(super) fn forget_ahead(&mut self, key: &Key) {
        for place in &mut self.places {
            if matches!(&place.status, Status::Queued { ahead: Ahead::Entry(other), .. } if other == key) {
                place.forget_view();
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
        Some(self.asked.swap_remove(at).1)
    }

    pub(super) fn is_asked(&self, asked: &Asked) -> bool {
        self.asked.iter().any(|(_, other)| other == asked)
    }

    pub(super) fn pause(&mut self, now: Instant) {
        self.retry_at = Some(now + PAUSE);
    }
}
