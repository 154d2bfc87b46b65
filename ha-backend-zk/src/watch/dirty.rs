//! The names of what has changed and was not read yet.

use std::collections::BTreeSet;
use std::sync::Mutex;

use ha_core::spi::Name;
use tokio::sync::Notify;

use crate::sync::lock;

/// How many names are kept. With more of them everything is read.
const NAMES_MAX: usize = 1_024;

/// What has changed in a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    These(BTreeSet<Name>),
    Anything,
}

/// The changes that the consumer has not asked for yet.
#[derive(Debug)]
pub(super) struct Dirty {
    changed: Mutex<Changed>,
    news: Notify,
}

impl Default for Dirty {
    fn default() -> Self {
        Self { changed: Mutex::new(Changed::These(BTreeSet::new())), news: Notify::new() }
    }
}

impl Dirty {
    /// The entry was created, changed or deleted.
    pub(super) fn add(&self, name: Name) {
        let mut changed = lock(&self.changed);
        if let Changed::These(names) = &mut *changed {
            names.insert(name);
            if names.len() > NAMES_MAX {
                *changed = Changed::Anything;
            }
        }
        self.news.notify_one();
    }

    /// What has changed since it was taken last; `None` if nothing has.
    pub(super) fn take(&self) -> Option<Changed> {
        let mut changed = lock(&self.changed);
        if *changed == Changed::These(BTreeSet::new()) {
            return None;
        }
        Some(std::mem::replace(&mut *changed, Changed::These(BTreeSet::new())))
    }

    /// Waits until something has changed.
    pub(super) async fn wait(&self) {
        loop {
            let is_clean = *lock(&self.changed) == Changed::These(BTreeSet::new());
            if !is_clean {
                return;
            }
            self.news.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Changed, Dirty, NAMES_MAX};
    use ha_core::spi::Name;
    use std::collections::BTreeSet;

    fn name(number: usize) -> Name {
        Name::parse(&format!("{number}")).unwrap()
    }

    #[tokio::test]
    async fn what_has_changed_is_told_once_however_often_it_has() {
        let dirty = Dirty::default();
        assert_eq!(dirty.take(), None);
        [1, 2, 1].into_iter().for_each(|number| dirty.add(name(number)));
        dirty.wait().await;
        assert_eq!(dirty.take(), Some(Changed::These(BTreeSet::from([name(1), name(2)]))));
        assert_eq!(dirty.take(), None);
    }

    #[test]
    fn many_changes_cost_no_more_than_a_bound() {
        let dirty = Dirty::default();
        (0..NAMES_MAX + 1).for_each(|number| dirty.add(name(number)));
        dirty.add(name(0));
        let taken = dirty.take().unwrap();
        assert_eq!(taken, Changed::Anything);
        assert_eq!(dirty.take(), None);
    }
}
