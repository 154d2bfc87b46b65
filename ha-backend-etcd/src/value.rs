//! What stands in front of a value: who wrote it, and whether its name can come again.
//!
//! One line of text, so that `etcdctl get` shows it and the value below it: `ha1 u 694d8f2a01c3b5e7.1a`.

use bytes::Bytes;
use ha_core::spi::Naming;

const UNIQUE: &str = "ha1 u ";
const REUSABLE: &str = "ha1 r ";

/// A value with what this backend needs to know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The operation that wrote it; empty if it was written by hand.
    pub(crate) operation: String,
    pub(crate) naming: Naming,
    pub(crate) value: Bytes,
}

/// The bytes to store.
pub(crate) fn seal(naming: Naming, operation: &str, value: &[u8]) -> Vec<u8> {
    let mark = if naming == Naming::Unique { UNIQUE } else { REUSABLE };
    let mut bytes = Vec::with_capacity(mark.len() + operation.len() + 1 + value.len());
    bytes.extend_from_slice(mark.as_bytes());
    bytes.extend_from_slice(operation.as_bytes());
    bytes.push(b'\n');
    bytes.extend_from_slice(value);
    bytes
}

/// What the stored bytes say. Bytes without a first line of ours are a value that somebody wrote by hand.
pub(crate) fn open(bytes: &Bytes) -> Stored {
    let by_hand = || Stored { operation: String::new(), naming: Naming::Reusable, value: bytes.clone() };
    let naming = match bytes.get(..UNIQUE.len()) {
        Some(mark) if mark == UNIQUE.as_bytes() => Naming::Unique,
        Some(mark) if mark == REUSABLE.as_bytes() => Naming::Reusable,
        _ => return by_hand(),
    };
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return by_hand() };
    let Ok(operation) = std::str::from_utf8(&bytes[UNIQUE.len()..end]) else { return by_hand() };
    Stored { operation: operation.to_owned(), naming, value: bytes.slice(end + 1..) }
}

#[cfg(test)]
mod tests {
    use super::{open, seal};
    use bytes::Bytes;
    use ha_core::spi::Naming;

    #[test]
    fn a_sealed_value_opens_as_it_was() {
        for value in [&b""[..], b"\n", b"ha1 u x\ny", b"\0\xff", b"{}"] {
            for naming in [Naming::Unique, Naming::Reusable] {
                let stored = open(&Bytes::from(seal(naming, "s.1", value)));
                assert_eq!(
                    (stored.operation.as_str(), stored.naming, &stored.value[..]),
                    ("s.1", naming, value)
                );
            }
        }
    }

    #[test]
    fn a_value_written_by_hand_is_the_value() {
        for value in [&b""[..], b"{}", b"ha1 u no end of line", b"ha1 x s.1\n", b"ha1 u \xff\n"] {
            let stored = open(&Bytes::from_static(value));
            assert_eq!((stored.operation.as_str(), &stored.value[..]), ("", value));
        }
    }
}
