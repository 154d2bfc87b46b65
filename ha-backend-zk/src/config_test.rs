use super::ZkConfig;
use crate::client::Access;
use ha_core::{Error, ErrorKind, StoreUrl};
use std::time::Duration;

fn parse(url: &str) -> Result<ZkConfig, Error> {
    ZkConfig::from_url(&StoreUrl::parse(url).unwrap())
}

#[test]
fn a_url_says_where_who_and_how() {
    let config = parse("zk://app:trust%40no1@10.0.0.1,[::1]:2182/x/ha?timeout=250ms&hold=1m").unwrap();
    assert_eq!(config.servers, ["10.0.0.1:2181", "[::1]:2182"]);
    assert_eq!((config.chroot.as_str(), config.timeout), ("/x/ha", Duration::from_millis(250)));
    assert_eq!(config.recovery_hold, Some(Duration::from_secs(60)));
    assert_eq!(config.settings().unwrap().access, Access::Creator);
    assert!(!format!("{config:?}").contains("trust@"), "{config:?}");
}

#[test]
fn without_a_login_everything_is_open_and_with_one_it_is_opened_on_request() {
    assert_eq!(parse("zk://h").unwrap().settings().unwrap().access, Access::Everybody);
    assert_eq!(parse("zk://u:p@h?acl=open").unwrap().settings().unwrap().access, Access::Everybody);
    assert_eq!(parse("zk://u:p@h?auth=sasl").unwrap().settings().unwrap().access, Access::Creator);
}

#[test]
fn what_cannot_be_meant_is_refused_and_no_password_is_shown() {
    for url in [
        "memory:",
        "zk://h?timout=2s",
        "zk://h?timeout=2",
        "zk://h?timeout=0s",
        "zk://h?timeout=99999999999999999999s",
        "zk://h?hold=soon",
        "zk://h?acl=creator",
        "zk://h?acl=closed",
        "zk://h?auth=digest",
        "zk://u:trustno1@h?auth=plain",
        "zk://h/a//b",
        "zk://h/zookeeper/quota",
        "zk://h?ca=/etc/ssl/ca.pem",
        "zk://trustno1@h",
        "zks://h",
        "zks://u:trustno1@h?ca=/does/not/exist",
        "zks://u:trustno1@h?ca=/does/not/exist&cert=/does/not/exist",
    ] {
        let Ok(url) = StoreUrl::parse(url) else { continue };
        let error = ZkConfig::from_url(&url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
        assert!(!error.to_string().contains("trustno1"), "{error}");
    }
}

#[test]
fn a_server_is_a_host_and_a_port() {
    for servers in [&[][..], &["10.0.0.1"], &["tcp://10.0.0.1:2181"], &["a:1,b:2"]] {
        assert!(ZkConfig::new(servers.iter().copied()).is_err(), "{servers:?}");
    }
}
