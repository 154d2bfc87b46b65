//! How a namespace is kept on the server.
//!
//! Eight keys with one hash tag, none with a time to live, so that every script declares the same keys and a policy of evicting what expires cannot touch
//! them. For the namespace `st2` below the prefix `ha`:
//!
//! ```text
//! ha:{st2}:meta       hash    format, revision, generation, grace, lineage, run, ttl
//! ha:{st2}:deadlines  zset    session -> when it ends, in microseconds of the server's clock
//! ha:{st2}:sessions   hash    session -> epoch (16 digits), ttl (16 digits), node
//! ha:{st2}:entries    hash    key -> created (16 digits), modified (16 digits), owner (24 characters), value
//! ha:{st2}:names      zset    key, all scores 0: for listing by name
//! ha:{st2}:ages       zset    place, created, name, all scores 0: for listing by age
//! ha:{st2}:owned      zset    session, key, all scores 0: what vanishes with a session
//! ha:{st2}:log        stream  <revision>-0 -> p: the revision before, x: what changed
//! ```
//!
//! The *key* of an entry is its place and its name. The *place* is the collection: the number of its segments, then each with a byte of length. No two places
//! meet, and none is the beginning of another. Keys that begin with a zero byte are slots: what a session did last, in case nobody heard.

use ha_core::spi::{Collection, Key, Name};

/// What this release writes and reads.
pub(crate) const FORMAT: &str = "1";

/// What stands in the place of an owner in a persistent entry. No session is called so.
pub(crate) const NOBODY: &[u8] = b"------------------------";

/// How long the id of a session is.
pub(crate) const SESSION_BYTES: usize = 24;

const PARTS: [&str; 8] = ["meta", "deadlines", "sessions", "entries", "names", "ages", "owned", "log"];

/// The keys of a namespace, in the order in which scripts know them.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    keys: [String; PARTS.len()],
}

impl Layout {
    /// The keys of `namespace` below `prefix`.
    pub(crate) fn new(prefix: &str, namespace: &Name) -> Self {
        let namespace = escape(namespace.as_str());
        Self { keys: PARTS.map(|part| format!("{prefix}:{{{namespace}}}:{part}")) }
    }

    /// All keys.
    pub(crate) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The stream of changes.
    pub(crate) fn log(&self) -> &str {
        &self.keys[PARTS.len() - 1]
    }
}

/// Where the entries of a collection are.
pub(crate) fn place(collection: &Collection) -> Vec<u8> {
    let segments = collection.segments();
    let mut bytes =
        Vec::with_capacity(1 + segments.iter().map(|name| name.as_str().len() + 1).sum::<usize>());
    // A collection has at most 4 segments of at most 200 bytes.
    bytes.push(u8::try_from(segments.len()).unwrap_or(u8::MAX));
    for segment in segments {
        bytes.push(u8::try_from(segment.as_str().len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(segment.as_str().as_bytes());
    }
    bytes
}

/// Where one entry is.
pub(crate) fn entry(key: &Key) -> Vec<u8> {
    let mut bytes = place(key.collection());
    bytes.extend_from_slice(key.name().as_str().as_bytes());
    bytes
}

/// How many bytes of `key` are its place; `None` if it is no key of an entry.
pub(crate) fn place_bytes(key: &[u8]) -> Option<usize> {
    let mut at = 1;
    for _ in 0..*key.first().filter(|segments| **segments > 0)? {
        at += 1 + usize::from(*key.get(at)?);
    }
    (at < key.len()).then_some(at)
}

/// A revision, or a time in microseconds, as scripts know it: texts of one length compare like the numbers.
pub(crate) fn digits(number: u64) -> String {
    // Numbers of a script are exact up to 2^53, which has 16 digits.
    format!("{:016}", number.min(9_999_999_999_999_999))
}

/// Letters, digits and `-_.` as they are, everything else as `%xx`: no brace of a name ends the hash tag.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02x}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{Layout, digits, entry, place, place_bytes};
    use ha_core::spi::{Collection, Name};

    fn collection(segments: &[&str]) -> Collection {
        Collection::parse(segments).unwrap()
    }

    #[test]
    fn all_keys_of_a_namespace_have_one_hash_tag_whatever_its_name() {
        let layout = Layout::new("ha", &Name::parse("a}{b%ä").unwrap());
        for key in layout.keys() {
            assert!(key.starts_with("ha:{a%7d%7bb%25%c3%a4}:"), "{key}");
        }
        assert_eq!(layout.log(), "ha:{a%7d%7bb%25%c3%a4}:log");
    }

    #[test]
    fn no_place_is_the_beginning_of_another_one() {
        let longest = "y".repeat(Name::MAX_BYTES);
        let places = [
            place(&collection(&["b"])),
            place(&collection(&["b", "c"])),
            place(&collection(&["bc"])),
            place(&collection(&["b\u{1}c"])),
            place(&collection(&[&longest, &longest, &longest, &longest])),
        ];
        for one in &places {
            assert_eq!(places.iter().filter(|other| other.starts_with(one)).count(), 1, "{one:?}");
        }
    }

    #[test]
    fn a_key_is_taken_apart_again() {
        let collection = collection(&["lock", "deploy"]);
        let key = entry(&collection.key(Name::parse("a\0b").unwrap()));
        assert_eq!(place_bytes(&key), Some(place(&collection).len()));
        for broken in [&b""[..], b"\0slot", b"\x01\x05ab", b"\x01\x01a"] {
            assert_eq!(place_bytes(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn revisions_compare_like_their_texts() {
        assert_eq!(digits(7), "0000000000000007");
        assert!(digits(u64::MAX) > digits(1_867_542_298_624_001));
        assert_eq!(digits(u64::MAX).len(), 16);
    }
}
