//! The one thread of this process that reads: it answers, tells watches what has changed, and notices whose session is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ha_core::spi::{Change, Lineage, Name, WatchTarget};
use rusqlite::{Connection, OpenFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::bell::Ear;
use crate::connection;
use crate::error::Failure;
use crate::hub::Standing;
use crate::keys::Place;
use crate::peers::Peers;
use crate::rows;
use crate::schema::State;
use crate::site::Shared;

/// How many changes are looked up one by one. With more, each watch is given a snapshot.
const CHANGES_MAX: i64 = 2_048;

/// After the bell rang for nothing of interest here, the next look waits so long, and each time twice as long: processes that commit very often must
/// not keep all others busy.
const CALM_MIN: Duration = Duration::from_millis(1);
const CALM_MAX: Duration = Duration::from_millis(8);

/// How long to wait before trying again to read what could not be read.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// After so many attempts in a row the watches are told that nobody knows.
const ATTEMPTS: u32 = 10;

/// How long a statement waits for a process that repairs the log.
const BUSY_WAIT: Duration = Duration::from_millis(20);

/// The reader: what it has seen so far.
#[derive(Debug)]
pub(crate) struct Reader {
    shared: Arc<Shared>,
    connection: Connection,
    ear: Ear,
    seen: Option<State>,
    peers: Peers,
    failures: u32,
    /// How long not to listen to the bell once it rang for what interests nobody here.
    calm: Duration,
    /// It did so last.
    is_deaf: bool,
}

/// Answers until nobody can ask any more.
pub(crate) fn serve(shared: &Arc<Shared>) {
    let ear = Ear::open(&shared.folder);
    let Some(connection) = open(shared) else { return };
    ear.watch_over(&shared.config.path);
    let peers = Peers::new(Arc::clone(shared));
    let shared = Arc::clone(shared);
    let mut reader = Reader {
        shared,
        connection,
        ear,
        seen: None,
        peers,
        failures: 0,
        calm: Duration::ZERO,
        is_deaf: false,
    };
    while reader.turn() {}
}

/// Opens the database once the writer has found that it is one of ours, or does not if nobody asks any more.
fn open(shared: &Shared) -> Option<Connection> {
    loop {
        let woken = [PollFd::from_borrowed_fd(shared.inbox.descriptor(), PollFlags::IN)];
        wait(woken, None);
        if shared.is_ready() {
            let opened = connection::open(&shared.config.path, OpenFlags::empty()).and_then(|connection| {
                connection.busy_timeout(BUSY_WAIT)?;
                Ok(connection)
            });
            match opened {
                Ok(connection) => return Some(connection),
                Err(error) => {
                    tracing::warn!(%error, "the local store cannot be opened for reading");
                    shared.end_moved();
                }
            }
        }
        if shared.inbox.is_stopped() {
            return None;
        }
        shared.inbox.quiet();
    }
}

impl Reader {
    /// Sleeps until there is something to do, and does it. False once nobody asks any more.
    fn turn(&mut self) -> bool {
        let heard = self.sleep();
        let found = self.shared.inbox.take();
        if found.stopped {
            return false;
        }
        for question in found.questions {
            question(self);
        }
        if heard {
            self.ear.clear();
        }
        if self.shared.is_moved() {
            self.shared.end_moved();
            return false;
        }
        let told = self.look();
        self.is_deaf = heard && !told;
        if told {
            self.calm = Duration::ZERO;
        } else if heard {
            self.calm = (self.calm * 2).clamp(CALM_MIN, CALM_MAX);
        }
        self.peers.end_those_over();
        true
    }

    /// Sleeps until somebody asks, commits or dies, or it is time to look. Tells whether the bell rang, or may have rung unheard.
    fn sleep(&self) -> bool {
        let longest = match self.failures {
            _ if self.is_deaf => self.calm,
            0 => {
                self.peers.until_next().map_or(self.ear.look_every(), |next| next.min(self.ear.look_every()))
            }
            _ => TRY_AGAIN,
        };
        let mut sources = vec![PollFd::from_borrowed_fd(self.shared.inbox.descriptor(), PollFlags::IN)];
        let bell = self.ear.descriptor().filter(|_| !self.is_deaf);
        sources.extend(bell.map(|bell| PollFd::from_borrowed_fd(bell, PollFlags::IN)));
        let bells = sources.len();
        sources.extend(self.peers.descriptors().map(|peer| PollFd::from_borrowed_fd(peer, PollFlags::IN)));
        let ready = wait(sources, Some(longest));
        self.peers.note_deaths(ready.get(bells..).unwrap_or_default());
        ready.get(1..bells).is_some_and(|bell| bell.contains(&true))
    }

    /// Answers from one state of the database.
    pub(crate) fn read<T>(
        &mut self,
        read: impl FnOnce(&Connection, &State) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let step = self.connection.transaction()?;
        let state = State::load(&step)?;
        let answer = read(&step, &state)?;
        step.commit()?;
        Ok(answer)
    }

    /// What the latest state that could be read belongs to.
    pub(crate) fn last_lineage(&self) -> Lineage {
        self.seen.map_or_else(Lineage::default, |state| Self::lineage(&self.shared, &state))
    }

    /// What answers from `state` belong to.
    pub(crate) fn lineage(shared: &Shared, state: &State) -> Lineage {
        state.lineage(shared.clock, shared.clock.now())
    }

    /// Finds out what has changed, and tells those who want to know. Whether there were any.
    fn look(&mut self) -> bool {
        match self.try_look() {
            Ok(told) => {
                self.failures = 0;
                told
            }
            Err(failure) => {
                self.failures = self.failures.saturating_add(1);
                tracing::debug!(?failure, attempt = self.failures, "the local store cannot be read");
                if self.failures == ATTEMPTS {
                    self.shared.hub.begin_again(true);
                }
                true
            }
        }
    }

    fn try_look(&mut self) -> Result<bool, Failure> {
        let shared = Arc::clone(&self.shared);
        // One that is opened from now on may have to show more than what is read here: it waits for the next look.
        let newest = shared.hub.newest();
        let step = self.connection.transaction()?;
        let state = State::load(&step)?;
        let standing = Standing {
            revision: rows::revision(state.revision),
            lineage: state.lineage(shared.clock, shared.clock.now()),
        };
        if self.seen.is_none_or(|seen| seen.membership != state.membership) {
            self.peers.reload(&step, state.revision)?;
        }
        let mut told = false;
        match self.seen {
            Some(seen) if seen.revision == state.revision => {}
            Some(seen) if seen.revision >= state.trimmed => {
                told = tell_changes(&shared, &step, seen.revision, standing)?;
            }
            _ => shared.hub.begin_again(false),
        }
        for (watch, place, target) in shared.hub.wanted(newest) {
            let entries = match &*target {
                WatchTarget::Entry(key) => rows::entry(&step, &place, key)?.into_iter().collect(),
                WatchTarget::Collection(collection) => rows::all(&step, &place, collection)?,
                _ => Vec::new(),
            };
            shared.hub.put_snapshot(watch, entries, standing);
        }
        step.commit()?;
        self.seen = Some(state);
        Ok(told)
    }
}

/// Tells the watches what was changed after `since`. Whether there were any that it concerns.
fn tell_changes(shared: &Shared, step: &Connection, since: i64, standing: Standing) -> Result<bool, Failure> {
    let mut statement = step.prepare_cached(
        "SELECT place, name, created FROM changes WHERE revision > ?1 ORDER BY revision LIMIT ?2",
    )?;
    let mut changes = statement.query([since, CHANGES_MAX + 1])?;
    let mut latest: BTreeMap<(Place, Name), i64> = BTreeMap::new();
    let mut count = 0;
    while let Some(row) = changes.next()? {
        let name: Vec<u8> = row.get(1)?;
        latest.insert((Place::from_bytes(row.get(0)?), rows::name_of(&name)?), row.get(2)?);
        count += 1;
    }
    if count > CHANGES_MAX {
        shared.hub.begin_again(false);
        return Ok(true);
    }
    let mut told = Vec::new();
    for ((place, name), created) in latest {
        let Some(target) = shared.hub.target_of(&place, &name) else { continue };
        let key = match &*target {
            WatchTarget::Entry(key) => key.clone(),
            WatchTarget::Collection(collection) => collection.key(name.clone()),
            _ => continue,
        };
        let change = match rows::entry(step, &place, &key)? {
            Some(entry) => Change::Put(entry),
            None => Change::Removed(rows::stamp(key, created, created)),
        };
        told.push((place, name, change));
    }
    shared.hub.tell(&told, standing);
    Ok(!told.is_empty())
}

/// Waits until one of `sources` is ready, at most so long. Tells which ones are.
fn wait<'a>(sources: impl Into<Vec<PollFd<'a>>>, longest: Option<Duration>) -> Vec<bool> {
    let mut sources = sources.into();
    let longest = longest.map(|longest| Timespec {
        tv_sec: i64::try_from(longest.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: longest.subsec_nanos().into(),
    });
    // A signal wakes us too early, which does no harm.
    poll(&mut sources, longest.as_ref()).ok();
    sources.iter().map(|source| !source.revents().is_empty()).collect()
}
