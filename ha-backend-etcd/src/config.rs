//! What the backend is configured with.

use std::fmt;
use std::time::Duration;

use ha_core::{Error, ErrorKind, Scheme, Secret, StoreUrl};

use crate::tls::EtcdTls;

const DEFAULT_PREFIX: &str = "/ha";
/// Long enough for a busy server, short enough to try another member within the shortest ttl.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
const OPTIONS: &[&str] = &["prefix", "timeout", "hold", "ca", "cert", "key", "domain"];

/// Where the cluster is, and how to use it.
///
/// | URL | method | default |
/// |---|---|---|
/// | the hosts | [`new`](Self::new) | port 2379 |
/// | `user:password@` | [`credentials`](Self::credentials) | none |
/// | `?prefix=/ha` | [`prefix`](Self::prefix) | `/ha`: all keys begin with it |
/// | `?timeout=1s` | [`timeout`](Self::timeout) | 1 s for each attempt of a request |
/// | `?hold=60s` | [`recovery_hold`](Self::recovery_hold) | the longest ttl known |
/// | `?ca=`, `?cert=`, `?key=`, `?domain=` | [`tls`](Self::tls) | with `etcds:` the certificate authorities of the system |
///
/// `Debug` shows no password.
#[derive(Clone)]
pub struct EtcdConfig {
    pub(crate) endpoints: Vec<String>,
    pub(crate) prefix: String,
    pub(crate) timeout: Duration,
    pub(crate) recovery_hold: Option<Duration>,
    pub(crate) credentials: Option<(String, Secret)>,
    pub(crate) tls: Option<EtcdTls>,
}

impl EtcdConfig {
    /// The members at `endpoints`, each `host:port`. All have to belong to one cluster; not all need be named.
    ///
    /// # Errors
    /// `InvalidInput` for no endpoint, or one with a scheme or without a port.
    pub fn new<E: Into<String>>(endpoints: impl IntoIterator<Item = E>) -> Result<Self, Error> {
        let endpoints: Vec<String> = endpoints.into_iter().map(Into::into).collect();
        let is_plain = |endpoint: &String| endpoint.contains(':') && !endpoint.contains('/');
        if endpoints.is_empty() || !endpoints.iter().all(is_plain) {
            return Err(invalid("each member is given as host:port, and there is at least one"));
        }
        Ok(Self {
            endpoints,
            prefix: DEFAULT_PREFIX.to_owned(),
            timeout: DEFAULT_TIMEOUT,
            recovery_hold: None,
            credentials: None,
            tls: None,
        })
    }

    /// What a URL of the scheme `etcd:` or `etcds:` says.
    ///
    /// # Errors
    /// `InvalidInput` for another scheme, an unknown option, or a value that an option cannot have.
    pub fn from_url(url: &StoreUrl) -> Result<Self, Error> {
        if !matches!(url.scheme(), Scheme::Etcd | Scheme::Etcds) {
            return Err(invalid("its scheme is neither etcd: nor etcds:").on(url));
        }
        url.reject_unknown(OPTIONS)?;
        let port = url.scheme().default_port().unwrap_or(2379);
        let address = |host: &ha_core::Host| match host.port() {
            Some(_) => host.to_string(),
            None => format!("{host}:{port}"),
        };
        let mut config = Self::new(url.hosts().iter().map(address))?;
        match (url.user(), url.password()) {
            (Some(user), Some(password)) => config = config.credentials(user, password.clone()),
            (None, None) => {}
            _ => {
                return Err(
                    invalid("a user needs a password; with a certificate alone leave the user out").on(url)
                );
            }
        }
        if let Some(prefix) = url.option("prefix") {
            config = config.prefix(prefix)?;
        }
        if let Some(timeout) = duration(url, "timeout")? {
            config = config.timeout(timeout)?;
        }
        if let Some(hold) = duration(url, "hold")? {
            config = config.recovery_hold(hold);
        }
        let path = |key: &str| url.option(key).map(Into::into);
        let tls = EtcdTls {
            ca: path("ca"),
            certificate: path("cert"),
            key: path("key"),
            domain: url.option("domain").map(str::to_owned),
        };
        if url.scheme().is_tls() {
            config = config.tls(tls)?;
        } else if tls != EtcdTls::default() {
            return Err(invalid("ca, cert, key and domain are for etcds:, and this is etcd:").on(url));
        }
        Ok(config)
    }

    /// What all keys begin with. Two prefixes are two stores.
    ///
    /// # Errors
    /// `InvalidInput` unless it begins with a slash, does not end in one, and has no `//` in it.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Result<Self, Error> {
        self.prefix = prefix.into();
        let fits = self.prefix.starts_with('/') && !self.prefix.ends_with('/') && !self.prefix.contains("//");
        if fits { Ok(self) } else { Err(invalid("a prefix is like /ha or /platform/ha")) }
    }

    /// How long one attempt of a request may take before another member is asked.
    ///
    /// # Errors
    /// `InvalidInput` below 50 ms or above 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Result<Self, Error> {
        if timeout < Duration::from_millis(50) || timeout > Duration::from_secs(60) {
            return Err(invalid("the timeout of an attempt is between 50ms and 60s"));
        }
        self.timeout = timeout;
        Ok(self)
    }

    /// For how long new grants are held back once the store was seen to have gone back, at least. As long as the longest
    /// ttl that any node uses; by default the longest one that this process has seen.
    #[must_use]
    pub fn recovery_hold(mut self, hold: Duration) -> Self {
        self.recovery_hold = Some(hold);
        self
    }

    /// The user to log in as.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: Secret) -> Self {
        self.credentials = Some((user.into(), password));
        self
    }

    /// Uses TLS. Reads the files once, to find out now whether they can be used; sessions read them again when they are opened.
    ///
    /// # Errors
    /// `InvalidInput` for a certificate without its key or a key without its certificate, and for a file that cannot be read.
    pub fn tls(mut self, tls: EtcdTls) -> Result<Self, Error> {
        tls.load()?;
        self.tls = Some(tls);
        Ok(self)
    }
}

impl fmt::Debug for EtcdConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdConfig")
            .field("endpoints", &self.endpoints)
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .field("user", &self.credentials.as_ref().map(|(user, _)| user))
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

fn invalid(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, "configure etcd").because(reason)
}

/// The option `key` as a time, such as `500ms`, `2s` or `1m`.
fn duration(url: &StoreUrl, key: &'static str) -> Result<Option<Duration>, Error> {
    let Some(text) = url.option(key) else { return Ok(None) };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let millis: Option<u64> = match &text[digits.len()..] {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        _ => None,
    };
    let parsed = millis.zip(digits.parse::<u64>().ok()).and_then(|(unit, count)| unit.checked_mul(count));
    parsed.map(|millis| Some(Duration::from_millis(millis))).ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, "configure etcd")
            .on(format_args!("option {key}"))
            .because("a time is a number with ms, s or m behind it, such as 500ms")
    })
}

#[cfg(test)]
mod tests {
    use super::EtcdConfig;
    use ha_core::{Error, ErrorKind, StoreUrl};
    use std::time::Duration;

    fn parse(url: &str) -> Result<EtcdConfig, Error> {
        EtcdConfig::from_url(&StoreUrl::parse(url).unwrap())
    }

    #[test]
    fn a_url_says_where_who_and_how() {
        let config =
            parse("etcd://app:trust%40no1@10.0.0.1,[::1]:2380?prefix=/x/ha&timeout=250ms&hold=1m").unwrap();
        assert_eq!(config.endpoints, ["10.0.0.1:2379", "[::1]:2380"]);
        assert_eq!((config.prefix.as_str(), config.timeout), ("/x/ha", Duration::from_millis(250)));
        assert_eq!(config.recovery_hold, Some(Duration::from_secs(60)));
        assert_eq!(config.credentials.as_ref().map(|(_, password)| password.expose()), Some("trust@no1"));
        assert!(!format!("{config:?}").contains("trust"), "{config:?}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_no_password_is_shown() {
        for url in [
            "memory:",
            "etcd://h?timout=2s",
            "etcd://h?timeout=2",
            "etcd://h?timeout=0s",
            "etcd://h?timeout=99999999999999999999s",
            "etcd://h?hold=soon",
            "etcd://h?prefix=ha",
            "etcd://h?prefix=/",
            "etcd://h?prefix=/a//b",
            "etcd://h?ca=/etc/ssl/ca.pem",
            "etcd://trustno1@h",
            "etcds://u:trustno1@h?ca=/does/not/exist",
            "etcds://u:trustno1@h?cert=/does/not/exist",
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
            assert!(!error.to_string().contains("trustno1"), "{error}");
        }
    }

    #[test]
    fn a_member_is_a_host_and_a_port() {
        for endpoints in [&[][..], &["10.0.0.1"], &["http://10.0.0.1:2379"]] {
            assert!(EtcdConfig::new(endpoints.iter().copied()).is_err(), "{endpoints:?}");
        }
    }
}
