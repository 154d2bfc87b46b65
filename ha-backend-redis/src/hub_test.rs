use std::task::{Poll, Waker};

use bytes::Bytes;
use ha_core::spi::{Collection, Entry, Lineage, Name, Revision, Stamp, WatchEvent, WatchTarget};

use super::{Hub, MEANWHILE_MAX, Taken, WatchId};
use crate::record::Record;
use crate::resp::Reply;

fn collection() -> Collection {
    Collection::parse(&["c"]).unwrap()
}

fn entry(name: &str, revision: u64) -> Entry {
    let revision = Revision::new(revision);
    let key = collection().key(Name::parse(name).unwrap());
    Entry::new(Stamp::new(key, revision, revision, Bytes::new()), Bytes::new(), None)
}

/// A record that tells of the creation of `name` at `revision`.
fn created(name: &str, revision: u64) -> Record {
    let text = |text: String| Reply::Text(text.into());
    let stored = format!("{revision:016}{revision:016}------------------------");
    let key = format!("\u{1}\u{1}c{name}");
    let changes = format!("P{:04}{:05}{key}{stored}", key.len(), stored.len());
    let fields = Reply::List(vec![text("p".into()), text("1".into()), text("x".into()), text(changes)]);
    let record = Reply::List(vec![text(format!("{revision}-0")), fields]);
    let answer = Reply::List(vec![Reply::List(vec![text("log".into()), Reply::List(vec![record])])]);
    Record::parse_all(answer).unwrap().remove(0)
}

fn tell(hub: &Hub, name: &str, revision: u64) {
    hub.tell(&created(name, revision).changes, 5, revision);
}

/// A hub that follows the log of generation 5 from revision 10 on, with a watch of the collection that is being read.
fn followed() -> (Hub, WatchId) {
    let hub = Hub::default();
    hub.belongs_to(Lineage::new(5));
    assert!(hub.follow(5, 10).is_empty());
    let (id, to_read) = hub.open(WatchTarget::Collection(collection()));
    assert!(to_read);
    (hub, id)
}

fn next(hub: &Hub, id: WatchId) -> Option<WatchEvent> {
    match hub.poll(id, Waker::noop()).0 {
        Poll::Ready(event) => event,
        Poll::Pending => None,
    }
}

fn shown(event: Option<WatchEvent>) -> Vec<String> {
    match event {
        Some(WatchEvent::Snapshot { entries, .. }) => {
            entries.iter().map(|entry| entry.key().name().as_str().to_owned()).collect()
        }
        other => panic!("no snapshot: {other:?}"),
    }
}

#[test]
fn what_goes_by_during_a_reading_is_added_to_it() {
    let (hub, id) = followed();
    tell(&hub, "b", 11);
    tell(&hub, "c", 12);
    assert_eq!(next(&hub, id), None);
    // `b` was deleted in the same moment.
    assert_eq!(hub.put(id, vec![entry("a", 8)], 11, Lineage::new(5)), Taken::Done);
    assert_eq!(shown(next(&hub, id)), ["a", "c"]);
}

#[test]
fn a_reading_that_is_older_than_the_log_is_repeated() {
    let (hub, id) = followed();
    assert_eq!(hub.put(id, vec![entry("a", 8)], 9, Lineage::new(5)), Taken::Again);
    assert_eq!(hub.put(id, vec![entry("a", 8)], 10, Lineage::new(5)), Taken::Done);
}

#[test]
fn a_reading_during_which_too_much_goes_by_is_repeated() {
    let (hub, id) = followed();
    let last = 11 + u64::try_from(MEANWHILE_MAX).unwrap();
    (11..=last).for_each(|revision| tell(&hub, "b", revision));
    assert_eq!(hub.put(id, Vec::new(), last - 1, Lineage::new(5)), Taken::Again);
    assert_eq!(hub.put(id, vec![entry("b", last)], last, Lineage::new(5)), Taken::Done);
    assert_eq!(shown(next(&hub, id)), ["b"]);
}

#[test]
fn a_view_never_goes_back_when_the_log_is_behind_the_reading() {
    let (hub, id) = followed();
    assert_eq!(hub.put(id, vec![entry("a", 8)], 20, Lineage::new(5)), Taken::Done);
    assert_eq!(shown(next(&hub, id)), ["a"]);
    tell(&hub, "b", 15);
    assert_eq!(next(&hub, id), None, "it was created and deleted before the reading");
    tell(&hub, "b", 21);
    assert!(matches!(next(&hub, id), Some(WatchEvent::Changed { .. })));
}

#[test]
fn nothing_of_an_older_history_is_shown_after_the_news_of_a_new_one() {
    let (hub, id) = followed();
    hub.belongs_to(Lineage::new(30));
    assert_eq!(hub.put(id, vec![entry("a", 8)], 29, Lineage::new(5)), Taken::Later);
    tell(&hub, "b", 29);
    assert_eq!(next(&hub, id), Some(WatchEvent::Discontinuity(Lineage::new(30))));
    assert_eq!(next(&hub, id), None);
    assert_eq!(hub.follow(30, 30), [id]);
    assert!(hub.is_reading(id));
    assert_eq!(hub.put(id, vec![entry("a", 8)], 29, Lineage::new(5)), Taken::Again);
    assert_eq!(hub.put(id, Vec::new(), 30, Lineage::new(30)), Taken::Done);
    assert!(shown(next(&hub, id)).is_empty());
}

#[test]
fn the_end_of_the_session_ends_its_watches_also_those_that_are_opened_later() {
    let (hub, id) = followed();
    hub.end();
    let (late, to_read) = hub.open(WatchTarget::Collection(collection()));
    assert!(!to_read);
    for id in [id, late] {
        assert_eq!(hub.poll(id, Waker::noop()).0, Poll::Ready(None));
    }
}
