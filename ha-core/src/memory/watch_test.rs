use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::memory::MemoryBackend;
use crate::memory::test_runtime::{Flag, TestRuntime, collection, key, next_now};
use crate::spi::{Change, Naming, Session, Stamp, Txn, WatchEvent, WatchStream, WatchTarget};

const TTL: Duration = Duration::from_secs(10);

struct Bed {
    runtime: TestRuntime,
    backend: MemoryBackend,
    session: Arc<dyn Session>,
}

impl Bed {
    fn new() -> Self {
        let (runtime, backend) = (TestRuntime::new(), MemoryBackend::new());
        let session = runtime.open(&backend, "n1", TTL);
        Self { runtime, backend, session }
    }

    fn commit(&self, txn: Txn) -> Option<Stamp> {
        let outcome = self.runtime.block_on(self.session.commit(txn)).unwrap();
        outcome.committed().unwrap().stamps.remove(0)
    }

    fn create(&self, name: &str) -> Stamp {
        self.commit(Txn::new().create_owned(key(name), "", Naming::Reusable)).unwrap()
    }

    fn update(&self, stamp: &Stamp) -> Stamp {
        self.commit(Txn::new().update(stamp.clone(), "new")).unwrap()
    }

    fn delete(&self, stamp: &Stamp) {
        assert_eq!(self.commit(Txn::new().delete(stamp.clone())), None);
    }

    fn watch(&self) -> WatchStream {
        self.session.watch(WatchTarget::Collection(collection("c")))
    }
}

fn snapshot(stream: &mut WatchStream) -> Vec<Stamp> {
    match next_now(stream) {
        Poll::Ready(Some(WatchEvent::Snapshot { entries, .. })) => {
            entries.iter().map(|entry| entry.stamp().clone()).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn changes(stream: &mut WatchStream) -> Vec<Change> {
    match next_now(stream) {
        Poll::Ready(Some(WatchEvent::Changed { changes, .. })) => changes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_watch_begins_with_everything_and_goes_on_with_what_changed() {
    let bed = Bed::new();
    let first = bed.create("a");
    let mut watch = bed.watch();
    assert_eq!(snapshot(&mut watch), std::slice::from_ref(&first));
    assert!(next_now(&mut watch).is_pending());
    let second = bed.create("b");
    let third = bed.update(&second);
    bed.delete(&first);
    match &changes(&mut watch)[..] {
        [Change::Removed(removed), Change::Put(put)] => assert_eq!((removed, put.stamp()), (&first, &third)),
        other => panic!("{other:?}"),
    }
    assert!(next_now(&mut watch).is_pending());
}

#[test]
fn coalescing_never_hides_a_new_incarnation() {
    let bed = Bed::new();
    let old = bed.create("a");
    let mut watch = bed.watch();
    snapshot(&mut watch);
    bed.delete(&old);
    let new = bed.create("a");
    match &changes(&mut watch)[..] {
        [Change::Put(put)] => assert_eq!(put.created(), new.created()),
        other => panic!("{other:?}"),
    }
    let newest = bed.update(&new);
    bed.delete(&newest);
    assert_eq!(changes(&mut watch), [Change::Removed(newest)]);
}

#[test]
fn a_watch_of_one_entry_hears_of_no_other() {
    let bed = Bed::new();
    let mut watch = bed.session.watch(WatchTarget::Entry(key("a")));
    assert!(snapshot(&mut watch).is_empty());
    bed.create("b");
    assert!(next_now(&mut watch).is_pending());
    let stamp = bed.create("a");
    bed.delete(&stamp);
    assert_eq!(changes(&mut watch), [Change::Removed(stamp)]);
}

#[test]
fn a_watcher_that_does_not_read_is_sent_a_snapshot_instead_of_everything() {
    let bed = Bed::new();
    let mut watch = bed.watch();
    snapshot(&mut watch);
    for number in 0..1_025 {
        bed.create(&format!("{number}"));
    }
    assert_eq!(snapshot(&mut watch).len(), 1_025);
    assert!(next_now(&mut watch).is_pending());
}

#[test]
fn a_waiting_watcher_is_woken_by_a_change_and_by_the_end_of_its_session() {
    let bed = Bed::new();
    let mut watch = bed.watch();
    snapshot(&mut watch);
    let woken = Flag::raised();
    let waker = Waker::from(Arc::clone(&woken));
    let wait = |watch: &mut WatchStream| {
        assert!(woken.lower());
        pin!(watch.next()).poll(&mut Context::from_waker(&waker))
    };
    assert!(wait(&mut watch).is_pending());
    let stamp = bed.create("a");
    assert!(matches!(wait(&mut watch), Poll::Ready(Some(WatchEvent::Changed { .. }))));
    bed.delete(&stamp);
    assert!(next_now(&mut watch).is_ready());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(pin!(watch.next()).poll(&mut Context::from_waker(&waker)).is_pending());
    bed.runtime.block_on(bed.session.close()).unwrap();
    assert!(woken.lower());
    assert_eq!(next_now(&mut watch), Poll::Ready(None));
    assert_eq!(next_now(&mut bed.watch()), Poll::Ready(None));
}

#[test]
fn an_expiry_tells_watchers_and_ends_the_watches_of_its_own_session() {
    let bed = Bed::new();
    let observer = bed.runtime.observe(&bed.backend);
    let stamp = bed.create("a");
    let mut own = bed.watch();
    let mut watch = observer.watch(WatchTarget::Collection(collection("c")));
    snapshot(&mut own);
    snapshot(&mut watch);
    bed.runtime.advance(TTL);
    assert_eq!(changes(&mut watch), [Change::Removed(stamp)]);
    assert_eq!(next_now(&mut own), Poll::Ready(None));
}

#[test]
fn a_dropped_watch_is_forgotten() {
    let bed = Bed::new();
    let watches = [bed.watch(), bed.session.watch(WatchTarget::Entry(key("a")))];
    let count = || {
        bed.backend.store.with(|state, _| {
            let namespace = state.namespace_mut(0);
            let of_session = namespace.sessions.row_mut(bed.session.id()).unwrap().watchers.len();
            (namespace.watchers.len(), of_session)
        })
    };
    assert_eq!(count(), (2, 2));
    drop(watches);
    assert_eq!(count(), (0, 0));
}
