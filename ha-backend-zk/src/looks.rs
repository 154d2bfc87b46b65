//! What a session remembers of the queues that it stands in, so that it need not ask for names once more when somebody ahead of it has gone.
//!
//! Whatever is there of a state up to some transaction was there when the collection was looked at after that transaction, at the same age: what came since is younger. So of a
//! page that ends there only has to be read what is left of those names.

use std::collections::BTreeMap;
use std::sync::Mutex;

use ha_core::spi::Name;

use crate::sync::lock;

/// Of how many collections something is remembered. To ask for names again costs a round trip, and is no mistake.
const LOOKS_MAX: usize = 64;
/// Of collections with how many names.
const NAMES_MAX: usize = 256;

/// What was found when collections were looked at, by their paths.
#[derive(Debug, Default)]
pub(crate) struct Looks(Mutex<BTreeMap<String, Look>>);

/// A collection as it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// The latest transaction that had changed it: later ones only made younger entries.
    pub(crate) changed: u64,
    /// All names, with the transactions that created them.
    pub(crate) aged: Vec<(Name, u64)>,
}

impl Looks {
    /// Remembers how the collection at `path` was found.
    pub(crate) fn note(&self, path: &str, look: Look) {
        let mut looks = lock(&self.0);
        if look.aged.len() > NAMES_MAX {
            looks.remove(path);
            return;
        }
        if looks.len() >= LOOKS_MAX && !looks.contains_key(path) {
            looks.clear();
        }
        looks.insert(path.to_owned(), look);
    }

    /// These entries of the collection at `path` are gone.
    pub(crate) fn forget(&self, path: &str, gone: impl Iterator<Item = (Name, u64)>) {
        let gone: Vec<(Name, u64)> = gone.collect();
        if let Some(look) = lock(&self.0).get_mut(path).filter(|_| !gone.is_empty()) {
            look.aged.retain(|aged| !gone.contains(aged));
        }
    }

    /// What may be left of the entries of the collection at `path` that were created up to `transaction`; `None` if that is not known.
    pub(crate) fn up_to(&self, path: &str, transaction: u64) -> Option<Look> {
        let looks = lock(&self.0);
        let look = looks.get(path).filter(|look| transaction <= look.changed)?;
        let aged: Vec<_> = look.aged.iter().filter(|(_, created)| *created <= transaction).cloned().collect();
        (!aged.is_empty()).then_some(Look { changed: look.changed, aged })
    }
}

#[cfg(test)]
mod tests {
    use super::{LOOKS_MAX, Look, Looks, NAMES_MAX};
    use ha_core::spi::Name;

    fn look(changed: u64, aged: &[(&str, u64)]) -> Look {
        Look { changed, aged: aged.iter().map(|(name, age)| (Name::parse(name).unwrap(), *age)).collect() }
    }

    #[test]
    fn what_was_there_up_to_a_transaction_is_known_once_the_collection_was_looked_at_after_it() {
        let looks = Looks::default();
        assert_eq!(looks.up_to("/q", 1), None);
        looks.note("/q", look(7, &[("a", 3), ("c", 7), ("b", 5)]));
        assert_eq!(looks.up_to("/q", 5), Some(look(7, &[("a", 3), ("b", 5)])));
        assert_eq!(looks.up_to("/q", 7), Some(look(7, &[("a", 3), ("c", 7), ("b", 5)])));
        assert_eq!(looks.up_to("/q", 8), None, "something of that age may have come since");
        assert_eq!(looks.up_to("/q", 2), None, "nothing would be read");
        assert_eq!(looks.up_to("/other", 5), None);
        let gone = ["a", "b"].map(|name| (Name::parse(name).unwrap(), 3));
        looks.forget("/q", gone.into_iter());
        assert_eq!(
            looks.up_to("/q", 7),
            Some(look(7, &[("c", 7), ("b", 5)])),
            "the other one is of another age"
        );
        looks.note("/q", look(9, &[("d", 9)]));
        assert_eq!(looks.up_to("/q", 9), Some(look(9, &[("d", 9)])));
    }

    #[test]
    fn much_is_not_remembered() {
        let looks = Looks::default();
        (0..3 * LOOKS_MAX).for_each(|number| looks.note(&format!("/{number}"), look(1, &[("a", 1)])));
        assert!(super::lock(&looks.0).len() <= LOOKS_MAX);
        let many: Vec<(&str, u64)> = vec![("a", 1); NAMES_MAX + 1];
        looks.note("/q", look(1, &[("a", 1)]));
        looks.note("/q", look(2, &many));
        assert_eq!(looks.up_to("/q", 1), None);
    }
}
