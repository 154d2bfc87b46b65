//! Where answers wait until their callers take them, or until they are worth nothing any more.
//!
//! A caller that has not taken its grant when the session ends still waits: it gets its turn back, before those of its process that asked
//! later. A channel could not give an answer back.

use std::collections::BTreeMap;
use std::sync::Mutex as StdMutex;
use std::task::{Context, Poll, Waker};

use super::held::Held;
use super::queue::Patience;
use crate::error::Error;
use crate::sync::lock;

/// The answer to an acquire: a guard, or `None` for a caller that does not wait.
pub(super) type Answer = Result<Option<Held>, Error>;

/// The answers to the callers of one lock in one process.
#[derive(Default)]
pub(super) struct Inbox(StdMutex<BTreeMap<u64, Slot>>);

/// For one caller.
struct Slot {
    /// How long it waits for its turn; `None` if it does not wait for one.
    patience: Option<Patience>,
    content: Content,
}

enum Content {
    Nothing(Option<Waker>),
    Answer(Answer),
}

impl Inbox {
    /// From now on there can be an answer for `caller`.
    pub(super) fn open(&self, caller: u64, patience: Option<Patience>) {
        lock(&self.0).insert(caller, Slot { patience, content: Content::Nothing(None) });
    }

    /// The caller is gone. What was there for it is returned: a guard releases itself when it is dropped, which must not happen in here.
    #[must_use = "dropping it may release a lock"]
    pub(super) fn close(&self, caller: u64) -> Option<Answer> {
        match lock(&self.0).remove(&caller)?.content {
            Content::Answer(answer) => Some(answer),
            Content::Nothing(_) => None,
        }
    }

    /// Answers `caller`. The answer comes back if it is gone.
    #[must_use = "dropping it may release a lock"]
    pub(super) fn put(&self, caller: u64, answer: Answer) -> Option<Answer> {
        let mut slots = lock(&self.0);
        let Some(slot) = slots.get_mut(&caller) else { return Some(answer) };
        let before = std::mem::replace(&mut slot.content, Content::Answer(answer));
        drop(slots);
        if let Content::Nothing(Some(waker)) = before {
            waker.wake();
        }
        None
    }

    /// Takes the answer to `caller`, once; `None` if there cannot be one.
    pub(super) fn poll_take(&self, caller: u64, cx: &Context<'_>) -> Poll<Option<Answer>> {
        let mut slots = lock(&self.0);
        let Some(slot) = slots.get_mut(&caller) else { return Poll::Ready(None) };
        if let Content::Nothing(waker) = &mut slot.content {
            *waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        match slots.remove(&caller).map(|slot| slot.content) {
            Some(Content::Answer(answer)) => Poll::Ready(Some(answer)),
            _ => Poll::Ready(None),
        }
    }

    /// Takes the grant of `place` back, if whoever has waited for it has not taken it yet. That caller goes on waiting.
    pub(super) fn take_back(&self, place: u64) -> Option<(u64, Patience, Held)> {
        let mut slots = lock(&self.0);
        let untaken = slots.iter_mut().find_map(|(caller, slot)| match &slot.content {
            Content::Answer(Ok(Some(held))) if held.place() == place => Some((*caller, slot.patience?, slot)),
            _ => None,
        });
        let (caller, patience, slot) = untaken?;
        // Whoever was woken by the answer comes, finds nothing, and leaves its waker here.
        match std::mem::replace(&mut slot.content, Content::Nothing(None)) {
            Content::Answer(Ok(Some(held))) => Some((caller, patience, held)),
            content => {
                slot.content = content;
                None
            }
        }
    }
}
