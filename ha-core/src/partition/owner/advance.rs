//! What to do next, decided from the whole state after every input.

use super::{ACK, Asked, Delivery, Outputs, Own, Owner, RECORD, Run};
use crate::coordinator::{LossReason, Output};
use crate::names::Name;
use crate::partition::records::{Ack, Assigned};
use crate::runtime::Instant;
use crate::spi::{Naming, Page, Stamp, Txn, WatchTarget};

/// More entries than one process ever has, resurrected ones included; more pages follow if not.
pub(super) const OWN_ACKS: usize = 16;

impl Owner {
    pub(super) fn advance(&mut self, now: Instant, out: &mut Outputs) {
        self.retry_at = self.retry_at.filter(|at| now < *at);
        let held = self.hold_until.is_some();
        self.hold_until = self.hold_until.filter(|until| now < *until);
        self.compare |= held && self.hold_until.is_none();
        self.live(out);
        if std::mem::take(&mut self.compare) {
            self.stop_what_is_not_granted(out);
            self.start_what_is_granted(out);
        }
        self.answer(out);
        if self.session.is_none() {
            return;
        }
        self.watch(out);
        if self.retry_at.is_some() {
            return;
        }
        self.look(out);
        self.write(out);
        self.delete(out);
    }

    /// Whether what this life may run is over, except for ending it.
    pub(super) fn is_over(&self) -> bool {
        let gone = |stamp: &Stamp| {
            let entered = self.entered.as_ref();
            entered.is_none_or(|(entered, gone)| *gone || !entered.is_same_incarnation(stamp))
        };
        self.closing || self.record.evicted || (self.life.as_ref().is_some_and(gone) && !self.leaving)
    }

    /// Takes up the life of the latest entry of the member, once nothing is left of the one before.
    fn live(&mut self, out: &mut Outputs) {
        if self.is_over() && self.life.is_some() {
            let reason = if self.closing { LossReason::Shutdown } else { LossReason::Removed };
            self.end_all(reason, out);
        }
        let done = self.own == Own::None && self.running.is_empty();
        if self.life.is_some() && done && (self.is_over() || self.leaving) && self.says_nothing() {
            self.life = None;
            self.forget_record(out);
        }
        let life = self.life.as_ref();
        let is_over = |stamp: &mut Stamp| life.is_none_or(|life| !life.is_same_incarnation(stamp));
        let ceased = self.gone.extract_if(.., is_over).map(|stamp| Output::Deliver(Delivery::Ceased(stamp)));
        out.extend(ceased);
        if self.life.is_none() && done {
            // Nothing is left: before the next life begins, if it does.
            let left = |caller| Output::Deliver(Delivery::Left { caller });
            out.extend(self.leavers.drain(..).map(left));
        }
        let Some(session) = &self.session else { return };
        let fresh = self
            .entered
            .as_ref()
            .filter(|(stamp, gone)| !gone && is_of(session.as_str(), stamp.key().name()));
        if self.life.is_none() && self.begun && !self.closing {
            self.life = fresh.map(|(stamp, _)| stamp.clone());
            self.forget_record(out);
            self.compare = true;
        }
    }

    /// Whether no commit is under way that may create the entry of the acknowledgement.
    fn says_nothing(&self) -> bool {
        !self.asked.iter().any(|(_, asked)| matches!(asked, Asked::Write | Asked::Delete))
    }

    pub(super) fn forget_record(&mut self, out: &mut Outputs) {
        self.record = Assigned::default();
        self.known = false;
        self.void.clear();
        self.rested.clear();
        if !std::mem::take(&mut self.standby).is_empty() {
            out.push(Output::Deliver(Delivery::Standby(Vec::new())));
        }
    }

    /// What the newest record does not grant by the same token ends: in its time if it was revoked, else at once.
    fn stop_what_is_not_granted(&mut self, out: &mut Outputs) {
        if self.life.is_none() || !self.known {
            return;
        }
        let drain = std::time::Duration::from_millis(self.record.drain_ms);
        for (partition, run) in &mut self.running {
            let (partition, token) = (*partition, run.token);
            let now = granted(&self.record, partition);
            if run.ended || (now == Some(token) && !self.leaving) {
                continue;
            }
            let ours = now.is_some() || is_revoked(&self.record, partition);
            if !ours {
                run.ended = true;
                let reason = LossReason::Transferred;
                out.push(Output::Deliver(Delivery::End { partition, token, reason }));
            } else if !std::mem::replace(&mut run.revoked, true) {
                out.push(Output::Deliver(Delivery::Revoke { partition, token, drain }));
            }
        }
    }

    fn start_what_is_granted(&mut self, out: &mut Outputs) {
        let may =
            self.begun && !self.is_over() && self.hold_until.is_none() && !self.reconciling && !self.renew;
        let Some(life) = self.life.as_ref().filter(|_| may && self.known && self.session.is_some()) else {
            return;
        };
        for granted in &self.record.granted {
            for partition in &granted.set {
                let rests = self.void.contains_key(partition) || self.rested.contains_key(partition);
                if rests || self.running.contains_key(partition) {
                    continue;
                }
                let token = granted.token;
                self.running.insert(*partition, Run { token, revoked: false, ended: false });
                let start = Delivery::Start { partition: *partition, token, member: life.clone() };
                out.push(Output::Deliver(start));
            }
        }
    }

    fn answer(&mut self, out: &mut Outputs) {
        let empty = self.known && self.record.granted.is_empty();
        if let Some((caller, _)) =
            self.announced.take_if(|(_, within)| empty || self.record.hold_ms >= *within)
        {
            out.push(Output::Deliver(Delivery::Announced { caller }));
        }
    }

    fn watch(&mut self, out: &mut Outputs) {
        let wanted = self.life.as_ref().map(|life| life.key().name().clone());
        if wanted == self.watched {
            return;
        }
        self.view.reset();
        self.ack_view.reset();
        for (slot, of) in [(RECORD, &self.keys.assigned), (ACK, &self.keys.acks)] {
            out.push(match &wanted {
                Some(mid) => Output::Watch { slot, target: WatchTarget::Entry(of.key(mid.clone())) },
                None => Output::Unwatch { slot },
            });
        }
        self.watched = wanted;
    }

    /// Reads what there really is, after a discontinuity or when a write met something else than was known.
    fn look(&mut self, out: &mut Outputs) {
        let looking = self.asked.iter().any(|(_, asked)| matches!(asked, Asked::Acks | Asked::Record));
        let Some(session) = self.session.clone().filter(|_| self.look_again && !looking) else { return };
        self.look_again = false;
        let tag = self.ask(Asked::Acks);
        let page = Page::after(Name::internal(format!("{session}-")), OWN_ACKS);
        out.push(Output::List { tag, collection: self.keys.acks.clone(), page });
        if let Some(mid) = self.life.as_ref().map(|life| life.key().name().clone()) {
            let tag = self.ask(Asked::Record);
            out.push(Output::List { tag, collection: self.keys.assigned.clone(), page: Page::only(mid) });
        }
    }

    /// What the entry of the acknowledgement should say.
    fn wanted(&self, written: Option<&Ack>) -> Ack {
        let before = written.cloned().unwrap_or_default();
        if self.record.revoked.is_empty() && self.void.is_empty() {
            // Nobody waits for more: it is not worth a write, nor a look at everything that runs.
            return Ack { seq: before.seq, except: before.except, void: before.void, ..self.says.clone() };
        }
        let unstopped = |partition: &u32| {
            let run = self.running.get(partition);
            run.is_some_and(|run| granted(&self.record, *partition) != Some(run.token))
        };
        let except: Vec<u32> = self.running.keys().copied().filter(unstopped).collect();
        let void: Vec<u32> = self.void.keys().copied().collect();
        let mut ack = Ack { except, void, ..self.says.clone() };
        let asked = |rseq: u64| rseq > before.seq;
        let news = self.record.revoked.iter().any(|revoked| {
            asked(revoked.rseq)
                || revoked.set.iter().any(|at| before.except.contains(at) && !ack.except.contains(at))
        });
        // The same partition may have been void before, by an older grant.
        let refused = self.void.iter().all(|(partition, token)| before.refuses(*partition, *token));
        if news || !refused {
            ack.seq = self.record.seq;
        } else {
            (ack.seq, ack.except, ack.void) = (before.seq, before.except, before.void);
        }
        ack
    }

    fn write(&mut self, out: &mut Outputs) {
        let Some(life) = self.life.clone().filter(|_| !self.reconciling && !self.look_again) else { return };
        // Whoever leaves and still runs something says so again if that was deleted: the entry of the member waits for it.
        let runs = || self.running.values().any(|run| !run.ended);
        if self.is_over() || (self.own == Own::None && !self.begun && !runs()) {
            return;
        }
        let key = self.keys.acks.key(life.key().name().clone());
        let (ack, txn, stamp) = match &self.own {
            Own::None if self.hold_until.is_none() => {
                let ack = self.wanted(None);
                let txn = Txn::new().held(life).create_owned(key, ack.encode(), Naming::Reusable);
                (ack, txn, None)
            }
            Own::There(before, stamp) => {
                let ack = self.wanted(Some(before));
                if ack == *before {
                    return;
                }
                let txn = Txn::new().update(stamp.clone(), ack.encode());
                (ack, txn, Some(stamp.clone()))
            }
            Own::None | Own::Writing(..) | Own::Deleting(_) => return,
        };
        self.own = Own::Writing(ack, stamp);
        let tag = self.ask(Asked::Write);
        out.push(Output::Commit { tag, txn });
    }

    /// Deletes the entry of the acknowledgement once nothing runs any more. Of an evicted member it is deleted at once: its grants have ended, and it is there for those that
    /// do not let go.
    fn delete(&mut self, out: &mut Outputs) {
        let over = self.is_over() || self.leaving;
        let done =
            self.running.is_empty() || (self.record.evicted && self.running.values().all(|run| run.ended));
        if !(over && done) || self.reconciling {
            return;
        }
        if let Own::There(_, stamp) = &self.own {
            let stamp = stamp.clone();
            let txn = Txn::new().delete(stamp.clone());
            self.own = Own::Deleting(stamp);
            let tag = self.ask(Asked::Delete);
            out.push(Output::Commit { tag, txn });
        }
    }
}

/// By which grant the record grants a partition.
pub(super) fn granted(record: &Assigned, partition: u32) -> Option<u64> {
    let grants = || record.granted.iter().filter(|_| !record.evicted);
    grants().find(|granted| granted.set.binary_search(&partition).is_ok()).map(|granted| granted.token)
}

fn is_revoked(record: &Assigned, partition: u32) -> bool {
    record.revoked.iter().any(|revoked| revoked.set.binary_search(&partition).is_ok()) && !record.evicted
}

/// Whether the entry of this name is one of the session.
fn is_of(session: &str, name: &Name) -> bool {
    name.as_str().strip_prefix(session).is_some_and(|rest| rest.starts_with('-'))
}
