//! Carries what a work-set is told to those who wait for it.

#![expect(clippy::disallowed_types, reason = "what is kept by hash is looked up, and never gone through")]

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::claim::Ticket;
use super::state::{Answer, Delivery, Request, State, Taken};
use crate::coordinator::{Driver, Engine, Grant, Lifetime, LossReason, closed};
use crate::error::Error;
use crate::names::Name;
use crate::spi::Guard;
use crate::sync::lock;
use crate::zoo::{Bug, planted};

/// What a grant of this recipe is called.
pub(super) const NOUN: &str = "claim";

enum Waiter {
    Claims(oneshot::Sender<Result<Vec<Ticket>, Error>>),
    Answer(oneshot::Sender<Result<Answer, Error>>),
}

/// Where callers of one work-set wait.
pub(super) struct Ports {
    name: Name,
    next: AtomicU64,
    waiters: Mutex<BTreeMap<u64, Waiter>>,
    /// The grants of claims, to be ended when they are lost.
    grants: Mutex<HashMap<u64, Grant>>,
}

impl Ports {
    pub(super) fn new(name: Name) -> Self {
        Self { name, next: AtomicU64::new(1), waiters: Mutex::default(), grants: Mutex::default() }
    }

    fn wait(&self, waiter: Waiter) -> u64 {
        let caller = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.waiters).insert(caller, waiter);
        caller
    }

    fn take(&self, caller: u64) -> Option<Waiter> {
        lock(&self.waiters).remove(&caller)
    }

    /// Ends the grant of a claim, if nothing has ended it.
    pub(super) fn end(engine: &Engine<State>, claim: u64, reason: LossReason) {
        let ended = lock(&engine.ports.grants).remove(&claim);
        if let Some(grant) = ended {
            grant.end(reason);
            engine.hub().ended(NOUN, &grant);
        }
    }
}

/// Asks the machine for anything but claims. If the future is dropped, what was asked for is done nevertheless.
pub(super) async fn ask(
    engine: &Arc<Engine<State>>,
    operation: &'static str,
    request: impl FnOnce(u64) -> Request,
) -> Result<Answer, Error> {
    let (sender, answer) = oneshot::channel();
    let caller = engine.ports.wait(Waiter::Answer(sender));
    engine.request(request(caller));
    answer.await.unwrap_or_else(|_gone| Err(closed(operation, engine.ports.name.as_str())))
}

/// Asks the machine for claims. If the future is dropped, those that are made are given back.
pub(super) async fn claim(
    engine: &Arc<Engine<State>>,
    request: impl FnOnce(u64) -> Request,
) -> Result<Vec<Ticket>, Error> {
    let (sender, answer) = oneshot::channel();
    let caller = engine.ports.wait(Waiter::Claims(sender));
    let mut waiting = Waiting { engine, caller: Some(caller) };
    engine.request(request(caller));
    let answer = answer.await;
    waiting.caller = None;
    answer.unwrap_or_else(|_gone| Err(closed("claim items", engine.ports.name.as_str())))
}

struct Waiting<'a> {
    engine: &'a Arc<Engine<State>>,
    caller: Option<u64>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(caller) = self.caller {
            drop(self.engine.ports.take(caller));
            self.engine.request(Request::Cancel { caller });
        }
    }
}

impl Driver for State {
    type Ports = Ports;

    fn deliver(engine: &Arc<Engine<Self>>, delivery: Delivery, life: Option<&Arc<Lifetime>>) {
        match delivery {
            Delivery::Claimed { caller, limit, waits, claims } => {
                claimed(engine, (caller, limit, waits), claims, life);
            }
            Delivery::Answered { caller, answer } => match engine.ports.take(caller) {
                // Whoever asked may have stopped waiting.
                Some(Waiter::Answer(sender)) => drop(sender.send(answer)),
                Some(Waiter::Claims(sender)) => drop(answer.err().map(|error| sender.send(Err(error)))),
                None => {}
            },
            Delivery::Lost { claim, reason } => Ports::end(engine, claim, reason),
        }
    }
}

fn claimed(
    engine: &Arc<Engine<State>>,
    (caller, limit, waits): (u64, usize, bool),
    claims: Vec<Taken>,
    life: Option<&Arc<Lifetime>>,
) {
    let Some(life) = life.filter(|life| life.is_valid()) else {
        let claims = claims.into_iter().map(|taken| (taken.claim, taken.id)).collect();
        return engine.request(Request::Undelivered { caller, limit, waits, claims });
    };
    let ports = &engine.ports;
    let mut grants = Vec::with_capacity(claims.len());
    let ticket = |taken: Taken| {
        let Taken { claim, id, stamp, payload, attempts } = taken;
        let token = match planted(Bug::AttemptAsToken) {
            true => u64::from(attempts.claims),
            false => stamp.modified().as_u64(),
        };
        let guard = Guard::Unchanged(stamp);
        let grant = Grant::numbered(NOUN, ports.name.clone(), token, guard, Arc::clone(life));
        engine.hub().granted(NOUN, &grant);
        grants.push((claim, grant.clone()));
        Ticket::new(Arc::clone(engine), (claim, id), payload, attempts, grant)
    };
    let tickets: Vec<_> = claims.into_iter().map(ticket).collect();
    lock(&ports.grants).extend(grants);
    if let Some(Waiter::Claims(sender)) = ports.take(caller) {
        // Tickets that nobody takes any more give their claims back when they are dropped here.
        drop(sender.send(Ok(tickets)));
    }
}
