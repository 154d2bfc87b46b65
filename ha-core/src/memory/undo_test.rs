use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::memory::test_runtime::{TestRuntime, collection, key, next_now};
use crate::memory::{Faults, MemoryBackend};
use crate::runtime::Runtime;
use crate::spi::{Committed, Lineage, Naming, Outcome, Page, Session, Stamp, Txn, WatchEvent, WatchTarget};

const TTL: Duration = Duration::from_secs(10);
const HOLD: Duration = Duration::from_secs(30);

struct Bed {
    runtime: TestRuntime,
    backend: MemoryBackend,
    faults: Faults,
    session: Arc<dyn Session>,
}

impl Bed {
    fn new() -> Self {
        let (runtime, backend) = (TestRuntime::new(), MemoryBackend::new());
        let faults = backend.faults();
        faults.record();
        let session = runtime.open(&backend, "n1", TTL);
        Self { runtime, backend, faults, session }
    }

    fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        self.runtime.block_on(self.session.commit(txn))
    }

    fn committed(&self, txn: Txn) -> Committed {
        self.commit(txn).unwrap().committed().unwrap()
    }

    fn write(&self, txn: Txn) -> Stamp {
        self.committed(txn).stamps[0].clone().unwrap()
    }

    fn stored(&self) -> Vec<Stamp> {
        let entries = self.backend.entries("test", &collection("c"));
        entries.iter().map(|entry| entry.stamp().clone()).collect()
    }

    fn forget(&self, commits: usize) {
        assert_eq!(self.faults.forget("test", commits, HOLD), commits);
    }

    fn held(&self, generation: u64) -> Lineage {
        Lineage::new(generation).held_until(self.runtime.now() + HOLD)
    }
}

fn owned(name: &str) -> Txn {
    Txn::new().create_owned(key(name), "", Naming::Reusable)
}

#[test]
fn forgotten_commits_are_undone_latest_first_and_the_revision_goes_on() {
    let bed = Bed::new();
    let kept = bed.write(owned("kept"));
    let deleted = bed.write(owned("deleted"));
    let updated = bed.write(Txn::new().update(kept.clone(), "new"));
    bed.committed(Txn::new().delete(deleted.clone()));
    bed.write(owned("deleted"));
    let last =
        bed.committed(Txn::new().delete(updated).create_persistent(key("created"), "", Naming::Reusable));
    bed.forget(4);
    assert_eq!(bed.stored(), [deleted.clone(), kept.clone()]);
    let listing = bed.runtime.block_on(bed.session.list(&collection("c"), Page::oldest(1))).unwrap();
    assert!(listing.revision() > last.revision);
    bed.forget(2);
    assert!(bed.stored().is_empty());
    assert_eq!(bed.faults.forget("test", 1, HOLD), 0, "nothing is left to forget");
}

#[test]
fn owned_entries_that_came_back_still_vanish_with_their_session() {
    let bed = Bed::new();
    let stamp = bed.write(owned("a"));
    bed.committed(Txn::new().delete(stamp.clone()));
    bed.forget(1);
    assert_eq!(bed.stored(), [stamp]);
    bed.runtime.block_on(bed.session.close()).unwrap();
    assert!(bed.stored().is_empty());
}

#[test]
fn sessions_opened_meanwhile_are_lost_and_ended_ones_come_back() {
    let bed = Bed::new();
    let ended = bed.runtime.open(&bed.backend, "n2", TTL);
    assert!(bed.runtime.block_on(ended.commit(owned("of-ended"))).unwrap().is_committed());
    bed.write(owned("mine"));
    bed.runtime.block_on(ended.close()).unwrap();
    let opened = bed.runtime.open(&bed.backend, "n3", TTL);
    bed.forget(1);
    assert_eq!(bed.runtime.block_on(opened.renew()).unwrap_err().kind(), ErrorKind::SessionLost);
    assert_eq!(bed.stored().len(), 1, "the entry of the ended session is back, mine is forgotten");
    let closed = bed.runtime.block_on(ended.renew()).unwrap_err();
    assert_eq!(closed.kind(), ErrorKind::SessionLost, "what was closed stays closed to its client");
    bed.runtime.advance(HOLD);
    assert!(bed.stored().is_empty(), "nobody renewed it");
}

#[test]
fn in_the_hold_nothing_is_granted_nobody_expires_and_all_else_passes() {
    let bed = Bed::new();
    let stamp = bed.write(Txn::new().create_persistent(key("a"), "", Naming::Reusable));
    bed.write(owned("forgotten"));
    bed.forget(1);
    let held = bed.held(1);
    for txn in [owned("b"), Txn::new().update(stamp.clone(), "").granting()] {
        let error = bed.commit(txn).unwrap_err();
        assert_eq!((error.kind(), error.until()), (ErrorKind::Recovering, held.hold_until()));
    }
    bed.runtime.advance(HOLD - Duration::from_nanos(1));
    let renewal = bed.runtime.block_on(bed.session.renew()).unwrap();
    assert_eq!(renewal.lineage, held);
    let committed = bed.committed(Txn::new().update(stamp.clone(), "2"));
    assert_eq!(committed.lineage, held);
    assert_eq!(bed.commit(Txn::new().unchanged(stamp)).unwrap().lineage(), held);
    bed.runtime.advance(Duration::from_nanos(1));
    assert_eq!(bed.committed(owned("b")).lineage, Lineage::new(1));
}

#[test]
fn a_session_that_is_not_renewed_in_the_hold_ends_with_it() {
    let bed = Bed::new();
    bed.write(owned("a"));
    bed.forget(0);
    bed.runtime.advance(HOLD - Duration::from_nanos(1));
    assert_eq!(bed.stored().len(), 1);
    bed.runtime.advance(Duration::from_nanos(1));
    assert!(bed.stored().is_empty());
}

#[test]
fn watches_tell_the_discontinuity_then_show_the_older_state() {
    let bed = Bed::new();
    let kept = bed.write(owned("kept"));
    let mut watch = bed.session.watch(WatchTarget::Collection(collection("c")));
    assert!(next_now(&mut watch).is_ready());
    bed.write(owned("forgotten"));
    bed.forget(1);
    assert_eq!(next_now(&mut watch), Poll::Ready(Some(WatchEvent::Discontinuity(bed.held(1)))));
    match next_now(&mut watch) {
        Poll::Ready(Some(WatchEvent::Snapshot { entries, lineage, .. })) => {
            assert_eq!(entries.iter().map(|entry| entry.stamp()).collect::<Vec<_>>(), [&kept]);
            assert_eq!(lineage, bed.held(1));
        }
        other => panic!("{other:?}"),
    }
    assert!(next_now(&mut watch).is_pending());
}

#[test]
fn a_rewind_forgets_everything_since_the_record() {
    let bed = Bed::new();
    let kept = bed.write(owned("kept"));
    bed.faults.record();
    bed.committed(Txn::new().delete(kept.clone()));
    bed.write(owned("new"));
    bed.faults.rewind(HOLD);
    assert_eq!(bed.stored(), [kept]);
}
