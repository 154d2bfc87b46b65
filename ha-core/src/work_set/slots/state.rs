//! The slots of one process, as a state machine. One request at a time; what is free is seen in a watch of all slots.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use crate::coordinator::{Context, Input, LossReason, Machine, Output, closed};
use crate::error::{Error, ErrorKind};
use crate::names::{Collection, Key, Name};
use crate::runtime::Instant;
use crate::spi::{Naming, Outcome, SessionId, Stamp, Txn, WatchTarget};
use crate::view::View;
use crate::zoo::{Bug, planted};

/// How long nothing is asked after an error.
const PAUSE: Duration = Duration::from_millis(100);

/// A caller that wants a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Want {
    pub(super) caller: u64,
    count: u32,
    waits: bool,
}

#[derive(Debug)]
pub(super) enum Request {
    Take {
        caller: u64,
        count: u32,
        waits: bool,
    },
    Cancel {
        caller: u64,
    },
    /// Gives a slot back; `caller` waits until others can have it.
    Release {
        number: u64,
        caller: Option<u64>,
    },
    /// The session ran out before the slot reached its caller.
    Undelivered {
        want: Want,
        number: u64,
    },
}

#[derive(Debug)]
pub(super) enum Delivery {
    Taken { want: Want, ordinal: u32, number: u64, stamp: Stamp },
    Nothing { caller: u64 },
    Released { caller: u64 },
    Rejected { caller: u64, error: Error },
    Lost { number: u64, reason: LossReason },
}

#[derive(Debug)]
enum Asked {
    Take { ordinal: u32 },
    Release(Release),
}

/// A slot on its way back.
#[derive(Debug)]
struct Release {
    stamp: Stamp,
    caller: Option<u64>,
}

type Outputs = Vec<Output<Delivery>>;

#[derive(Debug)]
pub(super) struct State {
    name: Name,
    node: Name,
    slots: Collection,
    session: Option<SessionId>,
    closing: bool,
    hold_until: Option<Instant>,
    retry_at: Option<Instant>,
    view: View,
    watching: bool,
    /// A slot is seen again as free only in a view that is newer than what this process knows.
    taken: Vec<u32>,
    wants: VecDeque<Want>,
    held: BTreeMap<u64, Stamp>,
    releasing: VecDeque<Release>,
    asked: Option<(u64, Asked)>,
    next: u64,
    reconciling: bool,
}

impl State {
    pub(super) fn new(name: &Name, node: Name) -> Self {
        Self {
            name: name.clone(),
            node,
            slots: Collection::of("slot", &[name]),
            session: None,
            closing: false,
            hold_until: None,
            retry_at: None,
            view: View::default(),
            watching: false,
            taken: Vec::new(),
            wants: VecDeque::new(),
            held: BTreeMap::new(),
            releasing: VecDeque::new(),
            asked: None,
            next: 0,
            reconciling: false,
        }
    }

    fn key(&self, ordinal: u32) -> Key {
        self.slots.key(Name::internal(ordinal.to_string()))
    }

    fn ask(&mut self, asked: Asked, txn: Txn, out: &mut Outputs) {
        self.next += 1;
        self.asked = Some((self.next, asked));
        out.push(Output::Commit { tag: self.next, txn });
    }

    fn request(&mut self, request: Request, out: &mut Outputs) {
        match request {
            Request::Take { caller, count, waits } => self.wants.push_back(Want { caller, count, waits }),
            Request::Cancel { caller } => self.wants.retain(|want| want.caller != caller),
            Request::Release { number, caller } => match self.held.remove(&number) {
                Some(stamp) => self.releasing.push_back(Release { stamp, caller }),
                // It was lost before.
                None => released(caller, out),
            },
            Request::Undelivered { want, number } => {
                let stamp = self.held.remove(&number);
                self.releasing.extend(stamp.map(|stamp| Release { stamp, caller: None }));
                self.wants.push_front(want);
            }
        }
        if self.closing {
            self.turn_away(out);
        }
    }

    fn turn_away(&mut self, out: &mut Outputs) {
        for want in std::mem::take(&mut self.wants) {
            let error = closed("acquire slot", self.name.as_str());
            out.push(Output::Deliver(Delivery::Rejected { caller: want.caller, error }));
        }
    }

    fn committed(&mut self, asked: Asked, outcome: Result<Outcome, Error>, now: Instant, out: &mut Outputs) {
        match (asked, outcome) {
            (Asked::Take { ordinal }, Ok(Outcome::Committed(committed))) => {
                let Some(stamp) = committed.stamps.into_iter().next().flatten() else { return };
                self.next += 1;
                let number = self.next;
                // Taken while the store holds grants back: a holder that it forgot may not know yet.
                let in_hold = self.hold_until.is_some_and(|until| now < until);
                let wanted = self.wants.iter().position(|want| want.count > ordinal).filter(|_| !in_hold);
                match wanted.and_then(|at| self.wants.remove(at)) {
                    Some(want) => {
                        self.held.insert(number, stamp.clone());
                        out.push(Output::Deliver(Delivery::Taken { want, ordinal, number, stamp }));
                    }
                    // Or whoever wanted it is gone.
                    None => self.releasing.push_back(Release { stamp, caller: None }),
                }
            }
            // Another has it, or it is not free any more: the next one, until the view is newer.
            (Asked::Take { ordinal }, Ok(Outcome::Conflict(_))) => self.taken.push(ordinal),
            (Asked::Take { .. }, Err(error)) => {
                self.pause(&error, now);
                self.refuse_impatient(&error, out);
            }
            (Asked::Release(release), Err(error)) => {
                self.pause(&error, now);
                self.releasing.push_front(release);
            }
            // Deleted now, or before by somebody else.
            (Asked::Release(release), Ok(_)) => released(release.caller, out),
        }
    }

    fn pause(&mut self, error: &Error, now: Instant) {
        match error.until().filter(|until| *until > now) {
            Some(until) => self.hold_until = self.hold_until.max(Some(until)),
            None => self.retry_at = Some(now + PAUSE),
        }
    }

    fn refuse_impatient(&mut self, error: &Error, out: &mut Outputs) {
        let (rest, refused): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.wants).into_iter().partition(|want| want.waits);
        self.wants = rest;
        for want in refused {
            let error = error.duplicate();
            out.push(Output::Deliver(Delivery::Rejected { caller: want.caller, error }));
        }
    }

    /// What is held is compared with a view that is not older.
    fn look(&mut self, out: &mut Outputs) {
        if !self.view.is_known() {
            return;
        }
        let (view, revision, reconciling) = (&self.view, self.view.revision(), self.reconciling);
        // Revisions go on above those that were forgotten: a slot that is younger than the view was taken after it.
        let is_gone = |stamp: &Stamp| {
            let there = view.get(stamp.key());
            revision >= stamp.created() && there.is_none_or(|entry| entry.created() != stamp.created())
        };
        let reason = if reconciling { LossReason::Forgotten } else { LossReason::Removed };
        let gone: Vec<_> =
            self.held.iter().filter(|(_, stamp)| is_gone(stamp)).map(|(number, _)| *number).collect();
        for number in gone {
            if planted(Bug::ForgottenSlotsKept) {
                continue;
            }
            self.held.remove(&number);
            out.push(Output::Deliver(Delivery::Lost { number, reason }));
        }
        // One that is being taken is not a stray: it is known once the answer is there.
        let is_taking = matches!(self.asked, Some((_, Asked::Take { .. })));
        if self.reconciling && !is_taking {
            self.reconciling = false;
            let own = self.view.entries().filter(|entry| entry.owner() == self.session.as_ref());
            let leaving = self.releasing.iter().map(|release| &release.stamp);
            let known: Vec<_> = self.held.values().chain(leaving).collect();
            let is_known = |stamp: &Stamp| known.iter().any(|held| held.is_same_incarnation(stamp));
            let strays = own.map(|entry| entry.stamp()).filter(|stamp| !is_known(stamp)).cloned();
            let strays: Vec<_> = strays.map(|stamp| Release { stamp, caller: None }).collect();
            self.releasing.extend(strays);
            out.push(Output::Reconciled);
        }
    }

    fn advance(&mut self, now: Instant, out: &mut Outputs) {
        self.retry_at = self.retry_at.filter(|at| now < *at);
        self.hold_until = self.hold_until.filter(|until| now < *until);
        let Some(session) = &self.session else { return };
        if let Some(until) = self.hold_until {
            let error = Error::new(ErrorKind::Recovering, "acquire slot")
                .on(format_args!("\"{}\" in session {session}", self.name))
                .because("the store may have forgotten grants and holds back new ones; try again later")
                .with_until(until);
            self.refuse_impatient(&error, out);
        }
        self.watch(out);
        if self.asked.is_some() || self.retry_at.is_some() {
            return;
        }
        if let Some(release) = self.releasing.pop_front() {
            let txn = Txn::new().delete(release.stamp.clone());
            self.ask(Asked::Release(release), txn, out);
            return;
        }
        self.take(out);
    }

    /// Watches the slots while one is wanted or held.
    fn watch(&mut self, out: &mut Outputs) {
        let wanted = !(self.wants.is_empty() && self.held.is_empty()) || self.reconciling;
        if wanted != self.watching {
            self.watching = wanted;
            self.view.reset();
            let target = WatchTarget::Collection(self.slots.clone());
            out.push(if wanted { Output::Watch { slot: 0, target } } else { Output::Unwatch { slot: 0 } });
        }
    }

    fn take(&mut self, out: &mut Outputs) {
        if self.hold_until.is_some() || self.reconciling || !self.view.is_known() {
            return;
        }
        let is_free =
            |ordinal: &u32| self.view.get(&self.key(*ordinal)).is_none() && !self.taken.contains(ordinal);
        let free = |want: &Want| (0..want.count).find(is_free);
        let (front, rest): (VecDeque<_>, VecDeque<_>) =
            self.wants.iter().copied().partition(|want| want.waits || free(want).is_some());
        let next = front.front().and_then(free);
        for want in rest {
            out.push(Output::Deliver(Delivery::Nothing { caller: want.caller }));
        }
        self.wants = front;
        if next.is_none() && !self.taken.is_empty() {
            // A slot that was taken and given back in between may look as it did before: a watch need not tell. A new one begins with what is there.
            self.watching = false;
            self.watch(out);
        }
        if let Some(ordinal) = next {
            let value = Bytes::copy_from_slice(self.node.as_str().as_bytes());
            let txn = Txn::new().create_owned(self.key(ordinal), value, Naming::Reusable);
            self.ask(Asked::Take { ordinal }, txn, out);
        }
    }
}

fn released(caller: Option<u64>, out: &mut Outputs) {
    out.extend(caller.map(|caller| Output::Deliver(Delivery::Released { caller })));
}

impl Machine for State {
    type Request = Request;
    type Delivery = Delivery;

    fn on_input(&mut self, input: Input<Request>, context: &Context<'_>, out: &mut Outputs) {
        match input {
            Input::SessionUp { session, hold_until } => {
                self.session = Some(session);
                (self.hold_until, self.retry_at) = (hold_until, None);
            }
            Input::SessionDown => {
                self.session = None;
                self.view.reset();
                self.taken.clear();
                self.held.clear();
                let under_way = match self.asked.take() {
                    Some((_, Asked::Release(release))) => Some(release),
                    _ => None,
                };
                // They are free with the end of the session.
                let releases = std::mem::take(&mut self.releasing).into_iter().chain(under_way);
                releases.for_each(|release| released(release.caller, out));
                self.watching = false;
                if std::mem::take(&mut self.reconciling) {
                    out.push(Output::Reconciled);
                }
            }
            Input::Committed { tag, outcome } => {
                if let Some((_, asked)) = self.asked.take_if(|(asked, _)| *asked == tag) {
                    self.committed(asked, outcome, context.now, out);
                    self.look(out);
                }
            }
            Input::Voided { tag } => {
                // What a take did is seen in the view of the new history.
                if let Some((_, Asked::Release(release))) = self.asked.take_if(|(asked, _)| *asked == tag) {
                    self.releasing.push_front(release);
                }
                self.look(out);
            }
            Input::Watched { event, .. } => {
                self.view.apply(event);
                self.taken.clear();
                self.look(out);
            }
            Input::Discontinuity { hold_until } => {
                self.hold_until = hold_until;
                match self.session.is_some() {
                    true => {
                        // A new watch shows the new history, whatever the old one is about to say.
                        (self.reconciling, self.watching) = (true, false);
                        self.view.reset();
                    }
                    false => out.push(Output::Reconciled),
                }
            }
            Input::Listed { .. } | Input::Tick => {}
            Input::Closing => {
                self.closing = true;
                self.turn_away(out);
            }
            Input::Request(request) => self.request(request, out),
        }
        self.advance(context.now, out);
    }

    fn next_wake(&self) -> Option<Instant> {
        [self.retry_at, self.hold_until].into_iter().flatten().min()
    }

    fn is_idle(&self) -> bool {
        self.wants.is_empty() && self.held.is_empty() && self.releasing.is_empty() && self.asked.is_none()
    }
}

#[cfg(test)]
#[path = "state_test.rs"]
mod tests;
