//! One host of a URL.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A host, with the port if the URL names one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    /// The longest name that the domain name system has.
    const MAX_BYTES: usize = 253;

    /// Parses `name`, `name:port` or `[ipv6]:port`. An error is a reason that shows nothing of the text.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(bracketed) = text.strip_prefix('[') {
            let (address, rest) = bracketed.split_once(']').ok_or("has a `[` without a `]`")?;
            let address: Ipv6Addr =
                address.parse().map_err(|_bad| "has something in brackets that is no IPv6 address")?;
            let port = match rest.strip_prefix(':') {
                Some(port) => Some(parse_port(port)?),
                None if rest.is_empty() => None,
                None => return Err("has something between the brackets and the port"),
            };
            return Ok(Self { name: address.to_string(), port });
        }
        if text.matches(':').count() > 1 {
            return Err("has more than one colon; an IPv6 address stands in brackets, such as [::1]:2379");
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(parse_port(port)?)),
            None => (text, None),
        };
        check_name(name)?;
        Ok(Self { name: name.to_owned(), port })
    }

    /// The name or address; an IPv6 address without its brackets.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, if the URL names one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether both name the same port of the same host, where no port means `default`.
    pub(super) fn is_same(&self, other: &Self, default: Option<u16>) -> bool {
        self.port.or(default) == other.port.or(default) && self.name.eq_ignore_ascii_case(&other.name)
    }
}

fn parse_port(text: &str) -> Result<u16, &'static str> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = if digits { text.parse().ok() } else { None };
    port.filter(|port| *port > 0).ok_or("has a port that is no number from 1 to 65535")
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("is empty");
    }
    if name.len() > Host::MAX_BYTES {
        return Err("is longer than any host name");
    }
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !name.bytes().all(known) {
        return Err("has a character that no host name has");
    }
    if name.trim_end_matches('.').split('.').any(str::is_empty) {
        return Err("has nothing between two dots, or in front of the first one");
    }
    let numeric = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if numeric && name.parse::<Ipv4Addr>().is_err() {
        return Err("looks like an IPv4 address and is none");
    }
    Ok(())
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]", self.name)?;
        } else {
            f.write_str(&self.name)?;
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}
