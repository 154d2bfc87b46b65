//! What the store itself recorded: sessions, commits, the life of every entry.

use super::{Mark, Numbers};
use crate::history::{Change, Event, Key, SessionEnd};

/// A session.
#[derive(Debug, Default)]
pub(crate) struct Session<'a> {
    pub(crate) name: &'a str,
    /// Its process, when it was opened and with what ttl, if it is known.
    pub(crate) opened: Option<(usize, Mark, u64)>,
    /// The latest instant at which a renewal that was acknowledged was sent, and the record that says so.
    pub(crate) proven: Option<(u64, Mark)>,
    /// The latest instant at which a renewal, acknowledged or not, can have counted.
    pub(crate) hoped: Option<Mark>,
    /// An acknowledged renewal that was sent after the end.
    pub(crate) late_renewal: Option<Mark>,
    pub(crate) ended: Option<(SessionEnd, Mark)>,
}

/// A commit.
#[derive(Debug)]
pub(crate) struct Commit<'a> {
    pub(crate) mark: Mark,
    pub(crate) revision: u64,
    pub(crate) session: Option<&'a str>,
    pub(crate) op: Option<u64>,
}

/// A state of an entry, from `revision` on.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) mark: Mark,
    pub(crate) revision: u64,
    /// `created` and `modified`; `None`: there is no entry.
    pub(crate) present: Option<(u64, u64)>,
    /// If there is none: which incarnation was the last.
    pub(crate) removed: u64,
}

/// All states of a key, oldest first. The first is the absence before everything.
#[derive(Debug)]
pub(crate) struct KeyStates<'a> {
    pub(crate) key: &'a Key,
    pub(crate) states: Vec<State>,
    /// Its collection, and its place among the keys of that.
    collection: usize,
    pub(crate) place: usize,
    owned: Option<usize>,
}

/// All keys of a collection, and its changes: (revision, key, number of the state).
#[derive(Debug, Default)]
pub(crate) struct Collection {
    pub(crate) keys: Vec<usize>,
    pub(crate) changes: Vec<(u64, usize, usize)>,
}

/// One incarnation of an entry that vanishes with a session.
#[derive(Debug)]
pub(crate) struct Owned<'a> {
    pub(crate) key: &'a Key,
    pub(crate) created: u64,
    pub(crate) session: usize,
    pub(crate) born: Mark,
    /// Updates by a session that does not own it.
    pub(crate) touched: Option<(Mark, usize)>,
    /// Its end, and the session that committed it.
    pub(crate) gone: Option<(Mark, Option<usize>)>,
}

/// The store's own records.
#[derive(Debug, Default)]
pub(crate) struct Log<'a> {
    pub(crate) sessions: Vec<Session<'a>>,
    pub(crate) commits: Vec<Commit<'a>>,
    pub(crate) keys: Vec<KeyStates<'a>>,
    pub(crate) collections: Vec<Collection>,
    pub(crate) owned: Vec<Owned<'a>>,
    pub(crate) discontinuities: Vec<Mark>,
    pub(crate) leftovers: Vec<(Mark, &'a Key, Option<usize>, bool)>,
    session_numbers: Numbers<&'a str>,
    key_numbers: Numbers<(&'a str, &'a str)>,
    collection_numbers: Numbers<&'a str>,
}

impl<'a> Log<'a> {
    pub(super) fn add(&mut self, mark: Mark, process: usize, event: &'a Event) -> Result<(), &'static str> {
        match event {
            Event::SessionOpened { session, ttl } => {
                let session = self.session(session);
                if self.sessions[session].opened.is_some() {
                    return Err("the id of a session is used twice");
                }
                self.sessions[session].opened = Some((process, mark, *ttl));
            }
            Event::Renewed { session, sent, acknowledged } => {
                let session = self.session(session);
                let session = &mut self.sessions[session];
                session.hoped = Some(mark);
                if *acknowledged && session.proven.is_none_or(|(proven, _)| *sent > proven) {
                    session.proven = Some((*sent, mark));
                }
                if *acknowledged && session.ended.is_some_and(|(_, end)| *sent > end.at) {
                    session.late_renewal.get_or_insert(mark);
                }
            }
            Event::SessionEnded { session, reason } => {
                let session = self.session(session);
                self.sessions[session].ended.get_or_insert((*reason, mark));
            }
            Event::Committed { revision, session, op, changes } => {
                return self.commit(mark, *revision, session.as_deref(), *op, changes);
            }
            Event::Discontinuity { .. } => self.discontinuities.push(mark),
            Event::Leftover { key, owner, owner_alive } => {
                let owner = owner.as_deref().map(|owner| self.session(owner));
                self.leftovers.push((mark, key, owner, *owner_alive));
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the store recorded its commits at all.
    pub(crate) fn is_recorded(&self) -> bool {
        !self.commits.is_empty()
    }

    pub(crate) fn find_session(&self, name: &str) -> Option<usize> {
        self.session_numbers.find(&name)
    }

    pub(crate) fn find_key(&self, key: &Key) -> Option<usize> {
        self.key_numbers.find(&(&key.collection, &key.name))
    }

    pub(crate) fn find_collection(&self, name: &str) -> Option<&Collection> {
        self.collection_numbers.find(&name).map(|number| &self.collections[number])
    }

    fn session(&mut self, name: &'a str) -> usize {
        let (session, new) = self.session_numbers.number(name);
        if new {
            self.sessions.push(Session { name, ..Session::default() });
        }
        session
    }

    fn commit(
        &mut self,
        mark: Mark,
        revision: u64,
        session: Option<&'a str>,
        op: Option<u64>,
        changes: &'a [Change],
    ) -> Result<(), &'static str> {
        let is_larger = self.commits.last().is_none_or(|last| last.revision < revision);
        self.commits.push(Commit { mark, revision, session, op });
        let committer = session.map(|session| self.session(session));
        for change in changes {
            self.change(mark, revision, committer, change);
        }
        if is_larger { Ok(()) } else { Err("the store's log has a commit whose revision is not the largest") }
    }

    fn change(&mut self, mark: Mark, revision: u64, committer: Option<usize>, change: &'a Change) {
        let key = self.key(change.key());
        let before = self.keys[key].owned;
        let (present, removed) = match change {
            Change::Put { created, modified, .. } => (Some((*created, *modified)), 0),
            Change::Removed { created, .. } => (None, *created),
        };
        let states = &mut self.keys[key].states;
        let number = states.len();
        states.push(State { mark, revision, present, removed });
        let collection = self.keys[key].collection;
        self.collections[collection].changes.push((revision, key, number));

        let stays =
            before.filter(|owned| present.is_some() && self.owned[*owned].created == change.created());
        if let Some(owned) = stays {
            let owned = &mut self.owned[owned];
            if let Some(other) = committer.filter(|committer| *committer != owned.session) {
                owned.touched.get_or_insert((mark, other));
            }
            return;
        }
        if let Some(owned) = before {
            self.owned[owned].gone = Some((mark, committer));
        }
        self.keys[key].owned = match change {
            Change::Put { key, created, owner: Some(owner), .. } => {
                let session = self.session(owner);
                let born = mark;
                self.owned.push(Owned { key, created: *created, session, born, touched: None, gone: None });
                Some(self.owned.len() - 1)
            }
            _ => None,
        };
    }

    fn collection(&mut self, name: &'a str) -> usize {
        let (collection, new) = self.collection_numbers.number(name);
        if new {
            self.collections.push(Collection::default());
        }
        collection
    }

    fn key(&mut self, key: &'a Key) -> usize {
        let (number, new) = self.key_numbers.number((&key.collection, &key.name));
        if new {
            // Before its first change there is nothing, since the beginning.
            let nothing = State { mark: Mark { at: 0, record: 0 }, revision: 0, present: None, removed: 0 };
            let collection = self.collection(&key.collection);
            let keys = &mut self.collections[collection].keys;
            let place = keys.len();
            keys.push(number);
            self.keys.push(KeyStates { key, states: vec![nothing], collection, place, owned: None });
        }
        number
    }
}
