use bytes::Bytes;

use super::{Feed, WAITING_MAX};
use crate::names::{Collection, Name};
use crate::spi::{Change, Entry, Lineage, Revision, Stamp, WatchEvent};

fn entry(name: &str, created: u64) -> Entry {
    let key = Collection::parse(&["store", "c"]).unwrap().key(Name::parse(name).unwrap());
    let created = Revision::new(created);
    Entry::new(Stamp::new(key, created, created, Bytes::new()), Bytes::new(), None)
}

fn snapshot(generation: u64, revision: u64, names: &[&str]) -> WatchEvent {
    let entries = names.iter().map(|name| entry(name, revision)).collect();
    WatchEvent::Snapshot { entries, revision: Revision::new(revision), lineage: Lineage::new(generation) }
}

fn changed(revision: u64, name: &str) -> WatchEvent {
    WatchEvent::Changed {
        changes: vec![Change::Put(entry(name, revision))],
        revision: Revision::new(revision),
        lineage: Lineage::default(),
    }
}

/// What the reader is told, in short: the revision of a snapshot and how many entries it has, the revision of a change.
fn told(feed: &mut Feed) -> Vec<String> {
    std::iter::from_fn(|| feed.pop())
        .map(|event| match event {
            WatchEvent::Snapshot { entries, revision, .. } => format!("all {} at {revision}", entries.len()),
            WatchEvent::Changed { revision, .. } => format!("change {revision}"),
            WatchEvent::Interrupted => "interrupted".into(),
            WatchEvent::Discontinuity(lineage) => format!("generation {}", lineage.generation()),
        })
        .collect()
}

#[test]
fn what_a_watch_delivers_is_told_in_order() {
    let mut feed = Feed::default();
    assert_eq!(told(&mut feed), [] as [&str; 0]);
    feed.take(snapshot(0, 3, &["a"]));
    assert_eq!(told(&mut feed), ["all 1 at 3"]);
    feed.take(changed(4, "b"));
    feed.take(changed(5, "c"));
    feed.interrupt();
    assert_eq!(told(&mut feed), ["change 4", "change 5", "interrupted"]);
    feed.take(snapshot(0, 7, &["a", "b"]));
    assert_eq!(told(&mut feed), ["all 2 at 7"]);
}

#[test]
fn a_snapshot_takes_the_place_of_what_was_not_read() {
    let mut feed = Feed::default();
    feed.take(snapshot(0, 3, &["a"]));
    feed.take(changed(4, "b"));
    feed.interrupt();
    feed.interrupt();
    feed.take(snapshot(0, 9, &["c"]));
    assert_eq!(told(&mut feed), ["all 1 at 9"]);
}

#[test]
fn an_interruption_is_told_once_and_does_not_hide_what_was_seen_before() {
    let mut feed = Feed::default();
    feed.take(snapshot(0, 3, &["a"]));
    feed.interrupt();
    feed.take(WatchEvent::Interrupted);
    assert_eq!(told(&mut feed), ["all 1 at 3", "interrupted"]);
    feed.interrupt();
    assert_eq!(told(&mut feed), [] as [&str; 0]);
}

#[test]
fn a_session_that_reads_from_a_server_that_lags_takes_nobody_back() {
    let mut feed = Feed::default();
    feed.take(snapshot(0, 10, &["a", "b"]));
    assert_eq!(told(&mut feed), ["all 2 at 10"]);
    feed.take(snapshot(0, 8, &["a"]));
    feed.take(changed(9, "x"));
    assert_eq!(told(&mut feed), ["interrupted"]);
    feed.take(changed(10, "b"));
    assert_eq!(
        told(&mut feed),
        ["all 3 at 10"],
        "now it has caught up, with all that it was shown meanwhile"
    );
    feed.take(changed(11, "c"));
    assert_eq!(told(&mut feed), ["change 11"]);
}

#[test]
fn a_new_history_may_begin_before_what_was_seen() {
    let mut feed = Feed::default();
    feed.take(snapshot(0, 10, &["a", "b"]));
    feed.take(changed(11, "c"));
    feed.interrupt();
    feed.take(WatchEvent::Discontinuity(Lineage::new(1)));
    feed.take(snapshot(1, 4, &["a"]));
    assert_eq!(
        told(&mut feed),
        ["generation 1", "all 1 at 4"],
        "what waits belongs to a history that is over"
    );
    feed.take(snapshot(2, 2, &[]));
    assert_eq!(told(&mut feed), ["all 0 at 2"], "a new session may tell of a new history by itself");
}

#[test]
fn a_reader_that_never_reads_costs_bounded_memory_and_ends_at_the_last_state() {
    let mut feed = Feed::default();
    feed.take(snapshot(0, 1, &[]));
    assert_eq!(told(&mut feed), ["all 0 at 1"]);
    for revision in 2..=(10 * WAITING_MAX as u64) {
        feed.take(changed(revision, &format!("n{}", revision % 7)));
        assert!(feed.waiting.len() <= WAITING_MAX);
    }
    let told = told(&mut feed);
    assert_eq!(told, ["all 7 at 10000"]);
}

#[test]
fn a_reader_that_keeps_up_is_never_shown_the_whole_again() {
    let mut feed = Feed::default();
    feed.take(snapshot(0, 1, &[]));
    feed.pop();
    feed.take(changed(2, "a"));
    for revision in 3..=(3 * WAITING_MAX as u64) {
        feed.take(changed(revision, "a"));
        assert!(matches!(feed.pop(), Some(WatchEvent::Changed { .. })), "it is late by one, never by more");
    }
    assert_eq!(told(&mut feed).len(), 1);
}
