//! Following the store of the service itself, through gaps, losses of the session and discontinuities.

use ha_core::spi::{Change, WatchEvent, WatchStream};
use ha_core::store::Watch;

use super::store::{entries, key};
use crate::case::Need;
use crate::context::{Context, name};
use crate::faults::{Fault, FaultKind};
use crate::mirror::Mirror;
use crate::nodes::holder_session;
use crate::verbs::names;

crate::case::cases! {
    "store_watch";
    a_watch_shows_the_present_state_and_every_later_one { guarantee: "G105" }
    a_watch_of_one_entry_shows_nothing_else { guarantee: "G105" }
    a_gap_ends_in_a_snapshot { guarantee: "G105", needs: [Need::Fault(FaultKind::InterruptWatches)] }
    a_watch_goes_on_with_the_next_session { guarantee: "G105", needs: [Need::EndsSessions] }
    a_reader_that_does_not_read_ends_at_the_last_state { guarantee: "G105" }
    a_watch_tells_of_a_discontinuity_and_shows_the_new_history { guarantee: "G105", needs: [Need::Reconciliation] }
    a_dropped_read_of_a_watch_loses_nothing { guarantee: "G105" }
}

fn mirror(watch: Watch) -> Mirror {
    Mirror::follow(WatchStream::new(watch))
}

/// Reads until the names are these.
async fn shows(cx: &Context, mirror: &mut Mirror, wanted: &[&str]) {
    cx.within("the watch tells it", 20, mirror.until(|mirror| names(&mirror.entries()) == wanted)).await;
}

async fn a_watch_shows_the_present_state_and_every_later_one(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    let (all, theirs) = (entries(&node), entries(&other));
    let a = theirs.create("a", "1").await.unwrap().done().unwrap();
    let mut watch = mirror(all.watch());
    shows(&cx, &mut watch, &["a"]).await;
    assert!(theirs.create("b", "").await.unwrap().is_done());
    shows(&cx, &mut watch, &["a", "b"]).await;
    theirs.delete(&a).await.unwrap().done().unwrap();
    shows(&cx, &mut watch, &["b"]).await;
    let again = theirs.create("a", "2").await.unwrap().done().unwrap();
    cx.within(
        "the new incarnation",
        20,
        watch.until(|watch| watch.entries().iter().any(|entry| *entry.stamp() == again)),
    )
    .await;
}

async fn a_watch_of_one_entry_shows_nothing_else(cx: Context) {
    let node = cx.node("node").await;
    let all = entries(&node);
    assert!(all.create("b", "").await.unwrap().is_done());
    let mut watch = mirror(all.watch_entry("a").unwrap());
    shows(&cx, &mut watch, &[]).await;
    assert!(all.create("a0", "").await.unwrap().is_done());
    assert!(all.create("a", "").await.unwrap().is_done());
    shows(&cx, &mut watch, &["a"]).await;
}

async fn a_gap_ends_in_a_snapshot(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    let (all, theirs) = (entries(&node), entries(&other));
    let mut watch = mirror(all.watch());
    shows(&cx, &mut watch, &[]).await;
    for round in 0..5 {
        cx.inject(Fault::InterruptWatches(name("node"))).await;
        let stamp = theirs.create("kept", round.to_string()).await.unwrap().done().unwrap();
        let gone = theirs.create("gone", "").await.unwrap().done().unwrap();
        theirs.delete(&gone).await.unwrap().done().unwrap();
        shows(&cx, &mut watch, &["kept"]).await;
        theirs.delete(&stamp).await.unwrap().done().unwrap();
        shows(&cx, &mut watch, &[]).await;
    }
}

async fn a_watch_goes_on_with_the_next_session(cx: Context) {
    let (node, other, judge) = (cx.node("node").await, cx.node("other").await, cx.session().await);
    let (all, theirs) = (entries(&node), entries(&other));
    let mut watch = mirror(all.watch());
    shows(&cx, &mut watch, &[]).await;
    for round in 0..3 {
        let guard = cx.within("the lock", 20, node.mutex("session").unwrap().acquire()).await.unwrap();
        judge.end(&holder_session(&*judge, "session").await).await.unwrap();
        drop(guard);
        // Written while the node has no session, or just got one.
        assert!(theirs.create(&format!("n{round}"), "").await.unwrap().is_done());
        let wanted: Vec<_> = (0..=round).map(|at| format!("n{at}")).collect();
        let wanted: Vec<_> = wanted.iter().map(String::as_str).collect();
        shows(&cx, &mut watch, &wanted).await;
    }
}

async fn a_reader_that_does_not_read_ends_at_the_last_state(cx: Context) {
    const WRITES: u32 = 3_000;
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    let mut watch = entries(&node).watch();
    cx.within("the first item", 20, watch.next()).await.unwrap();
    let theirs = entries(&other);
    let mut stamp = theirs.create("a", "0").await.unwrap().done().unwrap();
    for value in 1..=WRITES {
        stamp = theirs.update(&stamp, value.to_string()).await.unwrap().done().unwrap();
    }
    let mut items = 0;
    let mut last = None;
    cx.within("the last state", 20, async {
        while last.as_deref() != Some(WRITES.to_string().as_str()) {
            items += 1;
            let value = match watch.next().await.unwrap() {
                WatchEvent::Snapshot { entries, .. } => entries.first().map(|entry| entry.value().to_vec()),
                WatchEvent::Changed { changes, .. } => match &changes[..] {
                    [Change::Put(entry)] => Some(entry.value().to_vec()),
                    other => panic!("one entry was written: {other:?}"),
                },
                other => panic!("nothing was interrupted: {other:?}"),
            };
            last = value.map(|value| String::from_utf8(value).unwrap());
        }
    })
    .await;
    assert!(items <= 1_001, "{items} items waited for a reader that does not read");
}

async fn a_watch_tells_of_a_discontinuity_and_shows_the_new_history(cx: Context) {
    let node = cx.node("node").await;
    let all = entries(&node);
    assert!(all.create("kept", "").await.unwrap().is_done());
    cx.inject(Fault::Record).await;
    assert!(all.create("forgotten", "").await.unwrap().is_done());
    let mut watch = mirror(all.watch());
    shows(&cx, &mut watch, &["forgotten", "kept"]).await;
    cx.inject(Fault::Forget(cx.ttl())).await;
    shows(&cx, &mut watch, &["kept"]).await;
    assert!(all.create("new", "").await.unwrap().is_done());
    shows(&cx, &mut watch, &["kept", "new"]).await;
}

async fn a_dropped_read_of_a_watch_loses_nothing(cx: Context) {
    let node = cx.node("node").await;
    let all = entries(&node);
    let mut watch = all.watch();
    let mut seen = 0_u32;
    for value in 1..=20 {
        assert!(all.create(&format!("n{value}"), "").await.unwrap().is_done());
        // Given up before or after it was woken, as it happens.
        let read = crate::nodes::abandon_after(value % 3, watch.next()).await;
        seen = seen.max(read.flatten().map_or(0, |event| shown(&event)));
    }
    let deadline = cx.until("all of them were seen", 20, async || {
        let read = crate::nodes::abandon_after(3, watch.next()).await;
        seen = seen.max(read.flatten().map_or(0, |event| shown(&event)));
        seen == 20
    });
    deadline.await;
    assert_eq!(all.key("n1").unwrap(), key("n1"));
}

/// The largest number that an item shows.
fn shown(event: &WatchEvent) -> u32 {
    let number = |entry: &ha_core::spi::Entry| entry.key().name().as_str()[1..].parse().unwrap();
    match event {
        WatchEvent::Snapshot { entries, .. } => entries.iter().map(number).max().unwrap_or(0),
        WatchEvent::Changed { changes, .. } => {
            let put = |change: &Change| match change {
                Change::Put(entry) => number(entry),
                other => panic!("nothing was deleted: {other:?}"),
            };
            changes.iter().map(put).max().unwrap_or(0)
        }
        _ => 0,
    }
}
