//! What is told of a view: one rule after the other, and random histories with gaps.

#[path = "viewing_test/histories.rs"]
mod histories;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;

use super::{MEMBERS, News, STATUS, Step, Viewing};
use crate::coordinator::{Context, Input, Machine, Output};
use crate::group::profile::Profile;
use crate::group::records::{Keys, MemberRecord, StatusRecord, encode};
use crate::group::view::{Member, Status};
use crate::names::{Key, Name};
use crate::runtime::Instant;
use crate::spi::{Change, Entry, Lineage, Revision, SessionId, Stamp, WatchEvent};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn keys() -> Keys {
    Keys::of("group", &name("g"), &name("me"))
}

/// A store that remembers what each of the two watches has been shown.
struct Desk {
    viewing: Viewing,
    revision: u64,
    tables: [BTreeMap<Key, Entry>; 2],
    shown: [BTreeMap<Key, Entry>; 2],
    /// What a reader who applies every change has now.
    folded: BTreeMap<String, Member>,
    current: bool,
    news: Vec<News>,
}

impl Desk {
    fn new() -> Self {
        let mut desk = Self {
            viewing: Viewing::new(keys()),
            revision: 0,
            tables: [BTreeMap::new(), BTreeMap::new()],
            shown: [BTreeMap::new(), BTreeMap::new()],
            folded: BTreeMap::new(),
            current: false,
            news: Vec::new(),
        };
        desk.open();
        desk
    }

    fn open(&mut self) {
        let session = SessionId::parse("s").unwrap();
        self.feed(Input::SessionUp { session, hold_until: None });
    }

    fn feed(&mut self, input: Input<()>) {
        let mut out = Vec::new();
        let now = Instant::from_start(Duration::ZERO);
        self.viewing.on_input(
            input,
            &Context { now, wall: now.since_start(), numbers: &AtomicU64::new(1), ttl: None },
            &mut out,
        );
        for output in out {
            if let Output::Deliver(news) = output {
                self.fold(news);
            }
        }
    }

    fn fold(&mut self, news: News) {
        match &news {
            News::Current(current) => self.current = *current,
            News::Resynced(members) => {
                self.folded.clone_from(members);
                self.current = true;
            }
            News::Changed(steps) => steps.iter().for_each(|step| self.step(step)),
        }
        self.news.push(news);
    }

    fn step(&mut self, step: &Step) {
        assert!(self.current, "a change is told by a view that is not current");
        let (member, before) = match step {
            Step::Left(member) => {
                let gone = self.folded.remove(&member.node);
                assert_eq!(gone.as_ref(), Some(member), "whoever leaves was there");
                return;
            }
            Step::Joined(member) => (member, None),
            Step::Updated(member) => (member, Some(member.incarnation)),
            Step::Restarted { member, before } => {
                assert!(*before < member.incarnation);
                (member, self.folded.get(&member.node).map(|_| *before))
            }
        };
        let replaced = self.folded.insert(member.node.clone(), member.clone());
        assert_eq!(replaced.map(|member| member.incarnation), before, "{step:?} fits what was known");
    }

    // The store ---------------------------------------------------------------------------------------------------

    fn put(&mut self, slot: u8, key: Key, created: Option<u64>, value: Bytes) {
        self.revision += 1;
        let (created, modified) = (created.unwrap_or(self.revision), Revision::new(self.revision));
        let stamp = Stamp::new(key.clone(), Revision::new(created), modified, Bytes::new());
        self.tables[usize::from(slot)].insert(key, Entry::new(stamp, value, None));
    }

    fn remove(&mut self, slot: u8, key: &Key) {
        self.revision += 1;
        self.tables[usize::from(slot)].remove(key);
    }

    /// A member of `node` under the name `entry`, new or with another weight.
    fn member(&mut self, entry: &str, node: &str, weight: u32) {
        let key = keys().members.key(name(entry));
        let created = self.tables[0].get(&key).map(|entry| entry.created().as_u64());
        let value = encode(&MemberRecord::new(&name(node), &Profile::new().weight(weight), true));
        self.put(MEMBERS, key, created, value);
    }

    fn leave(&mut self, entry: &str) {
        self.remove(MEMBERS, &keys().members.key(name(entry)));
    }

    fn drain(&mut self, node: &str, drained: bool) {
        let key = keys().status.key(name(node));
        match drained {
            true => self.put(STATUS, key, None, encode(&StatusRecord { drained, by: "op".into() })),
            false => self.remove(STATUS, &key),
        }
    }

    // The watches -------------------------------------------------------------------------------------------------

    fn snapshot(&mut self, slot: u8) {
        let at = usize::from(slot);
        self.shown[at] = self.tables[at].clone();
        let entries = self.shown[at].values().cloned().collect();
        let revision = Revision::new(self.revision);
        let event = WatchEvent::Snapshot { entries, revision, lineage: Lineage::default() };
        self.feed(Input::Watched { slot, event });
    }

    fn snapshots(&mut self) {
        self.snapshot(MEMBERS);
        self.snapshot(STATUS);
    }

    /// Tells all that has changed since the watch spoke last, in one item.
    fn say(&mut self, slot: u8) {
        let at = usize::from(slot);
        let (shown, table) = (self.shown[at].clone(), self.tables[at].clone());
        let gone = shown.iter().filter(|(key, _)| !table.contains_key(*key));
        let gone = gone.map(|(_, entry)| Change::Removed(entry.stamp().clone()));
        let new = table.iter().filter(|(key, entry)| shown.get(*key) != Some(*entry));
        let new = new.map(|(_, entry)| Change::Put(entry.clone()));
        let changes: Vec<Change> = gone.chain(new).collect();
        self.shown[at] = table;
        let revision = Revision::new(self.revision);
        let event = WatchEvent::Changed { changes, revision, lineage: Lineage::default() };
        self.feed(Input::Watched { slot, event });
    }

    fn interrupt(&mut self, slot: u8) {
        self.feed(Input::Watched { slot, event: WatchEvent::Interrupted });
    }

    /// What the watches have shown, as a view.
    fn truth(&self) -> BTreeMap<String, Member> {
        let mut members: BTreeMap<String, Member> = BTreeMap::new();
        for entry in self.shown[0].values() {
            let mut member = Member::of(entry, None).unwrap();
            if self.shown[1].contains_key(&keys().status.key(name(&member.node))) {
                member.status = Status::Drained;
            }
            let place = members.entry(member.node.clone()).or_insert_with(|| member.clone());
            if place.incarnation < member.incarnation {
                *place = member;
            }
        }
        members
    }

    fn last(&self) -> String {
        match self.news.last().unwrap() {
            News::Changed(steps) => steps.iter().map(text).collect::<Vec<_>>().join(" "),
            News::Resynced(members) => format!("resynced {:?}", members.keys().collect::<Vec<_>>()),
            News::Current(current) => format!("current {current}"),
        }
    }
}

fn text(step: &Step) -> String {
    match step {
        Step::Joined(member) => format!("+{}", member.node),
        Step::Left(member) => format!("-{}", member.node),
        Step::Updated(member) => format!("~{}", member.node),
        Step::Restarted { member, .. } => format!("^{}", member.node),
    }
}

fn known() -> Desk {
    let mut desk = Desk::new();
    desk.member("1", "a", 1);
    desk.snapshots();
    desk
}

#[test]
fn nothing_is_told_before_both_watches_have_spoken() {
    let mut desk = Desk::new();
    desk.member("1", "a", 1);
    desk.snapshot(MEMBERS);
    assert_eq!(desk.news, []);
    desk.snapshot(STATUS);
    assert_eq!(desk.last(), "resynced [\"a\"]");
}

#[test]
fn joining_leaving_updating_and_draining_are_told() {
    let mut desk = known();
    desk.member("2", "b", 1);
    desk.say(MEMBERS);
    assert_eq!(desk.last(), "+b");
    desk.member("2", "b", 7);
    desk.say(MEMBERS);
    assert_eq!(desk.last(), "~b");
    desk.drain("b", true);
    desk.say(STATUS);
    assert_eq!((desk.last().as_str(), desk.folded["b"].status), ("~b", Status::Drained));
    desk.drain("b", false);
    desk.say(STATUS);
    assert_eq!((desk.last().as_str(), desk.folded["b"].status), ("~b", Status::Active));
    desk.leave("1");
    desk.say(MEMBERS);
    assert_eq!(desk.last(), "-a");
}

#[test]
fn the_status_of_a_node_that_is_not_there_is_told_with_the_node() {
    let mut desk = known();
    let told = desk.news.len();
    desk.drain("b", true);
    desk.say(STATUS);
    assert_eq!(desk.news.len(), told);
    desk.member("2", "b", 1);
    desk.say(MEMBERS);
    assert_eq!((desk.last().as_str(), desk.folded["b"].status), ("+b", Status::Drained));
}

#[test]
fn a_node_that_comes_back_in_one_step_or_in_two_is_told_as_restarted() {
    let mut desk = known();
    desk.leave("1");
    desk.member("2", "a", 1);
    desk.say(MEMBERS);
    assert_eq!(desk.last(), "^a");
    desk.leave("2");
    desk.say(MEMBERS);
    assert_eq!(desk.last(), "-a");
    desk.member("3", "a", 1);
    desk.say(MEMBERS);
    assert_eq!(desk.last(), "^a");
}

#[test]
fn the_late_end_of_an_earlier_life_removes_nobody() {
    let mut desk = known();
    desk.member("2", "a", 1);
    desk.say(MEMBERS);
    assert_eq!(desk.last(), "^a");
    let told = desk.news.len();
    desk.leave("1");
    desk.say(MEMBERS);
    assert_eq!((desk.news.len(), desk.folded.len()), (told, 1));
}

#[test]
fn an_earlier_life_that_outlives_a_later_one_does_not_come_back() {
    let mut desk = known();
    desk.member("2", "a", 1);
    desk.say(MEMBERS);
    desk.leave("2");
    desk.say(MEMBERS);
    assert_eq!((desk.last().as_str(), desk.folded.len()), ("-a", 0));
    desk.interrupt(MEMBERS);
    desk.snapshot(MEMBERS);
    assert_eq!(desk.last(), "resynced []");
}

#[test]
fn after_a_gap_comes_the_whole_view_and_no_invented_join_or_leave() {
    let mut desk = known();
    desk.interrupt(MEMBERS);
    assert_eq!(desk.last(), "current false");
    desk.leave("1");
    desk.member("2", "b", 1);
    desk.snapshot(MEMBERS);
    assert_eq!(desk.last(), "resynced [\"b\"]");
    desk.member("3", "c", 1);
    desk.say(MEMBERS);
    assert_eq!(desk.last(), "+c");
}

#[test]
fn a_lost_session_makes_the_view_stale_and_the_next_one_resyncs_it() {
    let mut desk = known();
    desk.feed(Input::SessionDown);
    assert_eq!((desk.last().as_str(), desk.folded.len()), ("current false", 1));
    desk.open();
    desk.snapshots();
    assert_eq!(desk.last(), "resynced [\"a\"]");
}

#[test]
fn a_snapshot_older_than_what_was_seen_is_not_told() {
    let mut desk = known();
    let old = (desk.tables.clone(), desk.revision);
    desk.leave("1");
    desk.say(MEMBERS);
    assert_eq!(desk.last(), "-a");
    let new = (desk.tables.clone(), desk.revision);
    desk.feed(Input::SessionDown);
    desk.open();
    (desk.tables, desk.revision) = old;
    desk.snapshots();
    assert!(desk.folded.is_empty() && !desk.current, "a dead member does not come back");
    (desk.tables, desk.revision) = new;
    desk.say(MEMBERS);
    assert_eq!(desk.last(), "resynced []");
}

#[test]
fn after_a_discontinuity_an_older_view_is_the_right_one() {
    let mut desk = known();
    let old = desk.tables.clone();
    desk.leave("1");
    desk.say(MEMBERS);
    desk.tables = old;
    desk.revision = 1;
    desk.feed(Input::Discontinuity { hold_until: None });
    assert_eq!(desk.last(), "current false");
    desk.snapshots();
    assert_eq!(desk.last(), "resynced [\"a\"]");
}

#[test]
fn an_entry_that_no_member_wrote_is_nobody() {
    let mut desk = known();
    let told = desk.news.len();
    desk.put(MEMBERS, keys().members.key(name("junk")), None, Bytes::from_static(b"junk"));
    desk.say(MEMBERS);
    assert_eq!(desk.news.len(), told);
}

#[test]
fn a_status_that_cannot_be_read_gives_the_node_no_work() {
    let mut desk = known();
    desk.put(STATUS, keys().status.key(name("a")), None, Bytes::from_static(b"?"));
    desk.say(STATUS);
    assert!(!desk.folded["a"].is_available());
}
