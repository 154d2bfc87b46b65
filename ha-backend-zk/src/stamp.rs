//! What a stamp of this backend says, and nodes as entries.

use bytes::{BufMut, Bytes, BytesMut};
use ha_core::spi::{Entry, Key, Revision, SessionId, Stamp};

use crate::client::Node;
use crate::value;

/// The detail of a stamp: the version of the node, its owner, and the companion of this incarnation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Detail {
    pub(crate) version: i32,
    pub(crate) owner: i64,
    /// Empty where there is none: the name is used once.
    pub(crate) companion: String,
}

/// How many bytes stand in front of the companion.
const HEAD: usize = 12;

impl Detail {
    /// The bytes of the detail. Reads and commits have to make the same ones.
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(HEAD + self.companion.len());
        bytes.put_i32(self.version);
        bytes.put_i64(self.owner);
        bytes.put_slice(self.companion.as_bytes());
        bytes.freeze()
    }

    /// The detail of a stamp that this backend made; of another one, that of a persistent entry that was never modified.
    pub(crate) fn of(stamp: &Stamp) -> Self {
        let bytes = stamp.detail();
        let (Some(version), Some(owner), Some(companion)) =
            (bytes.get(..4), bytes.get(4..HEAD), bytes.get(HEAD..))
        else {
            return Self::default();
        };
        Self {
            version: version.try_into().map_or(0, i32::from_be_bytes),
            owner: owner.try_into().map_or(0, i64::from_be_bytes),
            companion: String::from_utf8_lossy(companion).into_owned(),
        }
    }
}

/// The text of a session.
pub(crate) fn session_text(session: i64) -> String {
    format!("{session:016x}")
}

/// The session that a text names.
pub(crate) fn session_of(id: &SessionId) -> Option<i64> {
    u64::from_str_radix(id.as_str(), 16).ok().map(u64::cast_signed)
}

/// The entry at `key`, as read.
pub(crate) fn entry(key: Key, node: &Node) -> Entry {
    let stored = value::open(&node.data);
    let stat = node.stat;
    let detail = Detail { version: stat.version, owner: stat.owner, companion: stored.companion };
    let stamp = Stamp::new(key, Revision::new(stat.created), Revision::new(stat.modified), detail.encode());
    let owner = if stat.owner == 0 { None } else { SessionId::parse(&session_text(stat.owner)).ok() };
    Entry::new(stamp, stored.value, owner)
}

#[cfg(test)]
mod tests {
    use super::{Detail, session_of, session_text};
    use ha_core::spi::{Collection, Name, Revision, SessionId, Stamp};

    #[test]
    fn the_detail_of_a_stamp_comes_back() {
        let key = Collection::parse(&["c"]).unwrap().key(Name::parse("a").unwrap());
        for detail in [
            Detail { version: 7, owner: i64::MIN, companion: "1.2.3".to_owned() },
            Detail { version: i32::MAX, owner: 0, companion: String::new() },
        ] {
            let stamp = Stamp::new(key.clone(), Revision::new(1), Revision::new(1), detail.encode());
            assert_eq!(Detail::of(&stamp), detail);
        }
    }

    #[test]
    fn the_id_of_a_session_comes_back_also_of_a_server_with_a_high_number() {
        for session in [1, 0x0100_0000_0000_0001, i64::MIN + 5, -1] {
            let id = SessionId::parse(&session_text(session)).unwrap();
            assert_eq!((id.as_str().len(), session_of(&id)), (16, Some(session)));
        }
    }
}
