//! Writes of the service itself whose answers are lost, late or waited for by nobody.

use std::sync::Arc;
use std::time::Duration;

use ha_core::spi::{Session, SessionId, Txn};
use ha_core::store::{Documents, Entries, Written};
use ha_core::{Coordinator, Effect, Error, ErrorKind};

use super::store::{entries, key};
use crate::case::Need;
use crate::context::{Context, name};
use crate::faults::{CommitFault, Fault, FaultKind};
use crate::nodes::{abandon_after, holder_session, polls_of};
use crate::verbs::{Verbs, refused};

const COMMITS: Need = Need::Fault(FaultKind::Commits);
const YIELDS: Need = Need::Fault(FaultKind::YieldAlways);
const FORGET: Need = Need::Reconciliation;

crate::case::cases! {
    "store_doubt";
    a_creation_whose_reply_is_lost_is_no_conflict { guarantee: "G102", needs: [COMMITS] }
    a_lost_request_is_applied_once_or_reported_as_not_applied { guarantee: "G102", needs: [COMMITS] }
    changes_of_a_document_are_never_lost { guarantee: "G102", needs: [COMMITS] }
    a_write_that_outlives_its_session_says_what_is_known { guarantee: "G102", needs: [Need::Fault(FaultKind::CutReplies), Need::EndsSessions] }
    a_late_write_of_an_ended_session_changes_nothing { guarantee: "G102", needs: [COMMITS, Need::EndsSessions] }
    a_write_goes_on_with_the_next_session { guarantee: "G102", needs: [Need::EndsSessions] }
    a_write_dropped_at_any_point_is_applied_whole_or_not_at_all { guarantee: "G103", needs: [YIELDS] }
    a_dropped_write_whose_reply_is_lost_blocks_nobody { guarantee: "G103", needs: [COMMITS] }
    a_shutdown_waits_for_a_write_under_way { guarantee: "G103", needs: [COMMITS] }
    a_blocked_runtime_does_not_hold_up_a_write { guarantee: "G103", needs: [COMMITS] }
    the_hold_refuses_only_what_is_marked_as_granting { guarantee: "G106", needs: [FORGET] }
    a_forgotten_write_satisfies_no_stamp { guarantee: "G106", needs: [FORGET] }
}

async fn script(cx: &Context, faults: &[CommitFault]) {
    cx.inject(Fault::Commits(name("node"), faults.to_vec())).await;
}

/// What became of a write once the backend could be reached: `Unavailable` says that nothing was done.
async fn decided<T>(cx: &Context, mut write: impl AsyncFnMut() -> Result<T, Error>) -> T {
    for _ in 0..1_000 {
        match write().await {
            Ok(written) => return written,
            Err(error) => assert_not_applied(&error),
        }
        tokio::time::sleep(cx.ttl() / 50).await;
    }
    panic!("nobody decides about it");
}

fn assert_not_applied(error: &Error) {
    let expected = (ErrorKind::Unavailable, Effect::NotApplied);
    assert_eq!((error.kind(), error.effect()), expected, "{error}");
}

/// Raises the counter `n` by one.
async fn raise(cx: &Context, counters: &Documents<u32>) {
    while let Err(error) = counters.modify("n", |n| n.unwrap_or(0) + 1).await {
        assert_not_applied(&error);
        tokio::time::sleep(cx.ttl() / 50).await;
    }
}

/// The session of `node`.
async fn session_of(node: &Coordinator, judge: &dyn Session) -> SessionId {
    let guard = node.mutex("session").unwrap().acquire().await.unwrap();
    let session = holder_session(judge, "session").await;
    guard.release().await.unwrap();
    session
}

async fn a_creation_whose_reply_is_lost_is_no_conflict(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let all = entries(&node);
    for _ in 0..5 {
        script(&cx, &[CommitFault::LoseReply]).await;
        let stamp = decided(&cx, || all.create("a", "1")).await.done().unwrap();
        assert_eq!(*judge.read(&key("a")).await.unwrap().stamp(), stamp, "it knows its own creation");
        script(&cx, &[CommitFault::LoseReply]).await;
        let stamp = decided(&cx, || all.update(&stamp, "2")).await.done().unwrap();
        script(&cx, &[CommitFault::LoseReply]).await;
        assert_eq!(decided(&cx, || all.delete(&stamp)).await, Written::Done(()));
        assert_eq!(judge.read(&key("a")).await, None);
    }
}

async fn a_lost_request_is_applied_once_or_reported_as_not_applied(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    script(&cx, &[CommitFault::LoseRequest]).await;
    let stamp = match entries(&node).create("a", "1").await {
        Ok(written) => Some(written.done().unwrap()),
        Err(error) => {
            assert_not_applied(&error);
            None
        }
    };
    tokio::time::sleep(cx.ttl() / 4).await;
    assert_eq!(judge.read(&key("a")).await.map(|entry| entry.stamp().clone()), stamp);
}

async fn changes_of_a_document_are_never_lost(cx: Context) {
    const NODES: u32 = 3;
    const CHANGES: u32 = 20;
    let cx = Arc::new(cx);
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..NODES {
        let node = format!("n{at}");
        let pattern = [CommitFault::LoseReply, CommitFault::Pass, CommitFault::LoseRequest];
        let coordinator = cx.node(&node).await;
        cx.inject(Fault::Commits(name(&node), pattern.repeat(40))).await;
        let (cx, counters) = (Arc::clone(&cx), coordinator.store().documents::<u32>("c").unwrap());
        tasks.spawn(async move {
            let _coordinator = coordinator;
            for _ in 0..CHANGES {
                raise(&cx, &counters).await;
            }
        });
    }
    tasks.join_all().await;
    let judge = cx.session().await;
    assert_eq!(judge.read(&key("n")).await.unwrap().value(), &(NODES * CHANGES).to_string());
}

async fn a_write_that_outlives_its_session_says_what_is_known(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let (all, session) = (entries(&node), session_of(&node, &*judge).await);
    cx.inject(Fault::CutReplies(name("node"))).await;
    let (write, again) = (all.clone(), all.clone());
    let writing = tokio::spawn(async move { write.create("a", "1").await });
    cx.until("it is applied", 10, async || judge.read(&key("a")).await.is_some()).await;
    assert!(!writing.is_finished(), "nobody knows yet");
    judge.end(&session).await.unwrap();
    tokio::time::sleep(cx.ttl()).await;
    cx.inject(Fault::Heal(name("node"))).await;
    // Who cannot find out says that it is unknown; who can says that it was done.
    match cx.within("an answer", 20, writing).await.unwrap() {
        Ok(written) => assert!(written.is_done()),
        Err(error) => {
            let expected = (ErrorKind::SessionLost, Effect::Unknown);
            assert_eq!((error.kind(), error.effect()), expected, "{error}");
        }
    }
    // What the guide says to do then: read again.
    let found = decided(&cx, || again.get("a")).await.unwrap();
    assert_eq!(found.value(), "1");
}

async fn a_late_write_of_an_ended_session_changes_nothing(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let (all, session) = (entries(&node), session_of(&node, &*judge).await);
    let delay = cx.ttl();
    script(&cx, &[CommitFault::Delay(delay)]).await;
    let writing = tokio::spawn(async move { all.create("late", "").await });
    tokio::time::sleep(delay / 4).await;
    judge.end(&session).await.unwrap();
    let before = judge.read(&key("late")).await;
    let answer = cx.within("an answer", 20, writing).await.unwrap();
    tokio::time::sleep(delay * 2).await;
    assert_eq!(judge.read(&key("late")).await, before, "nothing of an ended session is applied");
    if before.is_none() {
        refused(answer, ErrorKind::SessionLost);
    }
}

async fn a_write_goes_on_with_the_next_session(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let all = entries(&node);
    let stamp = all.create("a", "1").await.unwrap().done().unwrap();
    judge.end(&session_of(&node, &*judge).await).await.unwrap();
    let mut errors = Vec::new();
    let updated = loop {
        match all.update(&stamp, "2").await {
            Ok(written) => break written.done().unwrap(),
            Err(error) => {
                assert_eq!(error.effect(), Effect::NotApplied, "{error}");
                assert!(matches!(error.kind(), ErrorKind::SessionLost | ErrorKind::Unavailable), "{error}");
                errors.push(error);
                assert!(errors.len() < 1_000, "{errors:?}");
                tokio::time::sleep(cx.ttl() / 50).await;
            }
        }
    };
    assert_eq!(*judge.read(&key("a")).await.unwrap().stamp(), updated, "stamps outlive the session");
}

async fn a_write_dropped_at_any_point_is_applied_whole_or_not_at_all(cx: Context) {
    const POLLS: usize = 24;
    cx.inject(Fault::YieldAlways(name("node"))).await;
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    let (all, theirs) = (entries(&node), entries(&other));
    let mut answered = 0;
    for polls in 0..POLLS {
        let pair = ["a", "b"].map(|side| format!("{side}{polls}"));
        let txn = pair.iter().fold(Txn::new(), |txn, side| txn.create(all.key(side).unwrap(), "node"));
        let answer = abandon_after(polls_of(polls, POLLS), node.store().commit(txn)).await;
        answered += usize::from(answer.is_some());
        // A commit that was begun ends by itself: whoever comes next finds both or neither, and goes on.
        let mut seen = both(&theirs, &pair).await;
        cx.until("it no longer changes", 20, async || {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let before = std::mem::replace(&mut seen, both(&theirs, &pair).await);
            before == seen
        })
        .await;
        assert_eq!(seen[0], seen[1], "after {polls} polls");
        assert!(seen[0] || answer.is_none() && polls < POLLS, "what was answered is there");
        assert!(theirs.create(&format!("next{polls}"), "").await.unwrap().is_done());
    }
    assert!((1..POLLS).contains(&answered), "{answered} of {POLLS} were answered before they were dropped");
}

async fn both(all: &Entries, pair: &[String; 2]) -> [bool; 2] {
    let found = [all.get(&pair[0]).await.unwrap(), all.get(&pair[1]).await.unwrap()];
    found.map(|entry| entry.is_some())
}

async fn a_dropped_write_whose_reply_is_lost_blocks_nobody(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    let (all, theirs) = (entries(&node), entries(&other));
    for polls in 0..8 {
        script(&cx, &[CommitFault::LoseReply]).await;
        drop(abandon_after(polls, all.create("a", "node")).await);
        // It may come yet; whoever deletes what is there goes on.
        cx.until("the other has written", 20, async || {
            if let Some(entry) = theirs.get("a").await.unwrap() {
                drop(theirs.delete(entry.stamp()).await.unwrap());
            }
            theirs.create("a", "other").await.unwrap().is_done()
        })
        .await;
        let entry = cx.within("it stays", 20, theirs.get("a")).await.unwrap().unwrap();
        assert_eq!(
            (&entry.value()[..], theirs.delete(entry.stamp()).await.unwrap().is_done()),
            (&b"other"[..], true)
        );
        script(&cx, &[]).await;
    }
    assert!(decided(&cx, || all.create("last", "")).await.is_done(), "later writes of the node work");
}

async fn a_shutdown_waits_for_a_write_under_way(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let all = entries(&node);
    script(&cx, &[CommitFault::Delay(cx.ttl())]).await;
    let writing = tokio::spawn(async move { all.create("a", "1").await });
    tokio::time::sleep(cx.ttl() / 4).await;
    cx.within("the shutdown", 20, node.shutdown(Duration::from_secs(60))).await.unwrap();
    match cx.within("an answer", 10, writing).await.unwrap() {
        Ok(written) => {
            assert!(written.is_done());
            assert_eq!(judge.read(&key("a")).await.unwrap().value(), "1");
        }
        // A backend may have taken the late request for lost: then it was not applied.
        Err(error) => {
            assert_not_applied(&error);
            assert_eq!(judge.read(&key("a")).await, None);
        }
    }
}

async fn a_blocked_runtime_does_not_hold_up_a_write(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    script(&cx, &[CommitFault::Delay(cx.ttl() / 4)]).await;
    let mut writing = Box::pin(async { entries(&node).create("a", "1").await });
    assert!(crate::nodes::poll_once(writing.as_mut()).await.is_none());
    // Nobody polls it, and this thread does nothing else: the commit goes on without us.
    std::thread::sleep(cx.ttl() * 2);
    assert!(judge.read(&key("a")).await.is_some());
    assert!(cx.within("an answer", 10, writing).await.unwrap().is_done());
}

async fn the_hold_refuses_only_what_is_marked_as_granting(cx: Context) {
    let node = cx.node("node").await;
    let all = entries(&node);
    let stamp = all.create("item", "ready").await.unwrap().done().unwrap();
    cx.inject(Fault::Record).await;
    cx.inject(Fault::Forget(cx.ttl() * 100)).await;
    let claim = Txn::new().update(stamp.clone(), "claimed").granting();
    let error = refused(node.store().commit(claim).await, ErrorKind::Recovering);
    assert_eq!((error.effect(), error.until().is_some()), (Effect::NotApplied, true));
    assert_eq!(all.get("item").await.unwrap().unwrap().value(), "ready");
    assert!(all.update(&stamp, "swept").await.unwrap().is_done());
    let stamp = all.create("other", "").await.unwrap().done().unwrap();
    assert!(all.delete(&stamp).await.unwrap().is_done());
    cx.until("the coordinator has heard of it", 20, async || node.health().recovering).await;
}

async fn a_forgotten_write_satisfies_no_stamp(cx: Context) {
    let node = cx.node("node").await;
    let all = entries(&node);
    let kept = all.create("a", "kept").await.unwrap().done().unwrap();
    cx.inject(Fault::Record).await;
    let forgotten = all.update(&kept, "forgotten").await.unwrap().done().unwrap();
    let gone = all.create("b", "").await.unwrap().done().unwrap();
    cx.inject(Fault::Forget(cx.ttl())).await;
    assert_eq!(all.update(&forgotten, "late").await.unwrap(), Written::Conflict);
    assert_eq!(all.delete(&gone).await.unwrap(), Written::Conflict);
    assert_eq!(all.get("a").await.unwrap().unwrap().value(), "kept");
    let newer = all.update(&kept, "new").await.unwrap().done().unwrap();
    assert!(newer.modified() > forgotten.modified(), "revisions go on above the forgotten ones");
}
