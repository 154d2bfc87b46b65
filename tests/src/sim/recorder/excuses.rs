//! What an administrator took away, and what a holder that has not heard of it may therefore still believe.

use std::sync::Arc;

use ha_core::Grant;
use ha_core::spi::SessionId;

use super::{Open, Recorder, State};
use crate::history::{EndReason, Event, Target};
use crate::sim::cluster::{Life, nanos};
use crate::sim::store::PATIENCE;

impl State {
    /// Whether an administrator took away what is granted, and the process may have decided before that. An answer that was held up
    /// by bad weather or by a fault may be of any age.
    pub(super) fn is_excused(&self, life: &Life, name: &str, token: u64, now: u64) -> bool {
        let process = (life.name.clone(), life.incarnation);
        let held_up = |since: u64| {
            let is_struck = self.faults.values().flatten().any(|node| *node == life.name);
            !self.calm || is_struck || self.healed.get(&life.name).is_some_and(|healed| *healed > since)
        };
        let recent = |at: &u64| held_up(*at) || now < at + nanos(2 * PATIENCE);
        // A store that forgets brings back what was deleted, and its holder, who has heard of neither, goes on from it.
        let is_back = |at: &u64| self.forgot.is_some_and(|forgot| forgot >= *at);
        let is_excused = |at: &u64| recent(at) || is_back(at);
        let is_older = self.pardoned.get(&process).is_some_and(|newest| token <= *newest);
        let deleted = self.deleted.get(&token).or_else(|| self.deleted_items.get(&(name.to_owned(), token)));
        self.condemned.contains_key(&process) || is_older || deleted.is_some_and(is_excused)
    }

    /// Whether an administrator took away the partition of the step `token`, which the process may not have heard.
    pub(super) fn is_robbed_of(&self, life: &Life, token: u64) -> bool {
        self.robbed_of.get(&(life.name.clone(), life.incarnation)).is_some_and(|upto| token <= *upto)
    }
}

impl Recorder {
    /// An administrator took away what `node` holds: from now on others may hold it, whatever the holder believes. Its fence, not its clock, protects
    /// the resource.
    pub(in super::super) fn excuse(&self, life: &Life) {
        let node = &life.name;
        // Also those of the node that run beside it.
        let lives = (1..=life.incarnation).map(|incarnation| (node.clone(), incarnation));
        let mut state = self.state();
        let generation = state.generation;
        state.condemned.extend(lives.map(|life| (life, generation)));
        drop(state);
        let theirs: Vec<u64> = {
            let state = self.state();
            state.open.iter().filter(|(_, open)| open.node == *node).map(|(number, _)| *number).collect()
        };
        for number in theirs {
            let held = self.state().open.get(&number).cloned();
            self.state().excused.extend(held);
            // As if the holder had let go: nobody promises that it is told in time.
            self.end(number, EndReason::Released, false);
        }
    }

    /// An administrator deleted the entry of the grant with this token: its holder need not notice, as if its session had been ended.
    pub(in super::super) fn excuse_token(&self, token: u64) {
        let theirs: Vec<u64> = {
            let mut state = self.state();
            state.deleted.insert(token, self.world.now());
            let held = |open: &Open| open.grant.token().as_u64() == token;
            state.open.iter().filter(|(_, open)| held(open)).map(|(number, _)| *number).collect()
        };
        for number in theirs {
            self.end(number, EndReason::Released, false);
        }
    }

    /// Somebody deleted an item that is claimed with this token: its holder hears of it when it settles the claim.
    pub(in super::super) fn excuse_item(&self, name: &str, token: u64) {
        let theirs: Vec<u64> = {
            let mut state = self.state();
            state.deleted_items.insert((name.to_owned(), token), self.world.now());
            let held = |open: &Open| open.name == name && open.grant.token().as_u64() == token;
            state.open.iter().filter(|(_, open)| held(open)).map(|(number, _)| *number).collect()
        };
        for number in theirs {
            self.end(number, EndReason::Released, false);
        }
    }

    /// An administrator took away what a process was granted in the steps up to `upto`: from now on others may have it. The process is told of it, soon after `late` at the latest;
    /// until then nobody can expect that somebody else is granted the same.
    pub(in super::super) fn excuse_steps(self: &Arc<Self>, life: &Life, upto: u64, late: u64) {
        let theirs: Vec<(u64, Grant)> = {
            let mut state = self.state();
            let before = state.robbed_of.entry((life.name.clone(), life.incarnation)).or_default();
            *before = upto.max(*before);
            let is_theirs = |open: &Open| {
                let is_one = open.node == life.name && open.incarnation == life.incarnation;
                is_one && super::can_be_robbed(open.recipe) && open.grant.token().as_u64() <= upto
            };
            let open = state.open.iter().filter(|(_, open)| is_theirs(open));
            open.map(|(number, open)| (*number, open.grant.clone())).collect()
        };
        let (recorder, name, deleted) = (Arc::clone(self), life.name.clone(), self.world.now());
        let grants: Vec<Grant> = theirs.iter().map(|(_, grant)| grant.clone()).collect();
        self.world.spawn(
            self.witness,
            Box::pin(async move {
                recorder.world.sleep_until(late.max(deleted) + nanos(PATIENCE)).await;
                // Where the store forgot the deletion, it goes on by right; and nothing is expected of a node that stays broken.
                let (is_struck, is_back) = {
                    let state = recorder.state();
                    let is_struck = state.faults.values().flatten().any(|node| *node == name);
                    (is_struck, state.forgot.is_some_and(|forgot| forgot >= deleted))
                };
                if !is_struck && !is_back && grants.iter().any(Grant::is_valid) {
                    recorder.mistake(format!(
                        "unheard: {name} still has partitions that an administrator took away at {deleted}"
                    ));
                }
            }),
        );
        for (number, grant) in theirs {
            self.end(number, EndReason::Released, false);
            self.holds_unseen(grant);
        }
    }

    /// An administrator deleted the place of this session in the queue of a lock. A waiter sees that its place is gone only when the one ahead of it goes, and is last from then on: its node is in
    /// trouble until it is granted something. Returns the trouble, which [`Recorder::recovered`] ends at the latest.
    pub(in super::super) fn deleted_of(&self, session: &str) -> Option<u64> {
        let node = self.state().sessions.get(session).cloned()?;
        let trouble = self.number();
        let mut state = self.state();
        state.robbed.insert(trouble, node.clone());
        let event = Event::Fault { fault: trouble, kind: "robbed".to_owned(), target: Target::Node(node) };
        self.push(&mut state, "nemesis", 1, event);
        Some(trouble)
    }

    /// A trouble of [`Recorder::deleted_of`] is over.
    pub(in super::super) fn recovered(&self, trouble: u64) {
        let mut state = self.state();
        if state.robbed.remove(&trouble).is_some() {
            self.push(&mut state, "nemesis", 1, Event::Healed { fault: trouble });
        }
    }

    /// The node has been granted something: it has noticed.
    pub(super) fn noticed_by(&self, state: &mut State, node: &str) {
        let over: Vec<u64> =
            state.robbed.iter().filter(|(_, robbed)| *robbed == node).map(|(trouble, _)| *trouble).collect();
        for trouble in over {
            state.robbed.remove(&trouble);
            self.push(state, "nemesis", 1, Event::Healed { fault: trouble });
        }
    }

    /// A grant of which the history says that it has ended is valid after all. As long as it is, nobody can expect that somebody else is granted the same.
    pub(super) fn holds_unseen(self: &Arc<Self>, grant: Grant) {
        if !grant.is_valid() {
            return;
        }
        let trouble = self.number();
        let event = Event::Fault { fault: trouble, kind: "brought back".to_owned(), target: Target::Store };
        self.push(&mut self.state(), "nemesis", 1, event);
        let recorder = Arc::clone(self);
        let over = async move {
            grant.lost().await;
            let event = Event::Healed { fault: trouble };
            recorder.push(&mut recorder.state(), "nemesis", 1, event);
        };
        self.world.spawn(self.witness, Box::pin(over));
    }

    /// The process has a session that nobody has ended yet.
    pub(in super::super) fn opened(&self, life: &Life, session: &SessionId) {
        let mut state = self.state();
        let process = (life.name.clone(), life.incarnation);
        state.condemned.remove(&process);
        state.pardoned.remove(&process);
        state.sessions.insert(session.to_string(), life.name.clone());
        state.latest.insert(process, session.clone());
    }

    /// The process is connected, while these sessions of its node live. Nobody follows its events before that, so it may have been told of later histories of the store unheard: if its
    /// session lives, a later history has brought it back. It was granted nothing yet.
    pub(in super::super) fn connected(&self, life: &Life, living: &[SessionId]) {
        let process = (life.name.clone(), life.incarnation);
        let mut state = self.state();
        if state.latest.get(&process).is_some_and(|latest| living.contains(latest)) {
            state.condemned.remove(&process);
        }
    }

    /// The process was told of a later history of the store, and its session is part of that.
    pub(in super::super) fn goes_on(self: &Arc<Self>, life: &Life, generation: u64) {
        let process = (life.name.clone(), life.incarnation);
        let mut state = self.state();
        if state.condemned.get(&process).is_some_and(|condemned| *condemned < generation) {
            state.condemned.remove(&process);
            let newest = state.newest_forgotten;
            state.pardoned.insert(process, newest);
            let theirs = |open: &mut Open| open.node == life.name && open.incarnation == life.incarnation;
            let held: Vec<Open> = state.excused.extract_if(.., theirs).collect();
            drop(state);
            held.into_iter().for_each(|open| self.holds_unseen(open.grant));
        }
    }
}
