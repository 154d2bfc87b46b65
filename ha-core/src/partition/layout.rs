//! Who owns what, as anybody can see it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::records::{Assigned, Keys, PlanRecord, decode_plan};
use crate::coordinator::{Context, Driver, Engine, Hub, Input, Lifetime, Machine, Output};
use crate::group::MemberRecord;
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::WatchTarget;
use crate::sync::lock;
use crate::token::Token;
use crate::view::View;

const ASSIGNED: u8 = 0;
const PLAN: u8 = 1;

/// Who owns a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owner {
    /// The node.
    pub node: String,
    /// The token of its grant; `None` while it is giving the partition up.
    pub token: Option<Token>,
    /// Where the node is reached, if it said so.
    pub address: Option<String>,
}

/// What one member has.
#[derive(Debug, PartialEq, Eq)]
struct Share {
    node: String,
    address: Option<String>,
    record: Assigned,
}

/// Who owns what: a snapshot, which does not change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    number: u64,
    count: u32,
    moves: u64,
    base: u64,
    shares: BTreeMap<Name, Arc<Share>>,
}

impl Layout {
    /// Its number: larger than that of every layout that this process saw before.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many partitions there are. 0 before anybody has assigned.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        self.count
    }

    /// How many times, since the first plan, a partition has gone from one node to another. What the next life of a node gets back has not moved.
    #[must_use]
    pub fn moves(&self) -> u64 {
        self.moves
    }

    /// Who owns the partition, or is still giving it up.
    #[must_use]
    pub fn owner_of(&self, partition: u32) -> Option<Owner> {
        self.shares.values().find_map(|share| {
            let has = |set: &[u32]| set.binary_search(&partition).is_ok();
            let granted = share.record.granted.iter().find(|granted| has(&granted.set));
            let revoked = share.record.revoked.iter().any(|revoked| has(&revoked.set));
            let token = granted.map(|granted| Token::new(granted.token.saturating_add(self.base)));
            (token.is_some() || revoked).then(|| Owner {
                node: share.node.clone(),
                token,
                address: share.address.clone(),
            })
        })
    }

    /// How many partitions each node owns.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for share in self.shares.values() {
            let owned: usize = share.record.granted.iter().map(|granted| granted.set.len()).sum();
            *counts.entry(share.node.as_str()).or_default() += owned;
        }
        counts
    }

    /// The partitions without an owner, those included that are being given up.
    #[must_use]
    pub fn unowned(&self) -> Vec<u32> {
        let mut owned = vec![false; self.count as usize];
        for granted in self.shares.values().flat_map(|share| &share.record.granted) {
            for partition in &granted.set {
                if let Some(owned) = owned.get_mut(*partition as usize) {
                    *owned = true;
                }
            }
        }
        (0..).zip(owned).filter(|(_, owned)| !owned).map(|(partition, _)| partition).collect()
    }
}

/// What the watches have shown.
#[derive(Debug)]
pub(super) struct Atlas {
    keys: Keys,
    assigned: View,
    plan: View,
    shares: BTreeMap<Name, Arc<Share>>,
}

impl Atlas {
    pub(super) fn of(hub: &Arc<Hub>, name: &Name) -> Arc<Engine<Self>> {
        hub.recipe("partition layout", name, || {
            let keys = Keys::new(name);
            let atlas =
                Self { keys, assigned: View::default(), plan: View::default(), shares: BTreeMap::new() };
            Engine::start(hub, atlas, Board::default())
        })
    }

    fn tell(&mut self, out: &mut Vec<Output<Layout>>) {
        if !(self.assigned.is_known() && self.plan.is_known()) {
            return;
        }
        let plan = self.plan.get(&self.keys.plan).and_then(|entry| decode_plan(entry).ok());
        let before = std::mem::take(&mut self.shares);
        self.shares = self
            .assigned
            .entries()
            .filter_map(|entry| {
                // What is not written by us is nobody's.
                let record = Assigned::decode(entry).ok()?;
                let mid = entry.key().name();
                let known = before.get(mid).filter(|share| share.record == record);
                let share = known.cloned().or_else(|| {
                    let member: MemberRecord = serde_json::from_slice(&record.profile).ok()?;
                    let (node, address) = (member.node().to_owned(), member.address().map(str::to_owned));
                    Some(Arc::new(Share { node, address, record }))
                })?;
                Some((mid.clone(), share))
            })
            .collect();
        let newest = self.shares.values().map(|share| share.record.seq).max();
        if plan.as_ref().zip(newest).is_some_and(|(plan, newest)| plan.seq < newest) {
            // Written in the same step, and shown by another watch, which is late.
            return;
        }
        let plan = plan.unwrap_or(PlanRecord { seq: 0, count: 0, moves: 0 });
        let (shares, count, moves) = (self.shares.clone(), plan.count, plan.moves);
        out.push(Output::Deliver(Layout { number: 0, count, moves, base: 0, shares }));
    }
}

impl Machine for Atlas {
    type Request = ();
    type Delivery = Layout;

    fn on_input(&mut self, input: Input<()>, _: &Context<'_>, out: &mut Vec<Output<Layout>>) {
        match input {
            Input::SessionUp { .. } => {
                let assigned = WatchTarget::Collection(self.keys.assigned.clone());
                out.push(Output::Watch { slot: ASSIGNED, target: assigned });
                out.push(Output::Watch { slot: PLAN, target: WatchTarget::Entry(self.keys.plan.clone()) });
            }
            Input::Watched { slot, event } => {
                let view = if slot == PLAN { &mut self.plan } else { &mut self.assigned };
                view.apply(event);
                self.tell(out);
            }
            Input::SessionDown | Input::Discontinuity { .. } => {
                // What was known last is told until something else is known.
                self.assigned.reset();
                self.plan.reset();
                if matches!(input, Input::Discontinuity { .. }) {
                    out.push(Output::Reconciled);
                }
            }
            Input::Committed { .. }
            | Input::Listed { .. }
            | Input::Voided { .. }
            | Input::Tick
            | Input::Closing
            | Input::Request(()) => {}
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        None
    }

    fn is_idle(&self) -> bool {
        true
    }
}

/// Where readers of layouts wait.
#[derive(Debug, Default)]
pub(super) struct Board {
    latest: Mutex<Layout>,
    changed: Notify,
}

impl Driver for Atlas {
    type Ports = Board;

    fn deliver(engine: &Arc<Engine<Self>>, layout: Layout, life: Option<&Arc<Lifetime>>) {
        {
            let mut latest = lock(&engine.ports.latest);
            let base = life.map_or(latest.base, |life| life.token_base());
            let layout = Layout { number: latest.number, base, ..layout };
            if latest.number > 0 && *latest == layout {
                return;
            }
            *latest = Layout { number: latest.number + 1, ..layout };
        }
        engine.ports.changed.notify_waiters();
    }
}

/// Layouts, one after the other: those in between that nobody has read are left out.
pub struct Layouts {
    engine: Arc<Engine<Atlas>>,
    seen: u64,
}

impl Layouts {
    pub(super) fn new(engine: Arc<Engine<Atlas>>) -> Self {
        Self { engine, seen: 0 }
    }

    /// The present layout at first, then the next one that differs; `None` once the coordinator is shut down.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Layout> {
        loop {
            let changed = self.engine.ports.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let latest = lock(&self.engine.ports.latest).clone();
            if latest.number > self.seen {
                self.seen = latest.number;
                return Some(latest);
            }
            tokio::select! {
                biased;
                () = changed => {}
                () = self.engine.hub().until_closed() => return None,
            }
        }
    }
}

impl fmt::Debug for Layouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layouts").field("seen", &self.seen).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "layout_test.rs"]
mod tests;
