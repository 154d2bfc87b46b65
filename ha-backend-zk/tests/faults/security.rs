//! Users, passwords, permissions.

use std::time::Duration;

use ha_conformance::kinds::key;
use ha_conformance::servers::zookeeper::{Member, ZooKeeper, ZooKeeperBuilder};
use ha_conformance::servers::{Authority, Folder};
use ha_conformance::verbs::{Verbs, refused};
use ha_core::spi::{Naming, Txn};
use ha_core::{Coordinator, Effect, Error, ErrorKind};
use zookeeper_client::{Acl, AuthId, Client, Permission};

use super::Test;
use super::site;

pub(crate) const TESTS: &[Test] = &[
    ("security::what_a_user_made_is_denied_to_everybody_else", digest),
    ("security::a_collection_whose_permissions_were_taken_away_is_denied_and_the_session_goes_on", revoked),
    ("security::a_server_that_insists_on_a_login_denies_those_without", enforced),
    ("security::servers_that_ask_for_certificates_get_them", certificates),
    ("security::users_of_sasl_log_in_and_wrong_passwords_are_denied", sasl),
];

fn start(builder: ZooKeeperBuilder) -> ZooKeeper {
    builder.start().unwrap_or_else(|missing| panic!("{missing}"))
}

/// The URL of all servers with this in front of the hosts, such as `user:password@`, and this behind the path.
fn url(zookeeper: &ZooKeeper, login: &str, options: &str) -> String {
    format!("zk://{login}{}/faults{options}", zookeeper.addresses().join(","))
}

async fn connect(url: &str) -> Result<Coordinator, Error> {
    let builder = Coordinator::builder(site::connect(url)).namespace(site::NAMESPACE).node("node");
    builder.ttl(site::TTL).connect().await
}

/// Connects, works, and leaves.
async fn works(url: &str) {
    let node = connect(url).await.unwrap();
    node.mutex("m").unwrap().acquire().await.unwrap().release().await.unwrap();
    node.shutdown(Duration::from_secs(10)).await.unwrap();
}

/// Is not let in, and the message does not give the password away.
async fn is_denied(url: &str) {
    let error = refused(connect(url).await.map(drop), ErrorKind::Denied);
    assert!(!error.to_string().contains("secret"), "{error}");
}

fn digest() {
    let zookeeper = start(ZooKeeper::builder());
    site::runtime().block_on(async {
        works(&url(&zookeeper, "app:secret@", "")).await;
        is_denied(&url(&zookeeper, "app:secret-of-another@", "")).await;
        is_denied(&url(&zookeeper, "other:secret@", "")).await;
        is_denied(&url(&zookeeper, "", "")).await;
        works(&url(&zookeeper, "app:secret@", "")).await;
    });
}

fn revoked() {
    let zookeeper = site::ensemble();
    site::runtime().block_on(async {
        let session = site::session(&*site::connect(&url(&zookeeper, "", "")), "node").await;
        let before = session.own(&key("before"), "").await;
        // An operator, who takes the right to create something away, and gives it back.
        let operator = Client::connect(&zookeeper.addresses().join(",")).await.unwrap();
        let path = format!("/faults/{}/e/c", site::NAMESPACE);
        let give = async |permission| {
            operator.set_acl(&path, &[Acl::new(permission, AuthId::anyone())], None).await.unwrap();
        };
        give(Permission::READ | Permission::ADMIN).await;
        let create = || Txn::new().create_owned(key("denied"), "", Naming::Reusable);
        let denied = refused(session.commit(create()).await, ErrorKind::Denied);
        assert_eq!(denied.effect(), Effect::NotApplied);
        // Nothing of it was done, and the session is as it was.
        session.renew().await.unwrap();
        assert_eq!(session.read(&key("before")).await.unwrap().stamp(), &before);
        assert_eq!(session.read(&key("denied")).await, None);
        give(Permission::NONE | Permission::ADMIN).await;
        refused(
            session.list(key("denied").collection(), ha_core::spi::Page::by_name(9)).await,
            ErrorKind::Denied,
        );
        give(Permission::ALL).await;
        session.apply(create()).await;
        session.close().await.unwrap();
    });
}

fn enforced() {
    let builder = ZooKeeper::builder().java("-Dzookeeper.enforce.auth.enabled=true");
    let zookeeper = start(builder.java("-Dzookeeper.enforce.auth.schemes=digest"));
    site::runtime().block_on(async {
        is_denied(&url(&zookeeper, "", "")).await;
        works(&url(&zookeeper, "app:secret@", "")).await;
    });
}

fn certificates() {
    let authority = Authority::new().unwrap_or_else(|missing| panic!("{missing}"));
    let ca = authority.certificate();
    // Its place is known before it is there.
    let identity = ca.with_file_name("server.both.pem");
    let builder = ZooKeeper::builder().members(3).tls(&identity, &ca);
    let zookeeper = builder.prepare().unwrap_or_else(|missing| panic!("{missing}"));
    let secure: Vec<_> = zookeeper.members().iter().map(Member::secure_address).collect();
    let names: Vec<String> = secure.iter().map(|address| format!("IP:{}", address.ip())).collect();
    assert_eq!(authority.certify("server", &names.join(",")).in_one_file(), identity);
    let app = authority.certify("app", "DNS:app");
    zookeeper.members().iter().for_each(|member| member.launch());
    zookeeper.wait_until_ready();

    let hosts: Vec<String> = secure.iter().map(ToString::to_string).collect();
    let anonymous = format!("zks://{}/faults?ca={}", hosts.join(","), ca.display());
    let known = format!("{anonymous}&cert={}&key={}", app.certificate.display(), app.key.display());
    let stranger = Authority::new().unwrap_or_else(|missing| panic!("{missing}"));
    site::runtime().block_on(async {
        // Whoever has a certificate is somebody, so what it creates can be its own.
        let node = connect(&format!("{known}&acl=creator")).await.unwrap();
        let guard = node.mutex("m").unwrap().acquire().await.unwrap();
        zookeeper.member(zookeeper.leader()).kill();
        tokio::time::sleep(site::TTL).await;
        assert!(guard.is_valid(), "it was not renewed through the others");
        guard.release().await.unwrap();
        node.shutdown(Duration::from_secs(10)).await.unwrap();

        is_refused(&anonymous, "a client without a certificate").await;
        is_refused(
            &known.replace(&ca.display().to_string(), &stranger.certificate().display().to_string()),
            "a server of another authority",
        )
        .await;
    });
}

/// A connection to `url` is not made.
async fn is_refused(url: &str, who: &str) {
    let builder = Coordinator::builder(site::connect(url)).namespace(site::NAMESPACE).node("stranger");
    let connected = builder.connect_timeout(Duration::from_secs(5)).connect().await;
    assert!(connected.is_err(), "{who} was let in");
}

fn sasl() {
    let folder = Folder::new("sasl");
    let users = folder.path().join("jaas.conf");
    let module = "org.apache.zookeeper.server.auth.DigestLoginModule required user_app=\"secret\"";
    std::fs::write(&users, format!("Server {{ {module}; }};\n")).unwrap();
    let builder = ZooKeeper::builder()
        .java(format!("-Djava.security.auth.login.config={}", users.display()))
        .setting("authProvider.1", "org.apache.zookeeper.server.auth.SASLAuthenticationProvider");
    let zookeeper = start(builder);
    site::runtime().block_on(async {
        works(&url(&zookeeper, "app:secret@", "?auth=sasl")).await;
        is_denied(&url(&zookeeper, "app:secret-of-another@", "?auth=sasl")).await;
        is_denied(&url(&zookeeper, "other:secret@", "?auth=sasl")).await;
        is_denied(&url(&zookeeper, "", "")).await;
        works(&url(&zookeeper, "app:secret@", "?auth=sasl")).await;
    });
}
