//! What only this server can do wrong.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ha_backend_redis::{RedisBackend, RedisConfig};
use ha_conformance::servers::or_skip;
use ha_conformance::servers::redis::Redis;
use ha_core::runtime::TokioRuntime;
use ha_core::spi::{
    Backend, Change, Collection, Key, Name, Naming, Page, Session, SessionRequest, Txn, WatchEvent,
    WatchStream, WatchTarget,
};
use ha_core::{Error, ErrorKind};

const TTL: Duration = Duration::from_secs(2);

/// The names that a watch has told of; `None` before its first snapshot.
type View = Option<BTreeSet<String>>;

fn config(redis: &Redis) -> RedisConfig {
    let address = redis.server(0).address();
    RedisConfig::new(address.ip().to_string(), address.port())
}

async fn open(backend: &RedisBackend) -> Result<Arc<dyn Session>, Error> {
    let name = |text| Name::parse(text).unwrap();
    let runtime = Arc::new(TokioRuntime::current()?);
    backend.open_session(SessionRequest::observer(name("native"), name("node"), runtime).with_ttl(TTL)).await
}

fn collection() -> Collection {
    Collection::parse(&["c"]).unwrap()
}

fn key(name: &str) -> Key {
    collection().key(Name::parse(name).unwrap())
}

fn own(name: &str, value: impl Into<bytes::Bytes>) -> Txn {
    Txn::new().create_owned(key(name), value, Naming::Reusable)
}

#[tokio::test]
async fn a_new_namespace_grants_nothing_before_a_ttl_unless_it_is_trusted_to_be_new() {
    let Some(redis) = or_skip(Redis::builder().start()) else { return };
    let session = open(&RedisBackend::new(config(&redis))).await.unwrap();
    let error = session.commit(own("a", "")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Recovering, "{error}");
    assert!(error.until().is_some() && session.renew().await.unwrap().lineage.hold_until().is_some());
    assert!(
        session.commit(Txn::new().create(key("p"), "")).await.unwrap().is_committed(),
        "it grants nothing"
    );

    redis.server(0).tell(&["FLUSHALL"]);
    let session = open(&RedisBackend::new(config(&redis).trust_first_use())).await.unwrap();
    assert!(session.commit(own("a", "")).await.unwrap().is_committed());
}

#[tokio::test]
async fn a_server_that_is_emptied_is_another_history_for_those_who_saw_the_one_before() {
    let Some(redis) = or_skip(Redis::builder().start()) else { return };
    let backend = RedisBackend::new(config(&redis).trust_first_use());
    let session = open(&backend).await.unwrap();
    let before = session.commit(own("a", "")).await.unwrap().committed().unwrap();
    let observer = open(&backend).await.unwrap();
    redis.server(0).tell(&["FLUSHALL"]);

    assert_eq!(session.renew().await.unwrap_err().kind(), ErrorKind::SessionLost);
    let next = open(&backend).await.unwrap();
    let error = next.commit(own("a", "")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Recovering, "{error}");
    let listing = next.list(&collection(), Page::by_name(10)).await.unwrap();
    assert!(listing.entries().is_empty() && listing.revision() > before.revision);
    assert!(listing.lineage().generation() > before.lineage.generation());
    assert_eq!(observer.renew().await.unwrap_err().kind(), ErrorKind::SessionLost);
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_scripts_is_told_them_again() {
    let Some(redis) = or_skip(Redis::builder().start()) else { return };
    let session = open(&RedisBackend::new(config(&redis).trust_first_use())).await.unwrap();
    redis.server(0).tell(&["SCRIPT", "FLUSH"]);
    session.renew().await.unwrap();
    assert!(session.commit(own("a", "")).await.unwrap().is_committed());
    assert_eq!(session.doubts(), 0, "the server said that nothing was done");
}

#[tokio::test]
async fn a_server_that_evicts_any_key_is_refused_unless_that_is_accepted() {
    let Some(redis) = or_skip(Redis::builder().setting("maxmemory-policy allkeys-lru").start()) else {
        return;
    };
    let error = open(&RedisBackend::new(config(&redis))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("allkeys-lru"), "{error}");
    open(&RedisBackend::new(config(&redis).accept_eviction())).await.unwrap();
}

#[tokio::test]
async fn a_watch_tells_of_values_that_are_too_long_for_the_log_and_goes_on_when_the_log_is_gone() {
    let Some(redis) = or_skip(Redis::builder().start()) else { return };
    let session = open(&RedisBackend::new(config(&redis).trust_first_use())).await.unwrap();
    let mut watch = session.watch(WatchTarget::Collection(collection()));
    let mut view = None;
    wait_for(&mut watch, &mut view, &[]).await;
    session.commit(own("long", vec![b'x'; 60_000])).await.unwrap().committed().unwrap();
    wait_for(&mut watch, &mut view, &["long"]).await;
    session.commit(own("short", "")).await.unwrap().committed().unwrap();
    wait_for(&mut watch, &mut view, &["long", "short"]).await;
    redis.server(0).tell(&["DEL", "ha:{native}:log"]);
    session.commit(own("later", "")).await.unwrap().committed().unwrap();
    wait_for(&mut watch, &mut view, &["later", "long", "short"]).await;
}

/// Follows a watch until the collection is exactly this.
///
/// # Panics
/// If it is not within 20 s: some ten times as long as a gap in the log takes to be noticed.
async fn wait_for(watch: &mut WatchStream, view: &mut View, names: &[&str]) {
    while !view.as_ref().is_some_and(|view| view.iter().eq(names.iter())) {
        let event = tokio::time::timeout(Duration::from_secs(20), watch.next()).await;
        match event.unwrap_or_else(|_| panic!("{names:?} was not told, but {view:?}")) {
            Some(WatchEvent::Snapshot { entries, .. }) => {
                *view = Some(entries.iter().map(|entry| entry.key().name().to_string()).collect());
            }
            Some(WatchEvent::Changed { changes, .. }) => {
                changes.into_iter().for_each(|change| fold(view, change))
            }
            Some(WatchEvent::Interrupted) => *view = None,
            other => panic!("{other:?}"),
        }
    }
}

fn fold(view: &mut View, change: Change) {
    let view = view.as_mut().expect("a snapshot comes first");
    match change {
        Change::Put(entry) => drop(view.insert(entry.key().name().to_string())),
        Change::Removed(stamp) => drop(view.remove(stamp.key().name().as_str())),
        other => panic!("{other:?}"),
    }
}
