//! What the backend is configured with.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ha_core::{Error, ErrorKind, Scheme, Secret, StoreUrl};

use crate::tls::RedisTls;

const DEFAULT_PREFIX: &str = "ha";
/// Long enough for a busy server, short enough to try again within the shortest ttl.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
const OPTIONS: &[&str] =
    &["prefix", "timeout", "hold", "first_use", "eviction", "ca", "cert", "key", "domain"];

/// Where the server is, and how to use it.
///
/// | URL | method | default |
/// |---|---|---|
/// | the host, or the path of the socket | [`new`](Self::new), [`socket`](Self::socket) | port 6379 |
/// | `user:password@`, `:password@` | [`credentials`](Self::credentials) | none |
/// | `/2` | [`database`](Self::database) | 0 |
/// | `?prefix=ha` | [`prefix`](Self::prefix) | `ha`: all keys begin with it |
/// | `?timeout=1s` | [`timeout`](Self::timeout) | 1 s for each attempt of a request |
/// | `?hold=60s` | [`recovery_hold`](Self::recovery_hold) | the longest ttl known |
/// | `?first_use=grant` | [`trust_first_use`](Self::trust_first_use) | a namespace that is not there may have been lost |
/// | `?eviction=accept` | [`accept_eviction`](Self::accept_eviction) | a server that evicts any key is refused |
/// | `?ca=`, `?cert=`, `?key=`, `?domain=` | [`tls`](Self::tls) | with `rediss:` the certificate authorities of the system |
///
/// `Debug` shows no password.
#[derive(Clone)]
#[must_use = "a configuration does nothing until a backend is built from it"]
pub struct RedisConfig {
    pub(crate) address: Address,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) database: u16,
    pub(crate) prefix: String,
    pub(crate) timeout: Duration,
    pub(crate) hold: Duration,
    pub(crate) trusts_first_use: bool,
    pub(crate) accepts_eviction: bool,
    pub(crate) tls: Option<RedisTls>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp { host: String, port: u16 },
    Socket(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}

impl RedisConfig {
    /// The server that listens at `port` of `host`, a name or an address (of IPv6 without brackets).
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self::at(Address::Tcp { host: host.into(), port })
    }

    /// The server of this machine that listens on the socket `path`.
    pub fn socket(path: impl Into<PathBuf>) -> Self {
        Self::at(Address::Socket(path.into()))
    }

    fn at(address: Address) -> Self {
        Self {
            address,
            user: None,
            password: None,
            database: 0,
            prefix: DEFAULT_PREFIX.to_owned(),
            timeout: DEFAULT_TIMEOUT,
            hold: Duration::ZERO,
            trusts_first_use: false,
            accepts_eviction: false,
            tls: None,
        }
    }

    /// What a URL of the scheme `redis:`, `rediss:` or `redis+unix:` says.
    ///
    /// # Errors
    /// `InvalidInput` for another scheme, an unknown option, or a value that an option cannot have.
    pub fn from_url(url: &StoreUrl) -> Result<Self, Error> {
        url.reject_unknown(OPTIONS)?;
        let mut config = match (url.scheme(), url.hosts()) {
            (Scheme::Redis | Scheme::Rediss, [host]) => {
                let port = host.port().or(url.scheme().default_port()).unwrap_or(6379);
                Self::new(host.name(), port)
            }
            (Scheme::RedisUnix, _) => Self::socket(url.path()),
            _ => return Err(invalid("its scheme is none of redis:, rediss: and redis+unix:").on(url)),
        };
        (config.user, config.password) = (url.user().map(str::to_owned), url.password().cloned());
        if config.user.is_some() && config.password.is_none() {
            return Err(
                invalid("a user needs a password; for a password alone write a colon before it").on(url)
            );
        }
        if url.scheme() != Scheme::RedisUnix && !url.path().is_empty() {
            let number = url.path().parse().ok();
            config.database = number.ok_or_else(|| invalid("a database is a number, such as 0").on(url))?;
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
        if is_said(url, "first_use", "grant", "hold")? {
            config = config.trust_first_use();
        }
        if is_said(url, "eviction", "accept", "refuse")? {
            config = config.accept_eviction();
        }
        let path = |key: &str| url.option(key).map(Into::into);
        let tls = RedisTls {
            ca: path("ca"),
            certificate: path("cert"),
            key: path("key"),
            domain: url.option("domain").map(str::to_owned),
        };
        if url.scheme().is_tls() {
            config = config.tls(tls)?;
        } else if tls != RedisTls::default() {
            return Err(invalid("ca, cert, key and domain are for rediss:").on(url));
        }
        Ok(config)
    }

    /// The user and the password to log in with; without a user, the password of the default one.
    pub fn credentials(mut self, user: Option<&str>, password: Secret) -> Self {
        (self.user, self.password) = (user.map(str::to_owned), Some(password));
        self
    }

    /// The number of the database.
    pub fn database(mut self, number: u16) -> Self {
        self.database = number;
        self
    }

    /// What all keys begin with. Two prefixes are two stores.
    ///
    /// # Errors
    /// `InvalidInput` if it is empty or longer than 200 bytes, or has a brace or white space in it.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Result<Self, Error> {
        self.prefix = prefix.into();
        let is_bad = |c: char| matches!(c, '{' | '}') || c.is_whitespace() || c.is_control();
        if self.prefix.is_empty() || self.prefix.len() > 200 || self.prefix.contains(is_bad) {
            return Err(invalid(
                "a prefix has 1 to 200 bytes and neither a brace nor white space, such as ha",
            ));
        }
        Ok(self)
    }

    /// How long one attempt of a request may take before its connection is given up.
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

    /// For how long new grants are held back once the server may have forgotten some, at least. As long as the longest ttl that any node uses; by default
    /// the longest one that the store, or this process, knows.
    pub fn recovery_hold(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// Grants at once in a namespace that is not there, and that this process has not seen before.
    ///
    /// Without it the first grants of a new namespace wait for as long as after a loss, since a server that was emptied looks the same as a new one. Who says
    /// so takes care that nobody empties a server (`FLUSHALL`, a restart without persistence) while services run.
    pub fn trust_first_use(mut self) -> Self {
        self.trusts_first_use = true;
        self
    }

    /// Uses a server that evicts any key when its memory is full. It may forget everything at any time; that is noticed, and grants are held back then.
    pub fn accept_eviction(mut self) -> Self {
        self.accepts_eviction = true;
        self
    }

    /// Uses TLS. Reads the files once, to find out now whether they can be used; sessions read them again when they are opened.
    ///
    /// # Errors
    /// `InvalidInput` for a certificate without its key or a key without its certificate, for a file that cannot be used, and for a socket.
    pub fn tls(mut self, tls: RedisTls) -> Result<Self, Error> {
        if matches!(self.address, Address::Socket(_)) {
            return Err(invalid("a socket of this machine has no TLS"));
        }
        tls.load()?;
        self.tls = Some(tls);
        Ok(self)
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("address", &self.address)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

fn invalid(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, "configure redis").because(reason)
}

/// Whether the option `key` has the value `wanted`, and not the other one, which is the default.
fn is_said(url: &StoreUrl, key: &'static str, wanted: &str, default: &str) -> Result<bool, Error> {
    match url.option(key) {
        None => Ok(false),
        Some(value) if value == default => Ok(false),
        Some(value) if value == wanted => Ok(true),
        Some(_) => Err(Error::new(ErrorKind::InvalidInput, "configure redis")
            .on(format_args!("option {key}"))
            .because(format_args!("it is {wanted} or {default}"))),
    }
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
        Error::new(ErrorKind::InvalidInput, "configure redis")
            .on(format_args!("option {key}"))
            .because("a time is a number with ms, s or m behind it, such as 500ms")
    })
}

#[cfg(test)]
#[path = "config_test.rs"]
mod tests;
