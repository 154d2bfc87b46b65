use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::error::{Error, ErrorKind};
use crate::memory::MemoryBackend;
use crate::memory::test_runtime::{TestRuntime, collection, key};
use crate::spi::{
    Backend, Capabilities, Committed, Entry, Name, Naming, Outcome, Page, Revision, Session, Stamp, Txn,
};

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

    fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        self.runtime.block_on(self.session.commit(txn))
    }

    fn committed(&self, txn: Txn) -> Committed {
        self.commit(txn).unwrap().committed().unwrap()
    }

    /// Creates a persistent entry.
    fn create(&self, name: &str) -> Stamp {
        let txn = Txn::new().create_persistent(key(name), name.to_owned(), Naming::Reusable);
        self.committed(txn).stamps[0].clone().unwrap()
    }

    fn list(&self, page: Page) -> Vec<String> {
        let listing = self.runtime.block_on(self.session.list(&collection("c"), page)).unwrap();
        names(listing.entries())
    }
}

fn names(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.key().name().as_str().to_owned()).collect()
}

fn conflicting(outcome: Outcome) -> Vec<String> {
    match outcome {
        Outcome::Conflict(conflict) => conflict.keys.iter().map(ToString::to_string).collect(),
        Outcome::Committed(committed) => panic!("committed: {committed:?}"),
    }
}

#[test]
fn each_guard_passes_what_it_states_and_names_its_key_otherwise() {
    let bed = Bed::new();
    let first = bed.create("a");
    let second = bed.committed(Txn::new().update(first.clone(), "2")).stamps[0].clone().unwrap();
    for good in [
        Txn::new().absent(key("b")),
        Txn::new().present(key("a")),
        Txn::new().held(first.clone()),
        Txn::new().held(second.clone()),
        Txn::new().unchanged(second.clone()),
    ] {
        bed.committed(good);
    }
    let gone = bed.create("gone");
    bed.committed(Txn::new().delete(gone.clone()));
    for (bad, named) in [
        (Txn::new().absent(key("a")), "c/a"),
        (Txn::new().present(key("b")), "c/b"),
        (Txn::new().unchanged(first.clone()), "c/a"),
        (Txn::new().held(gone.clone()), "c/gone"),
        (Txn::new().create_owned(key("a"), "", Naming::Reusable), "c/a"),
        (Txn::new().update(first.clone(), "3"), "c/a"),
        (Txn::new().delete(gone.clone()), "c/gone"),
    ] {
        assert_eq!(conflicting(bed.commit(bad.clone()).unwrap()), [named], "{bad:?}");
    }
}

#[test]
fn a_stamp_of_an_older_incarnation_guards_nothing() {
    let bed = Bed::new();
    let old = bed.create("a");
    bed.committed(Txn::new().delete(old.clone()));
    bed.create("a");
    for txn in [
        Txn::new().held(old.clone()),
        Txn::new().unchanged(old.clone()),
        Txn::new().update(old.clone(), ""),
        Txn::new().delete(old.clone()),
    ] {
        assert_eq!(conflicting(bed.commit(txn).unwrap()), ["c/a"]);
    }
}

#[test]
fn a_conflict_names_every_failed_key_once_and_changes_nothing() {
    let bed = Bed::new();
    let stamp = bed.create("a");
    let txn = Txn::new()
        .absent(key("a"))
        .present(key("x"))
        .held(stamp)
        .create_owned(key("a"), "", Naming::Reusable)
        .create_owned(collection("d").key(Name::parse("new").unwrap()), "", Naming::Unique);
    let before = bed.committed(Txn::new()).revision;
    assert_eq!(conflicting(bed.commit(txn).unwrap()), ["c/a", "c/x"]);
    let listing = bed.runtime.block_on(bed.session.list(&collection("d"), Page::oldest(9))).unwrap();
    assert!(listing.entries().is_empty());
    assert_eq!(bed.committed(Txn::new()).revision, before);
}

#[test]
fn a_commit_takes_one_revision_and_a_read_only_one_takes_none() {
    let bed = Bed::new();
    let stamp = bed.create("a");
    let both = bed.committed(Txn::new().update(stamp.clone(), "2").create_persistent(
        key("b"),
        "",
        Naming::Reusable,
    ));
    assert_eq!(both.revision, Revision::new(stamp.created().as_u64() + 1));
    let stamps: Vec<_> = both.stamps.into_iter().flatten().collect();
    assert_eq!(stamps.iter().map(Stamp::modified).collect::<Vec<_>>(), [both.revision, both.revision]);
    assert_eq!(stamps.iter().map(Stamp::created).collect::<Vec<_>>(), [stamp.created(), both.revision]);
    assert_eq!(bed.committed(Txn::new().present(key("a"))).revision, both.revision);
}

#[test]
fn an_update_keeps_the_owner_also_when_another_session_writes_it() {
    let bed = Bed::new();
    let owner = bed.runtime.open(&bed.backend, "n2", TTL);
    let txn = Txn::new().create_owned(key("a"), "1", Naming::Unique);
    let created = bed.runtime.block_on(owner.commit(txn)).unwrap().committed().unwrap();
    bed.committed(Txn::new().update(created.stamps[0].clone().unwrap(), "2"));
    let listing = bed.runtime.block_on(bed.session.list(&collection("c"), Page::oldest(1))).unwrap();
    assert_eq!(listing.entries()[0].value(), &Bytes::from_static(b"2"));
    assert_eq!(listing.entries()[0].owner(), Some(owner.id()));
    bed.runtime.block_on(owner.close()).unwrap();
    assert!(bed.list(Page::oldest(1)).is_empty());
}

#[test]
fn pages_follow_names_and_age_and_tell_whether_there_is_more() {
    let bed = Bed::new();
    for name in ["m", "z", "a"] {
        bed.create(name);
    }
    // Two of the same age are ordered by name.
    let pair = Txn::new().create_persistent(key("y"), "", Naming::Unique).create_persistent(
        key("b"),
        "",
        Naming::Unique,
    );
    let revision = bed.committed(pair).revision;
    bed.create("k");
    assert_eq!(bed.list(Page::by_name(9)), ["a", "b", "k", "m", "y", "z"]);
    assert_eq!(bed.list(Page::after(Name::parse("ba").unwrap(), 2)), ["k", "m"]);
    assert_eq!(bed.list(Page::after(Name::parse("b").unwrap(), 1)), ["k"]);
    assert_eq!(bed.list(Page::oldest(9)), ["m", "z", "a", "b", "y", "k"]);
    assert_eq!(bed.list(Page::newest(3)), ["k", "y", "b"]);
    assert_eq!(bed.list(Page::newest_up_to(revision, 3)), ["y", "b", "a"]);
    assert_eq!(bed.list(Page::newest_up_to(Revision::new(u64::MAX), 1)), ["k"]);
    let more = |limit| {
        bed.runtime.block_on(bed.session.list(&collection("c"), Page::oldest(limit))).unwrap().has_more()
    };
    assert!(more(5) && !more(6));
}

#[test]
fn a_read_back_shows_the_state_behind_its_own_operations() {
    let bed = Bed::new();
    let old = bed.create("a");
    bed.create("b");
    let txn = Txn::new()
        .delete(old)
        .create_owned(key("c"), "", Naming::Unique)
        .read_back(collection("c"), Page::newest(2))
        .read_back(collection("empty"), Page::oldest(1));
    let committed = bed.committed(txn);
    assert_eq!(names(committed.reads[0].entries()), ["c", "b"]);
    assert_eq!(committed.reads[0].entries()[0].created(), committed.revision);
    assert!(committed.reads[1].entries().is_empty());
    assert_eq!(committed.stamps[0], None);
}

#[test]
fn what_no_backend_takes_is_refused_before_anything_is_done() {
    let bed = Bed::new();
    let stamp = bed.create("a");
    let capabilities: &Capabilities = bed.backend.capabilities();
    let long = vec![0_u8; capabilities.value_bytes_max + 1];
    let too_many = (0..=capabilities.operations_max).fold(Txn::new(), |txn, _| txn.present(key("a")));
    for (txn, kind) in [
        (Txn::new().update(stamp.clone(), "").delete(stamp.clone()), ErrorKind::InvalidInput),
        (
            Txn::new().create_owned(key("x"), "", Naming::Unique).create_owned(key("y"), "", Naming::Unique),
            ErrorKind::InvalidInput,
        ),
        (Txn::new().create_persistent(key("x"), long.clone(), Naming::Unique), ErrorKind::TooLarge),
        (Txn::new().update(stamp.clone(), long), ErrorKind::TooLarge),
        (too_many, ErrorKind::TooLarge),
    ] {
        assert_eq!(bed.commit(txn).unwrap_err().kind(), kind);
    }
    assert_eq!(bed.list(Page::oldest(9)), ["a"]);
    let largest = vec![0_u8; Capabilities::VALUE_BYTES];
    bed.committed(Txn::new().update(stamp, largest));
}

#[test]
fn an_observer_may_only_read() {
    let bed = Bed::new();
    bed.create("a");
    let observer = bed.runtime.observe(&bed.backend);
    assert_eq!(observer.ttl(), None);
    let refused = [
        bed.runtime.block_on(observer.commit(Txn::new())).map(drop),
        bed.runtime.block_on(observer.renew()).map(drop),
        bed.runtime.block_on(observer.end(bed.session.id())),
    ];
    for result in refused {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    let listing = bed.runtime.block_on(observer.list(&collection("c"), Page::oldest(9))).unwrap();
    assert_eq!(names(listing.entries()), ["a"]);
}

#[test]
fn unused_tables_do_not_pile_up_but_a_few_are_kept() {
    let bed = Bed::new();
    let take = |lock: u32| {
        let place = collection(&format!("lock-{lock}")).key(Name::parse("x").unwrap());
        let committed = bed.committed(Txn::new().create_owned(place, "", Naming::Unique));
        bed.committed(Txn::new().delete(committed.stamps[0].clone().unwrap()));
    };
    let kept = || bed.backend.store.with(|state, _| state.namespace_mut(0).tables.count());
    (0..100).for_each(take);
    (0..1_000).for_each(|_| take(0));
    assert_eq!(kept(), 100, "using one of them again and again does not drop the others");
    (0..2_000).for_each(take);
    assert!(kept() < 500, "{} tables kept", kept());
}
