use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::error::{Effect, Error, ErrorKind};
use crate::memory::test_runtime::{Flag, TestRuntime, collection, key, next_now, poll_once};
use crate::memory::{Faults, MemoryBackend, RequestFault};
use crate::runtime::Runtime;
use crate::spi::{Backend, Naming, Outcome, Page, Session, Stamp, Txn, WatchEvent, WatchTarget};

const TTL: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

struct Bed {
    runtime: TestRuntime,
    backend: MemoryBackend,
    faults: Faults,
    session: Arc<dyn Session>,
    healthy: Arc<dyn Session>,
}

impl Bed {
    fn new() -> Self {
        let (runtime, backend) = (TestRuntime::new(), MemoryBackend::new());
        let session = runtime.open(&backend, "n1", TTL);
        let healthy = runtime.open(&backend, "n2", 100 * TTL);
        Self { faults: backend.faults(), runtime, backend, session, healthy }
    }

    fn names(&self) -> Vec<String> {
        let entries = self.backend.entries("test", &collection("c"));
        entries.iter().map(|entry| entry.key().name().to_string()).collect()
    }

    fn create(&self, name: &str) -> Result<Outcome, Error> {
        self.runtime.block_on(self.session.commit(owned(name)))
    }

    /// Lets another node create an entry, which no fault of `n1` hinders.
    fn other(&self, name: &str) -> Stamp {
        let outcome = self.runtime.block_on(self.healthy.commit(owned(name))).unwrap();
        outcome.committed().unwrap().stamps[0].clone().unwrap()
    }
}

fn owned(name: &str) -> Txn {
    Txn::new().create_owned(key(name), "", Naming::Reusable)
}

fn persistent(name: &str) -> Txn {
    Txn::new().create_persistent(key(name), "", Naming::Reusable)
}

/// Polls a future and keeps it.
fn start<F: Future + ?Sized>(mut future: Pin<Box<F>>) -> Pin<Box<F>> {
    assert!(poll_once(future.as_mut()).is_pending());
    future
}

#[test]
fn a_lost_request_does_nothing_and_the_next_one_passes() {
    let bed = Bed::new();
    bed.faults.script("n1", [RequestFault::LoseRequest, RequestFault::None]);
    let error = bed.create("a").unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotApplied));
    assert!(bed.names().is_empty());
    assert!(bed.create("a").unwrap().is_committed());
    assert_eq!(bed.names(), ["a"]);
}

#[test]
fn a_lost_reply_is_resolved_to_what_was_done() {
    let bed = Bed::new();
    let lose = RequestFault::LoseReply { answer_after: SECOND };
    bed.faults.script("n1", [lose, lose]);
    let start = bed.runtime.now();
    assert!(matches!(bed.create("a"), Ok(Outcome::Committed(_))));
    assert_eq!(bed.runtime.now(), start + SECOND);
    assert!(matches!(bed.create("a"), Ok(Outcome::Conflict(_))));
    assert_eq!(bed.names(), ["a"]);
}

#[test]
fn a_lost_reply_ends_in_a_lost_session_once_that_is_over() {
    for (txn, effect) in [(owned("a"), Effect::NotApplied), (persistent("a"), Effect::Unknown)] {
        let bed = Bed::new();
        bed.faults.script("n1", [RequestFault::LoseReply { answer_after: TTL }]);
        let error = bed.runtime.block_on(bed.session.commit(txn)).unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::SessionLost, effect));
    }
}

#[test]
fn delays_come_before_the_effect_or_after_it() {
    let bed = Bed::new();
    bed.faults.script("n1", [RequestFault::DelayRequest(SECOND), RequestFault::DelayReply(SECOND)]);
    let mut first = start(bed.session.commit(owned("late")));
    let mut second = start(bed.session.commit(owned("early")));
    assert_eq!(bed.names(), ["early"]);
    bed.runtime.advance(SECOND);
    assert!(poll_once(first.as_mut()).is_ready());
    assert!(poll_once(second.as_mut()).is_ready());
    assert_eq!(bed.names(), ["early", "late"]);
}

#[test]
fn a_commit_yields_before_and_after_its_effect_as_often_as_asked() {
    let bed = Bed::new();
    bed.faults.yield_always("n1", 1, 1);
    bed.faults.script("n1", [RequestFault::Yield { before: 1, after: 0 }]);
    for (name, before) in [("first", 2), ("second", 1)] {
        let mut commit = bed.session.commit(owned(name));
        for _ in 0..before {
            assert!(poll_once(commit.as_mut()).is_pending());
            assert!(!bed.names().contains(&name.to_owned()));
        }
        assert!(poll_once(commit.as_mut()).is_pending());
        assert!(bed.names().contains(&name.to_owned()));
        assert!(poll_once(commit.as_mut()).is_ready());
    }
}

#[test]
fn a_commit_dropped_at_any_point_leaves_no_session_owned_entry() {
    let bed = Bed::new();
    bed.faults.yield_always("n1", 2, 2);
    for polls in 0..=5 {
        let txn = owned("owned").create_persistent(key("persistent"), "", Naming::Reusable);
        let mut commit = bed.session.commit(txn);
        let answered = (0..polls).any(|_| poll_once(commit.as_mut()).is_ready());
        drop(commit);
        let kept = match polls {
            0..=2 => vec![],
            3 | 4 => vec!["persistent"],
            _ => vec!["owned", "persistent"],
        };
        assert_eq!((bed.names(), answered), (kept.into_iter().map(str::to_owned).collect(), polls == 5));
        bed.faults.delete("test", &key("persistent"));
    }
}

#[test]
fn requests_of_a_cut_node_wait_without_effect_until_it_is_healed() {
    let bed = Bed::new();
    bed.faults.cut("n1");
    let c = collection("c");
    let mut commit = start(bed.session.commit(owned("a")));
    let mut dropped = start(bed.session.commit(owned("dropped")));
    assert!(poll_once(dropped.as_mut()).is_pending());
    drop(dropped);
    let mut list = start(bed.session.list(&c, Page::oldest(9)));
    let mut renew = start(bed.session.renew());
    let mut end = start(bed.session.end(bed.healthy.id()));
    let mut open = start(bed.backend.open_session(bed.runtime.request("n1").with_ttl(TTL)));
    bed.other("b");
    assert_eq!(bed.names(), ["b"]);
    bed.runtime.advance(TTL / 2);
    bed.faults.heal("n1");
    assert!(matches!(poll_once(commit.as_mut()), Poll::Ready(Ok(_))));
    assert_eq!(bed.names(), ["a", "b"]);
    assert!(matches!(poll_once(list.as_mut()), Poll::Ready(Ok(_))));
    assert!(matches!(poll_once(renew.as_mut()), Poll::Ready(Ok(_))));
    assert!(matches!(poll_once(end.as_mut()), Poll::Ready(Ok(()))));
    assert!(matches!(poll_once(open.as_mut()), Poll::Ready(Ok(_))));
    assert_eq!(bed.names(), ["a"], "the other session was ended");
}

#[test]
fn what_waits_for_a_cut_node_is_told_when_its_session_is_over() {
    let bed = Bed::new();
    assert!(bed.create("a").unwrap().is_committed());
    bed.faults.cut("n1");
    let commit = start(bed.session.commit(persistent("b")));
    let close = start(bed.session.close());
    let before = bed.runtime.now();
    let error = bed.runtime.block_on(commit).unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::SessionLost, Effect::NotApplied));
    assert_eq!(bed.runtime.now(), before + TTL);
    bed.runtime.block_on(close).unwrap();
    assert!(bed.names().is_empty());
}

#[test]
fn with_replies_cut_the_effect_is_there_and_the_answer_waits() {
    let bed = Bed::new();
    bed.faults.cut_replies("n1");
    let mut commit = start(bed.session.commit(owned("a")));
    let mut dropped = start(bed.session.commit(owned("dropped")));
    assert_eq!(bed.names(), ["a", "dropped"]);
    assert!(poll_once(dropped.as_mut()).is_pending());
    drop(dropped);
    assert_eq!(bed.names(), ["a"]);
    bed.faults.heal("n1");
    assert!(matches!(poll_once(commit.as_mut()), Poll::Ready(Ok(Outcome::Committed(_)))));
    bed.faults.cut_replies("n1");
    let unresolved = start(bed.session.commit(persistent("b")));
    let error = bed.runtime.block_on(unresolved).unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::SessionLost, Effect::Unknown));
}

#[test]
fn a_close_that_nobody_waits_for_goes_on() {
    let bed = Bed::new();
    assert!(bed.create("a").unwrap().is_committed());
    bed.faults.cut("n1");
    drop(start(bed.session.close()));
    bed.runtime.run();
    assert_eq!(bed.names(), ["a"]);
    bed.faults.heal("n1");
    bed.runtime.run();
    assert!(bed.names().is_empty());
}

#[test]
fn watches_of_a_cut_node_say_so_once_and_begin_again_when_it_is_healed() {
    let bed = Bed::new();
    let target = || WatchTarget::Collection(collection("c"));
    let mut watch = bed.session.watch(target());
    let mut idle = bed.healthy.watch(target());
    assert!(next_now(&mut watch).is_ready() && next_now(&mut idle).is_ready());
    bed.other("missed");
    bed.faults.cut("n1");
    let mut opened = bed.session.watch(target());
    let woken = Flag::raised();
    for stream in [&mut watch, &mut opened] {
        assert_eq!(next_now(stream), Poll::Ready(Some(WatchEvent::Interrupted)));
        let waker = Waker::from(Arc::clone(&woken));
        assert!(pin!(stream.next()).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert!(woken.lower());
    bed.other("missed too");
    assert!(!woken.lower(), "nothing reaches a node that is cut off");
    assert!(matches!(next_now(&mut idle), Poll::Ready(Some(WatchEvent::Changed { .. }))));
    bed.faults.heal("n1");
    assert!(woken.lower());
    for stream in [&mut watch, &mut opened] {
        let item = next_now(stream);
        assert!(
            matches!(&item, Poll::Ready(Some(WatchEvent::Snapshot { entries, .. })) if entries.len() == 2),
            "{item:?}"
        );
        assert!(next_now(stream).is_pending());
    }
    assert!(next_now(&mut idle).is_pending(), "another node is not disturbed");
}

#[test]
fn an_interrupted_watch_shows_what_it_missed() {
    let bed = Bed::new();
    let mut watch = bed.session.watch(WatchTarget::Entry(key("a")));
    assert!(next_now(&mut watch).is_ready());
    bed.other("a");
    bed.faults.interrupt_watches("n1");
    assert_eq!(next_now(&mut watch), Poll::Ready(Some(WatchEvent::Interrupted)));
    let item = next_now(&mut watch);
    assert!(
        matches!(&item, Poll::Ready(Some(WatchEvent::Snapshot { entries, .. })) if entries.len() == 1),
        "{item:?}"
    );
}

#[test]
fn a_slow_node_waits_both_ways_and_hears_late() {
    let bed = Bed::new();
    bed.faults.slow("n1", SECOND, 2 * SECOND);
    let mut watch = bed.session.watch(WatchTarget::Entry(key("a")));
    let mut commit = start(bed.session.commit(owned("b")));
    let mut next = pin!(watch.next());
    assert!(poll_once(next.as_mut()).is_pending());
    bed.runtime.advance(SECOND);
    assert!(poll_once(commit.as_mut()).is_pending());
    assert_eq!(bed.names(), ["b"]);
    assert!(poll_once(next.as_mut()).is_pending());
    bed.runtime.advance(SECOND);
    assert!(poll_once(next.as_mut()).is_ready());
    assert!(poll_once(commit.as_mut()).is_pending());
    bed.runtime.advance(SECOND);
    assert!(poll_once(commit.as_mut()).is_ready());
    bed.faults.slow("n1", Duration::ZERO, Duration::ZERO);
    assert!(poll_once(bed.session.renew().as_mut()).is_ready());
}

#[test]
fn an_administrator_ends_sessions_and_deletes_entries() {
    let bed = Bed::new();
    assert!(bed.create("mine").unwrap().is_committed());
    bed.other("theirs");
    let mut watch = bed.healthy.watch(WatchTarget::Collection(collection("c")));
    assert!(next_now(&mut watch).is_ready());
    bed.faults.expire("n1");
    assert_eq!(bed.names(), ["theirs"]);
    assert_eq!(bed.runtime.block_on(bed.session.renew()).unwrap_err().kind(), ErrorKind::SessionLost);
    assert!(bed.faults.delete("test", &key("theirs")));
    assert!(!bed.faults.delete("test", &key("theirs")));
    assert!(!bed.faults.delete("other", &key("theirs")));
    let item = next_now(&mut watch);
    assert!(
        matches!(&item, Poll::Ready(Some(WatchEvent::Changed { changes, .. })) if changes.len() == 2),
        "{item:?}"
    );
    bed.faults.expire_session(bed.healthy.id());
    assert_eq!(next_now(&mut watch), Poll::Ready(None));
}

#[test]
fn renewals_fail_without_effect_while_everything_else_works() {
    let bed = Bed::new();
    bed.faults.fail_renewals("n1", true);
    assert_eq!(bed.runtime.block_on(bed.session.renew()).unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(bed.create("a").unwrap().is_committed());
    bed.faults.fail_renewals("n1", false);
    bed.runtime.block_on(bed.session.renew()).unwrap();
    bed.faults.fail_renewals("n1", true);
    bed.runtime.advance(TTL);
    assert!(bed.names().is_empty());
}

#[test]
fn requests_are_counted() {
    let bed = Bed::new();
    let before = bed.backend.stats();
    assert!(bed.create("a").unwrap().is_committed());
    assert!(!bed.create("a").unwrap().is_committed());
    bed.runtime.block_on(bed.session.renew()).unwrap();
    bed.runtime.block_on(bed.session.list(&collection("c"), Page::oldest(1))).unwrap();
    let mut watch = bed.session.watch(WatchTarget::Entry(key("a")));
    assert!(next_now(&mut watch).is_ready() && next_now(&mut watch).is_pending());
    bed.runtime.block_on(bed.session.close()).unwrap();
    bed.runtime.observe(&bed.backend);
    let stats = bed.backend.stats().since(before);
    assert_eq!((stats.commits, stats.conflicts, stats.renewals, stats.lists), (1, 1, 1, 1));
    assert_eq!((stats.watches_opened, stats.watch_items), (1, 1));
    assert_eq!((stats.sessions_opened, stats.sessions_ended, stats.requests()), (1, 1, 7));
}
