//! What stands in front of a value: whether its name can come again, and the companion that tells its incarnations apart then.
//!
//! One line of text, so that the tools of ZooKeeper show it and the value below it: `ha1 r 100037c1e0a0004.1a.0`.

use bytes::Bytes;

const UNIQUE: &[u8] = b"ha1 u\n";
const REUSABLE: &[u8] = b"ha1 r ";

/// A value with what this backend needs to know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The name of the companion; empty for an entry whose name is used once, and for one that was written by hand.
    pub(crate) companion: String,
    pub(crate) value: Bytes,
}

/// The bytes to store, with the name of the companion, or an empty one.
pub(crate) fn seal(companion: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(REUSABLE.len() + companion.len() + 1 + value.len());
    if companion.is_empty() {
        bytes.extend_from_slice(UNIQUE);
    } else {
        bytes.extend_from_slice(REUSABLE);
        bytes.extend_from_slice(companion.as_bytes());
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(value);
    bytes
}

/// What the stored bytes say. Bytes without a first line of ours are a value that somebody wrote by hand.
pub(crate) fn open(bytes: &Bytes) -> Stored {
    let by_hand = || Stored { companion: String::new(), value: bytes.clone() };
    if bytes.starts_with(UNIQUE) {
        return Stored { companion: String::new(), value: bytes.slice(UNIQUE.len()..) };
    }
    let Some(rest) = bytes.strip_prefix(REUSABLE) else { return by_hand() };
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return by_hand() };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'.';
    match std::str::from_utf8(&rest[..end]) {
        // It becomes a part of a path.
        Ok(companion) if !companion.is_empty() && companion.bytes().all(|byte| is_plain(&byte)) => {
            Stored { companion: companion.to_owned(), value: bytes.slice(REUSABLE.len() + end + 1..) }
        }
        _ => by_hand(),
    }
}

#[cfg(test)]
mod tests {
    use super::{open, seal};
    use bytes::Bytes;

    #[test]
    fn a_sealed_value_opens_as_it_was() {
        for value in [&b""[..], b"\n", b"ha1 r x\ny", b"ha1 u\n", b"\0\xff", b"{}"] {
            for companion in ["", "100037c1e0a0004.1a.0"] {
                let stored = open(&Bytes::from(seal(companion, value)));
                assert_eq!((stored.companion.as_str(), &stored.value[..]), (companion, value));
            }
        }
    }

    #[test]
    fn a_value_written_by_hand_is_the_value() {
        for value in [
            &b""[..],
            b"{}",
            b"ha1 r no end of line",
            b"ha1 r \n",
            b"ha1 r a/b\n",
            b"ha1 x s.1\n",
            b"ha1 r \xff\n",
        ] {
            let stored = open(&Bytes::from_static(value));
            assert_eq!((stored.companion.as_str(), &stored.value[..]), ("", value));
        }
    }
}
