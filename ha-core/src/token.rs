//! Fencing tokens and times to live.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// A fencing token: strictly larger than that of any earlier holder of the same thing.
///
/// Hand it to the resource that the grant protects; the resource refuses a request whose token is smaller than the
/// largest that it has seen. A token is the revision of the commit that made the grant, plus the base of the namespace,
/// which an operator raises after restoring a backup. It is comparable within one namespace of one store only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(u64);

impl Token {
    pub(crate) fn new(value: u64) -> Self {
        Self(value)
    }

    /// The token as a number, for a column or a header.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl From<u64> for Token {
    /// A token as a resource reads it back, from a column or a header. That a number is a token of the right thing nobody can check.
    fn from(value: u64) -> Self {
        Self(value)
    }
}

impl FromStr for Token {
    type Err = Error;

    /// Reads a token as it is displayed: a decimal number without sign or blanks.
    fn from_str(text: &str) -> Result<Self, Error> {
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_plain).map(Self).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "read token")
                .on(format_args!("{text:.40?}"))
                .because(format_args!("a token is a number from 0 to {}", u64::MAX))
        })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How long a session outlives the last proof of life of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ttl(Duration);

impl Ttl {
    /// The shortest ttl that any backend takes. Each backend states its own minimum in its capabilities.
    pub const MIN: Duration = Duration::from_millis(20);
    /// The longest ttl. A crashed holder blocks others for this long, so that a larger one is surely a mistake.
    pub const MAX: Duration = Duration::from_secs(24 * 60 * 60);
    /// The default: long enough for a server to elect a new leader meanwhile, short enough to wait for.
    pub const DEFAULT: Self = Self(Duration::from_secs(10));

    /// Parses a ttl.
    ///
    /// # Errors
    /// `InvalidInput` below [`Ttl::MIN`] (zero included) or above [`Ttl::MAX`].
    pub fn parse(ttl: Duration) -> Result<Self, Error> {
        if ttl < Self::MIN || ttl > Self::MAX {
            return Err(Error::new(ErrorKind::InvalidInput, "set ttl")
                .on(format_args!("{ttl:?}"))
                .because(format_args!("a ttl is between {:?} and {:?}", Self::MIN, Self::MAX)));
        }
        Ok(Self(ttl))
    }

    /// The ttl as a duration.
    #[must_use]
    pub fn as_duration(self) -> Duration {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Token, Ttl};
    use std::time::Duration;

    #[test]
    fn a_token_is_read_as_it_is_shown_and_nothing_else_is() {
        for token in [0, 7, u64::MAX].map(Token::from) {
            assert_eq!(token.to_string().parse::<Token>().unwrap(), token);
        }
        for text in ["", "-1", "+1", " 1", "1 ", "0x1", "1.0", "18446744073709551616", "one", "١"] {
            assert!(text.parse::<Token>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn zero_and_huge_ttls_are_refused() {
        for ttl in
            [Duration::ZERO, Duration::from_nanos(1), Duration::MAX, Ttl::MAX + Duration::from_nanos(1)]
        {
            assert!(Ttl::parse(ttl).is_err(), "{ttl:?}");
        }
        assert_eq!(Ttl::parse(Ttl::MIN).unwrap().as_duration(), Ttl::MIN);
    }
}
