//! Whether a place is granted: who is ahead of it, and who of these keeps it out.
//!
//! The holders of a lock are the longest prefix of its queue, by age, whose places go together: writers with nobody, readers with
//! readers, permits up to their number. Nobody is let through behind somebody who waits, so that neither writers nor large weights
//! starve. Whoever is in that prefix stays in it, since only older places could put him out, and those only vanish.

use crate::error::Error;
use crate::lock::record::{Kind, Share, share_of};
use crate::names::Key;
use crate::spi::{Entry, Page, Revision, Stamp};
use crate::zoo::{Bug, planted};

/// How many older entries a reader looks at first.
const READERS: usize = 63;

/// What a look at the queue ahead of a place found.
#[derive(Debug)]
pub(super) enum Finding {
    /// Nobody keeps it out.
    Free,
    /// These keep it out while all of them are there and unchanged: the youngest that are too much together.
    Behind(Vec<Stamp>),
    /// The page ended before it could be told; the entries created at this revision or before tell.
    More(Revision),
}

/// A look at the queue ahead of a place, from the youngest entry to the oldest, perhaps over several pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    kind: Kind,
    share: Share,
    /// The permits of those seen so far, with its own.
    used: u64,
    seen: Vec<Stamp>,
    /// The age of the oldest entry looked at, its own at first.
    last: Revision,
}

impl Look {
    /// Looks ahead of a place that was `created` then.
    pub(super) fn new(kind: Kind, share: Share, created: Revision) -> Self {
        Self { kind, share, used: share.weight(), seen: Vec::new(), last: created }
    }

    /// How many entries tell whether a place is granted, its own included, as far as one page can.
    pub(super) fn entries(kind: Kind, share: Share) -> usize {
        match (kind, share) {
            (Kind::Semaphore { permits }, Share::Permits(weight)) => {
                let older = permits.saturating_sub(weight).saturating_add(1);
                usize::try_from(older).unwrap_or(Page::MAX_LIMIT).saturating_add(1)
            }
            (_, Share::Read) => READERS + 1,
            _ => 2,
        }
    }

    /// Takes the next older entries, the youngest of them first. A place of our own that `is_held` is one behind which nobody can keep
    /// a reader out.
    pub(super) fn take(
        &mut self,
        older: &[Entry],
        more: bool,
        is_held: impl Fn(&Key) -> bool,
    ) -> Result<Finding, Error> {
        for entry in older {
            let other = share_of(entry, self.kind)?;
            self.last = entry.created();
            let reads =
                self.share == Share::Read && (other == Share::Read || planted(Bug::ReadersPassWriters));
            if reads && is_held(entry.key()) {
                return Ok(Finding::Free);
            }
            if reads {
                continue;
            }
            self.seen.push(entry.stamp().clone());
            if self.is_too_much(other) {
                return Ok(Finding::Behind(std::mem::take(&mut self.seen)));
            }
        }
        // Nothing else has the revision of the last one: the contract rules it out for what sessions own.
        let next = Revision::new(self.last.as_u64().saturating_sub(1));
        Ok(if more { Finding::More(next) } else { Finding::Free })
    }

    fn is_too_much(&mut self, other: Share) -> bool {
        let Kind::Semaphore { permits } = self.kind else { return true };
        self.used += if planted(Bug::WeightsIgnored) { 1 } else { other.weight() };
        self.used > u64::from(permits)
    }
}

#[cfg(test)]
mod tests {
    use super::{Finding, Look};
    use crate::lock::record::{Kind, Record, Share};
    use crate::names::{Collection, Key, Name};
    use crate::spi::{Entry, Revision, Stamp};
    use bytes::Bytes;

    const FOUR: Kind = Kind::Semaphore { permits: 4 };

    fn key(number: u64) -> Key {
        Collection::parse(&["lock", "l"]).unwrap().key(Name::parse(&format!("s-{number}")).unwrap())
    }

    /// Older places, the youngest first; the oldest was created at 1.
    fn older(kind: Kind, shares: &[Share]) -> Vec<Entry> {
        let numbered = shares.iter().zip((1..=shares.len() as u64).rev());
        let entries = numbered.map(|(share, created)| {
            let revision = Revision::new(created);
            let value = Record::new(kind, &Name::parse("n").unwrap(), *share).encode();
            Entry::new(Stamp::new(key(created), revision, revision, Bytes::new()), value, None)
        });
        entries.collect()
    }

    /// Who keeps out whoever wants `share`, by their numbers.
    fn look(kind: Kind, share: Share, ahead: &[Share]) -> Vec<u64> {
        match Look::new(kind, share, Revision::new(9)).take(&older(kind, ahead), false, |_| false).unwrap() {
            Finding::Free => Vec::new(),
            Finding::Behind(stamps) => stamps.iter().map(|stamp| stamp.created().as_u64()).collect(),
            Finding::More(_) => panic!("there is no more"),
        }
    }

    #[test]
    fn a_writer_waits_for_its_predecessor_whoever_that_is() {
        use Share::{Read, Whole};
        assert!(look(Kind::RwLock, Whole, &[]).is_empty());
        assert_eq!(look(Kind::RwLock, Whole, &[Read, Read]), [2]);
        assert_eq!(look(Kind::RwLock, Whole, &[Whole, Read]), [2]);
    }

    #[test]
    fn a_reader_waits_for_the_nearest_writer() {
        use Share::{Read, Whole};
        assert!(look(Kind::RwLock, Read, &[Read, Read]).is_empty());
        assert_eq!(look(Kind::RwLock, Read, &[Read, Whole, Read, Whole]), [3]);
    }

    #[test]
    fn permits_are_waited_for_from_those_that_are_too_much_together() {
        let permits = |weights: &[u32]| weights.iter().copied().map(Share::Permits).collect::<Vec<_>>();
        for (weight, ahead, behind) in [
            (1, &[1, 1, 1][..], &[][..]),
            (1, &[1, 1, 1, 1], &[4, 3, 2, 1]),
            (1, &[2, 2, 4], &[3, 2]),
            (4, &[1, 1], &[2]),
            (2, &[1, 1, 1], &[3, 2, 1]),
        ] {
            assert_eq!(
                look(FOUR, Share::Permits(weight), &permits(ahead)),
                behind,
                "{weight} behind {ahead:?}"
            );
        }
    }

    #[test]
    fn one_page_of_permits_is_enough() {
        for weight in 1..=4 {
            let ahead =
                older(FOUR, &vec![Share::Permits(1); Look::entries(FOUR, Share::Permits(weight)) - 1]);
            let mut look = Look::new(FOUR, Share::Permits(weight), Revision::new(9));
            let found = look.take(&ahead, true, |_| false).unwrap();
            assert!(matches!(found, Finding::Behind(_)), "{weight}: {found:?}");
        }
    }

    #[test]
    fn a_look_goes_on_where_a_page_ended() {
        let ahead = older(Kind::RwLock, &[Share::Read, Share::Read, Share::Whole]);
        let mut look = Look::new(Kind::RwLock, Share::Read, Revision::new(9));
        let found = look.take(&[], true, |_| false).unwrap();
        assert!(matches!(found, Finding::More(revision) if revision.as_u64() == 8), "{found:?}");
        let found = look.take(&ahead[..1], true, |_| false).unwrap();
        assert!(matches!(found, Finding::More(revision) if revision.as_u64() == 2), "{found:?}");
        assert!(matches!(look.take(&ahead[1..], false, |_| false).unwrap(), Finding::Behind(_)));
    }

    #[test]
    fn a_place_of_our_own_that_reads_already_ends_the_look() {
        let ahead = older(Kind::RwLock, &[Share::Read, Share::Read]);
        let mut look = Look::new(Kind::RwLock, Share::Read, Revision::new(9));
        let found = look.take(&ahead, true, |other| *other == key(1)).unwrap();
        assert!(matches!(found, Finding::Free), "{found:?}");
    }

    #[test]
    fn weights_of_hostile_size_do_not_overflow() {
        let kind = Kind::Semaphore { permits: u32::MAX };
        let found = look(kind, Share::Permits(u32::MAX), &[Share::Permits(u32::MAX); 3]);
        assert_eq!(found, [3]);
    }
}
