//! Where things live in ZooKeeper.
//!
//! ```text
//! <chroot>/<namespace>/s/<session>                     the marker of a session, ephemeral
//! <chroot>/<namespace>/h/<node>                        what the proofs of life of a node write to
//! <chroot>/<namespace>/o/<session>.<slot>              the latest operation of a slot, ephemeral
//! <chroot>/<namespace>/i/<operation>.<number>          the companion of an entry whose name can be used again
//! <chroot>/<namespace>/e/<segment>.<segment>/<name>    an entry, ephemeral if a session owns it
//! ```
//!
//! The namespace, segments and names are escaped: what is no ASCII letter or digit, `_` or `-` becomes `%xx`, byte by byte. So none of them contains a dot
//! or a slash, and the segments of a collection can stand in one name with dots between. An ephemeral node has no children, so a
//! collection cannot lie below another one.

use ha_core::spi::{Collection, Key, Name};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All that might mean something to the server, or not be printed by its tools.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// The paths of one namespace.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: String,
}

impl Layout {
    /// The paths of `namespace` below `chroot`, which is empty or begins with a slash.
    pub(crate) fn new(chroot: &str, namespace: &Name) -> Self {
        Self { root: format!("{chroot}/{}", utf8_percent_encode(namespace.as_str(), ESCAPED)) }
    }

    /// The root and what stands directly below it, with everything above, the outermost first.
    pub(crate) fn skeleton(&self) -> Vec<String> {
        let ends = self.root.char_indices().filter(|(at, c)| *c == '/' && *at > 0).map(|(at, _)| at);
        let above = ends.map(|end| self.root[..end].to_owned());
        let below = ["s", "h", "o", "i", "e"].map(|part| format!("{}/{part}", self.root));
        above.chain([self.root.clone()]).chain(below).collect()
    }

    /// What the proofs of life of a node write to.
    pub(crate) fn history(&self, node: &Name) -> String {
        below(&format!("{}/h", self.root), node)
    }

    /// The marker of a session.
    pub(crate) fn marker(&self, session: &str) -> String {
        format!("{}/s/{session}", self.root)
    }

    /// A slot for what an operation leaves.
    pub(crate) fn slot(&self, session: &str, slot: u32) -> String {
        format!("{}/o/{session}.{slot}", self.root)
    }

    /// A companion, by its own name.
    pub(crate) fn companion(&self, name: &str) -> String {
        format!("{}/i/{name}", self.root)
    }

    /// A collection.
    pub(crate) fn collection(&self, collection: &Collection) -> String {
        let mut path = format!("{}/e/", self.root);
        for (at, segment) in collection.segments().iter().enumerate() {
            if at > 0 {
                path.push('.');
            }
            path.extend(utf8_percent_encode(segment.as_str(), ESCAPED));
        }
        path
    }

    /// An entry.
    pub(crate) fn entry(&self, key: &Key) -> String {
        below(&self.collection(key.collection()), key.name())
    }
}

/// The entry `name` of the collection at this path.
pub(crate) fn below(collection: &str, name: &Name) -> String {
    let mut path = format!("{collection}/");
    path.extend(utf8_percent_encode(name.as_str(), ESCAPED));
    path
}

/// The name of an entry from that of its node. What is no name was put there by somebody else.
pub(crate) fn name(node: &str) -> Option<Name> {
    let name = Name::parse(&percent_decode_str(node).decode_utf8().ok()?).ok()?;
    // One entry has one node: what we would write in another way is not ours.
    let mut rest = node;
    for part in utf8_percent_encode(name.as_str(), ESCAPED) {
        rest = rest.strip_prefix(part)?;
    }
    rest.is_empty().then_some(name)
}

#[cfg(test)]
mod tests {
    use super::{Layout, name};
    use ha_core::spi::{Collection, Name};
    use std::collections::BTreeSet;

    const AWKWARD: &[&str] = &[
        "a",
        "A",
        "a/",
        "/",
        "a.b",
        ".",
        "..",
        "%",
        "%2F",
        "\0",
        "\u{1f}",
        "\u{7f}",
        "\u{d7ff}",
        "\u{f8ff}",
        "\u{fff0}",
        "\u{10ffff}",
        "zookeeper",
        " ",
        "-",
        "_",
        "e",
    ];

    fn parsed(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn different_keys_have_different_paths_and_names_come_back() {
        let layout = Layout::new("/platform", &parsed("a/b"));
        let mut paths = BTreeSet::new();
        for first in AWKWARD {
            for segments in [vec![*first], vec!["a", *first], vec![*first, "a"]] {
                let collection = Collection::parse(&segments).unwrap();
                for text in AWKWARD {
                    let path = layout.entry(&collection.key(parsed(text)));
                    let node = path.rsplit('/').next().unwrap();
                    assert_eq!(name(node).unwrap().as_str(), *text);
                    assert!(
                        path.starts_with("/platform/a%2Fb/e/") && path.matches('/').count() == 5,
                        "{path}"
                    );
                    // Two of the three ways to name a collection are the same for "a".
                    assert!(paths.insert(path) || *first == "a");
                }
            }
        }
    }

    #[test]
    fn what_is_written_in_another_way_is_no_name() {
        for node in ["", "a b", "%61", "%2f", "%", "%zz", "%FF", "ü"] {
            assert_eq!(name(node), None, "{node}");
        }
    }

    #[test]
    fn the_skeleton_begins_at_the_top() {
        let skeleton = Layout::new("/a/b", &parsed("ns")).skeleton();
        assert_eq!(
            skeleton,
            ["/a", "/a/b", "/a/b/ns", "/a/b/ns/s", "/a/b/ns/h", "/a/b/ns/o", "/a/b/ns/i", "/a/b/ns/e"]
        );
        assert_eq!(Layout::new("", &parsed("ns")).skeleton()[..2], ["/ns", "/ns/s"]);
    }
}
