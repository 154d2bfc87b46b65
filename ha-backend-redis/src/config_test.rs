use super::{Address, RedisConfig};
use ha_core::{Error, ErrorKind, StoreUrl};
use std::time::Duration;

fn parse(url: &str) -> Result<RedisConfig, Error> {
    RedisConfig::from_url(&StoreUrl::parse(url).unwrap())
}

#[test]
fn a_url_says_where_who_and_how() {
    let config = parse("redis://app:trust%40no1@[::1]:6380/2?prefix=x:ha&timeout=250ms&hold=1m").unwrap();
    assert_eq!(config.address, Address::Tcp { host: "::1".to_owned(), port: 6380 });
    assert_eq!(config.address.to_string(), "[::1]:6380");
    assert_eq!((config.database, config.prefix.as_str()), (2, "x:ha"));
    assert_eq!((config.timeout, config.hold), (Duration::from_millis(250), Duration::from_secs(60)));
    assert_eq!(config.user.as_deref(), Some("app"));
    assert_eq!(config.password.as_ref().map(|password| password.expose()), Some("trust@no1"));
    assert!(!format!("{config:?}").contains("trust"), "{config:?}");
    assert!(!config.trusts_first_use && !config.accepts_eviction && config.tls.is_none());

    let bold = parse("redis://:secret@h?first_use=grant&eviction=accept").unwrap();
    assert!(bold.trusts_first_use && bold.accepts_eviction && bold.user.is_none());
    assert_eq!(bold.address, Address::Tcp { host: "h".to_owned(), port: 6379 });
    assert_eq!(parse("redis+unix:///run/r.sock").unwrap().address, Address::Socket("/run/r.sock".into()));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for url in [
        "memory:",
        "redis+cluster://h",
        "redis://user@h",
        "redis://h/99999",
        "redis://h?prefix=a{b",
        "redis://h?prefix=a%20b",
        "redis://h?timeout=1ms",
        "redis://h?timeout=soon",
        "redis://h?hold=99999999999999999999s",
        "redis://h?first_use=yes",
        "redis://h?eviction=maybe",
        "redis://h?ca=/etc/ca.pem",
        "redis://h?pool=3",
        "rediss://h?cert=/no/such/cert.pem",
    ] {
        let refused = StoreUrl::parse(url).and_then(|url| RedisConfig::from_url(&url)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{url}");
    }
}
