//! Where a local store is, and how it is used.

use std::path::PathBuf;
use std::time::Duration;

use ha_core::{Error, ErrorKind, StoreUrl};

/// How long a request waits for the file when it is not said.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What a process needs to know about a local store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a configuration does nothing until a backend is built from it"]
pub struct LocalConfig {
    pub(crate) path: PathBuf,
    pub(crate) timeout: Duration,
    pub(crate) durability: Durability,
}

/// What a loss of power may take back. Killed processes take nothing back, whatever is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// The last commits before a loss of power can be forgotten. No token is given twice for it. The default: coordination is about the
    /// processes that run, and none of them survives.
    #[default]
    Normal,
    /// No commit is forgotten, and each costs a write to the disk. For those who keep data in the [store](ha_core::store).
    Full,
}

impl LocalConfig {
    /// The store in the file `path`, which is created when it is first used. Beside it appear files whose names begin in the same way.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), timeout: TIMEOUT, durability: Durability::Normal }
    }

    /// What a `local:` URL says, such as `local:///var/lib/platform/ha.db?timeout=500ms&synchronous=full`.
    ///
    /// # Errors
    /// `InvalidInput` for another scheme, an unknown option, or a value that makes no sense.
    pub fn from_url(url: &StoreUrl) -> Result<Self, Error> {
        if url.scheme() != ha_core::Scheme::Local {
            return Err(invalid("a local store has a url such as local:///var/lib/ha.db").on(url));
        }
        url.reject_unknown(&["timeout", "synchronous"])?;
        let mut config = Self::new(url.path());
        if let Some(text) = url.option("timeout") {
            config = config.timeout(duration(text).ok_or_else(|| {
                invalid("a timeout is a number with ms or s behind it, such as 500ms").on(url)
            })?)?;
        }
        match url.option("synchronous") {
            None | Some("normal") => {}
            Some("full") => config = config.durability(Durability::Full),
            Some(_) => return Err(invalid("synchronous is normal or full").on(url)),
        }
        Ok(config)
    }

    /// How long a request may wait for a process that is in the middle of a transaction.
    ///
    /// # Errors
    /// `InvalidInput` below 10 ms or above 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Result<Self, Error> {
        if timeout < Duration::from_millis(10) || timeout > Duration::from_secs(60) {
            return Err(invalid("the timeout of a request is between 10ms and 60s"));
        }
        self.timeout = timeout;
        Ok(self)
    }

    /// What a loss of power may take back. All processes that use the file should say the same.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }
}

fn invalid(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, "configure a local store").because(reason)
}

fn duration(text: &str) -> Option<Duration> {
    let (digits, millis) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 1),
        None => (text.strip_suffix('s')?, 1_000),
    };
    digits.parse::<u64>().ok()?.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::{Durability, LocalConfig};
    use ha_core::{Error, ErrorKind, StoreUrl};
    use std::path::Path;
    use std::time::Duration;

    fn parse(url: &str) -> Result<LocalConfig, Error> {
        LocalConfig::from_url(&StoreUrl::parse(url).unwrap())
    }

    #[test]
    fn a_url_says_where_and_how() {
        let config = parse("local:///var/lib/ha%20x.db?timeout=500ms&synchronous=full").unwrap();
        assert_eq!(config.path, Path::new("/var/lib/ha x.db"));
        assert_eq!((config.timeout, config.durability), (Duration::from_millis(500), Durability::Full));
        assert_eq!(parse("local:///ha.db").unwrap(), LocalConfig::new("/ha.db"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for url in [
            "memory:",
            "local:///ha.db?timout=1s",
            "local:///ha.db?timeout=5",
            "local:///ha.db?timeout=1ms",
            "local:///ha.db?timeout=99999999999999999999s",
            "local:///ha.db?synchronous=off",
        ] {
            assert_eq!(parse(url).unwrap_err().kind(), ErrorKind::InvalidInput, "{url}");
        }
    }
}
