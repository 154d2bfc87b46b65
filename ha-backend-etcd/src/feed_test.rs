use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;
use ha_core::spi::{Change, Collection, Entry, Lineage, Name, Revision, Stamp, WatchEvent};

use super::{Feed, FeedStream, Notice, UNTOLD_MAX};

fn entry(name: &str, created: u64) -> Entry {
    let key = Collection::parse(&["c"]).unwrap().key(Name::parse(name).unwrap());
    let stamp = Stamp::new(key, Revision::new(created), Revision::new(created), Bytes::new());
    Entry::new(stamp, Bytes::new(), None)
}

fn put(name: &str, created: u64) -> (Name, Change) {
    (Name::parse(name).unwrap(), Change::Put(entry(name, created)))
}

fn removed(name: &str, created: u64) -> (Name, Change) {
    (Name::parse(name).unwrap(), Change::Removed(entry(name, created).stamp().clone()))
}

fn snapshot(feed: &Feed, names: &[&str], revision: u64) {
    let entries: BTreeMap<Name, Entry> =
        names.iter().map(|name| (Name::parse(name).unwrap(), entry(name, revision))).collect();
    feed.snapshot(entries, revision, Lineage::default());
}

/// A stream of `feed`, and how often it asked for a snapshot.
fn stream(feed: &Arc<Feed>) -> (FeedStream<impl FnMut(Notice) + Send + Unpin>, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let notify = move |notice| {
        count.fetch_add(u32::from(notice == Notice::Refresh), Ordering::Relaxed);
    };
    (FeedStream::new(Arc::clone(feed), notify), asked)
}

fn next(stream: &mut (impl Stream<Item = WatchEvent> + Unpin)) -> Poll<Option<WatchEvent>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(Waker::noop()))
}

fn names(event: Poll<Option<WatchEvent>>) -> Vec<String> {
    match event {
        Poll::Ready(Some(WatchEvent::Snapshot { entries, .. })) => {
            entries.iter().map(|entry| entry.key().name().to_string()).collect()
        }
        other => panic!("no snapshot: {other:?}"),
    }
}

#[test]
fn what_happens_before_a_snapshot_is_read_is_part_of_it() {
    let feed = Arc::new(Feed::default());
    let (mut stream, _) = stream(&feed);
    assert_eq!(next(&mut stream), Poll::Pending);
    snapshot(&feed, &["a", "b"], 5);
    feed.changed(vec![put("c", 6), removed("a", 5)], 6, Lineage::default());
    assert_eq!(names(next(&mut stream)), ["b", "c"]);
    assert_eq!(next(&mut stream), Poll::Pending);
}

#[test]
fn several_changes_of_an_entry_are_told_as_the_last_one() {
    let feed = Arc::new(Feed::default());
    let (mut stream, _) = stream(&feed);
    snapshot(&feed, &[], 1);
    names(next(&mut stream));
    feed.changed(vec![put("a", 2)], 2, Lineage::default());
    feed.changed(vec![removed("a", 2)], 3, Lineage::default());
    feed.changed(vec![put("a", 4)], 4, Lineage::default());
    let Poll::Ready(Some(WatchEvent::Changed { changes, revision, .. })) = next(&mut stream) else {
        panic!("a change")
    };
    assert_eq!((changes, revision.as_u64()), (vec![put("a", 4).1], 4));
}

#[test]
fn an_interruption_is_told_until_a_snapshot_takes_its_place() {
    let feed = Arc::new(Feed::default());
    let (mut stream, _) = stream(&feed);
    snapshot(&feed, &["a"], 1);
    feed.interrupt();
    assert_eq!(next(&mut stream), Poll::Ready(Some(WatchEvent::Interrupted)));
    feed.interrupt();
    snapshot(&feed, &["b"], 2);
    assert_eq!(names(next(&mut stream)), ["b"]);
}

#[test]
fn a_consumer_that_does_not_read_is_told_a_new_snapshot_and_asks_for_it_once() {
    let feed = Arc::new(Feed::default());
    let (mut stream, asked) = stream(&feed);
    snapshot(&feed, &[], 1);
    names(next(&mut stream));
    for at in 0..=u64::try_from(UNTOLD_MAX).unwrap() {
        feed.changed(vec![put(&at.to_string(), at + 2)], at + 2, Lineage::default());
    }
    assert_eq!(next(&mut stream), Poll::Pending, "what is forgotten is not told in part");
    assert_eq!(next(&mut stream), Poll::Pending);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    feed.changed(vec![put("late", 5_000)], 5_000, Lineage::default());
    assert_eq!(next(&mut stream), Poll::Pending);
    snapshot(&feed, &["all"], 5_001);
    assert_eq!(names(next(&mut stream)), ["all"]);
}

#[test]
fn the_end_is_told_after_the_discontinuity_that_made_it() {
    let feed = Arc::new(Feed::default());
    let (mut stream, _) = stream(&feed);
    feed.end(Some(Lineage::new(1)));
    assert_eq!(next(&mut stream), Poll::Ready(Some(WatchEvent::Discontinuity(Lineage::new(1)))));
    assert_eq!(next(&mut stream), Poll::Ready(None));
}
