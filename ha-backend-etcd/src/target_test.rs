use ha_core::spi::{Change, Collection, Name};

use super::{BUFFERED_MAX, Target, Tell};
use crate::client::{Event, Kv};
use crate::keys::Layout;

fn layout() -> Layout {
    Layout::new("/ha", &Name::parse("ns").unwrap())
}

fn collection() -> Collection {
    Collection::parse(&["c"]).unwrap()
}

fn target() -> Target {
    Target::new(collection(), layout().entries(&collection(), None))
}

fn kv(name: &str, created: u64, modified: u64) -> Kv {
    let key = layout().entry(&collection().key(Name::parse(name).unwrap()));
    Kv { key, value: "v".into(), created, modified, lease: 0 }
}

fn put(name: &str, created: u64, modified: u64) -> Event {
    Event::Put(kv(name, created, modified))
}

fn deleted(name: &str, modified: u64) -> Event {
    Event::Deleted { key: kv(name, 1, 1).key, modified }
}

/// What was told, as a text: names and revisions.
fn told(tell: &[Tell]) -> Vec<String> {
    let one = |tell: &Tell| match tell {
        Tell::Snapshot(entries, revision) => {
            let entries: Vec<String> =
                entries.values().map(|entry| format!("{}", entry.key().name())).collect();
            format!("snapshot {} at {revision}", entries.join(","))
        }
        Tell::Changed(changes, revision) => {
            let changes = changes.iter().map(|(name, change)| match change {
                Change::Put(entry) => format!("+{name}@{}", entry.created()),
                Change::Removed(stamp) => format!("-{name}@{}", stamp.created()),
                other => panic!("{other:?}"),
            });
            format!("{} to {revision}", changes.collect::<Vec<_>>().join(","))
        }
    };
    tell.iter().map(one).collect()
}

/// A target whose view is complete, with the entries `a` and `b` of revision 5.
fn live() -> Target {
    let mut target = target();
    target.ordered();
    assert!(target.acknowledged(5, &layout()).tell.is_empty());
    let next = target.read(5, vec![kv("a", 5, 5), kv("b", 5, 5)], &layout());
    assert_eq!(told(&next.tell), ["snapshot a,b at 5"]);
    assert!(target.is_live());
    target
}

#[test]
fn a_view_is_complete_once_it_is_acknowledged_and_read_in_either_order() {
    live();
    let mut target = target();
    target.ordered();
    assert!(target.read(6, vec![], &layout()).tell.is_empty());
    assert_eq!(told(&target.acknowledged(6, &layout()).tell), ["snapshot  at 6"]);
}

#[test]
fn what_was_read_before_the_watch_began_is_read_again() {
    let mut target = target();
    target.ordered();
    target.acknowledged(6, &layout());
    let next = target.read(5, vec![], &layout());
    assert!(next.read && next.tell.is_empty(), "between revision 5 and 6 something may have happened");
    assert_eq!(told(&target.read(7, vec![kv("a", 6, 6)], &layout()).tell), ["snapshot a at 7"]);
}

#[test]
fn events_that_arrive_while_the_range_is_read_follow_the_snapshot_and_old_ones_do_not() {
    let mut target = target();
    target.ordered();
    target.acknowledged(5, &layout());
    assert!(
        target.events(vec![put("old", 6, 6), deleted("a", 8), put("new", 9, 9)], &layout()).tell.is_empty()
    );
    let next = target.read(7, vec![kv("a", 5, 5), kv("old", 6, 6)], &layout());
    assert_eq!(told(&next.tell), ["snapshot a,old at 7", "-a@5,+new@9 to 9"]);
}

#[test]
fn a_removal_names_the_incarnation_that_vanished() {
    let mut target = live();
    let next = target.events(vec![deleted("a", 6), put("a", 7, 7)], &layout());
    assert_eq!(told(&next.tell), ["+a@7 to 7"]);
    let next = target.events(vec![deleted("a", 8)], &layout());
    assert_eq!(told(&next.tell), ["-a@7 to 8"]);
}

#[test]
fn events_that_the_server_sends_again_change_nothing() {
    let mut target = live();
    target.events(vec![deleted("a", 8)], &layout());
    for again in [put("a", 5, 5), deleted("a", 8), put("b", 5, 7)] {
        assert!(target.events(vec![again.clone()], &layout()).tell.is_empty(), "{again:?}");
    }
}

#[test]
fn nothing_is_told_of_a_void_watch() {
    let mut target = live();
    assert!(target.interrupted());
    assert!(!target.interrupted(), "it was told once");
    assert!(target.events(vec![deleted("a", 6)], &layout()).tell.is_empty());
    target.ordered();
    target.acknowledged(9, &layout());
    assert_eq!(told(&target.read(9, vec![], &layout()).tell), ["snapshot  at 9"]);
}

#[test]
fn a_refresh_shows_what_the_server_lost() {
    let mut target = live();
    assert!(target.refresh());
    assert!(!target.refresh(), "one is under way");
    target.events(vec![put("c", 7, 7)], &layout());
    let next = target.read(6, vec![kv("b", 5, 5)], &layout());
    assert_eq!(told(&next.tell), ["snapshot b at 6", "+c@7 to 7"]);
}

#[test]
fn too_many_events_while_the_range_is_read_cost_another_reading_and_no_memory() {
    let mut target = target();
    target.ordered();
    target.acknowledged(5, &layout());
    let count = u64::try_from(BUFFERED_MAX).unwrap() + 1;
    target.events((0..count).map(|at| put("a", 6, 6 + at)).collect(), &layout());
    let next = target.read(10, vec![], &layout());
    assert!(next.read && next.tell.is_empty());
    let next = target.read(6 + count, vec![kv("a", 6, 5 + count)], &layout());
    assert_eq!(told(&next.tell), [format!("snapshot a at {}", 6 + count)]);
}

#[test]
fn a_watch_that_was_made_while_the_store_was_written_to_is_in_doubt() {
    for (read, doubtful) in [(5, false), (6, true)] {
        let mut target = target();
        target.ordered();
        target.acknowledged(5, &layout());
        assert_eq!(target.read(read, vec![], &layout()).doubtful, doubtful);
        // What is only read anew has a watch that is there already.
        assert!(target.refresh());
        assert!(!target.read(read + 1, vec![], &layout()).doubtful);
    }
    let mut target = target();
    target.adopted();
    assert!(!target.read(7, vec![], &layout()).doubtful);
}

#[test]
fn a_watch_that_is_ordered_again_tells_what_is_news_and_nothing_else() {
    let mut target = live();
    target.ordered_again();
    target.acknowledged(7, &layout());
    assert!(target.read(7, vec![kv("b", 5, 5), kv("a", 5, 5)], &layout()).tell.is_empty());
    assert_eq!(told(&target.events(vec![deleted("a", 8)], &layout()).tell), ["-a@5 to 8"]);
    target.ordered_again();
    target.events(vec![deleted("b", 9)], &layout());
    target.acknowledged(10, &layout());
    assert_eq!(told(&target.read(10, vec![], &layout()).tell), ["snapshot  at 10"], "b is gone");
    // Who did not listen meanwhile is told all of it.
    target.ordered_again();
    assert!(!target.refresh());
    target.acknowledged(10, &layout());
    assert_eq!(told(&target.read(10, vec![], &layout()).tell), ["snapshot  at 10"]);
}

#[test]
fn a_watch_that_goes_on_has_seen_everything_before_the_range_is_read() {
    let mut target = target();
    target.adopted();
    assert!(target.events(vec![put("old", 5, 5), deleted("a", 8)], &layout()).tell.is_empty());
    let next = target.read(6, vec![kv("a", 6, 6)], &layout());
    assert_eq!(told(&next.tell), ["snapshot a at 6", "-a@6 to 8"]);
}

#[test]
fn what_is_gone_is_named_however_that_is_found_out() {
    let gone = |stamps: &[ha_core::spi::Stamp]| -> Vec<String> {
        stamps.iter().map(|stamp| format!("{}@{}", stamp.key().name(), stamp.created())).collect()
    };
    let mut target = live();
    let next = target.events(vec![deleted("a", 6), put("a", 7, 7), put("c", 7, 7)], &layout());
    assert_eq!(gone(&next.gone), ["a@5"], "although there is another one");
    assert!(target.refresh());
    let next = target.read(9, vec![kv("a", 9, 9), kv("c", 7, 8)], &layout());
    assert_eq!(gone(&next.gone), ["a@7", "b@5"]);
    assert!(target.interrupted());
    target.ordered();
    assert!(target.acknowledged(12, &layout()).gone.is_empty());
    assert!(target.events(vec![deleted("c", 13)], &layout()).gone.is_empty());
    let next = target.read(12, vec![kv("c", 7, 8)], &layout());
    assert_eq!(gone(&next.gone), ["a@9", "c@7"]);
}
