//! Where the ensemble is and how to use it.

use std::fmt;
use std::time::Duration;

use ha_core::{Error, ErrorKind, Scheme, Secret, StoreUrl};

use crate::client::{Access, Login, Settings};
use crate::tls::ZkTls;

/// Where everything is kept unless told otherwise.
const DEFAULT_CHROOT: &str = "/ha";
/// After which silence of a server another one is tried: long for a network, short beside a ttl of ten seconds.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);

/// What can stand behind the `?` of a URL.
const OPTIONS: &[&str] = &["acl", "auth", "ca", "cert", "hold", "key", "timeout"];

/// Where an ensemble is and how to use it. `Debug` shows no password.
#[derive(Clone)]
pub struct ZkConfig {
    pub(crate) servers: Vec<String>,
    pub(crate) chroot: String,
    pub(crate) timeout: Duration,
    pub(crate) recovery_hold: Option<Duration>,
    login: Login,
    access: Option<Access>,
    pub(crate) tls: Option<ZkTls>,
}

impl ZkConfig {
    /// The servers at these addresses, each `host:port`. All have to belong to one ensemble; not all need be named.
    ///
    /// # Errors
    /// `InvalidInput` for no server, or one with a scheme or without a port.
    pub fn new<S: Into<String>>(servers: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        let servers: Vec<String> = servers.into_iter().map(Into::into).collect();
        let is_plain = |server: &String| server.contains(':') && !server.contains(['/', ',']);
        if servers.is_empty() || !servers.iter().all(is_plain) {
            return Err(invalid("each server is given as host:port, and there is at least one"));
        }
        Ok(Self {
            servers,
            chroot: DEFAULT_CHROOT.to_owned(),
            timeout: DEFAULT_TIMEOUT,
            recovery_hold: None,
            login: Login::Nobody,
            access: None,
            tls: None,
        })
    }

    /// What a URL of the scheme `zk:` or `zks:` says.
    ///
    /// # Errors
    /// `InvalidInput` for another scheme, an unknown option, or a value that an option cannot have.
    pub fn from_url(url: &StoreUrl) -> Result<Self, Error> {
        if !matches!(url.scheme(), Scheme::Zk | Scheme::Zks) {
            return Err(invalid("its scheme is neither zk: nor zks:").on(url));
        }
        url.reject_unknown(OPTIONS)?;
        let port = url.scheme().default_port().unwrap_or(2181);
        let address = |host: &ha_core::Host| match host.port() {
            Some(_) => host.to_string(),
            None => format!("{host}:{port}"),
        };
        let mut config = Self::new(url.hosts().iter().map(address))?;
        config = config.log_in(url)?;
        if !url.path().is_empty() {
            config = config.chroot(url.path())?;
        }
        match url.option("acl") {
            None => {}
            Some("open") => config = config.open_to_everybody(),
            Some("creator") => config.access = Some(Access::Creator),
            Some(_) => return Err(invalid("acl is open or creator").on(url)),
        }
        if let Some(timeout) = duration(url, "timeout")? {
            config = config.timeout(timeout)?;
        }
        if let Some(hold) = duration(url, "hold")? {
            config = config.recovery_hold(hold);
        }
        let path = |key: &str| url.option(key).map(Into::into);
        let tls = ZkTls { ca: path("ca"), certificate: path("cert"), key: path("key") };
        if url.scheme().is_tls() {
            config = config.tls(tls)?;
        } else if tls != ZkTls::default() {
            return Err(invalid("ca, cert and key are for zks:, and this is zk:").on(url));
        }
        config.check_access().map_err(|error| error.on(url))?;
        Ok(config)
    }

    fn log_in(self, url: &StoreUrl) -> Result<Self, Error> {
        match (url.user(), url.password(), url.option("auth")) {
            (Some(user), Some(password), None | Some("digest")) => self.digest(user, password.clone()),
            (Some(user), Some(password), Some("sasl")) => self.sasl(user, password.clone()),
            (None, None, None) => Ok(self),
            (Some(_), Some(_), Some(_)) => Err(invalid("auth is digest or sasl").on(url)),
            _ => Err(invalid("a user needs a password, and auth needs a user").on(url)),
        }
    }

    /// The node that everything is kept below. Two chroots are two stores.
    ///
    /// # Errors
    /// `InvalidInput` unless it begins with a slash, does not end in one, and has no `//`, `.` or `..` in it, or if it is that of ZooKeeper itself.
    pub fn chroot(mut self, chroot: impl Into<String>) -> Result<Self, Error> {
        self.chroot = chroot.into();
        let mut segments = self.chroot.split('/');
        let begins = segments.next() == Some("");
        let is_plain = |segment: &str| {
            !matches!(segment, "" | "." | "..") && segment.chars().all(|c| c.is_ascii_graphic())
        };
        let fits = begins && segments.all(is_plain) && self.chroot.split('/').nth(1) != Some("zookeeper");
        if fits { Ok(self) } else { Err(invalid("a chroot is like /ha or /platform/ha")) }
    }

    /// After which silence of a server the next one is tried; at most two fifths of the ttl.
    ///
    /// # Errors
    /// `InvalidInput` below 50 ms or above 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Result<Self, Error> {
        if timeout < Duration::from_millis(50) || timeout > Duration::from_secs(60) {
            return Err(invalid("the timeout is between 50ms and 60s"));
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

    /// The user to log in as, by the scheme `digest`. What is created can be touched by this user only, unless it is [opened](Self::open_to_everybody).
    ///
    /// # Errors
    /// `InvalidInput` for a user with a colon.
    pub fn digest(mut self, user: impl Into<String>, password: Secret) -> Result<Self, Error> {
        let user = user.into();
        if user.contains(':') || user.is_empty() {
            return Err(invalid("the name of a user has no colon and is not empty"));
        }
        self.login = Login::Digest(user, password);
        Ok(self)
    }

    /// The user to log in as, by SASL with DIGEST-MD5. What is created can be touched by this user only, unless it is [opened](Self::open_to_everybody).
    ///
    /// # Errors
    /// `InvalidInput` for an empty name.
    pub fn sasl(mut self, user: impl Into<String>, password: Secret) -> Result<Self, Error> {
        let user = user.into();
        if user.is_empty() {
            return Err(invalid("the name of a user is not empty"));
        }
        self.login = Login::Sasl(user, password);
        Ok(self)
    }

    /// Lets everybody touch what is created, as it is without a login.
    #[must_use]
    pub fn open_to_everybody(mut self) -> Self {
        self.access = Some(Access::Everybody);
        self
    }

    /// Uses TLS. Reads the files once, to find out now whether they can be used; sessions read them again when they are opened.
    ///
    /// # Errors
    /// `InvalidInput` without authorities, for a certificate without its key or a key without its certificate, and for a file that cannot be used.
    pub fn tls(mut self, tls: ZkTls) -> Result<Self, Error> {
        tls.load()?;
        self.tls = Some(tls);
        Ok(self)
    }

    fn check_access(&self) -> Result<(), Error> {
        let is_nobody =
            matches!(self.login, Login::Nobody) && self.tls.as_ref().is_none_or(|tls| tls.key.is_none());
        if self.access == Some(Access::Creator) && is_nobody {
            return Err(invalid("acl=creator needs a user, or a certificate"));
        }
        Ok(())
    }

    /// What connections are made with; reads the files of TLS.
    pub(crate) fn settings(&self) -> Result<Settings, Error> {
        let default = if matches!(self.login, Login::Nobody) { Access::Everybody } else { Access::Creator };
        Ok(Settings {
            servers: self.servers.join(","),
            tls: self.tls.as_ref().map(ZkTls::load).transpose()?,
            login: self.login.clone(),
            access: self.access.unwrap_or(default),
            silence: self.timeout,
        })
    }
}

impl fmt::Debug for ZkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZkConfig")
            .field("servers", &self.servers)
            .field("chroot", &self.chroot)
            .field("timeout", &self.timeout)
            .field("login", &self.login)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

fn invalid(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, "configure ZooKeeper").because(reason)
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
        Error::new(ErrorKind::InvalidInput, "configure ZooKeeper")
            .on(format_args!("option {key}"))
            .because("a time is a number with ms, s or m behind it, such as 500ms")
    })
}

#[cfg(test)]
#[path = "config_test.rs"]
mod tests;
