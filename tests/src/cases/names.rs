//! Names and values are kept byte by byte.

use bytes::Bytes;
use ha_core::spi::{Capabilities, Collection, Name, Naming, Page, Txn, WatchTarget};
use ha_core::{Effect, ErrorKind};

use crate::context::{Context, name};
use crate::mirror::Mirror;
use crate::verbs::{Verbs, names, only_stamp};

crate::case::cases! {
    "names";
    any_text_is_a_name_of_its_own { guarantee: "G9" }
    any_text_is_a_segment_of_its_own { guarantee: "G9" }
    any_text_is_a_namespace_of_its_own { guarantee: "G9" }
    names_of_the_greatest_length_are_kept_apart_by_their_last_byte { guarantee: "G9" }
    a_collection_shows_no_entries_of_collections_with_longer_names { guarantee: "G9" }
    a_watch_sees_no_entries_of_collections_with_similar_names { guarantee: "G9" }
    a_watch_of_an_entry_sees_no_entries_with_similar_names { guarantee: "G9" }
    values_come_back_byte_by_byte { guarantee: "G10" }
    an_empty_value_is_a_value { guarantee: "G10" }
    values_of_the_greatest_size_are_stored { guarantee: "G10" }
    a_value_beyond_the_capabilities_is_refused_before_sending { guarantee: "G11" }
}

/// Texts that engines are known to mistake for something else, or for each other.
const AWKWARD: &[&str] = &[
    "a",
    "A",
    "aa",
    "a/",
    "/a",
    "/",
    "//",
    "a/b",
    "a//b",
    ".",
    "..",
    "...",
    "a.",
    "%",
    "%2F",
    "%2f",
    "%252F",
    "a%00",
    "\0",
    "a\0",
    "a\0b",
    "\n",
    "\r\n",
    "\t",
    " ",
    " a",
    "a ",
    "\u{1}",
    "\u{1f}",
    "\u{7f}",
    "\u{80}",
    "\u{9f}",
    "\u{fff0}",
    "\u{ffff}",
    "\u{feff}",
    "\u{10ffff}",
    "ä",
    "a\u{308}",
    "Ä",
    "ß",
    "ss",
    "ı",
    "İ",
    "日本",
    "🦀",
    "{a}",
    "{",
    "}",
    "[a]",
    "*",
    "?",
    "\\",
    "\\n",
    "'",
    "\"",
    "`",
    "$a",
    "#",
    ":",
    ";",
    "|",
    "~",
    "-",
    "_",
    "--",
    "0",
    "00",
    "zookeeper",
    "null",
    "_ha",
];

async fn any_text_is_a_name_of_its_own(cx: Context) {
    let session = cx.session().await;
    let collection = cx.collection("c");
    for text in AWKWARD {
        let txn = Txn::new().create_persistent(collection.key(name(text)), *text, Naming::Reusable);
        session.apply(txn).await;
    }
    let mut expected = AWKWARD.to_vec();
    expected.sort_unstable();
    let entries = session.all(&collection).await;
    assert_eq!(names(&entries), expected, "each is there, once, in byte order");
    for entry in entries {
        assert_eq!(entry.value(), entry.key().name().as_str());
        session.apply(Txn::new().delete(entry.stamp().clone())).await;
    }
    assert!(session.all(&collection).await.is_empty());
}

async fn any_text_is_a_segment_of_its_own(cx: Context) {
    let session = cx.session().await;
    for text in AWKWARD {
        session.own(&Collection::parse(&[text]).unwrap().key(name("a")), text).await;
        session.own(&Collection::parse(&["c", text, "d"]).unwrap().key(name("a")), text).await;
    }
    for text in AWKWARD {
        for segments in [&[*text][..], &["c", text, "d"]] {
            let entries = session.all(&Collection::parse(segments).unwrap()).await;
            let values: Vec<_> = entries.iter().map(|entry| entry.value().as_ref()).collect();
            assert_eq!(values, [text.as_bytes()], "{segments:?}");
        }
    }
}

async fn any_text_is_a_namespace_of_its_own(cx: Context) {
    let backend = cx.connect_as("node");
    let ttl = cx.calm_ttl(&*backend);
    let mut sessions = Vec::new();
    for text in AWKWARD.iter().step_by(5) {
        // Below the namespace of the case, which nobody else uses.
        let mut request = cx.request("node");
        request.namespace = name(&format!("{}{text}", cx.namespace()));
        let session = cx.open(&*backend, request.with_ttl(ttl)).await;
        session.own(&cx.key("c", "a"), text).await;
        sessions.push((text, session));
    }
    for (text, session) in sessions {
        let entries = session.all(&cx.collection("c")).await;
        let values: Vec<_> = entries.iter().map(|entry| entry.value().as_ref()).collect();
        assert_eq!(values, [text.as_bytes()]);
    }
}

async fn names_of_the_greatest_length_are_kept_apart_by_their_last_byte(cx: Context) {
    let session = cx.session().await;
    let long = |last: &str| "/".repeat(Name::MAX_BYTES - last.len()) + last;
    let texts = [long("a"), long("b"), long("%"), long("ä"), "日".repeat(66), "x".repeat(Name::MAX_BYTES)];
    let segments = [long("s"), long("t"), long("u"), long("v")];
    let collection = Collection::parse(&segments.each_ref().map(String::as_str)).unwrap();
    for text in &texts {
        session
            .apply(Txn::new().create_persistent(collection.key(name(text)), text.clone(), Naming::Reusable))
            .await;
    }
    let mut expected = texts.to_vec();
    expected.sort_unstable();
    let entries = session.all(&collection).await;
    assert_eq!(names(&entries), expected);
    assert!(entries.iter().all(|entry| entry.value() == entry.key().name().as_str()));
}

/// Collections whose names begin with, or could be joined into, each other's.
const NESTED: &[&[&str]] = &[
    &["q"],
    &["q", "a"],
    &["q", "a", "b"],
    &["q", "a/b"],
    &["q/a"],
    &["q/a", "b"],
    &["qa"],
    &["q", "a", "b", "c"],
];

async fn a_collection_shows_no_entries_of_collections_with_longer_names(cx: Context) {
    let session = cx.session().await;
    for segments in NESTED {
        let collection = Collection::parse(segments).unwrap();
        for entry in ["a", "b", "a/b"] {
            let value = format!("{segments:?}");
            session
                .apply(Txn::new().create_persistent(collection.key(name(entry)), value, Naming::Reusable))
                .await;
        }
    }
    for segments in NESTED {
        let collection = Collection::parse(segments).unwrap();
        let value = format!("{segments:?}");
        for page in [Page::by_name(10), Page::oldest(10), Page::newest(10)] {
            let listing = session.list(&collection, page).await.unwrap();
            let mut shown = names(listing.entries());
            shown.sort_unstable();
            assert_eq!(shown, ["a", "a/b", "b"], "in {segments:?}");
            assert!(
                listing.entries().iter().all(|entry| *entry.value() == value),
                "in {segments:?}: {listing:?}"
            );
        }
    }
}

async fn a_watch_sees_no_entries_of_collections_with_similar_names(cx: Context) {
    let session = cx.session().await;
    let mut mirrors = Vec::new();
    for segments in NESTED {
        let collection = Collection::parse(segments).unwrap();
        mirrors
            .push((collection.clone(), Mirror::open(&*session, WatchTarget::Collection(collection)).await));
    }
    for segments in NESTED {
        let collection = Collection::parse(segments).unwrap();
        for entry in ["a", "last"] {
            session.put(&collection.key(name(entry)), "").await;
        }
    }
    for (collection, mirror) in &mut mirrors {
        let last = collection.key(name("last"));
        cx.within("the last entry", 20, mirror.until(|mirror| mirror.entry(&last).is_some())).await;
        let entries = mirror.entries();
        assert_eq!(names(&entries), ["a", "last"], "in {collection}");
        assert!(entries.iter().all(|entry| entry.key().collection() == collection), "{entries:?}");
    }
}

async fn a_watch_of_an_entry_sees_no_entries_with_similar_names(cx: Context) {
    let session = cx.session().await;
    let mut mirror = Mirror::open(&*session, WatchTarget::Entry(cx.key("c", "a/b"))).await;
    for other in ["a", "a/", "a/b/c", "a/bc", "A/B", "a/b\0"] {
        session.put(&cx.key("c", other), "").await;
    }
    let stamp = session.put(&cx.key("c", "a/b"), "").await;
    cx.within("the entry", 20, mirror.until(|mirror| !mirror.entries().is_empty())).await;
    let entries = mirror.entries();
    assert_eq!(entries.iter().map(|entry| entry.stamp()).collect::<Vec<_>>(), [&stamp]);
}

async fn values_come_back_byte_by_byte(cx: Context) {
    let session = cx.session().await;
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    for (at, value) in [every_byte, vec![0; 100], vec![255; 100], b"\r\n".to_vec()].into_iter().enumerate() {
        let key = cx.key("c", &at.to_string());
        let created =
            session.apply(Txn::new().create_persistent(key.clone(), value.clone(), Naming::Unique)).await;
        assert_eq!(*session.read(&key).await.unwrap().value(), value);
        let reversed: Bytes = value.into_iter().rev().collect();
        session.apply(Txn::new().update(only_stamp(created), reversed.clone())).await;
        assert_eq!(*session.read(&key).await.unwrap().value(), reversed);
    }
}

async fn an_empty_value_is_a_value(cx: Context) {
    let session = cx.session().await;
    let key = cx.key("c", "a");
    let stamp = session.own(&key, "").await;
    let entry = session.read(&key).await.unwrap();
    assert!(entry.value().is_empty());
    session.refuse(Txn::new().absent(key.clone())).await;
    let stamp = only_stamp(session.apply(Txn::new().update(stamp, "something")).await);
    session.apply(Txn::new().update(stamp, "")).await;
    assert!(session.read(&key).await.unwrap().value().is_empty());
}

fn of_bytes(count: usize) -> Bytes {
    (0..count).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect()
}

async fn values_of_the_greatest_size_are_stored(cx: Context) {
    let session = cx.session().await;
    let most = cx.connect().1.capabilities().value_bytes_max;
    assert!(most >= Capabilities::VALUE_BYTES, "every backend stores 64 KiB, this one {most} bytes");
    let value = of_bytes(most.min(1 << 20));
    let key = cx.key("c", "a");
    let created =
        session.apply(Txn::new().create_persistent(key.clone(), value.clone(), Naming::Unique)).await;
    assert!(*session.read(&key).await.unwrap().value() == value, "it comes back whole");
    session.apply(Txn::new().update(only_stamp(created), value.slice(1..))).await;
    assert!(*session.read(&key).await.unwrap().value() == value.slice(1..), "it comes back whole");
}

async fn a_value_beyond_the_capabilities_is_refused_before_sending(cx: Context) {
    let session = cx.session().await;
    let too_long = of_bytes(cx.connect().1.capabilities().value_bytes_max + 1);
    let stamp = session.put(&cx.key("c", "kept"), "before").await;
    for txn in [
        Txn::new().create_persistent(cx.key("c", "new"), too_long.clone(), Naming::Unique),
        Txn::new().create_owned(cx.key("c", "new"), too_long.clone(), Naming::Unique),
        Txn::new().update(stamp.clone(), too_long),
    ] {
        let txn = txn.create_persistent(cx.key("c", "other"), "", Naming::Unique);
        let error = session.fail(txn).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::TooLarge, Effect::NotApplied), "{error}");
    }
    let entries = session.all(&cx.collection("c")).await;
    assert_eq!((names(&entries), entries[0].stamp()), (vec!["kept"], &stamp));
}
