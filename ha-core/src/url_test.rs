use super::{Scheme, Secret, StoreUrl};
use crate::error::{Error, ErrorKind};

/// URLs whose hosts, credentials or options are wrong, and a part of the reason.
const BAD: &[(&str, &str)] = &[
    ("etcd:h", "followed by `//`"),
    ("etcd:/h", "followed by `//`"),
    ("etcd://", "no host"),
    ("etcd:///", "no host"),
    ("etcd://h1,,h2", "host 2 is empty"),
    ("etcd://h1,", "host 2 is empty"),
    ("etcd://:2379", "host 1 is empty"),
    ("etcd://h1,h2,H1:2379", "host 3 is host 1 again"),
    ("etcd://[::1],[0:0::1]", "host 2 is host 1 again"),
    ("etcd://h:", "no number from 1 to 65535"),
    ("etcd://h:0", "no number from 1 to 65535"),
    ("etcd://h:65536", "no number from 1 to 65535"),
    ("etcd://h:+1", "no number from 1 to 65535"),
    ("etcd://h:http", "no number from 1 to 65535"),
    ("etcd://::1", "brackets"),
    ("etcd://[::1", "`[` without a `]`"),
    ("etcd://[h]", "no IPv6 address"),
    ("etcd://[::1]2379", "between the brackets and the port"),
    ("etcd://h1;h2", "no host name has"),
    ("etcd://h%41", "no host name has"),
    ("etcd://hä", "no host name has"),
    ("etcd://a..b", "between two dots"),
    ("etcd://.a", "between two dots"),
    ("etcd://10.0.0.256", "IPv4"),
    ("etcd://10.0.1", "IPv4"),
    ("etcd://h#x", "%23"),
    ("etcd://:pw@h", "no user"),
    ("etcd://@h", "nothing in front of the `@`"),
    ("etcd://u:@h", "password is empty"),
    ("etcd://:@h", "password is empty"),
    ("etcd://u:p@s@h", "%40"),
    ("etcd://u:p%4@h", "%25"),
    ("etcd://u:100%@h", "%25"),
    ("etcd://u:%é@h", "%25"),
    ("etcd://u:%ff@h", "UTF-8"),
    ("etcd://h?", "not written key=value"),
    ("etcd://h?a", "not written key=value"),
    ("etcd://h?a=1&", "option 2"),
    ("etcd://h?=1", "key of option 1"),
    ("etcd://h?A=1", "key of option 1"),
    ("etcd://h?a=", "no value"),
    ("etcd://h?a=1&a=2", "second time"),
    ("etcd://h?a=%xx", "the value of option 1"),
    ("etcd://h?a=b@c", "%40"),
    ("redis://h?password=x", "credential"),
    ("redis://h1,h2", "redis+sentinel://"),
];

/// The same for what stands behind the hosts.
const BAD_PATHS: &[(&str, &str)] = &[
    ("etcd://h/chroot", "nothing stands behind the hosts"),
    ("redis://h/main", "number of a database"),
    ("redis://h/-1", "number of a database"),
    ("redis://h/65536", "number of a database"),
    ("redis://h/0/1", "number of a database"),
    ("redis+sentinel://h", "name of the master is missing"),
    ("redis+sentinel://h/", "name of the master is missing"),
    ("redis+sentinel://h/a/b", "name of a master consists"),
    ("redis+cluster://h/0", "nothing stands behind the hosts"),
    ("redis+unix://run/redis.sock", "three slashes"),
    ("redis+unix:///run/", "absolute path"),
    ("zk://h/a/", "ends in a slash"),
    ("zk://h//a", "empty, `.` or `..`"),
    ("zk://h/a/../b", "empty, `.` or `..`"),
    ("zk://h/zookeeper/x", "/zookeeper"),
    ("zk://h/%00", "control character"),
    ("zk://h/%EE%80%80", "ZooKeeper refuses"),
    ("local://ha.db", "three slashes"),
    ("local:ha.db", "followed by `//`"),
    ("local://", "absolute path"),
    ("local:///", "absolute path"),
    ("local:///var/lib/", "absolute path"),
    ("local:///a%00b", "control character"),
    ("local://u:p@/a", "neither a user nor a password"),
    ("memory:/a", "begin with `/`"),
    ("memory://", "begin with `/`"),
    ("memory:a@b", "%40"),
];

fn parse(text: &str) -> StoreUrl {
    StoreUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn hosts(url: &StoreUrl) -> Vec<(&str, Option<u16>)> {
    url.hosts().iter().map(|host| (host.name(), host.port())).collect()
}

/// Whatever the outcome shows to people.
fn shown(outcome: &Result<StoreUrl, Error>) -> String {
    match outcome {
        Ok(url) => format!("{url} {url:?} {:?} {:?}", url.password(), url.reject_unknown(&[])),
        Err(error) => format!("{error} {error:?}"),
    }
}

fn assert_refused(text: &str, reason: &str) {
    let error = StoreUrl::parse(text).expect_err(text);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
    let message = error.to_string();
    assert!(message.contains(reason), "{text}: {message}");
    let scheme = Scheme::ALL.into_iter().find(|scheme| text.starts_with(&format!("{scheme}:"))).unwrap();
    assert!(message.ends_with(&format!("write it like {}", scheme.rule().example)), "{text}: {message}");
    assert!(message.len() < 400, "{text}: {message}");
}

#[test]
fn every_example_of_the_table_is_parsed_as_its_scheme() {
    for scheme in Scheme::ALL {
        let url = parse(scheme.rule().example);
        assert_eq!(url.scheme(), scheme);
        assert_eq!(scheme.is_tls(), matches!(scheme.as_str(), "etcds" | "zks" | "rediss"));
        assert!(url.scheme().default_port().is_some() || url.hosts().is_empty());
    }
}

#[test]
fn hosts_have_optional_ports_and_bracketed_ipv6_addresses() {
    let url = parse("etcd://h1,10.0.0.2:2380,[::1],[2001:DB8:0:0::1]:1,a_b.c-d.:65535");
    let expected = [
        ("h1", None),
        ("10.0.0.2", Some(2380)),
        ("::1", None),
        ("2001:db8::1", Some(1)),
        ("a_b.c-d.", Some(65535)),
    ];
    assert_eq!(hosts(&url), expected);
    assert_eq!(url.path(), "");
}

#[test]
fn the_path_is_decoded_and_means_what_its_scheme_says() {
    let rows = [
        ("memory:", ""),
        ("MEMORY:a", "a"),
        ("memory:a/b:c", "a/b:c"),
        ("memory:%2Fa%20%C3%A4", "/a ä"),
        ("local:///var/lib/a%20b%40c.db", "/var/lib/a b@c.db"),
        ("etcd://h/", ""),
        ("zk://h", ""),
        ("zk://h/", ""),
        ("zk://h/a/zookeeper", "/a/zookeeper"),
        ("redis://h", ""),
        ("redis://h/007", "7"),
        ("redis+sentinel://h/my-master_1.x", "my-master_1.x"),
        ("redis+cluster://h", ""),
        ("redis+unix:///run/redis.sock", "/run/redis.sock"),
    ];
    for (text, path) in rows {
        assert_eq!(parse(text).path(), path, "{text}");
    }
}

#[test]
fn credentials_are_decoded() {
    let rows = [
        ("etcd://a%40b:p%40s%2Fs%3Aw:x%25@h", Some("a@b"), Some("p@s/s:w:x%")),
        ("etcd://user@h", Some("user"), None),
        ("redis://:secret@h", None, Some("secret")),
        ("redis+unix://u:p@/run/s", Some("u"), Some("p")),
        ("zk://u:p,q@h", Some("u"), Some("p,q")),
        ("redis://h", None, None),
    ];
    for (text, user, password) in rows {
        let url = parse(text);
        assert_eq!((url.user(), url.password().map(|secret| secret.expose())), (user, password), "{text}");
    }
}

#[test]
fn options_keep_their_order_and_unknown_ones_are_refused() {
    let url = parse("etcd://h?zone=a%26b=c&ca.file=/etc/x+y&empty-range=%20");
    let options: Vec<_> = url.options().collect();
    assert_eq!(options, [("zone", "a&b=c"), ("ca.file", "/etc/x+y"), ("empty-range", " ")]);
    assert_eq!(url.option("ca.file"), Some("/etc/x+y"));
    assert_eq!(url.option("ca"), None);
    assert!(url.reject_unknown(&["ca.file", "zone", "empty-range"]).is_ok());

    let error = url.reject_unknown(&["zone", "empty-range"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let text = error.to_string();
    assert!(text.contains("\"ca.file\"") && text.contains("zone, empty-range"), "{text}");
    assert!(url.reject_unknown(&[]).unwrap_err().to_string().contains("takes no options"));
}

#[test]
fn what_is_shown_can_be_parsed_again_and_shows_the_same() {
    let rows = [
        ("memory:", "memory:"),
        ("memory:%2F/a%20b", "memory:%2F%2Fa%20b"),
        ("local:///a%3Fb%25c", "local:///a%3Fb%25c"),
        ("ETCDS://a%40b:pw@[::1]:1,h?ttl=1", "etcds://a%40b:***@[::1]:1,h?ttl=***"),
        ("etcd://user@h", "etcd://***@h"),
        ("zk://h/a%20b", "zk://h/a%20b"),
        ("rediss://:pw@h:1/2?a=1&b=2", "rediss://:***@h:1/2?a=***&b=***"),
        ("redis+sentinel://h,i/m", "redis+sentinel://h,i/m"),
        ("redis+unix://u:p@/run/s", "redis+unix://u:***@/run/s"),
    ];
    for (text, expected) in rows {
        let display = parse(text).to_string();
        assert_eq!(display, expected);
        assert_eq!(parse(&display).to_string(), expected);
        assert_eq!(format!("{:?}", parse(text)), format!("StoreUrl({expected})"));
    }
}

#[test]
fn bad_urls_are_refused_with_what_is_wrong_and_a_right_example() {
    for (text, reason) in BAD.iter().chain(BAD_PATHS) {
        assert_refused(text, reason);
    }
}

#[test]
fn what_is_too_long_for_its_place_is_refused() {
    let url = |start: &str, length: usize| format!("{start}{}", "x".repeat(length));
    for (start, most, reason) in [
        ("etcd://", 253, "longer than any host name"),
        ("memory:", 200, "at most 200 bytes"),
        ("redis+unix:///", 106, "at most 107 bytes"),
    ] {
        assert!(StoreUrl::parse(&url(start, most)).is_ok(), "{start}");
        assert_refused(&url(start, most + 1), reason);
    }
}

#[test]
fn an_unknown_scheme_lists_the_known_ones() {
    let long = format!("{}://h", "x".repeat(1000));
    let huge = "x".repeat(1 << 20);
    let rows = [
        ("", "it is empty"),
        (" etcd://h", "line break"),
        ("etcd://h\n", "line break"),
        ("etcd://u:p\u{a0}w@h", "line break"),
        ("etcd://h/\0", "control character"),
        ("etcd", "no scheme"),
        ("localhost:2379", "no known scheme"),
        ("://h", "no known scheme"),
        (" ://h", "a space"),
        ("http://h:2379", "unknown scheme http"),
        ("redis+tls://h", "unknown scheme redis+tls"),
        (&long, "unknown scheme xxxxx"),
        (&huge, "longer than 8 KiB"),
    ];
    for (text, reason) in rows {
        let error = StoreUrl::parse(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text:.40}");
        let message = error.to_string();
        assert!(message.contains(reason) && message.len() < 400, "{message}");
        for scheme in Scheme::ALL {
            assert!(message.contains(scheme.as_str()), "{message}");
        }
    }
}

#[test]
fn a_password_is_never_shown_whatever_is_written_wrongly_around_it() {
    let templates = [
        "etcd://user:PASSWORD@h1:2379,h2/?zone=a",
        "zks://user:PASSWORD@h1,h2:2181/chroot",
        "redis://user:PASSWORD@h:6379/0?db=1",
        "redis://:PASSWORD@h",
        "redis+sentinel://user:PASSWORD@h1,[::1]:26379/main",
        "redis+unix://user:PASSWORD@/run/redis.sock",
        "local://user:PASSWORD@/var/lib/ha.db",
        "http://user:PASSWORD@h",
        "user:PASSWORD@h:6379",
        "PASSWORD@h:6379",
        "redis://h?password=PASSWORD",
        "redis://h/?auth=PASSWORD",
        "redis://h/PASSWORD@i",
    ];
    let marks = ["", "@", "/", "?", "#", ":", "%", "&", "=", ",", "[", "]", " ", "\n", "%40", "@h/", "://"];
    let mut refused = 0;
    for template in templates {
        for mark in marks {
            let inside = template.replace("PASSWORD", &format!("hunt{mark}trustno1"));
            let around = template.replace("PASSWORD", "hunttrustno1");
            let start = around.find("hunt").unwrap();
            let password = start..start + "hunttrustno1".len();
            let outside = (0..=around.len()).filter(|at| *at <= password.start || *at >= password.end);
            let mut texts: Vec<String> =
                outside.map(|at| format!("{}{mark}{}", &around[..at], &around[at..])).collect();
            let dropped = (0..around.len()).filter(|at| !password.contains(at));
            texts.extend(dropped.map(|at| format!("{}{}", &around[..at], &around[at + 1..])));
            texts.push(inside);
            for text in texts {
                let outcome = StoreUrl::parse(&text);
                refused += usize::from(outcome.is_err());
                let shown = shown(&outcome);
                assert!(!shown.contains("hunt") && !shown.contains("trustno1"), "{text}: {shown}");
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
    let hostless = shown(&StoreUrl::parse("redis://user:hunttrustno1"));
    assert!(hostless.contains("port") && !hostless.contains("hunt"), "{hostless}");
}

#[test]
fn a_password_can_be_kept_elsewhere_but_not_twice() {
    let with = |url: &str, password: &str| StoreUrl::parse(url).unwrap().with_password(Secret::new(password));
    let url = with("etcds://app@h1,h2", "s@crt").unwrap();
    assert_eq!(url.password().map(Secret::expose), Some("s@crt"));
    assert_eq!(url.to_string(), "etcds://app:***@h1,h2");
    assert!(with("redis://h", "s@crt").is_ok(), "redis takes a password without a user");
    for (url, password) in
        [("etcd://h", "s@crt"), ("memory:", "s@crt"), ("etcd://app:other@h", "s@crt"), ("etcd://app@h", "")]
    {
        let error = with(url, password).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
        assert!(!error.to_string().contains("s@crt") && !error.to_string().contains("other"), "{error}");
    }
}
