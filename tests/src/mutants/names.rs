//! Names and values that do not come back as they were.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use ha_core::Error;
use ha_core::spi::{Capabilities, Collection, Listing, Operation, Outcome, Page, Session, Txn};

use super::relabel::Relabel;
use super::{Defect, Mutant, rebuild};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("names_are_folded_to_lower_case", "names::any_text_is_a_name_of_its_own", || {
        Arc::new(Renaming(str::to_lowercase))
    }),
    Mutant::new("names_end_at_a_nul", "names::any_text_is_a_name_of_its_own", || {
        Arc::new(Renaming(|name| name.split('\0').next().unwrap_or(name).to_owned()))
    }),
    Mutant::new(
        "names_are_cut_to_a_hundred_bytes",
        "names::names_of_the_greatest_length_are_kept_apart_by_their_last_byte",
        || Arc::new(Renaming(|name| name.chars().take(100).collect())),
    ),
    Mutant::new(
        "a_collection_is_its_first_segment",
        "names::a_collection_shows_no_entries_of_collections_with_longer_names",
        || Arc::new(Nested),
    ),
    Mutant::new("values_end_at_a_nul", "names::values_come_back_byte_by_byte", || {
        Arc::new(Shortening(|value| value.split(|byte| *byte == 0).next().unwrap_or_default().len()))
    }),
    Mutant::new(
        "too_long_a_value_is_cut",
        "names::a_value_beyond_the_capabilities_is_refused_before_sending",
        || Arc::new(Shortening(|value| value.len().min(Capabilities::VALUE_BYTES))),
    ),
    Mutant::new("values_are_cut_to_half_their_size", "names::values_of_the_greatest_size_are_stored", || {
        Arc::new(Shortening(|value| value.len().min(Capabilities::VALUE_BYTES / 2)))
    }),
];

/// Keeps entries under other names.
#[derive(Debug)]
struct Renaming(fn(&str) -> String);

#[async_trait]
impl Defect for Renaming {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let rename = Relabel::names(self.0);
        Ok(rename.outcome(session.commit(rename.txn(&txn)).await?))
    }
}

/// Lists a collection of one segment together with those whose names begin with it.
#[derive(Debug)]
struct Nested;

#[async_trait]
impl Defect for Nested {
    async fn list(
        &self,
        session: &Arc<dyn Session>,
        collection: &Collection,
        page: Page,
    ) -> Result<Listing, Error> {
        let listing = session.list(collection, page.clone()).await?;
        let first = collection.segments()[0].as_str();
        let longer = match Collection::parse(&[first, "a"]) {
            Ok(longer) if collection.segments().len() == 1 => session.list(&longer, page).await?,
            _ => return Ok(listing),
        };
        let (more, revision, lineage) = (listing.has_more(), listing.revision(), listing.lineage());
        let mut entries = listing.into_entries();
        entries.extend(longer.into_entries());
        Ok(Listing::new(entries, more, revision, lineage))
    }
}

/// Keeps the beginning of each value.
#[derive(Debug)]
struct Shortening(fn(&[u8]) -> usize);

#[async_trait]
impl Defect for Shortening {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let shorten = |value: &mut Bytes| value.truncate((self.0)(value));
        let mut operations = txn.operations().to_vec();
        for operation in &mut operations {
            match operation {
                Operation::Create { value, .. } | Operation::Update { value, .. } => shorten(value),
                _ => {}
            }
        }
        session.commit(rebuild(&txn, txn.guards().to_vec(), operations)).await
    }
}
