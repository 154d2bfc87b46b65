//! The resource that the platform works for: it emits ticks, keeps readings and counts maintenance, in files.
//!
//! It stands for a database or a device outside of the platform. It knows nothing about elections, locks and nodes that are
//! down; it sees tokens.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::clock::{Clock, Moment};
use super::failure::Failure;
use super::gate::{Gate, Stale};
use super::records::{
    COUNTER, MAINTENANCE, OutputFile, POLLS, PollRecord, REFUSED, RefusedRecord, SECTIONS, SectionRecord,
    TICKS, TIMERS, TickRecord, Write, read_lines,
};
use super::schedule::Emitted;
use super::timeline::{Event, Timeline};

/// The resource.
pub(super) struct Resource {
    state: Mutex<State>,
    folder: PathBuf,
    clock: Clock,
    timeline: Timeline,
    fenced: bool,
}

struct State {
    gate: Gate,
    ticks: OutputFile,
    polls: OutputFile,
    sections: OutputFile,
    refused: OutputFile,
    /// When the latest poll of each sensor began.
    polled: BTreeMap<String, Moment>,
    failed: Option<Failure>,
}

impl Resource {
    /// A resource that keeps its files in `folder`. One that is not `fenced` ignores tokens, as many do.
    pub(super) fn create(
        folder: &Path,
        clock: Clock,
        timeline: Timeline,
        fenced: bool,
    ) -> Result<Self, Failure> {
        let state = State {
            gate: Gate::default(),
            ticks: OutputFile::create(folder, TICKS)?,
            polls: OutputFile::create(folder, POLLS)?,
            sections: OutputFile::create(folder, SECTIONS)?,
            refused: OutputFile::create(folder, REFUSED)?,
            polled: BTreeMap::new(),
            failed: None,
        };
        write_counter(folder, 0)?;
        Ok(Self { state: Mutex::new(state), folder: folder.to_owned(), clock, timeline, fenced })
    }

    /// Which ticks were emitted, for a new leader with this token.
    ///
    /// It has to show its token to *read*: from then on nothing that an earlier leader has sent can arrive and make the
    /// answer wrong.
    pub(super) fn emitted(&self, token: u64) -> Result<Emitted, Stale> {
        let mut state = self.lock();
        self.admit(&mut state, TIMERS, token)?;
        let records = read_lines::<TickRecord>(&self.folder, TICKS);
        let mut emitted = Emitted::default();
        match records {
            Ok(records) => records.iter().for_each(|record| emitted.note(&record.tick)),
            Err(failure) => state.failed = state.failed.take().or(Some(failure)),
        }
        Ok(emitted)
    }

    /// How many critical sections there were, for a new holder of the maintenance mutex with this token.
    pub(super) fn counter(&self, token: u64) -> Result<u64, Stale> {
        let mut state = self.lock();
        self.admit(&mut state, MAINTENANCE, token)?;
        let counter = read_counter(&self.folder);
        Ok(counter.unwrap_or_else(|failure| {
            state.failed = state.failed.take().or(Some(failure));
            0
        }))
    }

    /// Writes what `node` has sent with `token`, unless a larger token was seen: then it came too late.
    pub(super) fn write(&self, node: &str, token: u64, write: Write) -> Result<(), Stale> {
        let mut state = self.lock();
        let at = self.clock.now();
        let thing = write.thing();
        if let Err(stale) = self.admit(&mut state, &thing, token) {
            let highest = stale.highest;
            state.refused.append(&RefusedRecord { at, node: node.into(), token, highest, write });
            drop(state);
            self.timeline.record(Event::Refused { node: node.into(), thing, token, highest });
            return Err(stale);
        }
        let node = node.to_owned();
        match write {
            Write::Ticks(ticks) => {
                for tick in ticks {
                    state.ticks.append(&TickRecord { tick, at, node: node.clone(), token });
                }
            }
            Write::Poll(poll) => {
                state.polled.insert(poll.sensor.clone(), poll.start);
                state.polls.append(&PollRecord { poll, node, token });
            }
            Write::Section(section) => {
                let written = write_counter(&self.folder, section.value);
                state.failed = state.failed.take().or(written.err());
                state.sections.append(&SectionRecord { section, end: at, node, token });
            }
        }
        Ok(())
    }

    /// Whether `sensor` was polled by somebody who has looked at it after `since` only.
    pub(super) fn was_polled(&self, sensor: &str, since: Moment) -> bool {
        self.lock().polled.get(sensor).is_some_and(|start| *start > since)
    }

    /// Fails if an output file could not be written or read.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let mut state = self.lock();
        let State { ticks, polls, sections, refused, failed, .. } = &mut *state;
        [ticks, polls, sections, refused].into_iter().try_for_each(OutputFile::check)?;
        failed.take().map_or(Ok(()), Err)
    }

    fn admit(&self, state: &mut State, thing: &str, token: u64) -> Result<(), Stale> {
        let admitted = state.gate.admit(thing, token);
        if self.fenced { admitted } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// The number in the counter file.
pub(super) fn read_counter(folder: &Path) -> Result<u64, Failure> {
    let path = folder.join(COUNTER);
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::at("read", &path, error))?;
    text.trim().parse().map_err(|error| Failure::at("read the number in", &path, error))
}

fn write_counter(folder: &Path, value: u64) -> Result<(), Failure> {
    let path = folder.join(COUNTER);
    std::fs::write(&path, format!("{value}\n")).map_err(|error| Failure::at("write", &path, error))
}
