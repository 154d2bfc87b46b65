//! Listings and read-backs: orders, pages, and how fresh they are.

use std::sync::Arc;

use ha_core::spi::{Entry, Listing, Naming, Order, Page, Session, Txn, WatchTarget};

use crate::context::{Context, name};
use crate::mirror::Mirror;
use crate::verbs::{Verbs, names, only_stamp};

crate::case::cases! {
    "reads";
    a_collection_that_was_never_written_is_empty { guarantee: "G8" }
    a_page_by_name_is_in_byte_order { guarantee: "G8" }
    pages_by_name_show_every_entry_once { guarantee: "G8" }
    a_page_begins_behind_a_name_that_does_not_exist { guarantee: "G8" }
    the_oldest_come_by_revision_then_name { guarantee: "G8" }
    the_newest_come_in_the_opposite_order { guarantee: "G8" }
    the_newest_up_to_a_revision_leave_out_younger_ones { guarantee: "G8" }
    an_update_does_not_change_the_age { guarantee: "G8" }
    one_entry_is_read_by_its_name_and_nothing_else_is { guarantee: "G8" }
    a_page_says_whether_there_is_more { guarantee: "G8" }
    a_listing_shows_values_and_owners { guarantee: "G8" }
    a_listing_shows_what_this_session_committed { guarantee: "G14" }
    a_listing_shows_what_another_session_committed { guarantee: "G14", needs: [crate::Need::LinearizableReads] }
    a_listing_never_goes_back { guarantee: "G14" }
    a_relaxed_page_shows_what_this_session_committed { guarantee: "G14" }
    a_relaxed_page_shows_what_this_session_was_told { guarantee: "G14" }
    a_relaxed_page_never_goes_back { guarantee: "G14" }
    a_read_back_shows_the_writes_of_its_own_transaction { guarantee: "G7" }
    a_read_back_is_never_older_than_its_commit { guarantee: "G7" }
    a_read_back_keeps_its_order_and_limit { guarantee: "G7" }
    the_newest_of_a_read_back_begin_with_what_the_commit_created { guarantee: "G7" }
    read_backs_come_in_the_order_in_which_they_were_asked_for { guarantee: "G7" }
}

/// Creates persistent entries one after the other, so that they have different ages.
async fn create(cx: &Context, session: &dyn Session, entries: &[&str]) {
    for entry in entries {
        session.put(&cx.key("c", entry), "").await;
    }
}

async fn list(cx: &Context, session: &dyn Session, page: Page) -> Listing {
    session.list(&cx.collection("c"), page).await.unwrap()
}

async fn a_collection_that_was_never_written_is_empty(cx: Context) {
    let session = cx.session().await;
    for page in [Page::by_name(10), Page::oldest(10), Page::newest(10), Page::after(name("a"), 10)] {
        let listing = list(&cx, &*session, page).await;
        assert!(listing.entries().is_empty() && !listing.has_more(), "{listing:?}");
    }
}

async fn a_page_by_name_is_in_byte_order(cx: Context) {
    let session = cx.session().await;
    create(&cx, &*session, &["b", "a/b", "ä", "a", "B", "a b", "aa", "10", "9", "a-b", "~"]).await;
    let listing = list(&cx, &*session, Page::by_name(100)).await;
    let expected = ["10", "9", "B", "a", "a b", "a-b", "a/b", "aa", "b", "~", "ä"];
    assert_eq!(names(listing.entries()), expected);
}

async fn pages_by_name_show_every_entry_once(cx: Context) {
    let session = cx.session().await;
    let expected: Vec<String> = (0..25).map(|at| format!("{at:02}/{at}")).collect();
    let mut created: Vec<&str> = expected.iter().map(String::as_str).collect();
    created.reverse();
    create(&cx, &*session, &created).await;
    for limit in [1, 4, 24, 25, 26] {
        let mut shown: Vec<Entry> = Vec::new();
        let mut page = Page::by_name(limit);
        loop {
            let listing = list(&cx, &*session, page).await;
            assert!(listing.entries().len() <= limit);
            let more = listing.has_more();
            shown.extend(listing.into_entries());
            if !more {
                break;
            }
            page = Page::after(shown.last().unwrap().key().name().clone(), limit);
        }
        assert_eq!(names(&shown), expected, "in pages of {limit}");
    }
}

async fn a_page_begins_behind_a_name_that_does_not_exist(cx: Context) {
    let session = cx.session().await;
    create(&cx, &*session, &["a", "ab", "b"]).await;
    for (after, expected) in
        [("A", &["a", "ab", "b"][..]), ("a", &["ab", "b"]), ("aa", &["ab", "b"]), ("ac", &["b"]), ("b", &[])]
    {
        let listing = list(&cx, &*session, Page::after(name(after), 10)).await;
        assert_eq!(names(listing.entries()), expected, "behind {after:?}");
    }
}

/// Three pairs, each created by one transaction, the later names first.
async fn pairs(cx: &Context, session: &dyn Session) -> Vec<ha_core::spi::Revision> {
    let mut revisions = Vec::new();
    for pair in [["y", "x"], ["n", "m"], ["b", "a"]] {
        let txn = pair
            .iter()
            .fold(Txn::new(), |txn, entry| txn.create_persistent(cx.key("c", entry), "", Naming::Unique));
        revisions.push(session.apply(txn).await.revision);
    }
    revisions
}

async fn the_oldest_come_by_revision_then_name(cx: Context) {
    let session = cx.session().await;
    pairs(&cx, &*session).await;
    let listing = list(&cx, &*session, Page::oldest(10)).await;
    assert_eq!(names(listing.entries()), ["x", "y", "m", "n", "a", "b"]);
    let listing = list(&cx, &*session, Page::oldest(3)).await;
    assert_eq!((names(listing.entries()), listing.has_more()), (vec!["x", "y", "m"], true));
}

async fn the_newest_come_in_the_opposite_order(cx: Context) {
    let session = cx.session().await;
    pairs(&cx, &*session).await;
    let listing = list(&cx, &*session, Page::newest(10)).await;
    assert_eq!(names(listing.entries()), ["b", "a", "n", "m", "y", "x"]);
    let listing = list(&cx, &*session, Page::newest(3)).await;
    assert_eq!((names(listing.entries()), listing.has_more()), (vec!["b", "a", "n"], true));
}

async fn the_newest_up_to_a_revision_leave_out_younger_ones(cx: Context) {
    let session = cx.session().await;
    let revisions = pairs(&cx, &*session).await;
    for (revision, expected) in
        [(revisions[0], &["y", "x"][..]), (revisions[1], &["n", "m", "y"]), (revisions[2], &["b", "a", "n"])]
    {
        let listing = list(&cx, &*session, Page::newest_up_to(revision, 3)).await;
        assert_eq!(names(listing.entries()), expected, "up to {revision}");
        assert_eq!(listing.has_more(), expected.len() == 3, "up to {revision}");
    }
}

async fn an_update_does_not_change_the_age(cx: Context) {
    let session = cx.session().await;
    create(&cx, &*session, &["1", "2", "3"]).await;
    let entry = session.read(&cx.key("c", "1")).await.unwrap();
    session.apply(Txn::new().update(entry.stamp().clone(), "younger?")).await;
    let listing = list(&cx, &*session, Page::newest(10)).await;
    assert_eq!(names(listing.entries()), ["3", "2", "1"]);
}

async fn one_entry_is_read_by_its_name_and_nothing_else_is(cx: Context) {
    let session = cx.session().await;
    create(&cx, &*session, &["a", "ab", "b", "b/", "d"]).await;
    for (wanted, expected) in [("a", &["a"][..]), ("b", &["b"]), ("aa", &[]), ("c", &[]), ("e", &[])] {
        let listing = list(&cx, &*session, Page::only(name(wanted))).await;
        assert_eq!(names(listing.entries()), expected, "{wanted}");
        assert!(!listing.has_more(), "{wanted}");
    }
    let reads = ["d", "c", "a", "new", "d"].map(|wanted| Page::only(name(wanted)));
    let txn = Txn::new().create(cx.key("c", "new"), "in the same step");
    let txn = reads.into_iter().fold(txn, |txn, page| txn.read_back(cx.collection("c"), page));
    let found: Vec<_> = session.apply(txn).await.reads.into_iter().map(Listing::into_entries).collect();
    let found: Vec<_> = found.iter().map(|entries| names(entries)).collect();
    assert_eq!(found, [&["d"][..], &[], &["a"], &["new"], &["d"]]);
}

async fn a_page_says_whether_there_is_more(cx: Context) {
    let session = cx.session().await;
    create(&cx, &*session, &["a", "b", "c"]).await;
    let by_name = |limit| Page::new(Order::Name { after: Some(name("a")) }, limit);
    for (page, more) in [
        (Page::by_name(2), true),
        (Page::by_name(3), false),
        (by_name(1), true),
        (by_name(2), false),
        (Page::oldest(2), true),
        (Page::oldest(3), false),
        (Page::newest(2), true),
        (Page::newest(4), false),
    ] {
        let listing = list(&cx, &*session, page.clone()).await;
        assert_eq!(listing.has_more(), more, "{page:?}");
    }
}

async fn a_listing_shows_values_and_owners(cx: Context) {
    let (first, second) = (cx.session().await, cx.session().await);
    let owned = first.own(&cx.key("c", "a"), "first").await;
    second.own(&cx.key("c", "b"), "second").await;
    second.put(&cx.key("c", "c"), "nobody").await;
    let entries = first.all(&cx.collection("c")).await;
    let seen: Vec<_> = entries.iter().map(|entry| (entry.value().as_ref(), entry.owner())).collect();
    let expected = [(&b"first"[..], Some(first.id())), (b"second", Some(second.id())), (b"nobody", None)];
    assert_eq!(seen, expected);
    assert_eq!(*entries[0].stamp(), owned);
}

async fn a_listing_shows_what_this_session_committed(cx: Context) {
    let session = cx.session().await;
    for at in 0..50 {
        let stamp = session.own(&cx.key("c", "a"), "").await;
        assert_eq!(
            session.read(&cx.key("c", "a")).await.map(|entry| entry.stamp().clone()),
            Some(stamp.clone())
        );
        session.apply(Txn::new().delete(stamp)).await;
        assert!(session.read(&cx.key("c", "a")).await.is_none(), "round {at}");
    }
}

async fn a_listing_shows_what_another_session_committed(cx: Context) {
    let sessions = [cx.session().await, cx.session().await];
    let mut stamp = sessions[0].put(&cx.key("c", "a"), "").await;
    for round in 0..50 {
        let (writer, reader) = (&sessions[round % 2], &sessions[(round + 1) % 2]);
        stamp = only_stamp(writer.apply(Txn::new().update(stamp, round.to_string())).await);
        assert_eq!(*reader.read(&cx.key("c", "a")).await.unwrap().stamp(), stamp, "round {round}");
    }
}

/// An entry that somebody else updates until the task is finished.
async fn updated_for_a_while(cx: &Context) -> tokio::task::JoinHandle<()> {
    let writer = cx.session().await;
    let mut stamp = writer.put(&cx.key("c", "a"), "").await;
    tokio::spawn(async move {
        for _ in 0..200 {
            stamp = only_stamp(writer.apply(Txn::new().update(stamp, "")).await);
        }
    })
}

async fn a_listing_never_goes_back(cx: Context) {
    let (reader, collection) = (cx.session().await, cx.collection("c"));
    let writing = updated_for_a_while(&cx).await;
    let mut last = None;
    while !writing.is_finished() {
        let listing = reader.list(&collection, Page::by_name(10)).await.unwrap();
        let shown = listing.entries()[0].stamp().modified();
        assert!(Some(shown) >= last, "{shown} after {last:?}");
        last = Some(shown);
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
}

async fn a_relaxed_page_shows_what_this_session_committed(cx: Context) {
    let session = cx.session().await;
    let pages = [Page::by_name(10), Page::newest(10), Page::only(name("a"))].map(Page::relaxed);
    for round in 0..50 {
        let stamp = session.own(&cx.key("c", "a"), "").await;
        for page in &pages {
            let listing = list(&cx, &*session, page.clone()).await;
            let shown: Vec<_> = listing.entries().iter().map(Entry::stamp).collect();
            assert_eq!(shown, [&stamp], "round {round}");
        }
        session.apply(Txn::new().delete(stamp)).await;
        for page in &pages {
            assert!(list(&cx, &*session, page.clone()).await.entries().is_empty(), "round {round}");
        }
    }
}

async fn a_relaxed_page_shows_what_this_session_was_told(cx: Context) {
    let (writer, reader) = (cx.session().await, cx.session().await);
    for round in 0..30 {
        // As somebody who waits for the one ahead: told that it is gone, it looks who is left.
        let (ahead, behind) = (cx.key("c", &format!("a{round}")), cx.key("c", &format!("b{round}")));
        let stamp = writer.own(&ahead, "").await;
        let own = reader.own(&behind, "").await;
        let mut mirror = Mirror::open(&*reader, WatchTarget::Entry(ahead)).await;
        writer.apply(Txn::new().delete(stamp)).await;
        cx.within("the deletion is told", 20, mirror.until(|mirror| mirror.entries().is_empty())).await;
        let page = Page::newest_up_to(own.created(), 2).relaxed();
        let listing = list(&cx, &*reader, page).await;
        let shown: Vec<_> = listing.entries().iter().map(Entry::stamp).collect();
        assert_eq!(shown, [&own], "round {round}");
        reader.apply(Txn::new().delete(own)).await;
    }
}

async fn a_relaxed_page_never_goes_back(cx: Context) {
    let (reader, collection) = (cx.session().await, cx.collection("c"));
    let writing = updated_for_a_while(&cx).await;
    let mut last = None;
    let mut is_relaxed = false;
    while !writing.is_finished() {
        let page = if is_relaxed { Page::by_name(10).relaxed() } else { Page::by_name(10) };
        let listing = reader.list(&collection, page).await.unwrap();
        let shown = listing.entries()[0].stamp().modified();
        assert!(Some(shown) >= last, "{shown} after {last:?}");
        assert!(shown <= listing.revision(), "{shown} at {}", listing.revision());
        last = Some(shown);
        is_relaxed = !is_relaxed;
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
}

async fn a_read_back_shows_the_writes_of_its_own_transaction(cx: Context) {
    let session = cx.session().await;
    let deleted = session.put(&cx.key("c", "deleted"), "").await;
    let updated = session.put(&cx.key("c", "updated"), "before").await;
    let txn = Txn::new()
        .delete(deleted)
        .update(updated, "after")
        .create_owned(cx.key("c", "created"), "new", Naming::Unique)
        .read_back(cx.collection("c"), Page::by_name(10));
    let committed = session.apply(txn).await;
    let entries = committed.reads[0].entries();
    assert_eq!(names(entries), ["created", "updated"]);
    assert_eq!((entries[0].value().as_ref(), entries[1].value().as_ref()), (&b"new"[..], &b"after"[..]));
    let written: Vec<_> = committed.stamps.iter().flatten().collect();
    assert_eq!([entries[1].stamp(), entries[0].stamp()], written[..], "with the stamps of the commit");
    assert_eq!(entries[0].owner(), Some(session.id()));
}

/// Every contender creates a place and reads back who is there: of any two, at least one sees the other.
async fn a_read_back_is_never_older_than_its_commit(cx: Context) {
    for round in 0..20 {
        let collection = cx.collection(&format!("queue-{round}"));
        let mut tasks = tokio::task::JoinSet::new();
        for contender in 0..4 {
            let session: Arc<dyn Session> = cx.session().await;
            let collection = collection.clone();
            tasks.spawn(async move {
                let key = collection.key(name(&contender.to_string()));
                let txn = Txn::new().create_owned(key, "", Naming::Unique);
                let mut committed = session.apply(txn.read_back(collection, Page::oldest(10))).await;
                let read = committed.reads.remove(0);
                (only_stamp(committed).created(), names(read.entries()).len(), read)
            });
        }
        let mut seen = tasks.join_all().await;
        seen.sort_by_key(|(created, ..)| *created);
        for (earlier, (created, count, read)) in seen.iter().enumerate() {
            assert!(*count > earlier, "{created} was committed behind {earlier} others, but saw {read:?}");
            assert!(
                read.revision() >= *created,
                "the listing says that it is older than the commit: {read:?}"
            );
        }
    }
}

async fn a_read_back_keeps_its_order_and_limit(cx: Context) {
    let session = cx.session().await;
    create(&cx, &*session, &["d", "a", "c"]).await;
    let pages = [Page::by_name(2), Page::after(name("b"), 2), Page::oldest(2), Page::newest(2)];
    let expected = [(["a", "b"], true), (["c", "d"], false), (["d", "a"], true), (["b", "c"], true)];
    let txn = Txn::new().create_persistent(cx.key("c", "b"), "", Naming::Unique);
    let txn = pages.into_iter().fold(txn, |txn, page| txn.read_back(cx.collection("c"), page));
    let reads = session.apply(txn).await.reads;
    let seen: Vec<_> = reads.iter().map(|read| (names(read.entries()), read.has_more())).collect();
    assert_eq!(seen, expected.map(|(names, more)| (names.to_vec(), more)));
}

async fn the_newest_of_a_read_back_begin_with_what_the_commit_created(cx: Context) {
    let cx = Arc::new(cx);
    let mut tasks = tokio::task::JoinSet::new();
    for contender in 0..4 {
        let (cx, session) = (Arc::clone(&cx), cx.session().await);
        tasks.spawn(async move {
            for round in 0..25 {
                let key = cx.key("c", &format!("{contender}-{round}"));
                let txn = Txn::new().create_owned(key.clone(), "", Naming::Unique);
                let committed = session.apply(txn.read_back(cx.collection("c"), Page::newest(2))).await;
                let read = committed.reads[0].entries();
                assert_eq!(*read[0].key(), key, "whatever others created meanwhile");
                let ahead = read.get(1).map(Entry::created);
                assert!(ahead < Some(committed.revision), "the second one is older: {read:?}");
            }
        });
    }
    tasks.join_all().await;
}

async fn read_backs_come_in_the_order_in_which_they_were_asked_for(cx: Context) {
    let session = cx.session().await;
    session.put(&cx.key("b", "in-b"), "").await;
    let txn = Txn::new()
        .create_owned(cx.key("c", "in-c"), "", Naming::Unique)
        .read_back(cx.collection("c"), Page::oldest(1))
        .read_back(cx.collection("a"), Page::oldest(1))
        .read_back(cx.collection("b"), Page::oldest(1));
    let reads = session.apply(txn).await.reads;
    let seen: Vec<Vec<&str>> = reads.iter().map(|read| names(read.entries())).collect();
    assert_eq!(seen, [vec!["in-c"], vec![], vec!["in-b"]]);
}
