//! Where readers of a view wait.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::view::{Change, Member, View};
use super::viewing::{News, Step, Viewing};
use crate::coordinator::{Driver, Engine, Lifetime};
use crate::error::Error;
use crate::sync::lock;
use crate::token::Token;

/// How many changes are kept for a reader that is late. One that is later still gets the whole view.
const KEPT: usize = 256;

/// The present view, and the changes that led to it.
#[derive(Debug, Default)]
struct State {
    members: BTreeMap<String, Arc<Member>>,
    /// How many changes there were. Zero: nothing is known yet.
    number: u64,
    is_current: bool,
    /// The latest changes; the last one led to the view `number`.
    log: VecDeque<Change>,
}

impl State {
    fn view(&self) -> View {
        View { number: self.number, is_current: self.is_current, members: self.members.clone() }
    }

    fn push(&mut self, change: Change) {
        self.number += 1;
        self.log.push_back(change);
        if self.log.len() > KEPT {
            self.log.pop_front();
        }
    }

    fn take(&mut self, step: Step, base: u64) {
        let change = match step {
            Step::Left(member) => {
                let member = member.lifted(base);
                self.members.remove(&member.node);
                Change::Left(Arc::new(member))
            }
            Step::Joined(member) => Change::Joined(self.put(member, base)),
            Step::Updated(member) => Change::Updated(self.put(member, base)),
            Step::Restarted { member, before } => {
                let before = Token::new(before.as_u64().saturating_add(base));
                Change::Restarted { member: self.put(member, base), before }
            }
        };
        self.push(change);
    }

    fn put(&mut self, member: Member, base: u64) -> Arc<Member> {
        let member = Arc::new(member.lifted(base));
        self.members.insert(member.node.clone(), Arc::clone(&member));
        member
    }

    fn resync(&mut self, members: BTreeMap<String, Member>, base: u64) {
        let lift = |(node, member): (String, Member)| (node, Arc::new(member.lifted(base)));
        self.members = members.into_iter().map(lift).collect();
        self.is_current = true;
        // Whoever has not read the changes before the gap needs none of them.
        self.log.clear();
        self.number += 1;
    }
}

/// The readers of one view.
#[derive(Debug)]
pub(super) struct Board {
    group: String,
    state: Mutex<State>,
    changed: Notify,
}

impl Board {
    /// Of a group of which nothing is known yet.
    pub(super) fn new(group: &str) -> Self {
        Self { group: group.to_owned(), state: Mutex::default(), changed: Notify::new() }
    }

    /// The present view, if anything is known.
    pub(super) fn view(&self) -> Option<View> {
        let state = lock(&self.state);
        (state.number > 0).then(|| state.view())
    }
}

impl Driver for Viewing {
    type Ports = Board;

    fn deliver(engine: &Arc<Engine<Self>>, news: News, life: Option<&Arc<Lifetime>>) {
        let base = life.map_or(0, |life| life.token_base());
        {
            let mut state = lock(&engine.ports.state);
            match news {
                News::Changed(steps) => steps.into_iter().for_each(|step| state.take(step, base)),
                News::Resynced(members) => state.resync(members, base),
                News::Current(is_current) => state.is_current = is_current,
            }
            engine.hub().meters().members(&engine.ports.group, state.members.len());
        }
        engine.ports.changed.notify_waiters();
    }
}

/// Waits until `look` finds something on the board.
pub(super) async fn until<T>(
    engine: &Arc<Engine<Viewing>>,
    mut look: impl FnMut(&Board) -> Option<T>,
    closed: impl FnOnce() -> Error,
) -> Result<T, Error> {
    let board = &engine.ports;
    loop {
        let changed = board.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        if let Some(found) = look(board) {
            return Ok(found);
        }
        tokio::select! {
            biased;
            () = changed => {}
            () = engine.hub().until_closed() => return Err(closed()),
        }
    }
}

/// The changes of a group, one after the other. Get it from [`Group::changes`](super::Group::changes).
///
/// # Guarantees
/// The first is [`Change::Resynced`]. Whoever applies every change in order has the present view at the end: put what joined, restarted or was
/// updated, remove what left, replace everything by what was resynced. After a gap, or when 256 changes were not read in time, comes
/// `Resynced`, never an invented join or leave.
///
/// # Not promised
/// That each state is told: a member that joins and leaves at once may not be told of. Nor why a member left.
pub struct Changes {
    engine: Arc<Engine<Viewing>>,
    /// The number of the view that was told last.
    seen: u64,
}

impl Changes {
    pub(super) fn new(engine: Arc<Engine<Viewing>>) -> Self {
        Self { engine, seen: 0 }
    }

    /// The next change; `None` once the coordinator is shut down.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Change> {
        let seen = self.seen;
        let next = until(
            &self.engine,
            |board| {
                let state = lock(&board.state);
                if state.number == seen {
                    return None;
                }
                let behind = usize::try_from(state.number - seen).unwrap_or(usize::MAX);
                let kept = state.log.len().checked_sub(behind).filter(|_| seen > 0);
                Some(match kept.and_then(|at| state.log.get(at)) {
                    Some(change) => (seen + 1, change.clone()),
                    None => (state.number, Change::Resynced(state.view())),
                })
            },
            || crate::coordinator::closed("follow", "group"),
        );
        let (seen, change) = next.await.ok()?;
        self.seen = seen;
        Some(change)
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("seen", &self.seen).finish_non_exhaustive()
    }
}
