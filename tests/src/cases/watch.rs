//! Watches: a snapshot first, then every state or a later one, and never back.

use std::time::Duration;

use ha_core::spi::{Naming, Session, Stamp, Txn, WatchEvent, WatchTarget};

use crate::case::Need;
use crate::context::{Context, name};
use crate::faults::{Fault, FaultKind};
use crate::mirror::Mirror;
use crate::verbs::{Verbs, names, only_stamp};

crate::case::cases! {
    "watch";
    a_snapshot_comes_first { guarantee: "G30" }
    a_snapshot_of_a_collection_that_was_never_written_is_empty { guarantee: "G30" }
    a_watch_of_an_absent_entry_begins_empty_and_sees_it_come { guarantee: "G30" }
    creations_updates_and_deletions_are_delivered { guarantee: "G31" }
    a_removed_entry_is_named_by_its_incarnation { guarantee: "G31" }
    the_end_of_a_session_is_delivered { guarantee: "G31" }
    the_expiry_of_a_session_is_delivered { guarantee: "G31" }
    a_watch_ends_at_the_last_state_after_concurrent_writes { guarantee: "G31" }
    several_watches_see_the_same { guarantee: "G31" }
    a_re_creation_is_not_hidden { guarantee: "G32" }
    a_re_creation_is_not_hidden_from_a_watch_of_one_entry { guarantee: "G32" }
    an_interruption_ends_in_a_snapshot { guarantee: "G33", needs: [Need::Fault(FaultKind::InterruptWatches)] }
    nothing_missed_in_an_interruption_stays_missed { guarantee: "G33", needs: [Need::Fault(FaultKind::InterruptWatches)] }
    a_watch_is_never_older_than_what_its_session_committed { guarantee: "G34" }
    a_watch_is_not_older_either_while_others_write { guarantee: "G34" }
    a_watch_never_goes_back { guarantee: "G34" }
    a_watch_ends_with_its_session { guarantee: "G35" }
    a_watch_ends_with_an_expired_session { guarantee: "G35" }
    a_burst_of_changes_converges_with_a_slow_consumer { guarantee: "G36" }
    a_consumer_that_does_not_read_holds_up_nobody { guarantee: "G36" }
}

fn collection(cx: &Context) -> WatchTarget {
    WatchTarget::Collection(cx.collection("c"))
}

async fn update(session: &dyn Session, stamp: &Stamp, value: &str) -> Stamp {
    only_stamp(session.apply(Txn::new().update(stamp.clone(), value.to_owned())).await)
}

async fn delete(session: &dyn Session, stamp: &Stamp) {
    session.apply(Txn::new().delete(stamp.clone())).await;
}

/// Reads the watch until it tells what a listing tells.
async fn converges(cx: &Context, mirror: &mut Mirror, session: &dyn Session) {
    let expected = session.all(&cx.collection("c")).await;
    cx.within(
        "the watch tells what a listing tells",
        20,
        mirror.until(|mirror| mirror.entries() == expected),
    )
    .await;
}

async fn a_snapshot_comes_first(cx: Context) {
    let session = cx.session().await;
    session.put(&cx.key("c", "a"), "1").await;
    session.own(&cx.key("c", "b"), "2").await;
    for target in [collection(&cx), WatchTarget::Entry(cx.key("c", "b"))] {
        let mut stream = session.watch(target.clone());
        let first = cx.within("the first item", 20, stream.next()).await.unwrap();
        let first = match first {
            WatchEvent::Interrupted => cx.within("the second item", 20, stream.next()).await.unwrap(),
            first => first,
        };
        let WatchEvent::Snapshot { mut entries, .. } = first else { panic!("not a snapshot: {first:?}") };
        entries.sort_by(|a, b| a.key().cmp(b.key()));
        let mut expected = session.all(&cx.collection("c")).await;
        expected.retain(|entry| target == collection(&cx) || entry.key().name().as_str() == "b");
        assert_eq!(entries, expected);
    }
}

async fn a_snapshot_of_a_collection_that_was_never_written_is_empty(cx: Context) {
    let session = cx.session().await;
    let mirror = cx.within("a snapshot", 20, Mirror::open(&*session, collection(&cx))).await;
    assert_eq!(mirror.entries(), []);
}

async fn a_watch_of_an_absent_entry_begins_empty_and_sees_it_come(cx: Context) {
    let (watcher, writer) = (cx.session().await, cx.session().await);
    let key = cx.key("c", "leader");
    let mut mirror = Mirror::open(&*watcher, WatchTarget::Entry(key.clone())).await;
    assert_eq!(mirror.entries(), []);
    for _ in 0..3 {
        let stamp = writer.own(&key, "").await;
        let came = mirror.until(|mirror| mirror.entry(&key).map(|entry| entry.stamp()) == Some(&stamp));
        cx.within("the entry came", 20, came).await;
        delete(&*writer, &stamp).await;
        cx.within("the entry went", 20, mirror.until(|mirror| mirror.entry(&key).is_none())).await;
    }
}

async fn creations_updates_and_deletions_are_delivered(cx: Context) {
    let (watcher, writer) = (cx.session().await, cx.session().await);
    let mut mirror = Mirror::open(&*watcher, collection(&cx)).await;
    let a = writer.put(&cx.key("c", "a"), "1").await;
    converges(&cx, &mut mirror, &*writer).await;
    let a = update(&*writer, &a, "2").await;
    writer.own(&cx.key("c", "b"), "3").await;
    converges(&cx, &mut mirror, &*writer).await;
    delete(&*writer, &a).await;
    converges(&cx, &mut mirror, &*writer).await;
    assert_eq!(names(&mirror.entries()), ["b"]);
}

async fn a_removed_entry_is_named_by_its_incarnation(cx: Context) {
    let (watcher, writer) = (cx.session().await, cx.session().await);
    let mut mirror = Mirror::open(&*watcher, collection(&cx)).await;
    let key = cx.key("c", "a");
    for _ in 0..10 {
        let stamp = writer.put(&key, "").await;
        cx.within("it came", 20, mirror.until(|mirror| mirror.entry(&key).is_some())).await;
        let updated = update(&*writer, &stamp, "later").await;
        delete(&*writer, &updated).await;
        cx.within("it went", 20, mirror.until(|mirror| mirror.entry(&key).is_none())).await;
        // After a gap in the watch a snapshot shows the removal instead, by not showing the entry.
        assert!(mirror.removed(&key).is_none_or(|removed| removed == stamp.created()), "not {stamp:?}");
    }
}

async fn the_end_of_a_session_is_delivered(cx: Context) {
    let (watcher, owner) = (cx.session().await, cx.session().await);
    let mut mirror = Mirror::open(&*watcher, collection(&cx)).await;
    for entry in ["a", "b", "c"] {
        owner.own(&cx.key("c", entry), "").await;
    }
    cx.within("they came", 20, mirror.until(|mirror| mirror.entries().len() == 3)).await;
    owner.close().await.unwrap();
    cx.within("they went", 20, mirror.until(|mirror| mirror.entries().is_empty())).await;
}

async fn the_expiry_of_a_session_is_delivered(cx: Context) {
    let (watcher, owner) = (cx.session().await, cx.mortal_session().await);
    let mut mirror = Mirror::open(&*watcher, collection(&cx)).await;
    owner.own(&cx.key("c", "a"), "").await;
    cx.within("it came", 20, mirror.until(|mirror| !mirror.entries().is_empty())).await;
    cx.within("it went", 20, mirror.until(|mirror| mirror.entries().is_empty())).await;
}

/// Creates, updates and deletes five entries of its own, `rounds` times.
async fn churn(cx: &Context, session: &dyn Session, prefix: &str, rounds: usize) {
    for round in 0..rounds {
        let key = cx.key("c", &format!("{prefix}{}", round % 5));
        match session.read(&key).await {
            None => drop(session.own(&key, "new").await),
            Some(entry) if round % 3 == 0 => delete(session, entry.stamp()).await,
            Some(entry) => drop(update(session, entry.stamp(), &round.to_string()).await),
        }
    }
}

async fn a_watch_ends_at_the_last_state_after_concurrent_writes(cx: Context) {
    let watcher = cx.session().await;
    let writers = [cx.session().await, cx.session().await];
    let mut mirror = Mirror::open(&*watcher, collection(&cx)).await;
    let reading = async {
        let churned = async {
            tokio::join!(churn(&cx, &*writers[0], "x", 100), churn(&cx, &*writers[1], "y", 100));
        };
        tokio::pin!(churned);
        loop {
            tokio::select! {
                () = &mut churned => break,
                goes_on = mirror.step() => assert!(goes_on),
            }
        }
    };
    reading.await;
    converges(&cx, &mut mirror, &*watcher).await;
}

async fn several_watches_see_the_same(cx: Context) {
    let (watcher, writer) = (cx.session().await, cx.session().await);
    let mut mirrors = Vec::new();
    for _ in 0..5 {
        mirrors.push(Mirror::open(&*watcher, collection(&cx)).await);
        churn(&cx, &*writer, "x", 10).await;
    }
    drop(mirrors.remove(2));
    churn(&cx, &*writer, "x", 10).await;
    for mirror in &mut mirrors {
        converges(&cx, mirror, &*writer).await;
    }
}

/// Deletes and re-creates `leader` while nobody reads the watch; the last incarnation has to be told as a new one.
async fn re_created_unseen(cx: &Context, target: WatchTarget) {
    let (watcher, writer) = (cx.session().await, cx.session().await);
    let key = cx.key("c", "leader");
    let first = writer.own(&key, "same").await;
    let mut mirror = Mirror::open(&*watcher, target).await;
    let mut last = first.clone();
    for _ in 0..20 {
        delete(&*writer, &last).await;
        last = writer.own(&key, "same").await;
    }
    let told = mirror.until(|mirror| mirror.entry(&key).map(|entry| entry.created()) == Some(last.created()));
    cx.within("the last incarnation", 20, told).await;
    let shown = mirror.incarnations(&key);
    assert_eq!(shown.first(), Some(&first.created()));
    assert!(shown.is_sorted(), "incarnations in their order: {shown:?}");
}

async fn a_re_creation_is_not_hidden(cx: Context) {
    re_created_unseen(&cx, collection(&cx)).await;
}

async fn a_re_creation_is_not_hidden_from_a_watch_of_one_entry(cx: Context) {
    re_created_unseen(&cx, WatchTarget::Entry(cx.key("c", "leader"))).await;
}

async fn an_interruption_ends_in_a_snapshot(cx: Context) {
    let (watcher, writer) = (cx.session_of("watcher").await, cx.session().await);
    let stamp = writer.put(&cx.key("c", "a"), "1").await;
    let mut stream = watcher.watch(collection(&cx));
    let first = cx.within("a snapshot", 20, stream.next()).await.unwrap();
    assert!(matches!(first, WatchEvent::Snapshot { .. }), "{first:?}");
    cx.inject(Fault::InterruptWatches(name("watcher"))).await;
    update(&*writer, &stamp, "2").await;
    let item = cx.within("an interruption or a snapshot", 20, stream.next()).await.unwrap();
    let item = match item {
        WatchEvent::Interrupted => cx.within("a snapshot", 20, stream.next()).await.unwrap(),
        item => item,
    };
    assert!(matches!(item, WatchEvent::Snapshot { .. }), "a gap ends in a snapshot: {item:?}");
}

async fn nothing_missed_in_an_interruption_stays_missed(cx: Context) {
    let (watcher, writer) = (cx.session_of("watcher").await, cx.session().await);
    let mut mirror = Mirror::open(&*watcher, collection(&cx)).await;
    for round in 0..10 {
        let deleted = writer.put(&cx.key("c", "deleted"), "").await;
        let updated = writer.put(&cx.key("c", &format!("updated-{round}")), "").await;
        converges(&cx, &mut mirror, &*writer).await;
        cx.inject(Fault::InterruptWatches(name("watcher"))).await;
        delete(&*writer, &deleted).await;
        update(&*writer, &updated, "later").await;
        writer.put(&cx.key("c", &format!("created-{round}")), "").await;
        converges(&cx, &mut mirror, &*writer).await;
    }
}

async fn a_watch_is_never_older_than_what_its_session_committed(cx: Context) {
    let session = cx.session().await;
    for round in 0..30 {
        let key = cx.key("c", &round.to_string());
        let stamp = session.own(&key, "").await;
        for target in [collection(&cx), WatchTarget::Entry(key.clone())] {
            let mirror = cx.within("a snapshot", 20, Mirror::open(&*session, target)).await;
            assert_eq!(mirror.entry(&key).map(|entry| entry.stamp()), Some(&stamp), "round {round}");
        }
        delete(&*session, &stamp).await;
        let mirror = cx.within("a snapshot", 20, Mirror::open(&*session, collection(&cx))).await;
        assert_eq!(mirror.entry(&key), None, "round {round}");
    }
}

/// A backend that looks at the store for all of its watches at once is often in the middle of a look when one is opened, which then has to wait for the
/// next.
async fn a_watch_is_not_older_either_while_others_write(cx: Context) {
    let session = cx.session().await;
    let others = [cx.session().await, cx.session().await];
    // They make each look longer.
    let _watches: Vec<Mirror> = (0..8).map(|_| Mirror::unread(&*session, collection(&cx))).collect();
    let watching = async {
        for round in 0..200 {
            let key = cx.key("c", &format!("own-{round}"));
            let stamp = session.own(&key, "").await;
            let mirror = cx.within("a snapshot", 20, Mirror::open(&*session, collection(&cx))).await;
            assert_eq!(mirror.entry(&key).map(|entry| entry.stamp()), Some(&stamp), "round {round}");
            delete(&*session, &stamp).await;
        }
    };
    tokio::join!(watching, churn(&cx, &*others[0], "x", 200), churn(&cx, &*others[1], "y", 200));
}

async fn a_watch_never_goes_back(cx: Context) {
    let (watcher, writer) = (cx.session().await, cx.session().await);
    let mut stamp = writer.put(&cx.key("c", "a"), "").await;
    // The mirror refuses every item that is older than the one before.
    let mut mirrors =
        [Mirror::open(&*watcher, collection(&cx)).await, Mirror::unread(&*watcher, collection(&cx))];
    for round in 0..100 {
        stamp = update(&*writer, &stamp, &round.to_string()).await;
        if round % 10 == 0 {
            assert!(cx.within("a change", 20, mirrors[0].step()).await);
        }
    }
    for mirror in &mut mirrors {
        converges(&cx, mirror, &*writer).await;
    }
}

/// Reads the rest of a watch, which has to end.
async fn ends(cx: &Context, mut mirror: Mirror) {
    let rest = async { while mirror.step().await {} };
    cx.within("the watch ends", 20, rest).await;
}

async fn a_watch_ends_with_its_session(cx: Context) {
    let (session, other) = (cx.session().await, cx.session().await);
    let mirror = Mirror::open(&*session, collection(&cx)).await;
    let mut others = Mirror::open(&*other, collection(&cx)).await;
    session.close().await.unwrap();
    ends(&cx, mirror).await;
    other.put(&cx.key("c", "a"), "").await;
    converges(&cx, &mut others, &*other).await;
}

async fn a_watch_ends_with_an_expired_session(cx: Context) {
    let session = cx.mortal_session().await;
    let mirror = Mirror::open(&*session, collection(&cx)).await;
    ends(&cx, mirror).await;
}

async fn a_burst_of_changes_converges_with_a_slow_consumer(cx: Context) {
    let (watcher, writer) = (cx.session().await, cx.session().await);
    let mut mirror = Mirror::open(&*watcher, collection(&cx)).await;
    let mut burst = tokio::spawn(async move {
        let mut stamps: Vec<Option<Stamp>> = vec![None; 50];
        for at in 0..1_000_usize {
            let key = cx.key("c", &format!("{:02}", at % 50));
            let slot = &mut stamps[at % 50];
            *slot = match slot.take() {
                None => Some(writer.own(&key, "").await),
                Some(stamp) if at % 7 == 0 => {
                    delete(&*writer, &stamp).await;
                    None
                }
                Some(stamp) => Some(update(&*writer, &stamp, &at.to_string()).await),
            };
        }
        (cx, writer)
    });
    let (cx, writer) = loop {
        tokio::select! {
            done = &mut burst => break done.unwrap(),
            goes_on = mirror.step() => assert!(goes_on),
        }
        // A consumer that is slower than the writer.
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    converges(&cx, &mut mirror, &*writer).await;
}

async fn a_consumer_that_does_not_read_holds_up_nobody(cx: Context) {
    let (watcher, writer) = (cx.session().await, cx.session().await);
    let mut asleep = Mirror::open(&*watcher, collection(&cx)).await;
    let mut awake = Mirror::open(&*watcher, collection(&cx)).await;
    let mut stamp = writer.put(&cx.key("c", "a"), "").await;
    let rounds = 1_500;
    for round in 0..rounds {
        stamp = update(&*writer, &stamp, &round.to_string()).await;
    }
    let created = Txn::new().create_persistent(cx.key("c", name("b").as_str()), "", Naming::Unique);
    writer.apply(created).await;
    converges(&cx, &mut awake, &*writer).await;
    converges(&cx, &mut asleep, &*writer).await;
    assert!(asleep.items() < rounds, "{} items were kept for a consumer that did not read", asleep.items());
}
