//! What to do next, decided from the whole state after every input.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Asked, Blocked, Delivery, Outputs, Own, State, Stray, WATCHED, no_member};
use crate::coordinator::{Context, LossReason, Output, Validity};
use crate::error::{Error, ErrorKind};
use crate::group::records::{IdRecord, decode, encode};
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Entry, Naming, Stamp, Txn, WatchTarget};
use crate::zoo::{Bug, planted};

impl State {
    pub(super) fn advance(&mut self, context: &Context<'_>, out: &mut Outputs) {
        let now = context.now;
        self.retry_at = self.retry_at.filter(|at| now < *at);
        self.hold_until = self.hold_until.filter(|until| now < *until);
        self.answer_the_served(out);
        if self.session.is_none() {
            return;
        }
        self.look_at_own(out);
        self.look_at_other(now, out);
        self.leave_unwanted(out);
        self.watch(out);
        if self.retry_at.is_some() {
            return;
        }
        self.ask_own(out);
        self.delete_strays(out);
        self.send_leave(out);
        self.send_update(out);
        self.send_join(context, out);
    }

    /// Answers callers whose wish is fulfilled, or cannot be any more.
    pub(super) fn answer_the_served(&mut self, out: &mut Outputs) {
        let written = match (&self.wish, &self.own) {
            (None, _) => None,
            (Some(wish), Own::In { membership, version, .. }) if wish.membership == *membership => {
                Some(*version)
            }
            _ => Some(0),
        };
        let served = |version: u64| written.is_none_or(|written| version <= written);
        for (caller, _) in self.updates.extract_if(.., |(_, version)| served(*version)) {
            let result = written.map(drop).ok_or_else(|| no_member("update membership"));
            out.push(Output::Deliver(Delivery::Updated { caller, result }));
        }
        if self.is_left() {
            let left = |caller| Output::Deliver(Delivery::Left { caller });
            out.extend(self.leavers.drain(..).map(left));
        }
    }

    /// Whether nothing is left of the memberships that nobody wants any more.
    fn is_left(&self) -> bool {
        let wanted = self.wish.as_ref().map(|wish| wish.membership);
        let over = match &self.own {
            Own::Out => true,
            Own::Joining { membership, .. } | Own::In { membership, .. } => Some(*membership) == wanted,
            Own::Leaving { .. } => false,
        };
        over && self.strays.is_empty()
    }

    pub(super) fn may_be_granted(&self) -> bool {
        self.wish.is_some() && self.hold_until.is_none() && !self.reconciling
    }

    /// Our entry that a view at or after its creation does not show was deleted by somebody: join again.
    fn look_at_own(&mut self, out: &mut Outputs) {
        let Own::In { member, revision, .. } = &self.own else { return };
        let looked = self.watched.as_ref() == Some(member.key()) && self.view.is_known();
        if !looked || self.view.revision() < *revision || self.reconciling {
            return;
        }
        let shown = self.view.get(member.key());
        if planted(Bug::DeletedMemberStaysOut) {
            return;
        }
        if !shown.is_some_and(|entry| entry.stamp().is_same_incarnation(member)) {
            self.lose_own(LossReason::Removed, out);
        }
    }

    /// One of our two entries is not there any more: the other one goes as well.
    pub(super) fn lose_own(&mut self, reason: LossReason, out: &mut Outputs) {
        if let Own::In { membership, member, id, .. } = std::mem::replace(&mut self.own, Own::Out) {
            out.push(Output::Deliver(Delivery::Gone { membership, reason }));
            self.add_stray(member);
            self.add_stray(id);
        }
    }

    pub(super) fn add_stray(&mut self, stamp: Stamp) {
        if planted(Bug::MemberStraysKept) {
            return;
        }
        if !self.strays.iter().any(|stray| stray.stamp.is_same_incarnation(&stamp)) {
            self.strays.push(Stray { stamp, sent: false });
        }
    }

    /// Somebody is a member under our name: waits until it is gone, or refuses the caller once it should have been.
    fn look_at_other(&mut self, now: Instant, out: &mut Outputs) {
        let Some(blocked) = &self.blocked else { return };
        if self.watched.as_ref() != Some(&self.keys.id) || !self.view.is_known() {
            return;
        }
        let Some(other) = self.view.get(&self.keys.id).cloned() else {
            self.blocked = None;
            return;
        };
        if other.owner() == self.session.as_ref() {
            // Our own, from a join that was given up: it goes before we try again.
            self.add_stray(other.stamp().clone());
            self.blocked = None;
            return;
        }
        let known = blocked.by.filter(|(created, _)| *created == other.created());
        let (_, until) = known.unwrap_or_else(|| (other.created(), now + self.patience(&other)));
        // A hold ends no session, so the wait begins anew after it.
        let until = self.hold_until.map_or(until, |hold| until.max(hold + self.patience(&other)));
        self.blocked = Some(Blocked { by: Some((other.created(), until)) });
        let caller = self.wish.as_ref().and_then(|wish| wish.caller).filter(|_| now >= until);
        if let Some(caller) = caller {
            self.give_up();
            let error = duplicate(&self.node, &other);
            out.push(Output::Deliver(Delivery::Rejected { caller, error }));
        }
    }

    /// For how long the session of another member can outlive its process.
    fn patience(&self, other: &Entry) -> Duration {
        let recorded = decode::<IdRecord>(other).map(|record| record.ttl()).unwrap_or_default();
        recorded + Validity::new(recorded, 1_000).margin() + self.slack
    }

    /// Leaves what nobody here wants, or what is of a membership that is over.
    fn leave_unwanted(&mut self, out: &mut Outputs) {
        let wanted = self.wish.as_ref().map(|wish| wish.membership);
        if let Own::In { membership, member, id, writing: None, .. } = &self.own
            && wanted != Some(*membership)
        {
            let (membership, member, id) = (*membership, member.clone(), id.clone());
            self.own = Own::Leaving { member, id, sent: false };
            out.push(Output::Deliver(Delivery::Gone { membership, reason: LossReason::Released }));
        }
    }

    fn watch(&mut self, out: &mut Outputs) {
        let wanted = match &self.own {
            Own::In { member, .. } => Some(member.key()),
            Own::Out if self.blocked.is_some() => Some(&self.keys.id),
            _ => None,
        };
        if wanted == self.watched.as_ref() {
            return;
        }
        self.view.reset();
        self.watched = wanted.cloned();
        out.push(match &self.watched {
            Some(key) => Output::Watch { slot: WATCHED, target: WatchTarget::Entry(key.clone()) },
            None => Output::Unwatch { slot: WATCHED },
        });
    }

    fn delete_strays(&mut self, out: &mut Outputs) {
        let mut unsent = Vec::new();
        for stray in &mut self.strays {
            if !std::mem::replace(&mut stray.sent, true) {
                unsent.push(stray.stamp.clone());
            }
        }
        for stamp in unsent {
            let txn = self.vouched(&stamp).delete(stamp.clone());
            let tag = self.ask(Asked::DeleteStray(stamp));
            out.push(Output::Commit { tag, txn });
        }
    }

    /// A transaction that deletes the entry of a member: as long as somebody may act as that, the other entry that says so has to be there.
    fn vouched(&self, member: &Stamp) -> Txn {
        let is_acting = self.acting.iter().any(|acting| acting.is_same_incarnation(member));
        match self.keys.acts.as_ref().filter(|_| is_acting) {
            Some(acts) => Txn::new().present(acts.key(member.key().name().clone())),
            None => Txn::new(),
        }
    }

    fn send_leave(&mut self, out: &mut Outputs) {
        let Own::Leaving { member, id, sent: sent @ false } = &mut self.own else { return };
        *sent = true;
        let (member, id) = (member.clone(), id.clone());
        let txn = self.vouched(&member).delete(member).delete(id);
        let tag = self.ask(Asked::Leave);
        out.push(Output::Commit { tag, txn });
    }

    /// Writes what we say of ourselves, if the store says something else.
    fn send_update(&mut self, out: &mut Outputs) {
        let Some((wanted, wanted_version)) = self.wanted() else { return };
        // While it is being found out what there is, there is no state to update.
        if self.reconciling || self.look_again || self.is_looking() {
            return;
        }
        let Own::In { member, record, version, writing: writing @ None, .. } = &mut self.own else { return };
        if *record == wanted {
            *version = wanted_version;
            self.answer_the_served(out);
            return;
        }
        let (txn, created) = (Txn::new().update(member.clone(), wanted.clone()), member.created());
        *writing = Some((wanted, wanted_version));
        let tag = self.ask(Asked::Update(created));
        out.push(Output::Commit { tag, txn });
    }

    fn send_join(&mut self, context: &Context<'_>, out: &mut Outputs) {
        let free = self.own == Own::Out && self.strays.is_empty() && self.blocked.is_none();
        let (true, Some(session), Some((record, version)), Some(wish)) =
            (free && self.may_be_granted(), &self.session, self.wanted(), &self.wish)
        else {
            return;
        };
        let membership = wish.membership;
        let number = context.numbers.fetch_add(1, Ordering::Relaxed);
        let key = self.keys.members.key(Name::internal(format!("{session}-{number}")));
        let id = encode(&IdRecord::new(key.name(), context.ttl.unwrap_or_default()));
        let txn = Txn::new().create_owned(key.clone(), record.clone(), Naming::Unique).create_owned(
            self.keys.id.clone(),
            id,
            Naming::Reusable,
        );
        self.own = Own::Joining { membership, key, record, version };
        let tag = self.ask(Asked::Join);
        out.push(Output::Commit { tag, txn });
    }

    pub(super) fn ask(&mut self, asked: Asked) -> u64 {
        self.next_tag += 1;
        self.asked.push((self.next_tag, asked));
        self.next_tag
    }
}

fn duplicate(node: &Name, other: &Entry) -> Error {
    Error::new(ErrorKind::DuplicateNode, "join group").on(format_args!("as node \"{node}\"")).because(
        format_args!(
            "{} is there for longer than a dead process can be: a live process has the same node name, or the expiry of a dead \
             one is late; give each process a name of its own, or try again",
            other.key()
        ),
    )
}
