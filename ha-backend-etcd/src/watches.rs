//! The watches of one session and how they stand: what to order, what to read, whom to tell.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ha_core::runtime::Instant;
use tokio::sync::mpsc;

use crate::client::{Event, FailureKind, KeyRange, Told, WatchAnswer, WatchOrder};
use crate::feed::Feed;
use crate::hub::{Command, RECORD};
use crate::learn::{self, Learns, Learnt, Reading};
use crate::link::Link;
use crate::over::Why;
use crate::page::Detail;
use crate::target::{Next, Target, Tell};

/// How often each watched range is read anew, because servers were seen to lose events.
const REFRESH_INTERVAL: Duration = Duration::from_secs(300);
/// How many watches of single entries the server keeps that nobody needs any more. One is what the next turn in a queue needs, and each of them
/// brings what happens to one entry.
const RETAINED_MAX: usize = 2;
/// How often a watch is ordered again that the server may serve late. Each time is as likely to be in vain as the one before.
const ORDERED_AGAIN_MAX: u32 = 2;
/// Where the numbers begin by which the server calls what is ordered again.
const AGAIN: i64 = 1 << 40;

type Orders = mpsc::UnboundedSender<WatchOrder>;

#[derive(Debug)]
struct Watch {
    target: Target,
    feed: Arc<Feed>,
    /// What the server calls it.
    wire: i64,
    /// How often it was ordered again.
    again: u32,
    /// The reading that is awaited.
    reading: u64,
    /// What is told once the look with this number has shown that the session is alive: an end of it takes its entries along, and the server tells of one
    /// instant to one watch after the other.
    held: VecDeque<(u64, Tell)>,
    refresh_at: Instant,
}

/// All watches but that of the record.
#[derive(Debug)]
pub(crate) struct Watches {
    link: Arc<Link>,
    learnt: Learns,
    watches: BTreeMap<i64, Watch>,
    /// Which watch it is that the server calls so.
    wires: BTreeMap<i64, i64>,
    /// Watches that the server still has and nobody needs, by what the server calls them: those who wait in a queue again and again
    /// mostly wait for the same entry. A new watch is costly on a store that is written to: the server may take it for one that starts in
    /// the past, and serves it by the slow loop.
    retained: VecDeque<(i64, KeyRange)>,
    /// What was ordered and not acknowledged, in order: a refusal does not say which one it is about.
    ordered: VecDeque<i64>,
    readings_begun: u64,
    looks_begun: u64,
    ordered_again: i64,
}

impl Watches {
    pub(crate) fn new(link: Arc<Link>, learnt: Learns) -> Self {
        Self {
            link,
            learnt,
            watches: BTreeMap::new(),
            wires: BTreeMap::new(),
            retained: VecDeque::new(),
            ordered: VecDeque::new(),
            readings_begun: 0,
            looks_begun: 0,
            ordered_again: 0,
        }
    }

    /// Does what a consumer asks for; what has to be ordered waits if there is no stream.
    pub(crate) fn command(&mut self, command: Command, orders: Option<&Orders>) {
        match command {
            Command::Watch { id, target, feed } => {
                let refresh_at = self.next_refresh();
                let held = VecDeque::new();
                self.watches
                    .insert(id, Watch { target, feed, wire: id, again: 0, reading: 0, held, refresh_at });
                if let Some(orders) = orders
                    && !self.adopt(id)
                {
                    self.order(id, orders);
                }
            }
            Command::Refresh(id) => {
                if self.watches.get_mut(&id).is_some_and(|watch| watch.target.refresh()) {
                    self.begin_reading(id);
                }
            }
            Command::Drop(id) => {
                if let (Some(watch), Some(orders)) = (self.watches.remove(&id), orders) {
                    self.drop_watch(&watch, orders);
                }
            }
        }
    }

    /// Nobody needs the watch any more. That of a single entry is retained for a while.
    fn drop_watch(&mut self, watch: &Watch, orders: &Orders) {
        self.wires.remove(&watch.wire);
        if watch.target.is_live() && watch.target.range().end.is_empty() {
            self.retained.push_back((watch.wire, watch.target.range().clone()));
            self.cancel_retained(RETAINED_MAX, orders);
        } else {
            // A stream that is gone takes the watch with it.
            orders.send(WatchOrder::Cancel(watch.wire)).ok();
        }
    }

    /// Cancels what is retained, the oldest first, until no more than `most` are left.
    pub(crate) fn cancel_retained(&mut self, most: usize, orders: &Orders) {
        while self.retained.len() > most {
            let Some((wire, _)) = self.retained.pop_front() else { return };
            orders.send(WatchOrder::Cancel(wire)).ok();
        }
    }

    /// Uses a watch that was retained. It has seen everything until now, so that only the state is to be read.
    fn adopt(&mut self, id: i64) -> bool {
        let Some(watch) = self.watches.get_mut(&id) else { return false };
        let Some(at) = self.retained.iter().position(|(_, range)| range == watch.target.range()) else {
            return false;
        };
        let Some((wire, _)) = self.retained.remove(at) else { return false };
        watch.wire = wire;
        watch.target.adopted();
        self.wires.insert(wire, id);
        self.begin_reading(id);
        true
    }

    /// Orders everything on a new stream, which was opened with the watch of the record.
    pub(crate) fn order_all(&mut self, orders: &Orders) {
        self.ordered = VecDeque::from([RECORD]);
        self.wires.clear();
        self.retained.clear();
        self.begin_look();
        let ids: Vec<i64> = self.watches.keys().copied().collect();
        ids.into_iter().for_each(|id| self.order(id, orders));
    }

    fn order(&mut self, id: i64, orders: &Orders) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        watch.target.ordered();
        watch.wire = id;
        watch.again = 0;
        self.send_order(id, orders);
    }

    /// Orders a watch once more that may be served late, in place of the first one.
    fn order_again(&mut self, id: i64, orders: &Orders) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        if watch.again == ORDERED_AGAIN_MAX || !watch.target.range().end.is_empty() {
            return;
        }
        orders.send(WatchOrder::Cancel(watch.wire)).ok();
        self.wires.remove(&watch.wire);
        self.ordered_again += 1;
        watch.wire = AGAIN + self.ordered_again;
        watch.again += 1;
        watch.target.ordered_again();
        self.send_order(id, orders);
    }

    fn send_order(&mut self, id: i64, orders: &Orders) {
        let Some(watch) = self.watches.get(&id) else { return };
        self.wires.insert(watch.wire, id);
        self.ordered.push_back(watch.wire);
        // Without a stream the reader finds out, and everything is ordered again.
        orders.send(WatchOrder::Watch { id: watch.wire, range: watch.target.range().clone() }).ok();
        self.begin_reading(id);
    }

    /// Takes an answer of the stream. False: the stream is of no use.
    pub(crate) fn answered(&mut self, answer: WatchAnswer, orders: &Orders) -> bool {
        match answer.told {
            Told::Progress => true,
            Told::Created => {
                let acknowledged = self.ordered.pop_front();
                let revision = answer.header.revision;
                self.advance(answer.id, orders, |target, layout| target.acknowledged(revision, layout));
                acknowledged == Some(answer.id)
            }
            Told::Events(events) if answer.id == RECORD => {
                if events.iter().any(|event| matches!(event, Event::Deleted { .. })) {
                    self.link.end(Why::Lost);
                }
                true
            }
            Told::Events(events) => {
                self.advance(answer.id, orders, |target, layout| target.events(events, layout));
                true
            }
            Told::Ended { kind, reason } => self.ended(answer.id, kind, &reason, orders),
        }
    }

    /// The server ended, or refused, a watch. Compacted history is none of our concern: watches begin now.
    fn ended(&mut self, id: i64, kind: FailureKind, reason: &str, orders: &Orders) -> bool {
        let wire = if id >= RECORD { Some(id) } else { self.ordered.pop_front() };
        self.retained.retain(|(retained, _)| Some(*retained) != wire);
        let id = wire.and_then(|wire| self.wires.remove(&wire));
        let Some(watch) = id.and_then(|id| self.watches.get_mut(&id)) else {
            // One that was cancelled here; or the first one, without which the stream is nothing.
            return wire != Some(RECORD);
        };
        tracing::warn!(session = %self.link.id, reason, "the server ended a watch");
        if watch.interrupted() {
            watch.feed.interrupt();
        }
        if kind != FailureKind::Compacted {
            // Permission or token: a new stream logs in again, after a pause.
            return false;
        }
        id.into_iter().for_each(|id| self.order(id, orders));
        true
    }

    /// Takes what was learnt.
    pub(crate) fn learnt(&mut self, learnt: Learnt, orders: &Orders) {
        match learnt {
            Learnt::Range(reading) => self.read(reading, orders),
            Learnt::Alive(look) => self.is_alive(look),
        }
    }

    fn read(&mut self, reading: Reading, orders: &Orders) {
        let Reading { id, number, revision, kvs } = reading;
        if let Some(watch) = self.watches.get(&id).filter(|watch| watch.reading == number) {
            self.advance(watch.wire, orders, |target, layout| target.read(revision, kvs, layout));
        }
    }

    /// Takes a step of the watch that the server calls `wire`, if anybody needs it.
    fn advance(
        &mut self,
        wire: i64,
        orders: &Orders,
        step: impl FnOnce(&mut Target, &crate::keys::Layout) -> Next,
    ) {
        let Some(&id) = self.wires.get(&wire) else { return };
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let next = step(&mut watch.target, &self.link.layout);
        let lease = self.link.grant.map(|grant| grant.lease);
        let is_own = next.gone.iter().any(|stamp| lease == Some(Detail::of(stamp).lease));
        self.tell(id, next.tell, is_own);
        if next.read {
            self.begin_reading(id);
        }
        if next.doubtful {
            self.order_again(id, orders);
        }
    }

    /// Tells the consumer of the watch, if need be once the session is known to be alive: of one that is over it is told that, and not that its entries are gone.
    fn tell(&mut self, id: i64, tell: Vec<Tell>, takes_life: bool) {
        if takes_life && !tell.is_empty() {
            self.begin_look();
        }
        let Some(watch) = self.watches.get_mut(&id) else { return };
        if takes_life || !watch.held.is_empty() {
            watch.held.extend(tell.into_iter().map(|tell| (self.looks_begun, tell)));
        } else {
            tell.into_iter().for_each(|tell| watch.feed(&self.link, tell));
        }
    }

    fn is_alive(&mut self, look: u64) {
        for watch in self.watches.values_mut() {
            let proven = watch.held.partition_point(|(needs, _)| *needs <= look);
            let proven: Vec<_> = watch.held.drain(..proven).collect();
            proven.into_iter().for_each(|(_, tell)| watch.feed(&self.link, tell));
        }
    }

    /// The stream broke: nobody knows what happens.
    pub(crate) fn interrupt(&mut self) {
        self.ordered.clear();
        for watch in self.watches.values_mut() {
            watch.interrupted();
            watch.feed.interrupt();
        }
    }

    /// The session is over.
    pub(crate) fn end(&mut self) {
        let history = self.link.over.why() == Some(Why::History);
        let discontinuity = history.then(|| self.link.lineage());
        self.watches.values().for_each(|watch| watch.feed.end(discontinuity));
    }

    /// Reads anew what was not read for long.
    pub(crate) fn refresh_due(&mut self, now: Instant) {
        let next = self.next_refresh();
        let mut due = Vec::new();
        for (id, watch) in &mut self.watches {
            if watch.refresh_at <= now {
                watch.refresh_at = next;
                due.extend(watch.target.refresh().then_some(*id));
            }
        }
        due.into_iter().for_each(|id| self.begin_reading(id));
    }

    fn next_refresh(&self) -> Instant {
        let runtime = self.link.runtime();
        runtime.now() + REFRESH_INTERVAL + Duration::from_secs(runtime.random() % 60)
    }

    fn begin_reading(&mut self, id: i64) {
        self.readings_begun += 1;
        let number = self.readings_begun;
        let Some(watch) = self.watches.get_mut(&id) else { return };
        watch.reading = number;
        learn::range(&self.link, &self.learnt, id, number, watch.target.range().clone());
    }

    /// Looks at the record of the session, which ends if it is gone: it may have gone while no stream was there to tell.
    fn begin_look(&mut self) {
        self.looks_begun += 1;
        if self.link.grant.is_none() {
            return;
        }
        learn::life(&self.link, &self.learnt, self.looks_begun);
    }
}

impl Watch {
    fn feed(&self, link: &Link, tell: Tell) {
        link.show(tell.revision());
        let lineage = link.lineage();
        match tell {
            Tell::Snapshot(entries, revision) => self.feed.snapshot(entries, revision, lineage),
            Tell::Changed(changes, revision) => self.feed.changed(changes, revision, lineage),
        }
    }

    /// What happens now nobody sees. True if somebody believes in the view.
    fn interrupted(&mut self) -> bool {
        self.held.clear();
        self.target.interrupted()
    }
}
