//! History that is compacted away while somebody reads it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::Client;
use ha_conformance::kinds::{collection, key};
use ha_conformance::mirror::Mirror;
use ha_conformance::servers::Proxy;
use ha_conformance::servers::etcd::Etcd;
use ha_conformance::verbs::{Verbs, only_stamp};
use ha_core::spi::{Naming, Page, Session, Txn, WatchTarget};

use super::Test;
use super::site::{self, Wrap};

pub(crate) const TESTS: &[Test] = &[
    ("compaction::a_listing_goes_on_when_history_is_compacted_between_its_pages", between_pages),
    ("compaction::a_watch_begins_whole_though_history_is_compacted_while_it_is_read", while_it_is_read),
    ("compaction::a_watch_misses_nothing_that_was_compacted_while_it_was_interrupted", during_a_gap),
];

/// Compacts all history up to now.
async fn compact(etcd: &Etcd) {
    let mut client = Client::connect(etcd.urls(), None).await.unwrap();
    let now = client.get("now", None).await.unwrap().header().unwrap().revision();
    client.compact(now, None).await.unwrap();
}

fn between_pages() {
    let etcd = site::cluster();
    site::runtime().block_on(async {
        let session = site::session(&*site::connect(&site::url(&etcd)), "node").await;
        for number in 0..20 {
            session.put(&key(&format!("{number:02}")), "").await;
        }
        let (mut seen, mut page) = (BTreeSet::new(), Page::by_name(3));
        loop {
            let listing = session.list(&collection(), page).await.unwrap();
            let more = listing.has_more();
            seen.extend(listing.into_entries().iter().map(|entry| entry.key().name().as_str().to_owned()));
            if !more {
                break;
            }
            // Between the pages something changes, and the revision of the pages before is gone.
            session.put(&key(&format!("new-{}", seen.len())), "").await;
            compact(&etcd).await;
            let last = seen.iter().rfind(|name| !name.starts_with("new")).unwrap();
            page = Page::after(key(last).name().clone(), 3);
            if seen.iter().any(|name| name.starts_with("new")) {
                break;
            }
        }
        let old: Vec<String> = (0..20).map(|number| format!("{number:02}")).collect();
        assert!(old.iter().all(|name| seen.contains(name)), "{seen:?}");
        session.close().await.unwrap();
    });
}

/// More entries than the backend reads at once.
const ENTRIES: usize = 2_500;

fn while_it_is_read() {
    let etcd = site::cluster();
    site::runtime().block_on(async {
        let session = site::session(&*site::connect(&site::url(&etcd)), "node").await;
        for chunk in (0..ENTRIES).collect::<Vec<_>>().chunks(50) {
            let create = |txn: Txn, number: &usize| {
                txn.create_persistent(key(&format!("{number:04}")), "", Naming::Reusable)
            };
            session.apply(chunk.iter().fold(Txn::new(), create)).await;
        }
        // Each compaction is of a revision that a reading may have begun at.
        let compacting = async {
            loop {
                let moving = session.put(&key("moving"), "").await;
                compact(&etcd).await;
                session.apply(Txn::new().delete(moving)).await;
                // Some readings are to get through.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let watching = async {
            for _ in 0..20 {
                let mirror = Mirror::open(&*session, WatchTarget::Collection(collection()));
                let mirror =
                    tokio::time::timeout(site::LONG, mirror).await.expect("the watch does not begin");
                let seen =
                    mirror.entries().iter().filter(|entry| entry.key().name().as_str() != "moving").count();
                assert_eq!(seen, ENTRIES);
            }
        };
        tokio::select! {
            () = compacting => {}
            () = watching => {}
        }
        session.close().await.unwrap();
    });
}

fn during_a_gap() {
    during_a_gap_of(&site::cluster(), &|backend| backend, site::LONG);
}

/// The test, on a cluster and with a backend that is wrapped, whose watch may take so long to catch up.
pub(crate) fn during_a_gap_of(etcd: &Etcd, wrap: Wrap<'_>, patience: Duration) {
    let ways: Vec<Proxy> =
        etcd.members().iter().map(|member| Proxy::start(member.client_address())).collect();
    let hosts: Vec<String> = ways.iter().map(|way| way.address().to_string()).collect();
    site::runtime().block_on(async {
        let broken = wrap(site::connect(&format!("etcd://{}", hosts.join(","))));
        let watching = site::session(&*broken, "watching").await;
        let writing = site::session(&*site::connect(&site::url(etcd)), "writing").await;
        let mut mirror = Mirror::open(&*watching, WatchTarget::Collection(collection())).await;
        let mut stamp = writing.put(&key("counter"), "0").await;
        for round in 1..=3 {
            ways.iter().for_each(Proxy::cut);
            for _ in 0..50 {
                stamp = only_stamp(writing.apply(Txn::new().update(stamp, round.to_string())).await);
            }
            let gone = writing.put(&key(&format!("gone-{round}")), "").await;
            writing.apply(Txn::new().delete(gone)).await;
            compact(etcd).await;
            ways.iter().for_each(Proxy::heal);
            let wanted = vec![(key("counter"), stamp.modified())];
            let caught_up = async {
                while shown(&mirror) != wanted {
                    assert!(mirror.step().await, "the watch ended");
                }
            };
            tokio::time::timeout(patience, caught_up).await.expect("the watch does not catch up");
        }
        close([watching, writing]).await;
    });
}

fn shown(mirror: &Mirror) -> Vec<(ha_core::spi::Key, ha_core::spi::Revision)> {
    mirror.entries().iter().map(|entry| (entry.key().clone(), entry.stamp().modified())).collect()
}

async fn close(sessions: [Arc<dyn Session>; 2]) {
    for session in sessions {
        session.close().await.unwrap();
    }
}
