//! Pages of a collection: which nodes to read for one, and whether what was read is the state of one instant. Pure.
//!
//! The server lists the names of the children only, in no order and without their age. So a page takes two looks: the names, and then the nodes together with the names
//! once more, at one instant. Names that came in between may belong on the page; then it is read again, unless its order shows that they do not.

use std::collections::BTreeSet;

use ha_core::spi::{Collection, Entry, Lineage, Listing, Name, Order, Page, Revision};

use crate::client::{Children, Node, Reading};
use crate::keys;
use crate::stamp::entry;

/// A page to read, of a collection.
#[derive(Clone, Debug)]
pub(crate) struct PageRead {
    collection: Collection,
    page: Page,
}

/// What to read for a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The names to read, in the order of the page as far as that is known.
    pub(crate) names: Vec<Name>,
    /// Whether there are more entries behind them.
    more: bool,
}

impl Wanted {
    /// These names, which are all that there can be.
    pub(crate) fn all(names: Vec<Name>) -> Self {
        Self { names, more: false }
    }

    /// Leaves the second half to the next page.
    pub(crate) fn shorten(&mut self) {
        self.names.truncate(self.names.len() / 2);
        self.more = true;
    }
}

/// What was read, in view of the page.
#[derive(Debug)]
pub(crate) enum Shown {
    Whole(Listing),
    /// The collection changed meanwhile: again, with the names that there are now.
    Again,
}

impl PageRead {
    pub(crate) fn new(collection: Collection, page: Page) -> Self {
        Self { collection, page }
    }

    /// The same page for a read after a commit at `revision`, which has to show what the commit would have shown or later.
    pub(crate) fn at_commit(self, revision: u64) -> Self {
        let page = match self.page.order() {
            Order::Newest { up_to: None } => Page::newest_up_to(Revision::new(revision), self.page.limit()),
            _ => self.page,
        };
        Self { page, ..self }
    }

    pub(crate) fn collection(&self) -> &Collection {
        &self.collection
    }

    /// Whether the entry belongs on the page, if there is no other.
    pub(crate) fn holds(&self, entry: &Entry) -> bool {
        match self.page.order() {
            Order::Name { after } => after.as_ref().is_none_or(|after| after < entry.key().name()),
            Order::Newest { up_to } => up_to.is_none_or(|up_to| entry.created() <= up_to),
            _ => true,
        }
    }

    /// Whether it may be older than the call that asks for it.
    pub(crate) fn is_relaxed(&self) -> bool {
        self.page.is_relaxed()
    }

    /// Whether the ages of all entries have to be known.
    pub(crate) fn is_by_age(&self) -> bool {
        !matches!(self.page.order(), Order::Name { .. })
    }

    /// The name of the only entry that can be on the page, if it was asked for by its name: nothing has to be listed then.
    pub(crate) fn only(&self) -> Option<&Name> {
        match self.page.order() {
            Order::Only { name } => Some(name),
            _ => None,
        }
    }

    /// The listing of the [only](Self::only) entry that can be on the page, as it was read.
    pub(crate) fn shown_alone(&self, node: Option<&Node>, floor: u64, lineage: Lineage) -> Listing {
        let found = self.only().zip(node).map(|(name, node)| entry(self.collection.key(name.clone()), node));
        let revision = floor.max(node.map_or(0, |node| node.stat.modified));
        Listing::new(found.into_iter().collect(), false, Revision::new(revision), lineage)
    }

    /// The latest transaction whose entries belong on the page, if there is a limit.
    pub(crate) fn up_to(&self) -> Option<u64> {
        match self.page.order() {
            Order::Newest { up_to } => up_to.map(Revision::as_u64),
            _ => None,
        }
    }

    /// Whether no names that came since the collection was found like that belong on the page: whatever came is younger than the latest change that it told.
    pub(crate) fn is_settled(&self, before: &Children) -> bool {
        self.up_to().is_some_and(|up_to| up_to <= before.changed)
    }

    /// What to read: for a page by name its names, otherwise all of them.
    pub(crate) fn wanted(&self, children: &[String]) -> Wanted {
        let mut names: Vec<Name> = children.iter().filter_map(|node| keys::name(node)).collect();
        if let Order::Name { after } = self.page.order() {
            names.retain(|name| after.as_ref().is_none_or(|after| after < name));
            names.sort_unstable();
            let more = names.len() > self.page.limit();
            names.truncate(self.page.limit());
            return Wanted { names, more };
        }
        Wanted { names, more: false }
    }

    /// Of a page by age: what to read in the end, once the age of each name is known.
    pub(crate) fn chosen(&self, mut aged: Vec<(u64, Name)>) -> Wanted {
        self.sort(&mut aged);
        let more = aged.len() > self.page.limit();
        aged.truncate(self.page.limit());
        Wanted { names: aged.into_iter().map(|(_, name)| name).collect(), more }
    }

    /// By age, without what is too young for the page.
    fn sort(&self, aged: &mut Vec<(u64, Name)>) {
        match self.page.order() {
            Order::Newest { up_to } => {
                aged.retain(|(created, _)| up_to.is_none_or(|up_to| *created <= up_to.as_u64()));
                aged.sort_unstable_by(|a, b| b.cmp(a));
            }
            _ => aged.sort_unstable(),
        }
    }

    /// The listing, from what was read of `wanted`, of which the names were found in `before`. `floor` is a transaction that was known before that.
    pub(crate) fn shown(
        &self,
        before: &Children,
        wanted: &Wanted,
        reading: &Reading,
        floor: u64,
        lineage: Lineage,
    ) -> Shown {
        let found: Vec<(&Name, &Node)> = wanted
            .names
            .iter()
            .zip(&reading.nodes)
            .filter_map(|(name, node)| Some((name, node.as_ref()?)))
            .collect();
        let is_short = found.len() < wanted.names.len();
        if wanted.more
            && (is_short
                || self.is_by_age() && found.iter().any(|(_, node)| node.stat.created > before.changed))
        {
            // Others move up.
            return Shown::Again;
        }
        let (found, more) = self.cut(found);
        if self.has_news(before, wanted, reading, &found, more) {
            return Shown::Again;
        }
        let revision = found.iter().map(|(_, node)| node.stat.modified).max().unwrap_or(0);
        let revision = Revision::new(revision.max(floor).max(before.changed));
        let entries =
            found.into_iter().map(|(name, node)| entry(self.collection.key(name.clone()), node)).collect();
        Shown::Whole(Listing::new(entries, more || wanted.more, revision, lineage))
    }

    /// What is on the page of what was found, and whether that leaves anything behind it.
    fn cut<'a>(&self, mut found: Vec<(&'a Name, &'a Node)>) -> (Vec<(&'a Name, &'a Node)>, bool) {
        match self.page.order() {
            Order::Name { .. } => {}
            Order::Newest { up_to } => {
                found.retain(|(_, node)| up_to.is_none_or(|up_to| node.stat.created <= up_to.as_u64()));
                found.sort_unstable_by(|a, b| (b.1.stat.created, b.0).cmp(&(a.1.stat.created, a.0)));
            }
            _ => found.sort_unstable_by(|a, b| (a.1.stat.created, a.0).cmp(&(b.1.stat.created, b.0))),
        }
        let more = found.len() > self.page.limit();
        found.truncate(self.page.limit());
        (found, more)
    }

    /// Whether there are names at the instant of the reading that were not read and may belong on the page. Whatever came since the names were listed is
    /// younger than the latest change that the list told.
    fn has_news(
        &self,
        before: &Children,
        wanted: &Wanted,
        reading: &Reading,
        found: &[(&Name, &Node)],
        more: bool,
    ) -> bool {
        let is_full = found.len() == self.page.limit()
            && found.iter().all(|(_, node)| node.stat.created <= before.changed)
            && (more || wanted.more);
        if self.is_settled(before) || *self.page.order() == Order::Oldest && is_full {
            return false;
        }
        let known: BTreeSet<&str> = before.names.iter().map(String::as_str).collect();
        let news = reading.children.iter().filter(|node| !known.contains(node.as_str()));
        let mut names = news.filter_map(|node| keys::name(node));
        match self.page.order() {
            Order::Name { after } => names.any(|name| {
                let is_behind = after.as_ref().is_none_or(|after| *after < name);
                is_behind && (!wanted.more || wanted.names.last().is_none_or(|last| name < *last))
            }),
            _ => names.next().is_some(),
        }
    }
}

#[cfg(test)]
#[path = "page_test.rs"]
mod tests;
