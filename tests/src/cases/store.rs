//! The store of the service itself: reading, writing by stamp, and what is kept apart.

use std::time::Duration;

use ha_core::spi::{Capabilities, Collection, Entry, Key, Listing, Name, Naming, Outcome, Page, Txn};
use ha_core::store::{Entries, Written};
use ha_core::{Coordinator, Effect, ErrorKind};

use crate::context::{Context, name};
use crate::nodes::places;
use crate::verbs::{Verbs, names, refused};

crate::case::cases! {
    "store";
    an_entry_is_created_read_updated_and_deleted { guarantee: "G101" }
    get_shows_the_entry_of_exactly_that_name { guarantee: "G101" }
    a_second_creation_is_a_conflict { guarantee: "G101" }
    a_stale_stamp_changes_nothing { guarantee: "G101" }
    pages_show_the_whole_collection { guarantee: "G101" }
    a_transaction_is_applied_as_a_whole { guarantee: "G101" }
    entries_outlive_the_node_that_wrote_them { guarantee: "G101" }
    a_collection_of_the_name_of_a_lock_is_another_one { guarantee: "G100" }
    records_of_recipes_are_out_of_reach { guarantee: "G100" }
    collections_and_namespaces_are_apart { guarantee: "G100" }
    what_is_too_large_or_badly_named_is_refused { guarantee: "G107" }
    entries_of_the_session_are_refused { guarantee: "G107" }
    an_observer_reads_and_writes_nothing { guarantee: "G107" }
    nothing_is_written_after_a_shutdown { guarantee: "G107" }
    documents_are_kept_as_json { guarantee: "G108" }
    a_document_that_is_none_is_corrupt { guarantee: "G108" }
}

/// The entries that the cases of the store write.
pub(super) fn entries(node: &Coordinator) -> Entries {
    node.store().collection("c").unwrap()
}

/// The key of an entry of [`entries`], for a judge.
pub(super) fn key(entry: &str) -> Key {
    Collection::parse(&["store", "c"]).unwrap().key(name(entry))
}

fn values(listing: &Listing) -> Vec<(String, String)> {
    let text = |entry: &Entry| String::from_utf8(entry.value().to_vec()).unwrap();
    listing.entries().iter().map(|entry| (entry.key().name().to_string(), text(entry))).collect()
}

async fn an_entry_is_created_read_updated_and_deleted(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    let (mine, theirs) = (entries(&node), entries(&other));
    assert_eq!(mine.get("a").await.unwrap(), None);
    let created = mine.create("a", "1").await.unwrap().done().unwrap();
    let read = theirs.get("a").await.unwrap().unwrap();
    assert_eq!((read.stamp(), &read.value()[..], read.owner()), (&created, &b"1"[..], None));
    let updated = theirs.update(read.stamp(), "2").await.unwrap().done().unwrap();
    assert_eq!((updated.created(), updated.key()), (created.created(), &mine.key("a").unwrap()));
    assert_eq!(mine.get("a").await.unwrap().unwrap().value(), "2");
    assert_eq!(mine.delete(&created).await.unwrap(), Written::Done(()), "the same incarnation");
    assert_eq!(theirs.get("a").await.unwrap(), None);
}

async fn get_shows_the_entry_of_exactly_that_name(cx: Context) {
    let node = cx.node("node").await;
    let all = entries(&node);
    let longest = "y".repeat(Name::MAX_BYTES);
    let there = ["a", "a\0", "a\0b", "ab", "b", "/", "..", "{x}", "ä", "\u{10FFFF}", "%61", longest.as_str()];
    for (at, text) in there.iter().enumerate() {
        assert!(all.create(text, at.to_string()).await.unwrap().is_done(), "{text:?}");
    }
    for (at, text) in there.iter().enumerate() {
        assert_eq!(all.get(text).await.unwrap().unwrap().value(), &at.to_string(), "{text:?}");
    }
    for text in ["\0", "a\u{1}", "aa", "c", "A", "\u{10FFFE}", &longest[1..], "a\u{308}"] {
        assert_eq!(all.get(text).await.unwrap(), None, "{text:?}");
    }
}

async fn a_second_creation_is_a_conflict(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    let first = entries(&node).create("a", "first").await.unwrap().done().unwrap();
    assert_eq!(entries(&other).create("a", "second").await.unwrap(), Written::Conflict);
    let entry = entries(&node).get("a").await.unwrap().unwrap();
    assert_eq!((entry.stamp(), &entry.value()[..]), (&first, &b"first"[..]));
}

async fn a_stale_stamp_changes_nothing(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    let (mine, theirs) = (entries(&node), entries(&other));
    let stale = mine.create("a", "1").await.unwrap().done().unwrap();
    let newer = theirs.update(&stale, "2").await.unwrap().done().unwrap();
    assert_eq!(mine.update(&stale, "late").await.unwrap(), Written::Conflict);
    let guarded = Txn::new().unchanged(stale.clone()).delete(newer.clone());
    assert!(!node.store().commit(guarded).await.unwrap().is_committed());
    assert_eq!(theirs.get("a").await.unwrap().unwrap().value(), "2");
    theirs.delete(&newer).await.unwrap().done().unwrap();
    let again = theirs.create("a", "again").await.unwrap().done().unwrap();
    assert_eq!(mine.update(&newer, "late").await.unwrap(), Written::Conflict);
    assert_eq!(mine.delete(&newer).await.unwrap(), Written::Conflict, "it is another incarnation");
    assert_eq!(*mine.get("a").await.unwrap().unwrap().stamp(), again);
}

async fn pages_show_the_whole_collection(cx: Context) {
    let node = cx.node("node").await;
    let all = entries(&node);
    for at in 0..25 {
        assert!(all.create(&format!("n{at:02}"), "").await.unwrap().is_done());
    }
    let mut seen = Vec::new();
    let mut page = Page::by_name(10);
    loop {
        let listing = all.list(page).await.unwrap();
        seen.extend(listing.entries().iter().map(|entry| entry.key().name().clone()));
        if !listing.has_more() {
            break;
        }
        page = Page::after(seen.last().unwrap().clone(), 10);
    }
    let expected: Vec<_> = (0..25).map(|at| name(&format!("n{at:02}"))).collect();
    assert_eq!(seen, expected);
    let oldest = all.list(Page::oldest(2)).await.unwrap();
    assert_eq!(names(oldest.entries()), ["n00", "n01"]);
}

async fn a_transaction_is_applied_as_a_whole(cx: Context) {
    let node = cx.node("node").await;
    let (from, to) = (entries(&node), node.store().collection("d").unwrap());
    let stamp = from.create("a", "10").await.unwrap().done().unwrap();
    let moving = |stamp| Txn::new().delete(stamp).create(to.key("a").unwrap(), "10");
    let reading = moving(stamp.clone()).read_back(to.collection().clone(), Page::by_name(10));
    let Outcome::Committed(committed) = node.store().commit(reading).await.unwrap() else {
        panic!("nothing was in the way")
    };
    assert_eq!(values(&committed.reads[0]), [("a".into(), "10".into())]);
    assert_eq!(committed.stamps[0], None, "a deletion leaves no stamp");
    assert_eq!(from.get("a").await.unwrap(), None);
    let Outcome::Conflict(conflict) = node.store().commit(moving(stamp)).await.unwrap() else {
        panic!("it was moved already")
    };
    assert!(!conflict.keys.is_empty());
    assert!(node.store().commit(Txn::new().present(to.key("a").unwrap())).await.unwrap().is_committed());
}

async fn entries_outlive_the_node_that_wrote_them(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    assert!(entries(&node).create("a", "1").await.unwrap().is_done());
    node.shutdown(Duration::from_secs(60)).await.unwrap();
    assert_eq!(entries(&other).get("a").await.unwrap().unwrap().value(), "1");
}

async fn a_collection_of_the_name_of_a_lock_is_another_one(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let _guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
    for collection in ["deploy", "lock", "election", "store"] {
        let all = node.store().collection(collection).unwrap();
        assert_eq!(all.list(Page::by_name(10)).await.unwrap().entries(), [], "{collection}");
        assert!(all.create("deploy", "mine").await.unwrap().is_done());
    }
    assert_eq!(places(&*judge, "deploy").await.len(), 1, "the queue of the lock is what it was");
}

async fn records_of_recipes_are_out_of_reach(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let _guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
    let place = places(&*judge, "deploy").await.remove(0);
    let queue = place.key().collection().clone();
    let deeper = Collection::parse(&["store", "c", "d"]).unwrap();
    let bare = Collection::parse(&["store"]).unwrap();
    let stranger = |collection: &Collection| collection.key(name("stranger"));
    for txn in [
        Txn::new().delete(place.stamp().clone()),
        Txn::new().update(place.stamp().clone(), "mine"),
        Txn::new().create(stranger(&queue), ""),
        Txn::new().create(stranger(&deeper), ""),
        Txn::new().create(stranger(&bare), ""),
        Txn::new().read_back(queue.clone(), Page::by_name(10)),
        Txn::new().create(key("a"), "").delete(place.stamp().clone()),
    ] {
        let error = refused(node.store().commit(txn.clone()).await, ErrorKind::InvalidInput);
        assert_eq!(error.effect(), Effect::NotApplied, "{txn:?}");
    }
    let all = entries(&node);
    refused(all.delete(place.stamp()).await, ErrorKind::InvalidInput);
    refused(all.update(place.stamp(), "").await, ErrorKind::InvalidInput);
    assert_eq!(places(&*judge, "deploy").await, [place]);
    assert_eq!(all.get("a").await.unwrap(), None);
}

async fn collections_and_namespaces_are_apart(cx: Context) {
    let node = cx.node("node").await;
    let elsewhere = cx.builder("elsewhere").namespace(format!("{}-2", cx.namespace()));
    let elsewhere = elsewhere.connect().await.unwrap();
    let stamp = entries(&node).create("a", "1").await.unwrap().done().unwrap();
    assert_eq!(node.store().collection("d").unwrap().get("a").await.unwrap(), None);
    assert_eq!(entries(&elsewhere).get("a").await.unwrap(), None);
    assert!(entries(&elsewhere).create("a", "2").await.unwrap().is_done());
    assert_eq!(entries(&node).get("a").await.unwrap().unwrap().value(), "1");
    let other = node.store().collection("d").unwrap();
    refused(other.update(&stamp, "").await, ErrorKind::InvalidInput);
    refused(other.delete(&stamp).await, ErrorKind::InvalidInput);
    elsewhere.shutdown(Duration::from_secs(60)).await.unwrap();
}

async fn what_is_too_large_or_badly_named_is_refused(cx: Context) {
    let node = cx.node("node").await;
    let all = entries(&node);
    let most = vec![7; Capabilities::VALUE_BYTES];
    let stamp = all.create("most", most.clone()).await.unwrap().done().unwrap();
    assert_eq!(all.get("most").await.unwrap().unwrap().value(), &most);
    let more = vec![7; node.capabilities().value_bytes_max + 1];
    refused(all.create("more", more.clone()).await, ErrorKind::TooLarge);
    refused(all.update(&stamp, more).await, ErrorKind::TooLarge);
    let too_many = (0..=node.capabilities().operations_max)
        .fold(Txn::new(), |txn, at| txn.create(all.key(&format!("n{at}")).unwrap(), ""));
    refused(node.store().commit(too_many).await, ErrorKind::TooLarge);
    let twice = Txn::new().update(stamp.clone(), "").delete(stamp.clone());
    refused(node.store().commit(twice).await, ErrorKind::InvalidInput);
    let long = "x".repeat(Name::MAX_BYTES + 1);
    for bad in ["", long.as_str()] {
        refused(all.create(bad, "").await, ErrorKind::InvalidInput);
        refused(all.get(bad).await, ErrorKind::InvalidInput);
        refused(all.key(bad), ErrorKind::InvalidInput);
        refused(all.watch_entry(bad), ErrorKind::InvalidInput);
        refused(node.store().collection(bad), ErrorKind::InvalidInput);
    }
    refused(node.store().collection("_ha"), ErrorKind::InvalidInput);
    assert_eq!(names(all.list(Page::by_name(10)).await.unwrap().entries()), ["most"]);
}

async fn entries_of_the_session_are_refused(cx: Context) {
    let node = cx.node("node").await;
    let owned = Txn::new().create_owned(key("a"), "", Naming::Reusable);
    refused(node.store().commit(owned).await, ErrorKind::Unsupported);
    assert_eq!(entries(&node).get("a").await.unwrap(), None);
}

async fn an_observer_reads_and_writes_nothing(cx: Context) {
    let node = cx.node("node").await;
    let observer = cx.builder("observer").observer().connect().await.unwrap();
    let stamp = entries(&node).create("a", "1").await.unwrap().done().unwrap();
    let all = entries(&observer);
    let entry = all.get("a").await.unwrap().unwrap();
    assert_eq!(*entry.stamp(), stamp);
    assert_eq!(all.list(Page::by_name(10)).await.unwrap().entries(), [entry]);
    let mut watch = all.watch();
    assert!(cx.within("a snapshot", 20, watch.next()).await.is_some());
    refused(all.create("b", "").await, ErrorKind::Unsupported);
    refused(all.update(&stamp, "").await, ErrorKind::Unsupported);
    refused(all.delete(&stamp).await, ErrorKind::Unsupported);
    observer.shutdown(Duration::from_secs(60)).await.unwrap();
}

async fn nothing_is_written_after_a_shutdown(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let all = entries(&node);
    let stamp = all.create("a", "1").await.unwrap().done().unwrap();
    let mut watch = all.watch();
    node.shutdown(Duration::from_secs(60)).await.unwrap();
    refused(all.create("b", "").await, ErrorKind::Closed);
    refused(all.update(&stamp, "2").await, ErrorKind::Closed);
    refused(all.get("a").await, ErrorKind::Closed);
    cx.within("the watch ends", 10, async { while watch.next().await.is_some() {} }).await;
    assert_eq!(cx.within("a later watch ends", 10, all.watch().next()).await, None);
    assert_eq!(judge.read(&key("a")).await.unwrap().value(), "1");
}

async fn documents_are_kept_as_json(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    let mine = node.store().documents::<Vec<u32>>("c").unwrap();
    let theirs = other.store().documents::<Vec<u32>>("c").unwrap();
    assert_eq!(mine.get("a").await.unwrap(), None);
    let stamp = mine.create("a", &vec![1]).await.unwrap().done().unwrap();
    assert_eq!(mine.entries().get("a").await.unwrap().unwrap().value(), "[1]");
    let newer = theirs.update(&stamp, &vec![1, 2]).await.unwrap().done().unwrap();
    assert_eq!(mine.update(&stamp, &vec![3]).await.unwrap(), Written::Conflict);
    let push = |list: Option<Vec<u32>>, next| [list.unwrap_or_default(), vec![next]].concat();
    let stored = mine.modify("a", |list| push(list, 3)).await.unwrap();
    assert_eq!(*stored.value(), [1, 2, 3]);
    assert_eq!(theirs.get("a").await.unwrap().unwrap(), stored);
    assert!(stored.stamp().modified() > newer.modified());
    assert_eq!(*theirs.modify("b", |list| push(list, 7)).await.unwrap().value(), [7]);
}

async fn a_document_that_is_none_is_corrupt(cx: Context) {
    let node = cx.node("node").await;
    assert!(entries(&node).create("a", "{").await.unwrap().is_done());
    let documents = node.store().documents::<u32>("c").unwrap();
    let error = refused(documents.get("a").await, ErrorKind::Corrupt);
    assert!(error.to_string().contains("store/c/a"), "{error}");
    refused(documents.modify("a", |_| 1).await, ErrorKind::Corrupt);
    let names = node.store().documents::<std::collections::BTreeMap<Vec<u32>, u32>>("d").unwrap();
    refused(names.create("a", &[(vec![1], 2)].into()).await, ErrorKind::InvalidInput);
}
