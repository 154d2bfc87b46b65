//! Pages of a collection as reads of a range, and what was read as a listing.

use bytes::{BufMut, Bytes, BytesMut};
use ha_core::spi::{
    Collection, Entry, Key, Lineage, Listing, Naming, Order, Page, Revision, SessionId, Stamp,
};

use crate::client::{Found, Kv, Read, Sort};
use crate::keys::Layout;
use crate::value;

/// What the detail of a stamp tells: whether the name can come again, and the lease of the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Detail {
    pub(crate) naming: Naming,
    pub(crate) lease: i64,
}

impl Detail {
    /// The bytes of the detail. Reads and commits have to make the same ones.
    pub(crate) fn encode(self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(9);
        bytes.put_u8(u8::from(self.naming == Naming::Unique));
        bytes.put_i64(self.lease);
        bytes.freeze()
    }

    /// The detail of a stamp that this backend made; of another one, that of a persistent, reusable entry.
    pub(crate) fn of(stamp: &Stamp) -> Self {
        let bytes = stamp.detail();
        let lease = bytes.get(1..9).and_then(|lease| lease.try_into().ok()).map_or(0, i64::from_be_bytes);
        let naming = if bytes.first() == Some(&1) { Naming::Unique } else { Naming::Reusable };
        Self { naming, lease }
    }
}

/// The text of the session that has a lease.
pub(crate) fn session_text(lease: i64) -> String {
    format!("{lease:016x}")
}

/// The entry at `key`, as read.
pub(crate) fn entry(key: Key, kv: &Kv) -> Entry {
    let stored = value::open(&kv.value);
    let detail = Detail { naming: stored.naming, lease: kv.lease };
    let (created, modified) = (Revision::new(kv.created), Revision::new(kv.modified));
    let owner = if kv.lease == 0 { None } else { SessionId::parse(&session_text(kv.lease)).ok() };
    Entry::new(Stamp::new(key, created, modified, detail.encode()), stored.value, owner)
}

/// A page to read, of a collection.
#[derive(Clone, Debug)]
pub(crate) struct PageRead {
    collection: Collection,
    page: Page,
}

/// What a page showed.
#[derive(Debug)]
pub(crate) enum Shown {
    Whole(Listing),
    /// The last entry has siblings of the same age, and the server sorted those as it liked: all of that age at this revision
    /// are to be read too.
    Siblings {
        found: Found,
        read: Read,
    },
}

impl PageRead {
    pub(crate) fn new(collection: Collection, page: Page) -> Self {
        Self { collection, page }
    }

    /// The same page for a read after a commit at `revision`, which has to show what the commit would have shown or later.
    pub(crate) fn at_commit(&self, revision: u64) -> Self {
        let page = match self.page.order() {
            Order::Newest { up_to: None } => Page::newest_up_to(Revision::new(revision), self.page.limit()),
            _ => self.page.clone(),
        };
        Self { collection: self.collection.clone(), page }
    }

    /// Whether it may be older than the call that asks for it.
    pub(crate) fn is_relaxed(&self) -> bool {
        self.page.is_relaxed()
    }

    /// Whether any entry can be on the page.
    pub(crate) fn is_possible(&self) -> bool {
        !matches!(self.page.order(), Order::Newest { up_to: Some(up_to) } if up_to.as_u64() == 0)
    }

    /// The read of the page; `None` if no entry can be on it.
    pub(crate) fn read(&self, layout: &Layout) -> Option<Read> {
        if !self.is_possible() {
            return None;
        }
        let range = match self.page.order() {
            Order::Only { name } => {
                return Some(Read::key(layout.entry(&self.collection.key(name.clone()))));
            }
            Order::Name { after } => layout.entries(&self.collection, after.as_ref()),
            _ => layout.entries(&self.collection, None),
        };
        let (sort, created_to) = match self.page.order() {
            Order::Name { .. } => (Sort::Name, 0),
            Order::Newest { up_to: None } => (Sort::Newest, 0),
            Order::Newest { up_to: Some(up_to) } => (Sort::Newest, up_to.as_u64()),
            _ => (Sort::Oldest, 0),
        };
        Some(Read {
            range,
            sort,
            // One more than the page holds, to see whether the last one has siblings.
            limit: self.page.limit() + usize::from(sort != Sort::Name),
            created_to,
            ..Read::default()
        })
    }

    /// The listing, from what was read at `revision`.
    pub(crate) fn shown(&self, layout: &Layout, found: Found, revision: u64, lineage: Lineage) -> Shown {
        let by_age = !matches!(self.page.order(), Order::Name { .. } | Order::Only { .. });
        let limit = self.page.limit();
        let siblings_of = match found.kvs.get(limit.saturating_sub(1)..=limit) {
            Some([last, next]) if by_age && last.created == next.created => Some(last.created),
            _ => None,
        };
        if let Some(created) = siblings_of {
            let read = Read {
                range: layout.entries(&self.collection, None),
                created_from: created,
                created_to: created,
                revision,
                ..Read::default()
            };
            return Shown::Siblings { found, read };
        }
        Shown::Whole(self.sorted(layout, found.kvs, found.more, revision, lineage))
    }

    /// The listing of a page that no entry can be on.
    pub(crate) fn nothing(&self, revision: u64, lineage: Lineage) -> Listing {
        Listing::new(Vec::new(), false, Revision::new(revision), lineage)
    }

    /// The listing, once the siblings of the last entry are read too.
    pub(crate) fn with_siblings(
        &self,
        layout: &Layout,
        found: Found,
        siblings: Found,
        revision: u64,
        lineage: Lineage,
    ) -> Listing {
        let age = siblings.kvs.first().map(|kv| kv.created);
        let mut kvs: Vec<Kv> = found.kvs.into_iter().filter(|kv| Some(kv.created) != age).collect();
        kvs.extend(siblings.kvs);
        self.sorted(layout, kvs, found.more, revision, lineage)
    }

    fn sorted(
        &self,
        layout: &Layout,
        mut kvs: Vec<Kv>,
        more: bool,
        revision: u64,
        lineage: Lineage,
    ) -> Listing {
        // The server's order among entries of the same age is arbitrary.
        match self.page.order() {
            Order::Name { .. } | Order::Only { .. } => {}
            Order::Newest { .. } => kvs.sort_by(|a, b| (b.created, &b.key).cmp(&(a.created, &a.key))),
            _ => kvs.sort_by(|a, b| (a.created, &a.key).cmp(&(b.created, &b.key))),
        }
        let more = more || kvs.len() > self.page.limit();
        kvs.truncate(self.page.limit());
        let entries = kvs.iter().filter_map(|kv| {
            let name = layout.name(&self.collection, &kv.key)?;
            Some(entry(self.collection.key(name), kv))
        });
        Listing::new(entries.collect(), more, Revision::new(revision), lineage)
    }
}

#[cfg(test)]
mod tests {
    use super::{Detail, PageRead, Shown};
    use crate::client::{Found, Kv};
    use crate::keys::Layout;
    use ha_core::spi::{Collection, Lineage, Name, Naming, Page, Revision, Stamp};

    fn kv(layout: &Layout, collection: &Collection, name: &str, created: u64) -> Kv {
        let key = layout.entry(&collection.key(Name::parse(name).unwrap()));
        Kv { key, value: "v".into(), created, modified: created, lease: 0 }
    }

    fn shown(page: Page, entries: &[(&str, u64)], siblings: &[(&str, u64)]) -> (Vec<String>, bool) {
        let (layout, collection) =
            (Layout::new("/ha", &Name::parse("ns").unwrap()), Collection::parse(&["c"]).unwrap());
        let found = |entries: &[(&str, u64)]| Found {
            kvs: entries.iter().map(|(name, created)| kv(&layout, &collection, name, *created)).collect(),
            more: false,
        };
        let read = PageRead::new(collection.clone(), page);
        let listing = match read.shown(&layout, found(entries), 9, Lineage::default()) {
            Shown::Whole(listing) => listing,
            Shown::Siblings { found: first, read: asked } => {
                assert_eq!((asked.created_from, asked.created_to, asked.revision), (5, 5, 9));
                read.with_siblings(&layout, first, found(siblings), 9, Lineage::default())
            }
        };
        let names = listing.entries().iter().map(|entry| entry.key().name().as_str().to_owned());
        (names.collect(), listing.has_more())
    }

    #[test]
    fn entries_of_one_age_are_shown_by_name_also_across_the_end_of_a_page() {
        let siblings = [("a", 5), ("b", 5), ("c", 5)];
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            shown(Page::oldest(2), &[("z", 4), ("c", 5), ("a", 5)], &siblings),
            (names(&["z", "a"]), true)
        );
        assert_eq!(
            shown(Page::newest(2), &[("b", 5), ("a", 5), ("c", 5)], &siblings),
            (names(&["c", "b"]), true)
        );
        assert_eq!(shown(Page::oldest(4), &[("b", 5), ("a", 5)], &[]), (names(&["a", "b"]), false));
        assert_eq!(shown(Page::oldest(1), &[("z", 4), ("c", 5)], &[]), (names(&["z"]), true));
    }

    #[test]
    fn nothing_is_older_than_the_first_revision() {
        let (layout, collection) =
            (Layout::new("/ha", &Name::parse("ns").unwrap()), Collection::parse(&["c"]).unwrap());
        let read =
            |revision| PageRead::new(collection.clone(), Page::newest_up_to(Revision::new(revision), 5));
        assert!(read(0).read(&layout).is_none());
        assert_eq!(read(7).read(&layout).unwrap().created_to, 7);
    }

    #[test]
    fn the_detail_of_a_stamp_comes_back() {
        let key = Collection::parse(&["c"]).unwrap().key(Name::parse("a").unwrap());
        for detail in [
            Detail { naming: Naming::Unique, lease: i64::MAX },
            Detail { naming: Naming::Reusable, lease: 0 },
        ] {
            let stamp = Stamp::new(key.clone(), Revision::new(1), Revision::new(1), detail.encode());
            assert_eq!(Detail::of(&stamp), detail);
        }
    }
}
