//! Users, passwords and tokens that run out; certificates.

use std::time::Duration;

use etcd_client::{Client, Permission};
use ha_conformance::kinds::{collection, key};
use ha_conformance::servers::Authority;
use ha_conformance::servers::etcd::Etcd;
use ha_conformance::verbs::{Verbs, refused};
use ha_core::spi::WatchTarget;
use ha_core::{Coordinator, ErrorKind};

use super::Test;
use super::site;

pub(crate) const TESTS: &[Test] = &[
    ("security::tokens_that_run_out_every_two_seconds_are_not_noticed", short_tokens),
    ("security::members_that_ask_for_certificates_get_them", certificates),
];

/// Turns authentication on, with a user `app` that may use what is below `/ha`.
async fn protect(etcd: &Etcd) {
    let mut client = Client::connect(etcd.urls(), None).await.unwrap();
    client.user_add("root", "secret-of-root", None).await.unwrap();
    client.role_add("root").await.unwrap();
    client.user_grant_role("root", "root").await.unwrap();
    client.user_add("app", "secret-of-app", None).await.unwrap();
    client.role_add("app").await.unwrap();
    client.role_grant_permission("app", Permission::read_write("/ha/").with_prefix()).await.unwrap();
    client.user_grant_role("app", "app").await.unwrap();
    client.auth_enable().await.unwrap();
}

fn short_tokens() {
    let etcd = site::start(Etcd::builder().members(3).argument("--auth-token-ttl=2"));
    site::runtime().block_on(async {
        protect(&etcd).await;
        let url = |user: &str| site::url(&etcd).replace("etcd://", &format!("etcd://{user}@"));
        let wrong = Coordinator::builder(site::connect(&url("app:wrong"))).node("wrong").connect().await;
        refused(wrong.map(drop), ErrorKind::Denied);
        let elsewhere = format!("{}?prefix=/elsewhere", url("app:secret-of-app"));
        let elsewhere = Coordinator::builder(site::connect(&elsewhere)).node("elsewhere").connect().await;
        refused(elsewhere.map(drop), ErrorKind::Denied);

        let session = site::session(&*site::connect(&url("app:secret-of-app")), "node").await;
        let mut watch =
            ha_conformance::mirror::Mirror::open(&*session, WatchTarget::Collection(collection())).await;
        for round in 0..4 {
            // Long enough for the token to run out in between, though renewals of the coordinator's kind would keep it alive.
            tokio::time::sleep(Duration::from_secs(3)).await;
            let name = format!("entry-{round}");
            session.own(&key(&name), "").await;
            session.renew().await.unwrap();
            let shows = async {
                while !watch.entries().iter().any(|entry| entry.key().name().as_str() == name) {
                    assert!(watch.step().await, "the watch ended");
                }
            };
            tokio::time::timeout(site::LONG, shows).await.expect("the watch does not show it");
        }
        session.close().await.unwrap();
    });
}

fn certificates() {
    let authority = Authority::new().unwrap_or_else(|missing| panic!("{missing}"));
    let ca = authority.certificate().display().to_string();
    // Their places are known before they are there.
    let folder = authority.certificate().with_file_name("server");
    let prepared = Etcd::builder()
        .members(3)
        .tls()
        .argument(format!("--cert-file={}.pem", folder.display()))
        .argument(format!("--key-file={}.key", folder.display()))
        .argument(format!("--trusted-ca-file={ca}"))
        .argument("--client-cert-auth")
        .prepare();
    let etcd = prepared.unwrap_or_else(|missing| panic!("{missing}"));
    let addresses: Vec<String> =
        etcd.members().iter().map(|member| format!("IP:{}", member.client_address().ip())).collect();
    drop(authority.certify("server", &addresses.join(",")));
    let app = authority.certify("app", "DNS:app");
    etcd.members().iter().for_each(|member| member.launch());
    etcd.wait_until_ready();

    let url = site::url(&etcd).replace("etcd://", "etcds://");
    let anonymous = format!("{url}?ca={ca}");
    let known = format!("{anonymous}&cert={}&key={}", app.certificate.display(), app.key.display());
    site::runtime().block_on(async {
        let node = Coordinator::builder(site::connect(&known)).namespace(site::NAMESPACE).node("node");
        let node = node.ttl(site::TTL).connect().await.unwrap();
        let guard = node.mutex("m").unwrap().acquire().await.unwrap();
        etcd.member(etcd.leader()).kill();
        tokio::time::sleep(site::TTL).await;
        assert!(guard.is_valid(), "it was not renewed through the others");
        guard.release().await.unwrap();
        node.shutdown(Duration::from_secs(10)).await.unwrap();

        let stranger = Coordinator::builder(site::connect(&anonymous)).node("stranger");
        let refused = stranger.connect_timeout(Duration::from_secs(5)).connect().await;
        assert!(refused.is_err(), "a client without a certificate was let in");
    });
}
