//! What all guards of locks have inside: a place that is held.

use std::future::Future;
use std::sync::Arc;

use super::queue::{Patience, Queue, Request};
use super::record::Share;
use crate::coordinator::{Engine, Grant, LossReason, closed};
use crate::error::Error;
use crate::zoo::{Bug, planted};

/// A place that is held. Dropping it releases it in the background.
pub(super) struct Held {
    engine: Arc<Engine<Queue>>,
    place: u64,
    share: Share,
    grant: Grant,
    released: bool,
}

impl Held {
    pub(super) fn new(engine: Arc<Engine<Queue>>, place: u64, share: Share, grant: Grant) -> Self {
        Self { engine, place, share, grant, released: false }
    }

    pub(super) fn place(&self) -> u64 {
        self.place
    }

    pub(super) fn grant(&self) -> &Grant {
        &self.grant
    }

    /// The permits that it has of a semaphore.
    pub(super) fn weight(&self) -> u32 {
        if let Share::Permits(weight) = self.share { weight } else { 0 }
    }

    /// Releases it at once; the future returns when others can have it.
    pub(super) fn release(mut self) -> impl Future<Output = ()> {
        let (caller, done) = self.engine.ports.wait_release();
        self.let_go(Some(caller));
        async move {
            // An answer that cannot come any more means that the session is over.
            drop(done.await);
        }
    }

    /// What ends the grant without giving the place back: that is left to the guard.
    pub(super) fn ending(&self) -> Ending {
        Ending { engine: Arc::clone(&self.engine), place: self.place }
    }

    fn end(&self, reason: LossReason) {
        end(&self.engine, self.place, reason);
    }

    /// Goes on as a reader.
    pub(super) async fn downgrade(mut self) -> Result<Self, Error> {
        // From here on the answer has the place, not this guard.
        self.released = true;
        self.end(LossReason::Downgraded);
        let caller = self.engine.ports.call(None);
        let mut abandoned = Abandoned { engine: &self.engine, place: self.place, caller: Some(caller) };
        self.engine.request(Request::Downgrade { place: self.place, caller });
        let answer = self.engine.ports.answer_to(caller).await;
        abandoned.caller = None;
        let gone = || closed("downgrade write lock", self.engine.ports.name().as_str());
        match answer {
            Some(Ok(held)) => held.ok_or_else(gone),
            Some(Err(error)) => Err(error),
            None => Err(gone()),
        }
    }

    /// Its grant ran out before anybody had it: `waiter`, for whom it was, goes on waiting, before those who asked later.
    pub(super) fn give_back(mut self, waiter: u64, patience: Patience) {
        self.released = true;
        self.end(LossReason::Released);
        let (place, share) = (self.place, self.share);
        self.engine.request(Request::Undelivered { place, waiter, share, patience });
    }

    fn let_go(&mut self, caller: Option<u64>) {
        self.released = true;
        self.end(LossReason::Released);
        self.engine.request(Request::Release { place: self.place, caller });
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.released && !planted(Bug::DropKeepsLock) {
            self.let_go(None);
        }
    }
}

/// Ends a grant whose guard is somewhere else.
pub(super) struct Ending {
    engine: Arc<Engine<Queue>>,
    place: u64,
}

impl Ending {
    pub(super) fn end(&self, reason: LossReason) {
        end(&self.engine, self.place, reason);
    }
}

fn end(engine: &Engine<Queue>, place: u64, reason: LossReason) {
    if let Some(grant) = engine.ports.end(place, reason) {
        engine.hub().ended(grant.kind(), &grant);
    }
}

/// Releases the place when the future of a downgrade is dropped.
struct Abandoned<'a> {
    engine: &'a Arc<Engine<Queue>>,
    place: u64,
    caller: Option<u64>,
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if let Some(caller) = self.caller {
            self.engine.ports.cancel(caller);
            self.engine.request(Request::Release { place: self.place, caller: None });
        }
    }
}
