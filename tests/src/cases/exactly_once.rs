//! Lost requests, lost replies, dropped futures: every commit is applied once or never.

use std::sync::Arc;

use ha_core::spi::{Committed, Key, Naming, Outcome, Session, Stamp, Txn};
use ha_core::{Effect, ErrorKind};

use crate::case::Need;
use crate::context::{Context, name};
use crate::faults::{CommitFault, Fault, FaultKind};
use crate::nodes::abandon_after;
use crate::verbs::{Verbs, names, only_stamp};

const COMMITS: Need = Need::Fault(FaultKind::Commits);

crate::case::cases! {
    "exactly_once";
    a_lost_request_is_applied_once_or_reported_as_not_applied { guarantee: "G12", needs: [COMMITS] }
    a_creation_whose_reply_is_lost_is_no_conflict { guarantee: "G12", needs: [COMMITS] }
    an_update_whose_reply_is_lost_is_applied_once { guarantee: "G12", needs: [COMMITS] }
    a_deletion_whose_reply_is_lost_is_no_conflict { guarantee: "G12", needs: [COMMITS] }
    a_refusal_whose_reply_is_lost_is_still_one { guarantee: "G12", needs: [COMMITS] }
    a_counter_is_exact_under_lost_requests_and_replies { guarantee: "G12", needs: [COMMITS] }
    a_request_that_arrives_late_makes_no_ghost { guarantee: "G12", needs: [COMMITS] }
    a_late_request_of_an_ended_session_is_refused { guarantee: "G12", needs: [COMMITS, Need::EndsSessions] }
    a_late_request_of_a_closed_session_is_refused { guarantee: "G12", needs: [COMMITS] }
    a_commit_that_outlives_its_session_says_what_is_known { guarantee: "G12", needs: [Need::Fault(FaultKind::CutReplies), Need::EndsSessions] }
    requests_of_a_node_that_is_cut_off_are_done_once { guarantee: "G12", needs: [Need::Fault(FaultKind::Cut)] }
    a_dropped_commit_leaves_no_ghost { guarantee: "G13", needs: [Need::Fault(FaultKind::YieldAlways)] }
    a_dropped_commit_whose_reply_is_lost_leaves_no_ghost { guarantee: "G13", needs: [COMMITS] }
    a_dropped_commit_is_applied_whole_or_not_at_all { guarantee: "G13", needs: [Need::Fault(FaultKind::YieldAlways)] }
    a_dropped_commit_blocks_no_later_one { guarantee: "G13", needs: [Need::Fault(FaultKind::YieldAlways)] }
}

async fn script(cx: &Context, node: &str, faults: &[CommitFault]) {
    cx.inject(Fault::Commits(name(node), faults.to_vec())).await;
}

/// Commits until the backend has decided: `Unavailable` says that nothing was done, so trying again is safe.
async fn decided(cx: &Context, session: &dyn Session, txn: &Txn) -> Outcome {
    for _ in 0..1_000 {
        match session.commit(txn.clone()).await {
            Ok(outcome) => return outcome,
            Err(error) => {
                let expected = (ErrorKind::Unavailable, Effect::NotApplied);
                assert_eq!((error.kind(), error.effect()), expected, "{error}");
            }
        }
        tokio::time::sleep(cx.ttl() / 50).await;
    }
    panic!("nobody decides about {txn:?}");
}

async fn done(cx: &Context, session: &dyn Session, txn: Txn) -> Committed {
    match decided(cx, session, &txn).await {
        Outcome::Committed(committed) => committed,
        other => panic!("own success was taken for somebody else's: {other:?}"),
    }
}

fn owning(key: &Key) -> Txn {
    Txn::new().create_owned(key.clone(), "", Naming::Reusable)
}

async fn a_lost_request_is_applied_once_or_reported_as_not_applied(cx: Context) {
    let (session, reader) = (cx.session_of("node").await, cx.session().await);
    let key = cx.key("c", "a");
    script(&cx, "node", &[CommitFault::LoseRequest]).await;
    let stamp = match session.commit(owning(&key)).await {
        Ok(Outcome::Committed(committed)) => Some(only_stamp(committed)),
        Err(error) => {
            assert_eq!(
                (error.kind(), error.effect()),
                (ErrorKind::Unavailable, Effect::NotApplied),
                "{error}"
            );
            None
        }
        other => panic!("nobody else was there: {other:?}"),
    };
    tokio::time::sleep(cx.ttl() / 4).await;
    assert_eq!(reader.read(&key).await.map(|entry| entry.stamp().clone()), stamp);
}

async fn a_creation_whose_reply_is_lost_is_no_conflict(cx: Context) {
    let (session, reader) = (cx.session_of("node").await, cx.session().await);
    let key = cx.key("c", "leader");
    for _ in 0..5 {
        script(&cx, "node", &[CommitFault::LoseReply]).await;
        let stamp = only_stamp(done(&cx, &*session, owning(&key).absent(key.clone())).await);
        assert_eq!(*reader.read(&key).await.unwrap().stamp(), stamp, "it knows its own creation");
        session.apply(Txn::new().delete(stamp)).await;
    }
}

async fn an_update_whose_reply_is_lost_is_applied_once(cx: Context) {
    let (session, reader) = (cx.session_of("node").await, cx.session().await);
    let key = cx.key("c", "a");
    let mut stamp = session.put(&key, "").await;
    for _ in 0..5 {
        script(&cx, "node", &[CommitFault::LoseReply]).await;
        stamp = only_stamp(done(&cx, &*session, Txn::new().update(stamp, "new")).await);
        assert_eq!(*reader.read(&key).await.unwrap().stamp(), stamp, "its state is the last one");
    }
}

async fn a_deletion_whose_reply_is_lost_is_no_conflict(cx: Context) {
    let session = cx.session_of("node").await;
    let key = cx.key("c", "a");
    for _ in 0..5 {
        let stamp = session.own(&key, "").await;
        script(&cx, "node", &[CommitFault::LoseReply]).await;
        done(&cx, &*session, Txn::new().delete(stamp)).await;
        assert!(session.read(&key).await.is_none());
    }
}

async fn a_refusal_whose_reply_is_lost_is_still_one(cx: Context) {
    let (session, other) = (cx.session_of("node").await, cx.session().await);
    let key = cx.key("c", "leader");
    let stamp = other.own(&key, "").await;
    script(&cx, "node", &[CommitFault::LoseReply, CommitFault::LoseRequest]).await;
    let outcome = decided(&cx, &*session, &owning(&key)).await;
    assert!(matches!(outcome, Outcome::Conflict(_)), "somebody else was first: {outcome:?}");
    assert_eq!(*other.read(&key).await.unwrap().stamp(), stamp);
}

async fn a_counter_is_exact_under_lost_requests_and_replies(cx: Context) {
    let nodes = ["n0", "n1", "n2"];
    let cx = Arc::new(cx);
    let first = cx.session().await;
    let key = cx.key("c", "counter");
    first.put(&key, "0").await;
    let mut tasks = tokio::task::JoinSet::new();
    for node in nodes {
        let pattern = [CommitFault::LoseReply, CommitFault::Pass, CommitFault::LoseRequest];
        script(&cx, node, &pattern.repeat(24)).await;
        let (cx, session, key) = (Arc::clone(&cx), cx.session_of(node).await, key.clone());
        tasks.spawn(async move {
            for _ in 0..12 {
                increment(&cx, &*session, &key).await;
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(first.read(&key).await.unwrap().value(), "36");
}

async fn increment(cx: &Context, session: &dyn Session, key: &Key) {
    loop {
        let entry = session.read(key).await.unwrap();
        let value: u32 = std::str::from_utf8(entry.value()).unwrap().parse().unwrap();
        let txn = Txn::new().update(entry.stamp().clone(), (value + 1).to_string());
        if let Outcome::Committed(_) = decided(cx, session, &txn).await {
            return;
        }
    }
}

/// A creation is under way for long. Its caller gives up, resigns from what it may have created, and nothing comes back later.
async fn a_request_that_arrives_late_makes_no_ghost(cx: Context) {
    let (session, other) = (cx.session_of("node").await, cx.session().await);
    let key = cx.key("c", "leader");
    let delay = cx.ttl();
    script(&cx, "node", &[CommitFault::Delay(delay)]).await;
    drop(tokio::time::timeout(delay / 4, session.commit(owning(&key))).await);
    if let Some(entry) = other.read(&key).await {
        // It was found out about, and is being deleted by the one who gave up.
        drop(other.commit(Txn::new().delete(entry.stamp().clone())).await);
    }
    let mine = other.commit(owning(&key)).await.unwrap();
    if let Outcome::Committed(committed) = mine {
        other.apply(Txn::new().delete(only_stamp(committed))).await;
    }
    cx.until("it is gone", 4, async || other.read(&key).await.is_none()).await;
    tokio::time::sleep(delay * 2).await;
    assert!(other.read(&key).await.is_none(), "a late copy has made a ghost");
}

async fn a_late_request_of_an_ended_session_is_refused(cx: Context) {
    let (session, other) = (cx.session_of("node").await, cx.session().await);
    let delay = cx.ttl();
    script(&cx, "node", &[CommitFault::Delay(delay)]).await;
    let persistent = Txn::new().create_persistent(cx.key("c", "late"), "", Naming::Reusable);
    let id = session.id().clone();
    let late = tokio::spawn(async move { session.commit(persistent).await });
    tokio::time::sleep(delay / 4).await;
    other.end(&id).await.unwrap();
    let before = other.read(&cx.key("c", "late")).await;
    let error = late.await.unwrap();
    tokio::time::sleep(delay * 2).await;
    assert_eq!(other.read(&cx.key("c", "late")).await, before, "nothing of an ended session is applied");
    if before.is_none() {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::SessionLost);
    }
}

async fn a_late_request_of_a_closed_session_is_refused(cx: Context) {
    let (session, other) = (cx.session_of("node").await, cx.session().await);
    let delay = cx.ttl();
    script(&cx, "node", &[CommitFault::Delay(delay)]).await;
    let late = {
        let (session, txn) = (Arc::clone(&session), owning(&cx.key("c", "late")));
        tokio::spawn(async move { session.commit(txn).await })
    };
    tokio::time::sleep(delay / 4).await;
    session.close().await.unwrap();
    assert_eq!(other.all(&cx.collection("c")).await, []);
    let error = late.await.unwrap().expect_err("the session was closed before");
    assert!(matches!(error.kind(), ErrorKind::SessionLost | ErrorKind::Closed), "{error}");
    tokio::time::sleep(delay).await;
    assert_eq!(other.all(&cx.collection("c")).await, [], "nothing of a closed session is applied");
}

async fn a_commit_that_outlives_its_session_says_what_is_known(cx: Context) {
    let other = cx.session().await;
    let (owned, kept) = (cx.key("c", "owned"), cx.key("c", "kept"));
    let persistent = Txn::new().create_persistent(kept.clone(), "", Naming::Reusable);
    for (node, txn) in [("n0", owning(&owned)), ("n1", persistent)] {
        let is_persistent = txn.writes_persistent();
        let session = cx.session_of(node).await;
        cx.inject(Fault::CutReplies(name(node))).await;
        let id = session.id().clone();
        let mut commit = tokio::spawn(async move { session.commit(txn).await });
        tokio::time::sleep(cx.ttl() / 4).await;
        other.end(&id).await.unwrap();
        // Some find out by themselves that the session is over, others only once they are connected again.
        let early = tokio::time::timeout(cx.ttl(), &mut commit).await;
        cx.inject(Fault::Heal(name(node))).await;
        let answer = match early {
            Ok(answer) => answer.unwrap(),
            Err(_) => cx.within("an answer", 20, commit).await.unwrap(),
        };
        let applied = other.read(&kept).await.is_some();
        match answer {
            Ok(Outcome::Committed(_)) => {
                assert_eq!(applied, is_persistent, "it was committed before the end")
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::SessionLost, "{error}");
                assert!(
                    !applied || error.effect() == Effect::Unknown,
                    "it was applied, and the error denies it"
                );
                assert!(
                    is_persistent || error.effect() == Effect::NotApplied,
                    "nothing can be left: {error:?}"
                );
            }
            other => panic!("nobody else was there: {other:?}"),
        }
        assert!(other.read(&owned).await.is_none());
    }
}

async fn requests_of_a_node_that_is_cut_off_are_done_once(cx: Context) {
    let (session, other) = (cx.session_of("node").await, cx.session().await);
    let key = cx.key("c", "a");
    cx.inject(Fault::Cut(name("node"))).await;
    let commit = {
        let (session, txn) = (Arc::clone(&session), owning(&key));
        tokio::spawn(async move { session.commit(txn).await })
    };
    tokio::time::sleep(cx.ttl() / 2).await;
    assert!(other.read(&key).await.is_none(), "nothing arrives");
    cx.inject(Fault::Heal(name("node"))).await;
    let applied = match cx.within("an answer", 20, commit).await.unwrap() {
        Ok(Outcome::Committed(committed)) => Some(only_stamp(committed)),
        Err(error) if error.kind() == ErrorKind::Unavailable => None,
        other => panic!("nobody else was there: {other:?}"),
    };
    let stored = other.read(&key).await.map(|entry| entry.stamp().clone());
    assert_eq!(stored, applied);
    session.apply(Txn::new().held(stored.unwrap_or(session.put(&cx.key("c", "b"), "").await))).await;
}

/// Drops a commit after each number of polls until one has ended by itself; looks at what each one left.
async fn dropped_everywhere(
    cx: &Context,
    mut txn: impl FnMut(usize) -> Txn,
    mut look: impl AsyncFnMut(usize, Option<Stamp>),
) {
    let session = cx.session_of("node").await;
    cx.inject(Fault::YieldAlways(name("node"))).await;
    let mut ended = 0;
    for polls in 0.. {
        let outcome = abandon_after(polls, session.commit(txn(polls))).await;
        let stamp = outcome.map(|outcome| {
            let committed = outcome.unwrap().committed().expect("nobody else was there");
            committed.stamps.into_iter().flatten().next().unwrap()
        });
        ended += usize::from(stamp.is_some());
        look(polls, stamp).await;
        if ended == 3 {
            assert!(polls > 3, "a future that never waits cannot be dropped at a point of interest");
            return;
        }
    }
}

async fn a_dropped_commit_leaves_no_ghost(cx: Context) {
    let reader = cx.session().await;
    let key = |polls: usize| cx.key("c", &polls.to_string());
    dropped_everywhere(
        &cx,
        |polls| owning(&key(polls)),
        async |polls, stamp| {
            let Some(stamp) = stamp else {
                cx.until("what it created is gone", 4, async || reader.read(&key(polls)).await.is_none())
                    .await;
                return;
            };
            assert_eq!(*reader.read(&key(polls)).await.unwrap().stamp(), stamp);
        },
    )
    .await;
    tokio::time::sleep(cx.ttl() / 2).await;
    assert_eq!(reader.all(&cx.collection("c")).await.len(), 3, "those that ended, and nothing later");
}

async fn a_dropped_commit_whose_reply_is_lost_leaves_no_ghost(cx: Context) {
    let (session, reader) = (cx.session_of("node").await, cx.session().await);
    let key = cx.key("c", "a");
    for polls in 1..6 {
        script(&cx, "node", &[CommitFault::LoseReply]).await;
        let ended = abandon_after(polls, session.commit(owning(&key))).await;
        if ended.is_none() {
            cx.until("what it created is gone", 4, async || reader.read(&key).await.is_none()).await;
        } else if let Some(entry) = reader.read(&key).await {
            reader.apply(Txn::new().delete(entry.stamp().clone())).await;
        }
    }
    // The last ones may still be on their way, to be deleted when they have arrived.
    tokio::time::sleep(cx.ttl() / 2).await;
    cx.until("nothing is left of them", 4, async || reader.read(&key).await.is_none()).await;
}

async fn a_dropped_commit_is_applied_whole_or_not_at_all(cx: Context) {
    let reader = cx.session().await;
    let pair = |polls: usize| [cx.key("c", &format!("{polls}-a")), cx.key("c", &format!("{polls}-b"))];
    let txn = |polls: usize| {
        let create = |txn: Txn, key: &Key| txn.create_persistent(key.clone(), "", Naming::Reusable);
        pair(polls).iter().fold(Txn::new(), create)
    };
    dropped_everywhere(&cx, txn, async |_, _| {}).await;
    tokio::time::sleep(cx.ttl() / 2).await;
    let entries = reader.all(&cx.collection("c")).await;
    for chunk in entries.chunks(2) {
        assert_eq!(chunk.len(), 2, "half a transaction in {:?}", names(&entries));
        assert_eq!(chunk[0].created(), chunk[1].created(), "two halves in {:?}", names(&entries));
    }
    assert!(entries.len() >= 6, "those that ended are there");
}

async fn a_dropped_commit_blocks_no_later_one(cx: Context) {
    let other = cx.session().await;
    let key = cx.key("c", "leader");
    let mut holder: Option<Stamp> = None;
    dropped_everywhere(
        &cx,
        |_| owning(&key),
        async |_, stamp| {
            if let Some(stamp) = stamp.or(holder.take()) {
                other.apply(Txn::new().delete(stamp)).await;
            }
            cx.until("the next one can have it", 4, async || {
                match other.commit(owning(&key)).await.unwrap() {
                    Outcome::Committed(committed) => {
                        other.apply(Txn::new().delete(only_stamp(committed))).await;
                        true
                    }
                    _ => false,
                }
            })
            .await;
        },
    )
    .await;
}
