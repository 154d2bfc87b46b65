//! What the entries of a work-set say, and where they are.

use bytes::Bytes;

use crate::names::{Collection, Name};
use crate::partition::codec::{Reader, Writer};
use crate::spi::Entry;

/// The first byte of every value: the form of the rest.
const FORMAT: u8 = 1;

/// The collections of one work-set.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// The items, by id.
    pub(super) items: Collection,
    /// Lists of items that can be claimed, the most urgent first, then the oldest.
    pub(super) ready: Collection,
    /// Lists of items that can be claimed from some time on, the earliest first.
    pub(super) later: Collection,
    /// Lists of items that were claimed together, by worker.
    pub(super) claims: Collection,
    /// The workers: entries that vanish with their sessions, under names that are never used again.
    pub(super) workers: Collection,
    /// Lists of items that were completed together, the earliest first.
    pub(super) done: Collection,
    /// The dead letters, by id.
    pub(super) dead: Collection,
    /// By how much each worker changed the number of items in each state.
    pub(super) tallies: Collection,
}

impl Keys {
    pub(super) fn new(name: &Name) -> Self {
        let of = |part: &str| Collection::of("work", &[name, &Name::internal(part)]);
        Self {
            items: of("item"),
            ready: of("ready"),
            later: of("later"),
            claims: of("claim"),
            workers: of("worker"),
            done: of("done"),
            dead: of("dead"),
            tallies: of("tally"),
        }
    }
}

/// What has become of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It can be claimed once `due`, in milliseconds since 1970, has passed.
    Ready { due: u64 },
    /// The worker of this name has it.
    Claimed { worker: Name },
    /// It was completed at `at` under the claim that the commit of revision `token` made.
    Done { at: u64, token: u64 },
    /// It is a dead letter since `at`.
    Dead { at: u64 },
}

/// The value of an item. Its payload is borrowed where a record is only made to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record<P = Bytes> {
    pub(super) stage: Stage,
    pub(super) priority: i8,
    /// How often it was claimed.
    pub(super) claims: u32,
    pub(super) failures: u32,
    pub(super) abandons: u32,
    /// Why it failed last.
    pub(super) reason: String,
    /// What is to be done; once it is done, the result.
    pub(super) payload: P,
}

impl Record {
    /// The latest time that the names of lists can carry, far beyond any clock.
    pub(super) const DUE_MAX: u64 = (1 << 48) - 1;

    pub(super) fn ready(priority: i8, due: u64, payload: Bytes) -> Self {
        let stage = Stage::Ready { due };
        Self { stage, priority, claims: 0, failures: 0, abandons: 0, reason: String::new(), payload }
    }

    pub(super) fn decode(value: &Bytes) -> Option<Self> {
        Record::parse(value, |text| Name::parse(text).ok()).map(|record| record.own(value))
    }

    /// What an item says that `worker` has most likely claimed.
    pub(super) fn decode_of(worker: &Name, value: &Bytes) -> Option<Self> {
        let name = |text: &str| {
            if text == worker.as_str() { Some(worker.clone()) } else { Name::parse(text).ok() }
        };
        Record::parse(value, name).map(|record| record.own(value))
    }

    /// What an entry says.
    pub(super) fn read(entry: &Entry) -> Self {
        Record::view(entry).own(entry.value())
    }

    /// The same, to be written in another form.
    pub(super) fn borrowed(&self) -> Record<&[u8]> {
        let Self { stage, priority, claims, failures, abandons, reason, payload } = self;
        Record {
            stage: stage.clone(),
            priority: *priority,
            claims: *claims,
            failures: *failures,
            abandons: *abandons,
            reason: reason.clone(),
            payload,
        }
    }
}

impl<'a> Record<&'a [u8]> {
    fn parse(value: &'a [u8], worker: impl Fn(&str) -> Option<Name>) -> Option<Self> {
        let mut reader = Reader::new(value);
        if reader.number()? != u64::from(FORMAT) {
            return None;
        }
        let tag = reader.number()?;
        let priority = u8::try_from(reader.number()?).ok()?.cast_signed();
        let (claims, failures, abandons) = (reader.small()?, reader.small()?, reader.small()?);
        let (one, two) = (reader.number()?, reader.number()?);
        let text = std::str::from_utf8(reader.bytes()?).ok()?;
        let reason = std::str::from_utf8(reader.bytes()?).ok()?.into();
        let stage = match tag {
            0 => Stage::Ready { due: one },
            1 => Stage::Claimed { worker: worker(text)? },
            2 => Stage::Done { at: one, token: two },
            3 => Stage::Dead { at: one },
            _ => return None,
        };
        Some(Self { stage, priority, claims, failures, abandons, reason, payload: reader.rest() })
    }

    /// What an entry says. One that says nothing that this release understands is shown as a dead letter, so that nobody works on it.
    pub(super) fn view(entry: &'a Entry) -> Self {
        Self::parse(entry.value(), |text| Name::parse(text).ok()).unwrap_or_else(|| Self {
            stage: Stage::Dead { at: 0 },
            priority: 0,
            claims: 0,
            failures: 0,
            abandons: 0,
            reason: "its record is not one that this release can read; redrive it to try, or remove it"
                .into(),
            payload: entry.value(),
        })
    }

    /// The same, with a payload that is a part of `value`.
    fn own(self, value: &Bytes) -> Record {
        let Self { stage, priority, claims, failures, abandons, reason, payload } = self;
        let payload = value.slice_ref(payload);
        Record { stage, priority, claims, failures, abandons, reason, payload }
    }
}

impl<P: AsRef<[u8]> + Clone> Record<P> {
    pub(super) fn encode(&self) -> Bytes {
        let (tag, one, two, text) = match &self.stage {
            Stage::Ready { due } => (0, *due, 0, ""),
            Stage::Claimed { worker } => (1, 0, 0, worker.as_str()),
            Stage::Done { at, token } => (2, *at, *token, ""),
            Stage::Dead { at } => (3, *at, 0, ""),
        };
        let [claims, failures, abandons] = [self.claims, self.failures, self.abandons].map(u64::from);
        let priority = u64::from(self.priority.cast_unsigned());
        let numbers = [u64::from(FORMAT), tag, priority, claims, failures, abandons, one, two];
        let texts = [text, self.reason.as_str()];
        let payload = self.payload.as_ref();
        // As long as it is to be: what is spare would have to be remembered apart.
        let length = numbers.into_iter().map(Writer::length_of).sum::<usize>()
            + texts.iter().map(|text| Writer::length_of(text.len() as u64) + text.len()).sum::<usize>()
            + payload.len();
        let mut writer = Writer::with_capacity(length);
        numbers.into_iter().for_each(|number| writer.number(number));
        texts.into_iter().for_each(|text| writer.bytes(text.as_bytes()));
        writer.raw(payload);
        writer.finish().into()
    }

    /// What it is once the worker `name` has claimed it.
    pub(super) fn taken_by(&self, name: &Name) -> Self {
        let stage = Stage::Claimed { worker: name.clone() };
        Self { stage, claims: self.claims.saturating_add(1), ..self.clone() }
    }

    /// What it is when whoever had it did not settle it: ready again, or a dead letter.
    pub(super) fn abandoned(&self, most: u32, now: u64, reason: &str) -> Self {
        let abandons = self.abandons.saturating_add(1);
        let (stage, reason) = match abandons >= most.max(1) {
            true => (Stage::Dead { at: now }, reason.into()),
            false => (Stage::Ready { due: 0 }, self.reason.clone()),
        };
        Self { stage, reason, abandons, ..self.clone() }
    }

    /// Whether the worker `name` has it.
    pub(super) fn is_claimed_by(&self, name: &Name) -> bool {
        matches!(&self.stage, Stage::Claimed { worker } if worker == name)
    }
}

/// A list of items, and how many bytes their payloads have together: so that a reader knows beforehand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    pub(super) bytes: u64,
    pub(super) ids: Vec<Name>,
}

impl List {
    pub(super) fn encode(&self) -> Bytes {
        let mut writer =
            Writer::with_capacity(8 + self.ids.iter().map(|id| id.as_str().len() + 2).sum::<usize>());
        writer.number(u64::from(FORMAT));
        writer.number(self.bytes);
        self.ids.iter().for_each(|id| writer.bytes(id.as_str().as_bytes()));
        writer.finish().into()
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(value);
        if reader.number()? != u64::from(FORMAT) {
            return None;
        }
        let mut list = Self { bytes: reader.number()?, ids: Vec::new() };
        while !reader.is_empty() {
            let id = std::str::from_utf8(reader.bytes()?).ok()?;
            if list.ids.is_empty() {
                // Mostly all are of one length.
                list.ids.reserve(1 + reader.rest().len() / (id.len() + 1));
            }
            list.ids.push(Name::parse(id).ok()?);
        }
        Some(list)
    }
}

/// What a worker says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Worker {
    /// Whether it claims: the others then leave it its share.
    pub(super) claims: bool,
    /// When something is due that it has put off, in milliseconds since 1970; 0 for nothing. Whoever waits looks then.
    pub(super) due: u64,
}

impl Worker {
    pub(super) fn encode(self) -> Bytes {
        let mut writer = Writer::default();
        [u64::from(FORMAT), u64::from(self.claims), self.due]
            .into_iter()
            .for_each(|number| writer.number(number));
        writer.finish().into()
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(value);
        let is_known = reader.number()? == u64::from(FORMAT);
        let worker = Self { claims: reader.number()? == 1, due: reader.number()? };
        is_known.then_some(worker)
    }
}

/// How many items are in each state; of one worker, by how much it changed that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) ready: i64,
    pub(super) claimed: i64,
    pub(super) done: i64,
    pub(super) dead: i64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.ready += other.ready;
        self.claimed += other.claimed;
        self.done += other.done;
        self.dead += other.dead;
    }

    /// Counts an item that goes from one state to another.
    pub(super) fn step(&mut self, from: Option<&Stage>, to: Option<&Stage>) {
        for (stage, by) in [(from, -1), (to, 1)] {
            match stage {
                Some(Stage::Ready { .. }) => self.ready += by,
                Some(Stage::Claimed { .. }) => self.claimed += by,
                Some(Stage::Done { .. }) => self.done += by,
                Some(Stage::Dead { .. }) => self.dead += by,
                None => {}
            }
        }
    }

    pub(super) fn encode(self) -> Bytes {
        let mut writer = Writer::default();
        writer.number(u64::from(FORMAT));
        for number in [self.ready, self.claimed, self.done, self.dead] {
            // The sign in the lowest bit, so that small numbers are short.
            writer.number(((number << 1) ^ (number >> 63)).cast_unsigned());
        }
        writer.finish().into()
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(value);
        let is_known = reader.number()? == u64::from(FORMAT);
        let mut signed =
            || reader.number().map(|number| (number >> 1).cast_signed() ^ -(number & 1).cast_signed());
        let tally = Self { ready: signed()?, claimed: signed()?, done: signed()?, dead: signed()? };
        is_known.then_some(tally)
    }
}

/// The worker of a list of claims, or of a tally, from its name.
pub(super) fn worker_of(name: &Name) -> Option<Name> {
    let (worker, _) = name.as_str().rsplit_once('.')?;
    Name::parse(worker).ok()
}

/// The name behind all that belong to `worker`.
pub(super) fn behind(worker: &Name) -> Name {
    // What follows the worker's name in these is '.', and '/' is the character after it.
    Name::internal(format!("{worker}/"))
}

/// The list of what `worker` claims together.
pub(super) fn claims_name(worker: &Name, number: u64) -> Name {
    Name::internal(format!("{worker}.{number:08x}"))
}

/// The order in which items are taken: the most urgent first, then the oldest.
pub(super) fn ready_name(priority: i8, at: u64, worker: &Name, number: u64) -> Name {
    Name::internal(format!("{:03}-{at:012x}-{worker}.{number:08x}", 127 - i16::from(priority)))
}

/// The order in which items become due.
pub(super) fn due_name(due: u64, priority: i8, worker: &Name, number: u64) -> Name {
    Name::internal(format!("{due:012x}-{:03}-{worker}.{number:08x}", 127 - i16::from(priority)))
}

/// The order in which items were done.
pub(super) fn done_name(at: u64, worker: &Name, number: u64) -> Name {
    Name::internal(format!("{at:012x}-{worker}.{number:08x}"))
}

/// The time that the name of a list begins with.
pub(super) fn time_of(name: &Name) -> Option<u64> {
    u64::from_str_radix(name.as_str().split_once('-')?.0, 16).ok()
}

/// The priority of a list of items that are ready, or are due at some time.
pub(super) fn priority_of(name: &Name, is_later: bool) -> Option<i8> {
    let field = name.as_str().split('-').nth(usize::from(is_later))?;
    i8::try_from(127 - field.parse::<i16>().ok()?).ok()
}

#[cfg(test)]
#[path = "records_test.rs"]
mod tests;
