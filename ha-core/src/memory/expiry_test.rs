use std::task::Poll;
use std::time::Duration;

use crate::error::ErrorKind;
use crate::memory::MemoryBackend;
use crate::memory::test_runtime::{TestRuntime, collection, key, next_now};
use crate::runtime::Runtime;
use crate::spi::{Backend, Name, Naming, Outcome, Page, Session, Txn, WatchEvent, WatchTarget};

const TTL: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_nanos(1);

fn create(runtime: &TestRuntime, session: &dyn Session, name: &str) {
    let other = collection("other").key(Name::parse(name).unwrap());
    let txn = Txn::new()
        .create_owned(key(name), "", Naming::Unique)
        .create_owned(other, "", Naming::Unique)
        .create_persistent(key(&format!("{name}-stays")), "", Naming::Reusable);
    assert!(matches!(runtime.block_on(session.commit(txn)), Ok(Outcome::Committed(_))));
}

fn count(runtime: &TestRuntime, session: &dyn Session, name: &str) -> usize {
    runtime.block_on(session.list(&collection(name), Page::oldest(99))).unwrap().entries().len()
}

#[test]
fn a_session_ends_one_ttl_after_its_latest_renewal_and_not_before() {
    let (runtime, backend) = (TestRuntime::new(), MemoryBackend::new());
    let session = runtime.open(&backend, "n1", TTL);
    let other = runtime.open(&backend, "n2", 10 * TTL);
    create(&runtime, &*session, "a");
    runtime.advance(TTL - TICK);
    runtime.block_on(session.renew()).unwrap();
    runtime.advance(TTL - TICK);
    assert_eq!(count(&runtime, &*other, "c"), 2);
    runtime.advance(TICK);
    assert_eq!(count(&runtime, &*other, "c"), 1, "the persistent entry stays");
    assert_eq!(count(&runtime, &*other, "other"), 0);
    let lost = [
        runtime.block_on(session.renew()).map(drop),
        runtime.block_on(session.commit(Txn::new())).map(drop),
        runtime.block_on(session.list(&collection("c"), Page::oldest(1))).map(drop),
        runtime.block_on(session.end(other.id())),
    ];
    for result in lost {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::SessionLost);
    }
    runtime.block_on(session.close()).unwrap();
}

#[test]
fn what_a_session_owned_vanishes_in_one_revision() {
    let (runtime, backend) = (TestRuntime::new(), MemoryBackend::new());
    let session = runtime.open(&backend, "n1", TTL);
    let other = runtime.open(&backend, "n2", TTL);
    create(&runtime, &*session, "a");
    let before = runtime.block_on(other.commit(Txn::new())).unwrap().committed().unwrap().revision;
    runtime.block_on(session.close()).unwrap();
    runtime.block_on(session.close()).unwrap();
    let after = runtime.block_on(other.commit(Txn::new())).unwrap().committed().unwrap().revision;
    assert_eq!(after.as_u64(), before.as_u64() + 1);
    assert_eq!(count(&runtime, &*other, "other"), 0);
}

#[test]
fn what_others_created_again_stays_when_the_first_owner_ends() {
    let (runtime, backend) = (TestRuntime::new(), MemoryBackend::new());
    let (first, second) = (runtime.open(&backend, "n1", TTL), runtime.open(&backend, "n2", TTL));
    let txn = || Txn::new().create_owned(key("a"), "", Naming::Reusable);
    let created = runtime.block_on(first.commit(txn())).unwrap().committed().unwrap();
    let delete = Txn::new().delete(created.stamps[0].clone().unwrap());
    assert!(runtime.block_on(second.commit(delete)).unwrap().is_committed());
    assert!(runtime.block_on(second.commit(txn())).unwrap().is_committed());
    runtime.block_on(first.close()).unwrap();
    assert_eq!(count(&runtime, &*second, "c"), 1);
}

#[test]
fn a_session_ends_another_one_as_a_whole() {
    let (runtime, backend) = (TestRuntime::new(), MemoryBackend::new());
    let session = runtime.open(&backend, "n1", TTL);
    let other = runtime.open(&backend, "n2", TTL);
    create(&runtime, &*session, "a");
    runtime.block_on(other.end(session.id())).unwrap();
    runtime.block_on(other.end(session.id())).unwrap();
    assert_eq!(count(&runtime, &*other, "other"), 0);
    let late = Txn::new().create_owned(key("late"), "", Naming::Unique);
    assert_eq!(runtime.block_on(session.commit(late)).unwrap_err().kind(), ErrorKind::SessionLost);
}

#[test]
fn a_watcher_hears_of_an_expiry_though_the_dead_process_has_no_timer_any_more() {
    let (alive, dead, backend) = (TestRuntime::new(), TestRuntime::new(), MemoryBackend::new());
    let observer = alive.observe(&backend);
    let patient = alive.open(&backend, "n2", 100 * TTL);
    let mut watch = observer.watch(WatchTarget::Entry(key("a")));
    assert!(matches!(next_now(&mut watch), Poll::Ready(Some(WatchEvent::Snapshot { .. }))));
    alive.run();
    let session = dead.open(&backend, "n1", TTL);
    create(&dead, &*session, "a");
    assert!(matches!(next_now(&mut watch), Poll::Ready(Some(WatchEvent::Changed { .. }))));
    let start = alive.now();
    // The clock of `dead` stands still, and it runs no task.
    assert!(matches!(alive.block_on(watch.next()), Some(WatchEvent::Changed { .. })));
    assert_eq!(alive.now(), start + TTL);
    drop(patient);
}

#[test]
fn an_idle_session_wakes_up_about_once_per_ttl() {
    let (runtime, backend) = (TestRuntime::new(), MemoryBackend::new());
    let session = runtime.open(&backend, "n1", TTL);
    runtime.run();
    let before = runtime.polls();
    for _ in 0..300 {
        runtime.advance(TTL / 3);
        runtime.block_on(session.renew()).unwrap();
    }
    let polls = runtime.polls() - before;
    assert!(polls <= 160, "{polls} wake-ups in 100 ttl");
}

#[test]
fn the_task_of_a_session_ends_with_it_and_with_the_store() {
    let (runtime, backend) = (TestRuntime::new(), MemoryBackend::new());
    let session = runtime.open(&backend, "n1", TTL);
    let observer = runtime.observe(&backend);
    assert_eq!(runtime.tasks(), 2);
    runtime.block_on(session.close()).unwrap();
    assert_eq!(runtime.tasks(), 1);
    drop((observer, session));
    assert_eq!(runtime.tasks(), 0);
    let session = runtime.open(&backend, "n1", TTL);
    let store = std::sync::Arc::downgrade(&backend.store);
    assert_eq!(runtime.tasks(), 1);
    drop((session, backend));
    assert!(store.upgrade().is_none());
    assert_eq!(runtime.tasks(), 0);
}

#[test]
fn session_ids_are_never_used_again() {
    let (runtime, backend) = (TestRuntime::new(), MemoryBackend::new());
    let mut ids: Vec<_> =
        (0..100).map(|_| runtime.block_on(backend.open_session(runtime.request("n")))).collect();
    ids.sort_by_key(|session| session.as_ref().unwrap().id().clone());
    assert!(ids.windows(2).all(|pair| pair[0].as_ref().unwrap().id() != pair[1].as_ref().unwrap().id()));
}

#[test]
fn a_ttl_beyond_the_capabilities_is_refused() {
    let (runtime, backend) = (TestRuntime::new(), MemoryBackend::new());
    let capabilities = backend.capabilities();
    for ttl in [Duration::ZERO, capabilities.ttl_min - TICK, capabilities.ttl_max + TICK] {
        let request = runtime.request("n1").with_ttl(ttl);
        assert_eq!(
            runtime.block_on(backend.open_session(request)).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    }
}

#[test]
fn one_name_is_one_store_for_the_whole_process() {
    let runtime = TestRuntime::new();
    let first = MemoryBackend::named("expiry_test").unwrap();
    let session = runtime.open(&first, "n1", TTL);
    create(&runtime, &*session, "a");
    let again = MemoryBackend::named("expiry_test").unwrap();
    assert_eq!(count(&runtime, &*runtime.observe(&again), "c"), 2);
    let other = MemoryBackend::named("expiry_test-2").unwrap();
    assert_eq!(count(&runtime, &*runtime.observe(&other), "c"), 0);
    assert_eq!(MemoryBackend::named("").unwrap_err().kind(), ErrorKind::InvalidInput);
}
