//! Where things live in etcd.
//!
//! ```text
//! <prefix>/<namespace>/s/<session>                    the record of a session, leased
//! <prefix>/<namespace>/o/<session>/<slot>             the latest operation of a slot, leased
//! <prefix>/<namespace>/e/<segment>/.../<segment>//<name>   an entry, leased if a session owns it
//! ```
//!
//! Namespace and segments are escaped, so that none contains a slash or is empty. So `//` ends a collection, no
//! collection's range contains the entries of another one, and the name behind it can stand as it is: byte by byte,
//! in the order of names.

use ha_core::spi::{Collection, Key, Name};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::client::KeyRange;

/// What would end a segment, and what writes it otherwise.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'/').add(b'%');

/// The keys of one namespace.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: String,
}

impl Layout {
    /// The keys of `namespace` below `prefix`.
    pub(crate) fn new(prefix: &str, namespace: &Name) -> Self {
        Self { root: format!("{prefix}/{}", utf8_percent_encode(namespace.as_str(), ESCAPED)) }
    }

    /// The record of a session.
    pub(crate) fn session(&self, session: &str) -> Vec<u8> {
        format!("{}/s/{session}", self.root).into_bytes()
    }

    /// A slot for operations that leave no other trace.
    pub(crate) fn slot(&self, session: &str, slot: u32) -> Vec<u8> {
        format!("{}/o/{session}/{slot}", self.root).into_bytes()
    }

    /// An entry.
    pub(crate) fn entry(&self, key: &Key) -> Vec<u8> {
        let mut bytes = self.collection(key.collection());
        bytes.extend_from_slice(key.name().as_str().as_bytes());
        bytes
    }

    /// The entries of a collection: all of them, or those behind `after`.
    pub(crate) fn entries(&self, collection: &Collection, after: Option<&Name>) -> KeyRange {
        let mut range = with_prefix(self.collection(collection));
        if let Some(after) = after {
            range.key.extend_from_slice(after.as_str().as_bytes());
            range.key.push(0);
        }
        range
    }

    /// The name of an entry of `collection`, from its key. What is no name was put there by somebody else.
    pub(crate) fn name(&self, collection: &Collection, key: &[u8]) -> Option<Name> {
        // Asked for each entry of each answer, so that the prefix is compared and not built.
        let mut rest = key.strip_prefix(self.root.as_bytes())?.strip_prefix(b"/e")?;
        for segment in collection.segments() {
            rest = rest.strip_prefix(b"/")?;
            for part in utf8_percent_encode(segment.as_str(), ESCAPED) {
                rest = rest.strip_prefix(part.as_bytes())?;
            }
        }
        Name::parse(std::str::from_utf8(rest.strip_prefix(b"//")?).ok()?).ok()
    }

    fn collection(&self, collection: &Collection) -> Vec<u8> {
        let mut key = format!("{}/e", self.root);
        for segment in collection.segments() {
            key.push('/');
            key.extend(utf8_percent_encode(segment.as_str(), ESCAPED));
        }
        key.push_str("//");
        key.into_bytes()
    }
}

/// All keys that begin with `prefix`, which ends in a slash.
fn with_prefix(prefix: Vec<u8>) -> KeyRange {
    let mut end = prefix.clone();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    KeyRange { key: prefix, end }
}

#[cfg(test)]
mod tests {
    use super::Layout;
    use ha_core::spi::{Collection, Name};

    fn layout(namespace: &str) -> Layout {
        Layout::new("/ha", &Name::parse(namespace).unwrap())
    }

    fn contains(range: &crate::client::KeyRange, key: &[u8]) -> bool {
        range.key.as_slice() <= key && key < range.end.as_slice()
    }

    const AWKWARD: &[&str] = &[
        "a",
        "a/",
        "/a",
        "/",
        "//",
        "a/b",
        "a//b",
        "%",
        "%2F",
        "\0",
        "a\0",
        "..",
        "\u{10ffff}",
        "0",
        "e",
        " ",
    ];

    #[test]
    fn a_collection_contains_its_own_entries_and_no_others() {
        let layout = layout("ns");
        let mut collections = Vec::new();
        for first in AWKWARD {
            collections.push(Collection::parse(&[first]).unwrap());
            collections.extend(AWKWARD.iter().map(|second| Collection::parse(&[first, second]).unwrap()));
        }
        for collection in &collections {
            let range = layout.entries(collection, None);
            for other in &collections {
                for name in AWKWARD {
                    let key = layout.entry(&other.key(Name::parse(name).unwrap()));
                    assert_eq!(
                        contains(&range, &key),
                        collection == other,
                        "{collection:?} {other:?} {name:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn names_come_back_and_keep_their_order() {
        let (layout, collection) = (layout("a/b"), Collection::parse(&["c"]).unwrap());
        let mut names: Vec<&str> = AWKWARD.to_vec();
        names.sort_unstable();
        let keys: Vec<Vec<u8>> =
            names.iter().map(|name| layout.entry(&collection.key(Name::parse(name).unwrap()))).collect();
        assert!(keys.is_sorted());
        for (name, key) in names.iter().zip(&keys) {
            assert_eq!(layout.name(&collection, key).unwrap().as_str(), *name);
            let behind = layout.entries(&collection, Some(&Name::parse(name).unwrap()));
            let shown = keys.iter().filter(|key| contains(&behind, key)).count();
            assert_eq!(shown, keys.iter().filter(|other| *other > key).count(), "behind {name:?}");
        }
    }

    #[test]
    fn what_is_no_name_is_none() {
        let (layout, collection) = (layout("ns"), Collection::parse(&["c"]).unwrap());
        for key in [&b"/ha/ns/e/c//"[..], b"/ha/ns/e/c//\xff", b"/ha/ns/e/d//a"] {
            assert_eq!(layout.name(&collection, key), None);
        }
    }
}
