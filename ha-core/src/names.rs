//! Names as parsed types: nothing built from them can fail later.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::error::{Error, ErrorKind};

/// One name: of an entry, of a lock or election, of a node, or one segment of a collection.
///
/// Any UTF-8 text of 1 to [`Name::MAX_BYTES`] bytes. Names are compared byte by byte: no case folding and no Unicode
/// normalisation, so two names that look alike can differ. A backend escapes names; it never truncates or hashes them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// The longest name, in bytes. Small enough that an escaped name fits each backend's limits.
    pub const MAX_BYTES: usize = 200;

    /// What names chosen by users may not begin with; the toolkit keeps it for itself.
    pub const RESERVED_PREFIX: &'static str = "_ha";

    /// Parses a name.
    ///
    /// # Errors
    /// `InvalidInput` if it is empty or longer than [`Name::MAX_BYTES`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        check_length("name", text)?;
        Ok(Self(text.into()))
    }

    /// Parses a name that a user chose for `what` (such as `"mutex"`).
    ///
    /// # Errors
    /// `InvalidInput` if it is empty, longer than [`Name::MAX_BYTES`], or begins with [`Name::RESERVED_PREFIX`].
    pub fn parse_user(what: &'static str, text: &str) -> Result<Self, Error> {
        check_length(what, text)?;
        if text.starts_with(Self::RESERVED_PREFIX) {
            return Err(Error::new(ErrorKind::InvalidInput, format!("name {what}"))
                .on(format_args!("{text:?}"))
                .because("names that begin with \"_ha\" are kept for the toolkit; choose another"));
        }
        Ok(Self(text.into()))
    }

    /// A name that the toolkit itself made and that is known to fit.
    pub(crate) fn internal(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        debug_assert!(!text.is_empty() && text.len() <= Self::MAX_BYTES);
        Self(text)
    }

    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_length(what: &'static str, text: &str) -> Result<(), Error> {
    let fail = |reason: String| {
        let shown: String = text.chars().take(40).collect();
        Err(Error::new(ErrorKind::InvalidInput, format!("name {what}"))
            .on(format_args!("{shown:?}"))
            .because(reason))
    };
    if text.is_empty() {
        return fail("a name must not be empty".into());
    }
    if text.len() > Name::MAX_BYTES {
        return fail(format!("a name has at most {} bytes, this one has {}", Name::MAX_BYTES, text.len()));
    }
    Ok(())
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A flat set of entries, named by one to [`Collection::MAX_SEGMENTS`] segments.
///
/// Segments only keep the names of different recipes apart; there is no hierarchy: listing a collection shows its own
/// entries and never those of a collection whose name is longer.
#[derive(Clone, Eq, PartialOrd, Ord)]
pub struct Collection {
    segments: Arc<[Name]>,
    /// Of the segments: a transaction looks up the same few collections again and again.
    hash: u64,
}

impl Collection {
    /// The most segments that a collection can have.
    pub const MAX_SEGMENTS: usize = 4;

    /// Parses the segments of a collection.
    ///
    /// # Errors
    /// `InvalidInput` for no segment, more than [`Collection::MAX_SEGMENTS`], or a segment that is not a [`Name`].
    pub fn parse(segments: &[&str]) -> Result<Self, Error> {
        if segments.is_empty() || segments.len() > Self::MAX_SEGMENTS {
            return Err(Error::new(ErrorKind::InvalidInput, "name collection")
                .on(format_args!("{segments:?}"))
                .because(format_args!(
                    "a collection has 1 to {} segments, this one has {}",
                    Self::MAX_SEGMENTS,
                    segments.len()
                )));
        }
        Ok(Self::new(segments.iter().map(|segment| Name::parse(segment)).collect::<Result<_, _>>()?))
    }

    fn new(segments: Arc<[Name]>) -> Self {
        let mut hasher = DefaultHasher::new();
        segments.hash(&mut hasher);
        Self { segments, hash: hasher.finish() }
    }

    /// A collection of the toolkit: a fixed first segment, then parsed names.
    pub(crate) fn of(kind: &'static str, names: &[&Name]) -> Self {
        Self::new(std::iter::once(Name::internal(kind)).chain(names.iter().copied().cloned()).collect())
    }

    /// The segments, first to last.
    #[must_use]
    pub fn segments(&self) -> &[Name] {
        &self.segments
    }

    /// The key of the entry `name` in this collection.
    #[must_use]
    pub fn key(&self, name: Name) -> Key {
        Key { collection: self.clone(), name }
    }
}

impl PartialEq for Collection {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && (Arc::ptr_eq(&self.segments, &other.segments) || self.segments == other.segments)
    }
}

impl Hash for Collection {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.segments.iter().enumerate() {
            if at > 0 {
                f.write_str("/")?;
            }
            f.write_str(segment.as_str())?;
        }
        Ok(())
    }
}

/// Where an entry lives: its collection and its name there.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    collection: Collection,
    name: Name,
}

impl Key {
    /// The collection.
    #[must_use]
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// The name within the collection.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{Collection, Name};
    use crate::error::ErrorKind;

    #[test]
    fn empty_over_long_and_reserved_names_are_refused() {
        let long = "x".repeat(Name::MAX_BYTES + 1);
        for text in ["", long.as_str(), "_ha", "_hax"] {
            let error = Name::parse_user("mutex", text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text:.20}");
            assert!(error.to_string().len() < 200, "an over-long name must not flood the message");
        }
    }

    #[test]
    fn any_other_utf8_is_a_name() {
        for text in ["a", "/", "..", "%2F", "a\0b", "ä\u{308}", "{x}", " ", &"y".repeat(Name::MAX_BYTES)] {
            assert_eq!(Name::parse_user("mutex", text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_collection_has_one_to_four_segments() {
        assert!(Collection::parse(&[]).is_err());
        assert!(Collection::parse(&["a", "b", "c", "d", "e"]).is_err());
        assert_eq!(Collection::parse(&["lock", "a/b"]).unwrap().segments().len(), 2);
    }
}
