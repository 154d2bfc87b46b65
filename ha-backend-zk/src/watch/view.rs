//! What the consumer of a watch believes. Pure.

use std::collections::BTreeMap;

use ha_core::spi::{Change, Entry, Name, SessionId};

/// The entries that exist, as far as told.
#[derive(Debug, Default)]
pub(super) struct View {
    live: BTreeMap<Name, Entry>,
    revision: u64,
}

impl View {
    /// The entries as they are now.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.live.values().cloned().collect()
    }

    /// A revision that the view is not older than.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// The view is not older than `floor`, a transaction that was known before the reading, and than what was read.
    pub(super) fn advance(&mut self, floor: u64, read: impl IntoIterator<Item = u64>) {
        self.revision = read.into_iter().fold(self.revision.max(floor), u64::max);
    }

    /// Everything, as read.
    pub(super) fn replace(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.live = entries.into_iter().map(|entry| (entry.key().name().clone(), entry)).collect();
    }

    /// One entry, as read; what the consumer has to be told of that.
    pub(super) fn change(&mut self, name: Name, entry: Option<Entry>) -> Option<Change> {
        match entry {
            Some(entry) if self.live.get(&name).is_some_and(|known| known.stamp() == entry.stamp()) => None,
            Some(entry) => {
                self.live.insert(name, entry.clone());
                Some(Change::Put(entry))
            }
            None => self.live.remove(&name).map(|gone| Change::Removed(gone.stamp().clone())),
        }
    }

    /// The incarnation of that name that was created then is gone; what the consumer has to be told of that, if it believes in it. Nothing if it was the session's own.
    pub(super) fn forget(&mut self, name: &Name, created: u64, session: &SessionId) -> Option<Change> {
        let is_it = |entry: &&Entry| entry.created().as_u64() == created && entry.owner() != Some(session);
        self.live.get(name).filter(is_it)?;
        // It was there at the revision of the view.
        self.revision += 1;
        self.live.remove(name).map(|gone| Change::Removed(gone.stamp().clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::View;
    use crate::client::{Node, Stat};
    use crate::stamp::{entry, session_text};
    use ha_core::spi::{Change, Collection, Entry, Name, SessionId};

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn read(text: &str, created: u64, modified: u64) -> Entry {
        let stat = Stat { created, modified, version: 0, owner: 0 };
        entry(Collection::parse(&["c"]).unwrap().key(name(text)), &Node { data: "ha1 u\nv".into(), stat })
    }

    #[test]
    fn only_what_is_news_is_told_and_another_incarnation_is_news() {
        let mut view = View::default();
        view.replace([read("a", 1, 1), read("b", 2, 2)]);
        assert_eq!(view.change(name("a"), Some(read("a", 1, 1))), None);
        assert_eq!(view.change(name("a"), Some(read("a", 5, 5))), Some(Change::Put(read("a", 5, 5))));
        let gone = read("b", 2, 2).stamp().clone();
        assert_eq!(view.change(name("b"), None), Some(Change::Removed(gone)));
        assert_eq!(view.change(name("b"), None), None);
        assert_eq!(view.entries(), [read("a", 5, 5)]);
    }

    #[test]
    fn only_the_incarnation_that_is_believed_in_is_forgotten_and_that_is_later() {
        let mut view = View::default();
        view.replace([read("a", 3, 4)]);
        view.advance(6, [4]);
        let session = SessionId::parse(&session_text(5)).unwrap();
        assert_eq!(view.forget(&name("a"), 2, &session), None, "of an earlier one");
        assert_eq!(view.forget(&name("b"), 3, &session), None);
        assert_eq!(view.revision(), 6);
        let gone = read("a", 3, 4).stamp().clone();
        assert_eq!(view.forget(&name("a"), 3, &session), Some(Change::Removed(gone)));
        assert_eq!((view.revision(), view.entries()), (7, Vec::new()));
        assert_eq!(view.forget(&name("a"), 3, &session), None);
        let stat = Stat { created: 8, modified: 8, version: 0, owner: 5 };
        let own =
            entry(Collection::parse(&["c"]).unwrap().key(name("a")), &Node { data: "ha1 u\nv".into(), stat });
        view.replace([own]);
        assert_eq!(view.forget(&name("a"), 8, &session), None, "what goes with the session");
    }

    #[test]
    fn the_revision_of_a_view_never_goes_back() {
        let mut view = View::default();
        view.advance(5, [7, 3]);
        view.advance(6, []);
        assert_eq!(view.revision(), 7);
    }
}
