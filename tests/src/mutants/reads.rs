//! Pages that show the wrong entries, or old ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use ha_core::Error;
use ha_core::spi::{Collection, Listing, Name, Order, Page, Session};

use super::{Defect, Mutant};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "a_page_ignores_where_it_begins",
        "reads::a_page_begins_behind_a_name_that_does_not_exist",
        || {
            Arc::new(OtherPage(|page| match page.order() {
                Order::Name { .. } => Page::by_name(page.limit()),
                _ => page,
            }))
        },
    ),
    Mutant::new(
        "the_newest_ignore_the_revision",
        "reads::the_newest_up_to_a_revision_leave_out_younger_ones",
        || {
            Arc::new(OtherPage(|page| match page.order() {
                Order::Newest { .. } => Page::newest(page.limit()),
                _ => page,
            }))
        },
    ),
    Mutant::new("the_oldest_come_by_name", "reads::the_oldest_come_by_revision_then_name", || {
        Arc::new(OtherPage(|page| match page.order() {
            Order::Oldest => Page::by_name(page.limit()),
            _ => page,
        }))
    }),
    Mutant::new(
        "a_name_that_does_not_exist_shows_what_follows_it",
        "reads::one_entry_is_read_by_its_name_and_nothing_else_is",
        || {
            Arc::new(OtherPage(|page| match page.order() {
                Order::Only { name } => Page::after(before(name), 1),
                _ => page,
            }))
        },
    ),
    Mutant::new("a_page_is_cut_in_silence", "reads::a_page_says_whether_there_is_more", || {
        Arc::new(SilentCut)
    }),
    Mutant::new("a_listing_comes_from_a_cache", "reads::a_listing_shows_what_this_session_committed", || {
        Arc::new(Cached { which: |_| true, kept: Mutex::default() })
    }),
    Mutant::new(
        "a_relaxed_page_comes_from_a_cache",
        "reads::a_relaxed_page_shows_what_this_session_was_told",
        || Arc::new(Cached { which: Page::is_relaxed, kept: Mutex::default() }),
    ),
];

/// A name below this one, with nothing between that the case has.
fn before(name: &Name) -> Name {
    let mut text = name.as_str().to_owned();
    let last = text.pop().and_then(|last| char::from_u32(u32::from(last) - 1));
    text.extend(last);
    Name::parse(&text).unwrap_or_else(|_empty| name.clone())
}

/// Reads another page than it was asked for.
#[derive(Debug)]
struct OtherPage(fn(Page) -> Page);

#[async_trait]
impl Defect for OtherPage {
    async fn list(
        &self,
        session: &Arc<dyn Session>,
        collection: &Collection,
        page: Page,
    ) -> Result<Listing, Error> {
        session.list(collection, (self.0)(page)).await
    }
}

/// Never says that there is more.
#[derive(Debug)]
struct SilentCut;

#[async_trait]
impl Defect for SilentCut {
    async fn list(
        &self,
        session: &Arc<dyn Session>,
        collection: &Collection,
        page: Page,
    ) -> Result<Listing, Error> {
        let listing = session.list(collection, page).await?;
        let (revision, lineage) = (listing.revision(), listing.lineage());
        Ok(Listing::new(listing.into_entries(), false, revision, lineage))
    }
}

/// Answers every second listing of a collection with the one before, of certain pages.
#[derive(Debug)]
struct Cached {
    which: fn(&Page) -> bool,
    kept: Mutex<BTreeMap<Collection, Listing>>,
}

#[async_trait]
impl Defect for Cached {
    async fn list(
        &self,
        session: &Arc<dyn Session>,
        collection: &Collection,
        page: Page,
    ) -> Result<Listing, Error> {
        if !(self.which)(&page) {
            return session.list(collection, page).await;
        }
        if let Some(kept) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(collection) {
            return Ok(kept);
        }
        let listing = session.list(collection, page).await?;
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(collection.clone(), listing.clone());
        Ok(listing)
    }
}
