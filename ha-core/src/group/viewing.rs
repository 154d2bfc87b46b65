//! Who is here, from two watches. Pure: no I/O, no clock.

use std::collections::BTreeMap;

use super::records::Keys;
use super::view::Member;
use crate::coordinator::{Context, Input, Machine, Output};
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Change, Entry, Revision, WatchEvent, WatchTarget};
use crate::token::Token;
use crate::view;

/// The watch on the members, and the one on what operators set.
pub(super) const MEMBERS: u8 = 0;
pub(super) const STATUS: u8 = 1;

/// For how many views the life of a node that left is remembered.
const REMEMBERED: u64 = 1_000;

/// One difference between two views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Joined(Member),
    Left(Member),
    Updated(Member),
    Restarted { member: Member, before: Token },
}

/// What the process is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// What changed, in order.
    Changed(Vec<Step>),
    /// The whole view: the first, or after a gap.
    Resynced(BTreeMap<String, Member>),
    /// From now on, or until now, the view may be out of date.
    Current(bool),
}

/// One of the two watches.
#[derive(Debug, Default)]
struct Source {
    view: view::View,
    interrupted: bool,
    /// A revision that this history of the store had reached when it told the newest state.
    newest: Revision,
}

impl Source {
    /// Takes what the watch delivered; returns whether something may have been missed.
    fn apply(&mut self, event: WatchEvent) -> bool {
        let mut gap = false;
        match &event {
            WatchEvent::Interrupted => self.interrupted = true,
            WatchEvent::Snapshot { .. } => {
                self.interrupted = false;
                gap = true;
            }
            WatchEvent::Changed { changes, .. } => {
                let removed = |change: &Change| matches!(change, Change::Removed(_));
                if let (true, WatchEvent::Changed { revision, .. }) = (changes.iter().any(removed), &event) {
                    self.newest = self.newest.max(*revision);
                }
            }
            WatchEvent::Discontinuity(_) => {}
        }
        self.view.apply(event);
        gap
    }

    /// Whether it shows the newest state that it ever showed, or a newer one. A new session may reach a server that lags.
    fn is_known(&mut self) -> bool {
        let shown = self.view.entries().map(|entry| entry.stamp().modified()).max();
        let reached = self.view.revision().max(shown.unwrap_or_default());
        if !self.view.is_known() || self.interrupted || reached < self.newest {
            return false;
        }
        self.newest = self.newest.max(shown.unwrap_or_default());
        true
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

/// The pure state: what the watches have shown, and what was told of it.
#[derive(Debug)]
pub(super) struct Viewing {
    keys: Keys,
    members: Source,
    status: Source,
    /// Something may have been missed since the last view was told.
    gap: bool,
    current: bool,
    told: BTreeMap<String, Member>,
    /// The youngest life of each node that this history has shown, also of nodes that left, and by which view.
    lives: BTreeMap<String, (u64, Token)>,
    views: u64,
}

impl Viewing {
    pub(super) fn new(keys: Keys) -> Self {
        Self {
            keys,
            members: Source::default(),
            status: Source::default(),
            gap: true,
            current: false,
            told: BTreeMap::new(),
            lives: BTreeMap::new(),
            views: 0,
        }
    }

    fn tell(&mut self, out: &mut Vec<Output<News>>) {
        let (members, status) = (self.members.is_known(), self.status.is_known());
        if !(members && status) {
            if std::mem::replace(&mut self.current, false) {
                out.push(Output::Deliver(News::Current(false)));
            }
            return;
        }
        let now = self.look();
        if std::mem::replace(&mut self.gap, false) {
            self.remember(&now);
            self.told.clone_from(&now);
            self.current = true;
            out.push(Output::Deliver(News::Resynced(now)));
            return;
        }
        if !std::mem::replace(&mut self.current, true) {
            out.push(Output::Deliver(News::Current(true)));
        }
        let steps = self.steps(&now);
        self.remember(&now);
        self.told = now;
        if !steps.is_empty() {
            out.push(Output::Deliver(News::Changed(steps)));
        }
    }

    /// The members that the watches show. A life that is older than another one of the same node is over, and only its expiry is late.
    fn look(&self) -> BTreeMap<String, Member> {
        let mut members: BTreeMap<String, Member> = BTreeMap::new();
        for entry in self.members.view.entries() {
            let Some(member) = self.member(entry) else { continue };
            let shown = members.get(&member.node).map(|other| other.incarnation);
            let known = self.lives.get(&member.node).map(|(_, life)| *life);
            if shown.max(known).is_none_or(|youngest| youngest <= member.incarnation) {
                members.insert(member.node.clone(), member);
            }
        }
        members
    }

    fn member(&self, entry: &Entry) -> Option<Member> {
        let member = Member::of(entry, None)?;
        let node = Name::parse(&member.node).ok()?;
        let status = self.status.view.get(&self.keys.status.key(node));
        Member::of(entry, status)
    }

    fn steps(&self, now: &BTreeMap<String, Member>) -> Vec<Step> {
        let mut steps = Vec::new();
        for (node, before) in &self.told {
            if !now.contains_key(node) {
                steps.push(Step::Left(before.clone()));
            }
        }
        for (node, member) in now {
            let before = match self.told.get(node) {
                Some(before) if before == member => continue,
                Some(before) if before.incarnation == member.incarnation => {
                    steps.push(Step::Updated(member.clone()));
                    continue;
                }
                Some(before) => Some(before.incarnation),
                None => self.lives.get(node).map(|(_, before)| *before),
            };
            let member = member.clone();
            steps.push(match before.filter(|before| *before != member.incarnation) {
                Some(before) => Step::Restarted { member, before },
                None => Step::Joined(member),
            });
        }
        steps
    }

    /// Remembers the lives that are told of, and for a while those that left.
    fn remember(&mut self, now: &BTreeMap<String, Member>) {
        self.views += 1;
        let views = self.views;
        for (node, member) in now {
            self.lives.insert(node.clone(), (views, member.incarnation));
        }
        self.lives.retain(|_, (at, _)| views - *at < REMEMBERED);
    }
}

impl Machine for Viewing {
    type Request = ();
    type Delivery = News;

    fn on_input(&mut self, input: Input<()>, _: &Context<'_>, out: &mut Vec<Output<News>>) {
        match input {
            Input::SessionUp { .. } => {
                let members = WatchTarget::Collection(self.keys.members.clone());
                let status = WatchTarget::Collection(self.keys.status.clone());
                out.push(Output::Watch { slot: MEMBERS, target: members });
                out.push(Output::Watch { slot: STATUS, target: status });
            }
            Input::SessionDown => {
                self.members.view.reset();
                self.status.view.reset();
            }
            Input::Watched { slot: MEMBERS, event } => self.gap |= self.members.apply(event),
            Input::Watched { slot: _, event } => self.gap |= self.status.apply(event),
            Input::Discontinuity { .. } => {
                // What was seen belongs to a history that is over; the snapshots of the new one follow.
                self.members.forget();
                self.status.forget();
                self.lives.clear();
                out.push(Output::Reconciled);
            }
            Input::Committed { .. }
            | Input::Listed { .. }
            | Input::Voided { .. }
            | Input::Tick
            | Input::Closing
            | Input::Request(()) => {}
        }
        self.tell(out);
    }

    fn next_wake(&self) -> Option<Instant> {
        None
    }

    fn is_idle(&self) -> bool {
        true
    }
}

#[cfg(test)]
#[path = "viewing_test.rs"]
mod tests;
