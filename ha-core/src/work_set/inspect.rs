//! Looking at a work-set: one item, how many there are, what is dead, whether all is done. Observers may look.

use super::item::{Seen, Stats};
use super::records::{Keys, Record, Tally};
use super::{WorkSet, driver};
use crate::coordinator::closed;
use crate::error::Error;
use crate::names::{Collection, Name};
use crate::spi::{Entry, Page, WatchEvent, WatchTarget};
use crate::store::Watch;
use crate::store::desk::Desk;
use crate::view::View;

impl<T> WorkSet<T> {
    /// What is known of an item; `None` if it was never added, or its time was over.
    ///
    /// # Errors
    /// `Unavailable` while the backend cannot be reached or there is no session; `InvalidInput` for a bad id; `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn get(&self, id: &str) -> Result<Option<Seen<T>>, Error> {
        let (id, keys) = (Name::parse(id)?, Keys::new(&self.name));
        let entries = self.list(&keys.items, Page::only(id.clone())).await?.0;
        Ok(entries.first().map(|entry| Seen::new(id.as_str(), Record::read(entry))))
    }

    /// How many items are in each state, at one instant unless more than a thousand processes have changed the work-set lately. Costs one request, however many items there are.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn stats(&self) -> Result<Stats, Error> {
        let (keys, mut entries) = (Keys::new(&self.name), Vec::new());
        loop {
            let page = match entries.last().map(|entry: &Entry| entry.key().name().clone()) {
                Some(last) => Page::after(last, Page::MAX_LIMIT),
                None => Page::by_name(Page::MAX_LIMIT),
            };
            let (mut found, more) = self.list(&keys.tallies, page).await?;
            entries.append(&mut found);
            if !more {
                return Ok(count(entries.iter()));
            }
        }
    }

    /// Waits until nothing is left to be done: everything is done or a dead letter.
    ///
    /// # Errors
    /// `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn wait_drained(&self) -> Result<Stats, Error> {
        let target = WatchTarget::Collection(Keys::new(&self.name).tallies);
        let (mut watch, mut view) = (Watch::open(&self.hub, target), View::default());
        while let Some(event) = watch.next().await {
            let is_news = !matches!(event, WatchEvent::Interrupted);
            view.apply(event);
            let stats = count(view.entries());
            if is_news && view.is_known() && stats.is_drained() {
                return Ok(stats);
            }
        }
        Err(closed("wait for work-set", self.name()))
    }

    /// Up to `limit` dead letters, by id, beginning behind `after`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn dead_letters(&self, after: Option<&str>, limit: usize) -> Result<Vec<Seen<T>>, Error> {
        let keys = Keys::new(&self.name);
        let page = match after {
            Some(after) => Page::after(Name::parse(after)?, limit),
            None => Page::by_name(limit),
        };
        let mut letters = Vec::new();
        for entry in self.list(&keys.dead, page).await?.0 {
            letters.extend(self.get(entry.key().name().as_str()).await?);
        }
        Ok(letters)
    }

    async fn list(&self, collection: &Collection, page: Page) -> Result<(Vec<Entry>, bool), Error> {
        let desk = self.hub.recipe("work-set desk", &Name::internal(driver::NOUN), || Desk::open(&self.hub));
        let listing = desk.list(collection.clone(), page).await?;
        let more = listing.has_more();
        Ok((listing.into_entries(), more))
    }
}

fn count<'a>(entries: impl Iterator<Item = &'a Entry>) -> Stats {
    let mut sum = Tally::default();
    entries.filter_map(|entry| Tally::decode(entry.value())).for_each(|tally| sum.add(tally));
    // Below zero only if somebody deleted numbers by hand.
    let [ready, claimed, done, dead] =
        [sum.ready, sum.claimed, sum.done, sum.dead].map(|count| u64::try_from(count).unwrap_or(0));
    Stats { ready, claimed, done, dead }
}
