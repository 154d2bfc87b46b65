//! What a script answers.

use std::time::Duration;

use bytes::Bytes;
use ha_core::spi::{Collection, Entry, Name, Revision, SessionId, Stamp};

use crate::failure::{Failure, FailureKind};
use crate::keys::{NOBODY, SESSION_BYTES};
use crate::resp::Reply;

/// How a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Done,
    /// The session is over.
    Lost,
    /// The epoch in force is another one.
    Fenced,
    /// Nothing is granted for now.
    Held,
    /// It was asked for in an earlier history.
    Older,
    /// A guard was not satisfied.
    Conflict,
    /// A session has this id.
    Taken,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: Status,
    pub(crate) generation: u64,
    /// For how long nothing is granted, from the instant of the answer on.
    pub(crate) hold: Duration,
    pub(crate) revision: u64,
    /// In how long the next session ends, if it is not renewed.
    pub(crate) next_over: Option<Duration>,
    pub(crate) rest: Reply,
}

impl Answer {
    pub(crate) fn parse(reply: Reply) -> Result<Self, Failure> {
        let Reply::List(parts) = reply else { return Err(strange("it is no list")) };
        let mut parts = parts.into_iter();
        let status = match parts.next() {
            Some(Reply::Text(text)) => match &text[..] {
                b"OK" => Status::Done,
                b"LOST" => Status::Lost,
                b"FENCED" => Status::Fenced,
                b"HELD" => Status::Held,
                b"OLDER" => Status::Older,
                b"CONFLICT" => Status::Conflict,
                b"TAKEN" => Status::Taken,
                _ => return Err(strange("it ends as no release of a script does")),
            },
            _ => return Err(strange("it does not say how it ended")),
        };
        let mut number = || match parts.next() {
            Some(Reply::Number(number)) => Ok(number),
            _ => Err(strange("a number is missing")),
        };
        let (generation, hold, revision, next_over) = (number()?, number()?, number()?, number()?);
        Ok(Self {
            status,
            generation: generation.unsigned_abs(),
            hold: Duration::from_micros(hold.unsigned_abs()),
            revision: revision.unsigned_abs(),
            next_over: u64::try_from(next_over).ok().map(Duration::from_micros),
            rest: parts.next().unwrap_or(Reply::Nil),
        })
    }

    /// The indices of guards that were not satisfied.
    pub(crate) fn failed(&self) -> Result<Vec<usize>, Failure> {
        let indices = list(&self.rest)?.iter().map(|index| match index {
            Reply::Number(index) => {
                usize::try_from(*index).map_err(|_negative| strange("a guard below zero"))
            }
            _ => Err(strange("a guard is no number")),
        });
        indices.collect()
    }

    /// The epoch in force.
    pub(crate) fn epoch(&self) -> Result<u64, Failure> {
        match &self.rest {
            Reply::Number(epoch) => Ok(epoch.unsigned_abs()),
            _ => Err(strange("the epoch is missing")),
        }
    }

    /// What stands in a slot: an operation and the revision at which it was done.
    pub(crate) fn trace(&self) -> Result<Option<(u64, u64)>, Failure> {
        let Reply::Text(text) = &self.rest else { return Err(strange("the slot is missing")) };
        if text.is_empty() {
            return Ok(None);
        }
        let (operation, revision) =
            text.split_at_checked(16).ok_or_else(|| strange("the slot is too short"))?;
        Ok(Some((digits(operation)?, digits(revision)?)))
    }

    /// The pages that were read, one for each collection asked for.
    pub(crate) fn pages(&self, asked: &[Collection]) -> Result<Vec<PageFound>, Failure> {
        let pages = list(&self.rest)?;
        if pages.len() != asked.len() {
            return Err(strange("not as many pages as were asked for"));
        }
        pages.iter().zip(asked).map(|(page, collection)| PageFound::parse(page, collection)).collect()
    }
}

/// A page that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageFound {
    pub(crate) has_more: bool,
    pub(crate) entries: Vec<Entry>,
}

impl PageFound {
    fn parse(page: &Reply, collection: &Collection) -> Result<Self, Failure> {
        let Some((Reply::Number(more), entries)) = list(page)?.split_first() else {
            return Err(strange("a page does not say whether there is more"));
        };
        let entries = entries.chunks(2).map(|pair| match pair {
            [Reply::Text(found), Reply::Text(stored)] => entry(collection, name(found)?, stored),
            _ => Err(strange("a name without its entry")),
        });
        Ok(Self { has_more: *more != 0, entries: entries.collect::<Result<_, _>>()? })
    }
}

/// A name as the server has it.
pub(crate) fn name(bytes: &[u8]) -> Result<Name, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|_invalid| strange("a name is not UTF-8"))?;
    Name::parse(text).map_err(|_invalid| strange("a name is empty or too long"))
}

/// An entry as the server has it.
pub(crate) fn entry(collection: &Collection, name: Name, stored: &Bytes) -> Result<Entry, Failure> {
    if stored.len() < 32 + SESSION_BYTES {
        return Err(strange("an entry is too short"));
    }
    let owner = &stored[32..32 + SESSION_BYTES];
    let owner = if owner == NOBODY {
        None
    } else {
        let text = std::str::from_utf8(owner).ok();
        Some(
            text.and_then(|text| SessionId::parse(text).ok())
                .ok_or_else(|| strange("an owner is no session"))?,
        )
    };
    let stamp = stamp(collection, name, digits(&stored[..16])?, digits(&stored[16..32])?);
    Ok(Entry::new(stamp, stored.slice(32 + SESSION_BYTES..), owner))
}

/// The stamp of what was created and modified then.
pub(crate) fn stamp(collection: &Collection, name: Name, created: u64, modified: u64) -> Stamp {
    Stamp::new(collection.key(name), Revision::new(created), Revision::new(modified), Bytes::new())
}

/// A number of 16 digits.
pub(crate) fn digits(text: &[u8]) -> Result<u64, Failure> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| strange("a revision is no number"))
}

fn list(reply: &Reply) -> Result<&[Reply], Failure> {
    match reply {
        Reply::List(list) => Ok(list),
        _ => Err(strange("a list is missing")),
    }
}

/// An answer that no script gives.
pub(crate) fn strange(reason: &str) -> Failure {
    Failure::new(FailureKind::Corrupt, format_args!("the answer makes no sense: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::{Answer, Status};
    use crate::resp::Reply;
    use ha_core::spi::Collection;
    use std::time::Duration;

    fn text(text: &str) -> Reply {
        Reply::Text(text.to_owned().into())
    }

    fn answer(status: &str, rest: Reply) -> Reply {
        Reply::List(vec![
            text(status),
            Reply::Number(5),
            Reply::Number(1_500),
            Reply::Number(9),
            Reply::Number(-1),
            rest,
        ])
    }

    #[test]
    fn an_answer_says_how_the_store_stands() {
        let answer = Answer::parse(answer("FENCED", Reply::Number(3))).unwrap();
        assert_eq!((answer.status, answer.generation, answer.revision), (Status::Fenced, 5, 9));
        assert_eq!((answer.hold, answer.next_over), (Duration::from_micros(1_500), None));
        assert_eq!(answer.epoch().unwrap(), 3);
    }

    #[test]
    fn a_page_is_entries_with_their_owners() {
        let collection = Collection::parse(&["c"]).unwrap();
        let stored = "00000000000000070000000000000008------------------------value";
        let owned = "000000000000000700000000000000070123456789abcdef01234567";
        let page = Reply::List(vec![Reply::Number(1), text("a"), text(stored), text("b"), text(owned)]);
        let answer = Answer::parse(answer("OK", Reply::List(vec![page]))).unwrap();
        let pages = answer.pages(std::slice::from_ref(&collection)).unwrap();
        let [first, second] = &pages[0].entries[..] else { panic!("{pages:?}") };
        assert!(pages[0].has_more);
        assert_eq!((first.stamp().modified().as_u64(), &first.value()[..]), (8, &b"value"[..]));
        assert_eq!((first.owner(), second.value().is_empty()), (None, true));
        assert_eq!(second.owner().unwrap().as_str(), "0123456789abcdef01234567");
    }

    #[test]
    fn what_no_script_answers_is_refused() {
        for reply in [Reply::Nil, text("OK"), Reply::List(vec![]), answer("MAYBE", Reply::Nil)] {
            Answer::parse(reply.clone()).expect_err(&format!("{reply:?}"));
        }
        let collection = Collection::parse(&["c"]).unwrap();
        for page in
            [vec![], vec![Reply::Number(0), text("a")], vec![Reply::Number(0), text("a"), text("short")]]
        {
            let answer = Answer::parse(answer("OK", Reply::List(vec![Reply::List(page)]))).unwrap();
            answer.pages(std::slice::from_ref(&collection)).unwrap_err();
        }
    }
}
