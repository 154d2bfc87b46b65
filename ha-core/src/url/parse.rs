//! From text to [`StoreUrl`].
//!
//! A reason shows nothing of the text: with an unescaped `/` or `?` in it, or without the host behind it, a password ends up
//! where a host, a port, a path or an option is expected.

use percent_encoding::percent_decode_str;

use super::scheme::{Authority, Credentials, PathKind, Rule};
use super::{Host, Scheme, Secret, StoreUrl};
use crate::error::{Error, ErrorKind};
use crate::names::Name;

const OPERATION: &str = "parse the store url";
/// What Linux takes as the path of a socket.
const SOCKET_PATH_BYTES: usize = 107;

pub(super) fn store_url(text: &str) -> Result<StoreUrl, Error> {
    check_text(text).map_err(|reason| {
        Error::new(ErrorKind::InvalidInput, OPERATION).because(format_args!("{reason}; {}", known_schemes()))
    })?;
    let (scheme, rest) = split_scheme(text)?;
    behind_scheme(scheme, rest).map_err(|reason| {
        Error::new(ErrorKind::InvalidInput, OPERATION)
            .on(format_args!("of the scheme {scheme}"))
            .because(format_args!("{reason}; write it like {}", scheme.rule().example))
    })
}

fn check_text(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > StoreUrl::MAX_BYTES {
        return Err("it is longer than 8 KiB");
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("it contains a space, a line break or a control character; a space is written %20");
    }
    Ok(())
}

/// Splits at the colon. What is there instead of a scheme is shown only if it can be neither a user name nor a password.
fn split_scheme(text: &str) -> Result<(Scheme, &str), Error> {
    let error = Error::new(ErrorKind::InvalidInput, OPERATION);
    let Some((word, rest)) = text.split_once(':') else {
        return Err(error.because(format_args!("it has no scheme; {}", known_schemes())));
    };
    if let Some(scheme) = Scheme::ALL.into_iter().find(|scheme| scheme.as_str().eq_ignore_ascii_case(word)) {
        return Ok((scheme, rest));
    }
    let is_word = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if is_word && !word.is_empty() && rest.starts_with("//") && !rest.contains('@') {
        let error = error.on(format_args!("of the unknown scheme {word:.40}"));
        return Err(error.because(known_schemes()));
    }
    Err(error.because(format_args!("it begins with no known scheme; {}", known_schemes())))
}

fn known_schemes() -> String {
    let examples = [Scheme::Memory, Scheme::Etcd].map(|scheme| scheme.rule().example);
    format!(
        "the schemes are {}; write it like {}",
        Scheme::ALL.map(Scheme::as_str).join(", "),
        examples.join(" or ")
    )
}

fn behind_scheme(scheme: Scheme, rest: &str) -> Result<StoreUrl, String> {
    let rule = scheme.rule();
    if rest.contains('#') {
        return Err("it contains a `#`, which has no meaning here; in a password it is written %23".into());
    }
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = split_authority(rule, place)?;
    if path.contains('@') || query.is_some_and(|query| query.contains('@')) {
        return Err("it contains an `@` behind the hosts; in a password `/` is written %2F and `?` %3F, \
             and elsewhere `@` is written %40"
            .into());
    }
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (Some(credentials), hosts),
        None => (None, authority),
    };
    let (user, password) = parse_credentials(rule, credentials)?;
    Ok(StoreUrl {
        scheme,
        user,
        password,
        hosts: parse_hosts(rule, hosts)?,
        path: parse_path(rule, path)?,
        options: query.map_or_else(|| Ok(Vec::new()), parse_options)?,
    })
}

/// Splits into what stands between `//` and the path, and the path with its slash.
fn split_authority<'a>(rule: &Rule, place: &'a str) -> Result<(&'a str, &'a str), String> {
    if rule.authority == Authority::Absent {
        if place.starts_with('/') {
            return Err("a name does not begin with `/`".into());
        }
        return Ok(("", place));
    }
    let place = place.strip_prefix("//").ok_or_else(|| format!("`{}:` is followed by `//`", rule.name))?;
    Ok(place.split_at(place.find('/').unwrap_or(place.len())))
}

fn parse_credentials(
    rule: &Rule,
    credentials: Option<&str>,
) -> Result<(Option<String>, Option<Secret>), String> {
    let Some(credentials) = credentials else { return Ok((None, None)) };
    if rule.credentials == Credentials::Never {
        return Err("it takes neither a user nor a password".into());
    }
    if credentials.contains('@') {
        return Err("it contains more than one `@`; in a user name or password `@` is written %40".into());
    }
    let (user, password) = match credentials.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (credentials, None),
    };
    if password == Some("") {
        return Err("the password is empty; leave out its colon if there is none".into());
    }
    if user.is_empty() && password.is_none() {
        return Err("there is nothing in front of the `@`; leave it out if there is no user".into());
    }
    if user.is_empty() && rule.credentials == Credentials::User {
        return Err("there is a password and no user".into());
    }
    let user = (!user.is_empty()).then(|| decode("the user name", user)).transpose()?;
    let password = password.map(|password| decode("the password", password)).transpose()?;
    Ok((user, password.map(Secret::new)))
}

fn parse_hosts(rule: &Rule, text: &str) -> Result<Vec<Host>, String> {
    match rule.authority {
        Authority::Absent => return Ok(Vec::new()),
        Authority::Empty if text.is_empty() => return Ok(Vec::new()),
        Authority::Empty => return Err("it takes no host; an absolute path has three slashes".into()),
        Authority::One if text.contains(',') => {
            return Err("it takes one host; several servers are redis+sentinel:// or redis+cluster://".into());
        }
        Authority::One | Authority::Many => {}
    }
    if text.is_empty() {
        return Err("there is no host".into());
    }
    let mut hosts: Vec<Host> = Vec::new();
    for (at, part) in text.split(',').enumerate() {
        let host = Host::parse(part).map_err(|reason| format!("host {} {reason}", at + 1))?;
        if let Some(first) = hosts.iter().position(|known| known.is_same(&host, rule.port)) {
            return Err(format!("host {} is host {} again", at + 1, first + 1));
        }
        hosts.push(host);
    }
    Ok(hosts)
}

fn parse_path(rule: &Rule, text: &str) -> Result<String, String> {
    let path = decode("the path", text)?;
    if path.contains(char::is_control) {
        return Err("the path contains a control character".into());
    }
    let inner = path.strip_prefix('/').unwrap_or(&path);
    match rule.path {
        PathKind::Nothing if inner.is_empty() => Ok(String::new()),
        PathKind::Nothing => Err("nothing stands behind the hosts but options".into()),
        PathKind::Name if path.len() > Name::MAX_BYTES => {
            Err(format!("a name has at most {} bytes", Name::MAX_BYTES))
        }
        PathKind::Name => Ok(path),
        PathKind::File | PathKind::Socket if inner.is_empty() || inner.ends_with('/') => {
            Err("it takes the absolute path of a file, with three slashes".into())
        }
        PathKind::Socket if path.len() > SOCKET_PATH_BYTES => {
            Err(format!("the path of a socket has at most {SOCKET_PATH_BYTES} bytes"))
        }
        PathKind::File | PathKind::Socket => Ok(path),
        PathKind::Chroot => chroot(inner),
        PathKind::Database => database(inner),
        PathKind::Master => master(inner),
    }
}

/// What ZooKeeper accepts as a path.
fn chroot(inner: &str) -> Result<String, String> {
    if inner.is_empty() {
        return Ok(String::new());
    }
    if inner.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("the chroot has an empty, `.` or `..` segment, or ends in a slash".into());
    }
    if inner.split('/').next() == Some("zookeeper") {
        return Err("the chroot is below /zookeeper, which the server keeps for itself".into());
    }
    if inner.contains(|c| matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}')) {
        return Err("the chroot has a character that ZooKeeper refuses".into());
    }
    Ok(format!("/{inner}"))
}

fn master(inner: &str) -> Result<String, String> {
    if inner.is_empty() {
        return Err("the name of the master is missing behind the hosts".into());
    }
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !inner.bytes().all(known) {
        return Err("the name of a master consists of letters, digits, `-`, `.` and `_`".into());
    }
    Ok(inner.to_owned())
}

fn database(inner: &str) -> Result<String, String> {
    if inner.is_empty() {
        return Ok(String::new());
    }
    let digits = inner.bytes().all(|byte| byte.is_ascii_digit());
    let number: Option<u16> = if digits { inner.parse().ok() } else { None };
    number.map(|number| number.to_string()).ok_or_else(|| {
        "behind the host stands the number of a database; in a password `/` is written %2F".into()
    })
}

fn parse_options(query: &str) -> Result<Vec<(String, String)>, String> {
    let mut options: Vec<(String, String)> = Vec::new();
    for (at, option) in query.split('&').enumerate() {
        let at = at + 1;
        let (key, value) =
            option.split_once('=').ok_or_else(|| format!("option {at} is not written key=value"))?;
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        if key.is_empty() || !key.bytes().all(known) {
            return Err(format!("the key of option {at} does not consist of a-z, 0-9, `-`, `_` and `.`"));
        }
        if value.is_empty() {
            return Err(format!("option {at} has no value"));
        }
        if options.iter().any(|(first, _)| first == key) {
            return Err(format!("option {at} is there a second time"));
        }
        if matches!(key, "password" | "user" | "username") {
            return Err(format!("option {at} is a credential, which stands in front of the hosts"));
        }
        options.push((key.to_owned(), decode(&format!("the value of option {at}"), value)?));
    }
    Ok(options)
}

fn decode(what: &str, text: &str) -> Result<String, String> {
    let escapes = text.split('%').skip(1);
    let hex = |escape: &str| escape.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !escapes.into_iter().all(hex) {
        return Err(format!("{what} has a `%` without two hexadecimal digits; a `%` is written %25"));
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_bytes) => Err(format!("{what} is not UTF-8 once it is decoded")),
    }
}
