use std::time::Duration;

use super::Config;
use ha_core::spi::Scope;
use ha_core::{Error, ErrorKind, Secret};

fn with(config: Config, variables: &[(&str, &str)]) -> Result<Config, Error> {
    config.with_variables(|variable| {
        let set = variables.iter().find(|(name, _)| *name == variable);
        Ok(set.map(|(_, value)| (*value).to_owned()))
    })
}

fn file(text: &str) -> Result<Config, serde_json::Error> {
    serde_json::from_str(text)
}

#[test]
fn a_file_and_the_environment_say_the_same_and_the_environment_wins() {
    let text = r#"{ "url": "etcd://app@h1,h2", "namespace": "platform", "node": "box-1", "ttl": "5s",
        "password": "trustno1", "connect_timeout": "500ms", "capabilities": ["timers"], "require": "hosts" }"#;
    let config = file(text).unwrap();
    assert_eq!(config.ttl, Some(Duration::from_secs(5)));
    assert_eq!(
        (config.connect_timeout, config.require),
        (Some(Duration::from_millis(500)), Some(Scope::Hosts))
    );
    let variables = [
        ("HA_URL", "etcds://other@h3"),
        ("HA_NAMESPACE", "lab"),
        ("HA_NODE", "box-2"),
        ("HA_TTL", "2m"),
        ("HA_PASSWORD", "trustno2"),
    ];
    assert_eq!(variables.map(|(name, _)| name), Config::VARIABLES, "each is tried here");
    let config = with(config, &variables).unwrap();
    assert_eq!(config.url.as_ref().unwrap().to_string(), "etcds://***@h3");
    assert_eq!((config.namespace.as_deref(), config.node.as_deref()), (Some("lab"), Some("box-2")));
    assert_eq!(config.ttl, Some(Duration::from_secs(120)));
    assert_eq!(config.password.as_ref().map(Secret::expose), Some("trustno2"));
    assert_eq!(config.capabilities, ["timers"], "what the environment does not say stays");
    let (_, url) = config.into_builder().unwrap();
    assert_eq!(url.password().map(Secret::expose), Some("trustno2"));
}

#[test]
fn no_secret_is_shown() {
    let text = r#"{ "url": "redis://:trustno1@h?auth=trustno1", "password": "trustno1" }"#;
    let config = file(text).unwrap();
    assert!(!format!("{config:?}").contains("trustno1"), "{config:?}");
    let error = config.into_builder().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("trustno1"), "{error}");
    let error = with(Config::default(), &[("HA_URL", "etcd:/trustno1@h")]).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("trustno1"), "{error}");
    let error = file(r#"{ "url": "etcd://app:trustno1@h@h" }"#).unwrap_err();
    assert!(!error.to_string().contains("trustno1"), "{error}");
}

#[test]
fn what_cannot_be_used_is_an_error_that_names_its_variable() {
    let long = "x".repeat(201);
    for (variable, value, says) in [
        ("HA_URL", "", "empty"),
        ("HA_URL", "box-1:2379", "scheme"),
        ("HA_NAMESPACE", "_ha", "kept for the toolkit"),
        ("HA_NODE", long.as_str(), "at most 200 bytes"),
        ("HA_TTL", "10", "unit"),
        ("HA_TTL", "ten s", "whole number"),
        ("HA_TTL", "0s", "between"),
        ("HA_TTL", "25h", "between"),
        ("HA_PASSWORD", "", "empty"),
    ] {
        let error = with(Config::default(), &[(variable, value)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let message = error.to_string();
        assert!(message.contains(variable) && message.contains(says), "{variable}={value:.20}: {message}");
    }
}

#[test]
fn what_a_file_says_wrongly_is_refused() {
    for (text, says) in [
        (r#"{ "uri": "memory:" }"#, "unknown field `uri`"),
        (r#"{ "url": "memory" }"#, "no scheme"),
        (r#"{ "ttl": 10 }"#, "invalid type"),
        (r#"{ "ttl": "1ns" }"#, "whole number"),
        (r#"{ "connect_timeout": "soon" }"#, "unit"),
        (r#"{ "node": "" }"#, "must not be empty"),
        (r#"{ "require": "planets" }"#, "one of threads, processes, hosts"),
    ] {
        let error = file(text).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    assert!(file("{}").unwrap().url.is_none(), "everything has a default but the url");
}

#[test]
fn a_store_is_never_chosen_by_default() {
    let error = Config::default().into_builder().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("HA_URL"), "{error}");
}
