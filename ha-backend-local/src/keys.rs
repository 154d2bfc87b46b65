//! How keys are written in the file.
//!
//! An entry is found by its *place* (namespace and collection) and its name, both compared byte by byte. A place is the namespace and then
//! each segment, each as one byte of length and its UTF-8: no two collections meet, and none is a part of another.
//!
//! ```text
//! sqlite> SELECT hex(place), cast(name AS TEXT), created, printf('%x', owner) FROM entries;
//! 02 6861 05 5F6861 05 6E6F646573 05 626F782D31 | identity | 1867542298624001 | 6a2b1c0000001
//! ```

use ha_core::Error;
use ha_core::spi::{Collection, Name, SessionId};

/// Where the entries of one collection of one namespace are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(Vec<u8>);

impl Place {
    /// The place of `collection` in `namespace`.
    pub(crate) fn of(namespace: &Name, collection: &Collection) -> Self {
        let names = || std::iter::once(namespace).chain(collection.segments());
        let mut bytes = Vec::with_capacity(names().map(|name| name.as_str().len() + 1).sum());
        for name in names() {
            // `Name` has at most 200 bytes.
            bytes.push(u8::try_from(name.as_str().len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(name.as_str().as_bytes());
        }
        Self(bytes)
    }

    /// A place as the file has it.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes that the file has.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The number of a session: the revision at which it was opened, so that it never repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(pub(crate) i64);

impl Number {
    /// The number of the session `id`; `None` if no store of this kind ever gave it.
    pub(crate) fn parse(id: &SessionId) -> Option<Self> {
        let number = i64::from_str_radix(id.as_str(), 16).ok()?;
        (Self(number).text() == id.as_str()).then_some(Self(number))
    }

    /// The id that the contract knows the session by.
    pub(crate) fn id(self) -> Result<SessionId, Error> {
        SessionId::parse(&self.text())
    }

    /// The number as ids and file names have it.
    pub(crate) fn text(self) -> String {
        format!("{:x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Number, Place};
    use ha_core::spi::{Collection, Name, SessionId};

    fn place(namespace: &str, segments: &[&str]) -> Place {
        Place::of(&Name::parse(namespace).unwrap(), &Collection::parse(segments).unwrap())
    }

    #[test]
    fn different_collections_never_meet() {
        let longest = "y".repeat(Name::MAX_BYTES);
        let places = [
            place("a", &["b"]),
            place("a", &["b", "c"]),
            place("ab", &["c"]),
            place("a", &["bc"]),
            place("a", &["b\u{1}c"]),
            place("a\u{1}b", &["c"]),
            place(&longest, &[&longest, &longest, &longest, &longest]),
        ];
        for (at, one) in places.iter().enumerate() {
            assert!(places[at + 1..].iter().all(|other| other != one), "{one:?}");
        }
    }

    #[test]
    fn only_ids_that_were_given_are_numbers() {
        let number = Number(1_867_542_298_624_001);
        assert_eq!(Number::parse(&number.id().unwrap()), Some(number));
        for text in ["0A", "A", "00a", "zz", "ffffffffffffffffff"] {
            assert_eq!(Number::parse(&SessionId::parse(text).unwrap()), None, "{text}");
        }
    }
}
