//! What an owner does with its record, step by step.

#[path = "owner_test/deleted.rs"]
mod deleted;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;

use super::{ACK, Asked, Delivery, Owner, RECORD, Request};
use crate::coordinator::{Context, Input, Machine, Output};
use crate::error::{Effect, Error, ErrorKind};
use crate::names::{Key, Name};
use crate::partition::records::{Ack, Assigned, Granted, Keys, Revoked};
use crate::runtime::Instant;
use crate::spi::{
    Committed, Conflict, Entry, Lineage, Listing, Operation, Outcome, Revision, SessionId, Stamp, Txn,
    WatchEvent,
};

const MEMBER: &str = "s1-1";

fn stamp(key: Key, revision: u64) -> Stamp {
    Stamp::new(key, Revision::new(revision), Revision::new(revision), Bytes::new())
}

/// An owner, and what it has asked for.
struct Bench {
    owner: Owner,
    keys: Keys,
    revision: u64,
    told: Vec<Delivery>,
    commits: Vec<(u64, Txn)>,
    lists: Vec<u64>,
    reconciled: bool,
    now: u64,
}

impl Bench {
    /// A member whose acknowledgement is there.
    fn member() -> Self {
        let keys = Keys::new(&Name::parse("p").unwrap());
        let mut bench = Self {
            owner: Owner::new(keys.clone()),
            keys,
            revision: 10,
            told: Vec::new(),
            commits: Vec::new(),
            lists: Vec::new(),
            reconciled: false,
            now: 1,
        };
        bench.feed(Input::SessionUp { session: SessionId::parse("s1").unwrap(), hold_until: None });
        bench.feed(Input::Request(Request::Begin { count: 4, replaces: String::new() }));
        bench.feed(Input::Request(Request::Entered(bench.entered())));
        bench.commit();
        bench
    }

    /// The entry of the member.
    fn entered(&self) -> Stamp {
        stamp(self.keys.members.key(Name::internal(MEMBER)), 5)
    }

    /// The own acknowledgement as the store has it.
    fn own_ack(&self, ack: &Ack) -> Entry {
        let key = self.keys.acks.key(Name::internal(MEMBER));
        Entry::new(stamp(key, 11), ack.encode(), SessionId::parse("s1").ok())
    }

    /// Answers all listings: these acknowledgements, and no record.
    fn answer_lists(&mut self, acks: &[Entry]) {
        self.answer(acks, &[], 90);
    }

    fn answer(&mut self, acks: &[Entry], records: &[Entry], revision: u64) {
        for tag in std::mem::take(&mut self.lists) {
            let is_acks = self.owner.asked.contains(&(tag, Asked::Acks));
            let entries = if is_acks { acks.to_vec() } else { records.to_vec() };
            let listing = Listing::new(entries, false, Revision::new(revision), Lineage::default());
            self.feed(Input::Listed { tag, listing: Ok(listing) });
        }
    }

    /// Lets the pause before the next attempt pass.
    fn wait(&mut self) {
        self.now += 1_000_000_000;
        self.feed(Input::Tick);
    }

    fn feed(&mut self, input: Input<Request>) {
        let (numbers, mut out) = (AtomicU64::new(1), Vec::new());
        let context = Context {
            now: Instant::from_nanos(self.now),
            wall: Duration::ZERO,
            numbers: &numbers,
            ttl: Some(Duration::from_secs(1)),
        };
        self.owner.on_input(input, &context, &mut out);
        for output in out {
            match output {
                Output::Deliver(delivery) => self.told.push(delivery),
                Output::Commit { tag, txn } => self.commits.push((tag, txn)),
                Output::List { tag, .. } => self.lists.push(tag),
                Output::Reconciled => self.reconciled = true,
                Output::Watch { .. } | Output::Unwatch { .. } => {}
            }
        }
    }

    /// The only commit under way succeeds; returns what it writes.
    fn commit(&mut self) -> Option<Ack> {
        let [(tag, txn)] = <[_; 1]>::try_from(std::mem::take(&mut self.commits)).unwrap();
        self.revision += 1;
        let revision = Revision::new(self.revision);
        let (new, ack) = match &txn.operations()[0] {
            Operation::Create { key, value, .. } => (Some(stamp(key.clone(), self.revision)), Some(value)),
            Operation::Update { stamp: before, value } => {
                (Some(stamp(before.key().clone(), self.revision)), Some(value))
            }
            Operation::Delete { .. } => (None, None),
        };
        let key = self.keys.acks.key(Name::internal(MEMBER));
        let ack = ack.and_then(|value| Ack::decode(&Entry::new(stamp(key, 1), value.clone(), None)));
        let committed = Committed::new(revision, vec![new], Vec::new(), Lineage::default());
        self.feed(Input::Committed { tag, outcome: Ok(Outcome::Committed(committed)) });
        ack
    }

    fn entry(&self, record: &Assigned) -> Entry {
        Entry::new(stamp(self.keys.assigned.key(Name::internal(MEMBER)), record.seq), record.encode(), None)
    }

    /// The watch shows the record.
    fn see(&mut self, seq: u64, granted: &[(u64, &[u32])], revoked: &[(u64, &[u32])]) {
        let granted =
            granted.iter().map(|(token, set)| Granted { token: *token, set: set.to_vec() }).collect();
        let revoked = revoked.iter().map(|(rseq, set)| Revoked { rseq: *rseq, set: set.to_vec() }).collect();
        self.show(&Assigned { seq, granted, revoked, ..Assigned::default() });
    }

    fn show(&mut self, record: &Assigned) {
        self.revision += 1;
        let (entries, revision) = (vec![self.entry(record)], Revision::new(self.revision));
        let event = WatchEvent::Snapshot { entries, revision, lineage: Lineage::default() };
        self.feed(Input::Watched { slot: RECORD, event });
    }

    /// The watch in this slot shows that the entry is not there in a later state of the store.
    fn see_nothing(&mut self, slot: u8, revision: u64) {
        let (entries, revision) = (Vec::new(), Revision::new(revision));
        let event = WatchEvent::Snapshot { entries, revision, lineage: Lineage::default() };
        self.feed(Input::Watched { slot, event });
    }

    fn stop(&mut self, partition: u32, token: u64) {
        self.feed(Input::Request(Request::Stopped { partition, token }));
    }

    /// What the process was told since the last look.
    fn told(&mut self) -> Vec<String> {
        let told = std::mem::take(&mut self.told);
        told.iter()
            .map(|delivery| match delivery {
                Delivery::Start { partition, token, .. } => format!("start {partition} by {token}"),
                Delivery::Revoke { partition, .. } => format!("revoke {partition}"),
                Delivery::End { partition, reason, .. } => format!("end {partition}: {reason:?}"),
                other => format!("{other:?}"),
            })
            .collect()
    }
}

#[test]
fn what_is_granted_starts_without_a_write() {
    let mut bench = Bench::member();
    bench.see(20, &[(20, &[0, 2])], &[]);
    assert_eq!(bench.told(), ["start 0 by 20", "start 2 by 20"]);
    assert!(bench.commits.is_empty());
}

#[test]
fn what_is_revoked_is_acknowledged_once_it_has_stopped() {
    let mut bench = Bench::member();
    bench.see(20, &[(20, &[0, 1, 2])], &[]);
    bench.told();
    bench.see(30, &[(20, &[0])], &[(30, &[1, 2])]);
    assert_eq!(bench.told(), ["revoke 1", "revoke 2"]);
    assert_eq!(bench.commit().unwrap().except, [1, 2], "nothing has stopped yet");
    bench.stop(1, 20);
    let ack = bench.commit().unwrap();
    assert_eq!((ack.seq, ack.except.as_slice()), (30, [2].as_slice()), "one that hangs holds up no other");
    bench.stop(2, 20);
    assert!(bench.commit().unwrap().except.is_empty());
    assert!(bench.told().is_empty());
}

#[test]
fn an_older_record_starts_nothing() {
    let mut bench = Bench::member();
    bench.see(30, &[(20, &[0])], &[]);
    bench.told();
    bench.see(20, &[(20, &[0, 1])], &[]);
    assert!(bench.told().is_empty());
}

#[test]
fn another_token_of_the_same_partition_is_another_start() {
    let mut bench = Bench::member();
    bench.see(20, &[(20, &[0])], &[]);
    bench.told();
    bench.see(40, &[(40, &[0])], &[]);
    assert_eq!(bench.told(), ["revoke 0"], "what runs by the old one ends first");
    bench.stop(0, 20);
    assert_eq!(bench.told(), ["start 0 by 40"]);
}

#[test]
fn what_is_taken_without_a_word_ends_at_once() {
    let mut bench = Bench::member();
    bench.see(20, &[(20, &[0, 1])], &[]);
    bench.told();
    bench.see(30, &[(20, &[1])], &[]);
    assert_eq!(bench.told(), ["end 0: Transferred"]);
}

#[test]
fn what_is_let_go_of_early_rests_until_it_is_granted_anew() {
    let mut bench = Bench::member();
    bench.see(20, &[(20, &[0])], &[]);
    bench.stop(0, 20);
    bench.told();
    bench.see(30, &[(20, &[0]), (30, &[1])], &[]);
    assert_eq!(bench.told(), ["start 1 by 30"]);
    bench.see(40, &[(30, &[1]), (40, &[0])], &[]);
    assert_eq!(bench.told(), ["start 0 by 40"]);
}

#[test]
fn the_end_of_the_member_ends_all_and_its_acknowledgement_goes_last() {
    let mut bench = Bench::member();
    bench.see(20, &[(20, &[0])], &[]);
    bench.told();
    bench.feed(Input::Request(Request::Gone(bench.entered())));
    assert_eq!(bench.told(), ["end 0: Removed"]);
    assert!(bench.commits.is_empty(), "it may still run");
    bench.stop(0, 20);
    assert!(matches!(bench.commits[0].1.operations(), [Operation::Delete { .. }]));
    assert!(bench.told().is_empty(), "the acknowledgement is still there");
    bench.commit();
    assert!(bench.owner.life.is_none());
    assert_eq!(bench.told(), [format!("{:?}", Delivery::Ceased(bench.entered()))]);
}

#[test]
fn a_revocation_that_the_store_forgot_is_made_up_for_by_a_new_grant() {
    let mut bench = Bench::member();
    bench.see(20, &[(20, &[0])], &[]);
    bench.see(30, &[], &[(30, &[0])]);
    bench.commit();
    bench.feed(Input::Discontinuity { hold_until: None });
    bench.see(20, &[(20, &[0])], &[]);
    bench.stop(0, 20);
    assert_eq!(bench.owner.void.get(&0), Some(&20));
    assert!(bench.owner.rested.is_empty());
}

#[test]
fn a_lost_session_ends_all_without_a_word() {
    let mut bench = Bench::member();
    bench.see(20, &[(20, &[0])], &[]);
    bench.told();
    bench.feed(Input::SessionDown);
    assert_eq!(bench.told(), ["end 0: SessionLost"]);
    assert!(bench.commits.is_empty());
}

/// A member that was granted 0 and 1 and has given up 1, which the store has forgotten; it brings back `ack`.
fn brought_back(ack: &Ack) -> Bench {
    let mut bench = Bench::member();
    bench.see(20, &[(20, &[0, 1])], &[]);
    bench.told();
    bench.see(30, &[(20, &[0])], &[(30, &[1])]);
    bench.stop(1, 20);
    bench.commit();
    bench.commit();
    bench.told();
    bench.feed(Input::Discontinuity { hold_until: None });
    let [acks, records] = <[u64; 2]>::try_from(std::mem::take(&mut bench.lists)).unwrap();
    // The store went back to before the revocation: another member may have run 1 by a larger token since.
    let record =
        Assigned { seq: 20, granted: vec![Granted { token: 20, set: vec![0, 1] }], ..Assigned::default() };
    let listing = |entries| Ok(Listing::new(entries, false, Revision::new(90), Lineage::default()));
    let own = bench.own_ack(ack);
    bench.feed(Input::Listed { tag: acks, listing: listing(vec![own]) });
    assert!(!bench.reconciled);
    let entry = bench.entry(&record);
    bench.feed(Input::Listed { tag: records, listing: listing(vec![entry]) });
    assert!(bench.reconciled);
    assert!(bench.told().is_empty(), "0 goes on, and 1 is not started");
    bench
}

#[test]
fn grants_of_a_history_that_is_over_are_asked_for_anew() {
    let mut bench = brought_back(&Ack::default());
    assert_eq!(bench.commit().unwrap().void, [1]);
    bench.see(95, &[(20, &[0]), (95, &[1])], &[]);
    assert_eq!(bench.told(), ["start 1 by 95"]);
}

#[test]
fn what_was_asked_for_anew_before_is_asked_for_again() {
    let mut bench = brought_back(&Ack { seq: 15, void: vec![1], ..Ack::default() });
    let says = bench.commit().unwrap();
    assert!(says.refuses(1, 20), "{says:?} speaks of an older grant");
}

#[test]
fn an_entry_that_is_brought_back_while_it_is_written_is_deleted_with_the_life() {
    let mut bench = Bench::member();
    let member = stamp(bench.keys.members.key(Name::internal(MEMBER)), 5);
    // Deleted by hand, and written again.
    bench.see(20, &[(20, &[0])], &[]);
    bench.see(30, &[], &[(30, &[0])]);
    let [(tag, _)] = <[_; 1]>::try_from(std::mem::take(&mut bench.commits)).unwrap();
    let conflict = Conflict::new(Vec::new(), Lineage::default());
    bench.feed(Input::Committed { tag, outcome: Ok(Outcome::Conflict(conflict)) });
    bench.wait();
    bench.answer_lists(&[]);
    let [(create, _)] = <[_; 1]>::try_from(std::mem::take(&mut bench.commits)).unwrap();
    // Meanwhile the store goes back, and refuses.
    bench.stop(0, 20);
    bench.feed(Input::Request(Request::Gone(member)));
    bench.feed(Input::Discontinuity { hold_until: None });
    let old = bench.own_ack(&Ack::default());
    bench.answer_lists(std::slice::from_ref(&old));
    let refused = Error::new(ErrorKind::Recovering, "commit").with_effect(Effect::NotApplied);
    bench.feed(Input::Committed { tag: create, outcome: Err(refused) });
    bench.wait();
    bench.answer_lists(&[old]);
    assert!(matches!(bench.commits[0].1.operations(), [Operation::Delete { .. }]), "{:?}", bench.commits);
}

#[test]
fn a_view_from_before_the_record_takes_nothing_away() {
    let mut bench = Bench::member();
    bench.see(20, &[(20, &[0])], &[]);
    bench.told();
    bench.see_nothing(RECORD, 19);
    assert!(bench.told().is_empty() && bench.commits.is_empty());
}

#[test]
fn a_life_that_is_taken_up_once_more_starts_nothing_by_a_view_from_before_its_eviction() {
    let mut bench = Bench::member();
    bench.see(20, &[(20, &[0])], &[]);
    // Its acknowledgement is gone; when it looks what there is, it is evicted, which the watch does not show yet.
    bench.see_nothing(ACK, 25);
    let evicted = bench.entry(&Assigned { seq: 30, evicted: true, ..Assigned::default() });
    bench.answer(&[], &[evicted], 31);
    bench.stop(0, 20);
    // It had begun to write it again, and deletes that.
    bench.commit();
    bench.commit();
    assert_eq!(bench.told(), ["start 0 by 20", "end 0: Removed"]);
    bench.see(20, &[(20, &[0])], &[]);
    assert!(bench.told().is_empty(), "it is over");
}
