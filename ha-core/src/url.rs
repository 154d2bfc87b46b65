//! The URL of a store, parsed: one parser for all schemes.

mod host;
mod parse;
mod scheme;

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::error::{Error, ErrorKind};

pub use host::Host;
use scheme::Credentials;
pub use scheme::Scheme;

/// What [`StoreUrl`] writes as `%xx`: whatever would mean something else when it is read again.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'?').add(b'@');
/// The same for a user name, which ends at a colon, and for a name that is no path.
const ESCAPED_USER: &AsciiSet = &ESCAPED.add(b'/').add(b':');

/// Where a store is, and what the URL says about how to use it.
///
/// | URL | [`path`](Self::path) |
/// |---|---|
/// | `memory:` `memory:name` | the name of the store in this process; empty: the default one |
/// | `local:///var/lib/ha.db` | the absolute path of the file |
/// | `etcd://h1:2379,h2:2379` `etcds://h1` | empty |
/// | `zk://h1:2181,h2/chroot` `zks://h1` | the chroot with its leading slash, or empty |
/// | `redis://h:6379/2` `rediss://h` | the number of the database, or empty |
/// | `redis+sentinel://h1:26379,h2/master` | the name of the master |
/// | `redis+cluster://h1:6379,h2` | empty |
/// | `redis+unix:///run/redis.sock` | the absolute path of the socket |
///
/// Credentials stand in front of the hosts (`etcd://user:password@h1,h2`), options behind everything else (`?key=value&key=value`). IPv6
/// addresses stand in brackets. Within a user name, password, path or value `%xx` stands for a byte of UTF-8; `@ # ? % &` and a
/// `/` that does not separate anything have to be written so. A `+` is a `+`.
///
/// # Guarantees
/// * What its scheme cannot use is refused when it is parsed: a backend finds nothing to check but the options that it knows.
/// * `Display` and `Debug`, and the errors of the parser, show neither the password nor the value of an option. An error shows nothing of
///   the text but its scheme and the keys of options, because in a malformed URL a password can stand anywhere.
///
/// ```
/// use ha_core::{Scheme, StoreUrl};
///
/// let url = StoreUrl::parse("redis+sentinel://app:s%40crt@10.0.0.1,[::1]:26380/main?db=2")?;
/// assert_eq!(url.scheme(), Scheme::RedisSentinel);
/// assert_eq!(url.hosts()[1].port(), Some(26380));
/// assert_eq!(url.path(), "main");
/// assert_eq!(url.option("db"), Some("2"));
/// assert_eq!(url.password().map(|password| password.expose()), Some("s@crt"));
/// assert_eq!(url.to_string(), "redis+sentinel://app:***@10.0.0.1,[::1]:26380/main?db=***");
/// # Ok::<_, ha_core::Error>(())
/// ```
#[derive(Clone)]
pub struct StoreUrl {
    scheme: Scheme,
    user: Option<String>,
    password: Option<Secret>,
    hosts: Vec<Host>,
    path: String,
    options: Vec<(String, String)>,
}

impl StoreUrl {
    /// The longest URL, in bytes.
    pub const MAX_BYTES: usize = 8 * 1024;

    /// Parses the URL of a store.
    ///
    /// # Errors
    /// `InvalidInput` for an unknown scheme, and for whatever the scheme cannot use. The message says what is wrong and shows a right example.
    pub fn parse(text: &str) -> Result<Self, Error> {
        parse::store_url(text)
    }

    /// What kind of store it is, and how it is reached.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The user to log in as.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password to log in with. Redis takes one without a user.
    #[must_use]
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// The same URL with a password that was kept elsewhere.
    ///
    /// # Errors
    /// `InvalidInput` for an empty password, for a URL that has one already, and where its scheme takes none, or none without a user.
    pub fn with_password(mut self, password: Secret) -> Result<Self, Error> {
        let refuse = |reason: &str| {
            Err(Error::new(ErrorKind::InvalidInput, "add a password to").on(&self).because(reason))
        };
        if password.expose().is_empty() {
            return refuse("it is empty; leave it out if there is none");
        }
        if self.password.is_some() {
            return refuse("the url has one already; keep it in one place");
        }
        match self.scheme.rule().credentials {
            Credentials::Never => return refuse("a store of this scheme takes none; leave it out"),
            Credentials::User if self.user.is_none() => {
                return refuse(
                    "the url names no user; write the user in front of the hosts, as in etcd://user@host",
                );
            }
            Credentials::User | Credentials::UserOrPassword => {}
        }
        self.password = Some(password);
        Ok(self)
    }

    /// The hosts, in the order of the URL, none of them twice; empty where the scheme has none.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// What stands behind the hosts, decoded; what it means depends on the scheme, see [`StoreUrl`].
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value of the option `key`, decoded; never empty.
    #[must_use]
    pub fn option(&self, key: &str) -> Option<&str> {
        self.options().find(|(found, _)| *found == key).map(|(_, value)| value)
    }

    /// The options in the order of the URL, no key twice. Their values may be secret.
    pub fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Refuses every option whose key is not among `known`. A backend calls it first: a misspelt option must not be ignored.
    ///
    /// # Errors
    /// `InvalidInput`, naming the unknown option and the known ones.
    pub fn reject_unknown(&self, known: &[&str]) -> Result<(), Error> {
        let Some((unknown, _)) = self.options().find(|(key, _)| !known.contains(key)) else {
            return Ok(());
        };
        let advice = match known {
            [] => format!("{}: takes no options; remove it", self.scheme),
            known => format!("the options of {}: are {}", self.scheme, known.join(", ")),
        };
        Err(Error::new(ErrorKind::InvalidInput, "use the store url")
            .on(self)
            .because(format_args!("unknown option \"{unknown:.40}\"; {advice}")))
    }
}

impl FromStr for StoreUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

/// The URL, with `***` for the password and for the values of options, and for a user without a password: a password whose colon
/// was forgotten stands there.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme)?;
        if self.scheme.has_authority() {
            f.write_str("//")?;
        }
        match (&self.user, &self.password) {
            (Some(user), Some(password)) => {
                write!(f, "{}:{password}@", utf8_percent_encode(user, ESCAPED_USER))?;
            }
            (None, Some(password)) => write!(f, ":{password}@")?,
            (Some(_), None) => f.write_str("***@")?,
            (None, None) => {}
        }
        for (at, host) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}", if at > 0 { "," } else { "" })?;
        }
        if !self.hosts.is_empty() && !self.path.is_empty() && !self.path.starts_with('/') {
            f.write_str("/")?;
        }
        // A name may begin with what would be taken for the start of a path.
        let escaped = if self.scheme.has_authority() { ESCAPED } else { ESCAPED_USER };
        write!(f, "{}", utf8_percent_encode(&self.path, escaped))?;
        for (at, (key, _)) in self.options.iter().enumerate() {
            write!(f, "{}{key}=***", if at > 0 { "&" } else { "?" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

/// A text that must not reach a log: `Display` and `Debug` show `***`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being shown.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the client that logs in with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
#[path = "url_test.rs"]
mod tests;
