//! A store that is full: holders keep what they have, whoever wants more is told why, and it goes on once there is room.

use std::time::Duration;

use etcd_client::{AlarmAction, AlarmOptions, AlarmType, Client, DeleteOptions};
use ha_conformance::kinds::key;
use ha_conformance::servers::etcd::Etcd;
use ha_conformance::verbs::{Verbs, only_stamp};
use ha_core::spi::{Naming, Txn};
use ha_core::{Coordinator, Effect, ErrorKind};

use super::Test;
use super::site;

pub(crate) const TESTS: &[Test] =
    &[("space::a_full_store_takes_nothing_from_holders_and_says_that_it_is_full", full)];

const FILLER: &str = "/filler/";

/// Writes until the server has no room.
async fn fill(client: &mut Client) {
    for number in 0..1_000 {
        if let Err(error) = client.put(format!("{FILLER}{number}"), vec![b'x'; 1_000_000], None).await {
            assert!(error.to_string().contains("space exceeded"), "{error}");
            return;
        }
    }
    panic!("it has no limit");
}

/// Makes room again, as an operator does.
async fn clear(client: &mut Client) {
    client.delete(FILLER, Some(DeleteOptions::new().with_prefix())).await.unwrap();
    let now = client.get("now", None).await.unwrap().header().unwrap().revision();
    client.compact(now, None).await.unwrap();
    client.defragment().await.unwrap();
    let alarms = client.alarm(AlarmAction::Get, AlarmType::None, None).await.unwrap();
    assert!(!alarms.alarms().is_empty(), "it never was full");
    for alarm in alarms.alarms() {
        let mut of_member = AlarmOptions::new();
        of_member.with_member(alarm.member_id());
        client.alarm(AlarmAction::Deactivate, AlarmType::Nospace, Some(of_member)).await.unwrap();
    }
}

async fn node(etcd: &Etcd, name: &str) -> Coordinator {
    let builder = Coordinator::builder(site::connect(&site::url(etcd))).namespace(site::NAMESPACE).node(name);
    builder.ttl(site::TTL).connect().await.unwrap()
}

fn full() {
    let etcd = site::start(Etcd::builder().argument("--quota-backend-bytes=16777216"));
    site::runtime().block_on(async {
        let mut client = Client::connect(etcd.urls(), None).await.unwrap();
        let session = site::session(&*site::connect(&site::url(&etcd)), "session").await;
        let kept = Txn::new().create_owned(key("kept"), "", Naming::Unique);
        let kept = only_stamp(session.apply(kept).await);
        let (node, other) = (node(&etcd, "node").await, node(&etcd, "other").await);
        let guard = node.mutex("m").unwrap().acquire().await.unwrap();
        fill(&mut client).await;

        let refused = session.commit(Txn::new().create_owned(key("new"), "", Naming::Unique)).await;
        let refused = refused.expect_err("there is no room");
        assert_eq!((refused.kind(), refused.effect()), (ErrorKind::Unavailable, Effect::NotApplied));
        assert!(refused.to_string().contains("the store is full"), "{refused}");

        tokio::time::sleep(site::TTL * 2).await;
        assert!(guard.is_valid(), "a full store still takes renewals");
        // What only deletes own entries with unique names needs no room, and that is what locks do.
        session.apply(Txn::new().delete(kept)).await;
        guard.release().await.unwrap();
        let next = other.mutex("m").unwrap().acquire_timeout(Duration::from_secs(1)).await;
        assert_eq!(next.expect_err("there is no room for a place").kind(), ErrorKind::Timeout);

        clear(&mut client).await;
        let next = other.mutex("m").unwrap().acquire_timeout(site::LONG).await.unwrap();
        next.release().await.unwrap();
        session.close().await.unwrap();
        for node in [node, other] {
            node.shutdown(Duration::from_secs(10)).await.unwrap();
        }
    });
}
