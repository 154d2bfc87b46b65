//! Replays what watches delivered against the store's own log.

use super::bounds::Bounds;
use super::index::{Index, KeyStates, Mark, Watch};
use super::violation::Broken;
use crate::history::{Change, Item};

/// The first finding of each kind.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Something was missed, or made up.
    pub(crate) missed: Option<Broken>,
    /// Something went back.
    pub(crate) went_back: Option<Broken>,
}

/// What is wrong with one item.
enum Wrong {
    Missed(String),
    WentBack(String),
}

/// The findings of all watches of a history, made once.
pub(crate) fn findings<'i>(index: &'i Index<'_>, bounds: &Bounds) -> &'i Findings {
    index.replay.get_or_init(|| {
        let mut findings = Findings::default();
        for watch in &index.requests.watches {
            let mut replay = Replay::new(index, watch);
            let wrong =
                watch.items.iter().find_map(|(mark, item)| Some((*mark, replay.item(*mark, item).err()?)));
            match wrong {
                Some((mark, Wrong::Missed(what))) => {
                    findings.missed.get_or_insert(Broken::new(what, [watch.opened, mark]));
                }
                Some((mark, Wrong::WentBack(what))) => {
                    findings.went_back.get_or_insert(Broken::new(what, [watch.opened, mark]));
                }
                None if findings.missed.is_none() => findings.missed = replay.behind_at_the_end(bounds),
                None => {}
            }
        }
        findings
    })
}

/// A watch as far as it has been replayed.
struct Replay<'i, 'a> {
    index: &'i Index<'a>,
    watch: &'i Watch<'a>,
    /// Per key of the collection: which of its states the watch shows.
    view: Vec<usize>,
    /// Per key of the collection: the oldest of its states that the watch may show.
    due: Vec<usize>,
    /// How many changes of the collection `due` contains.
    counted: usize,
    revision: u64,
    has_begun: bool,
    is_current: bool,
}

impl<'i, 'a> Replay<'i, 'a> {
    fn new(index: &'i Index<'a>, watch: &'i Watch<'a>) -> Self {
        let keys = index.log.find_collection(watch.collection).map_or(0, |collection| collection.keys.len());
        Self {
            index,
            watch,
            view: vec![0; keys],
            due: vec![0; keys],
            counted: 0,
            revision: 0,
            has_begun: false,
            is_current: false,
        }
    }

    fn item(&mut self, mark: Mark, item: &Item) -> Result<(), Wrong> {
        match item {
            Item::Interrupted => {
                self.is_current = false;
                Ok(())
            }
            Item::Snapshot { revision, entries } => {
                if !self.has_begun && *revision < self.watch.seen {
                    let seen = self.watch.seen;
                    return Err(Wrong::WentBack(format!(
                        "{} begins at revision {revision}, before revision {seen}, which its session had seen",
                        self.title()
                    )));
                }
                self.advance(*revision)?;
                (self.has_begun, self.is_current) = (true, true);
                if self.index.log.is_recorded() { self.snapshot(mark, entries) } else { Ok(()) }
            }
            Item::Changed { revision, changes } => {
                if !self.is_current {
                    return Err(Wrong::Missed(format!(
                        "{} delivered changes without a snapshot before them",
                        self.title()
                    )));
                }
                let counted = self.counted;
                self.advance(*revision)?;
                if self.index.log.is_recorded() { self.changes(mark, changes, counted) } else { Ok(()) }
            }
        }
    }

    fn title(&self) -> String {
        let name = self.watch.name.map(|name| format!("/{name}")).unwrap_or_default();
        format!("the watch of {}{name} at {}", self.watch.collection, self.index.who(self.watch.process))
    }

    /// The watch claims to be not older than `revision`.
    fn advance(&mut self, revision: u64) -> Result<(), Wrong> {
        if revision < self.revision {
            return Err(Wrong::WentBack(format!(
                "{} went back from revision {} to {revision}",
                self.title(),
                self.revision
            )));
        }
        self.revision = revision;
        if let Some(collection) = self.index.log.find_collection(self.watch.collection) {
            let newer = &collection.changes[self.counted..];
            for (_, key, state) in newer.iter().take_while(|(changed, ..)| *changed <= revision) {
                self.due[self.index.log.keys[*key].place] = *state;
                self.counted += 1;
            }
        }
        Ok(())
    }

    fn is_target(&self, name: &str) -> bool {
        self.watch.name.is_none_or(|target| target == name)
    }

    fn snapshot(&mut self, mark: Mark, entries: &[Change]) -> Result<(), Wrong> {
        let mut shown = vec![false; self.view.len()];
        for entry in entries {
            let place = self.show(mark, entry)?;
            shown[place] = true;
        }
        let Some(collection) = self.index.log.find_collection(self.watch.collection) else { return Ok(()) };
        for (place, key) in collection.keys.iter().enumerate() {
            let states = &self.index.log.keys[*key];
            if !self.is_target(&states.key.name) {
                continue;
            }
            if !shown[place] {
                let from = self.view[place].max(self.due[place]);
                let absent = (from..states.states.len()).find(|state| {
                    let state = &states.states[*state];
                    state.present.is_none() && state.mark.at <= mark.at
                });
                let Some(absent) = absent else {
                    return Err(Wrong::Missed(format!(
                        "{} left {:?} out of a snapshot at revision {}",
                        self.title(),
                        states.key.name,
                        self.revision
                    )));
                };
                self.view[place] = absent;
            }
            self.is_up_to_date(*key)?;
        }
        Ok(())
    }

    fn changes(&mut self, mark: Mark, changes: &[Change], counted: usize) -> Result<(), Wrong> {
        for change in changes {
            self.show(mark, change)?;
        }
        let Some(collection) = self.index.log.find_collection(self.watch.collection) else { return Ok(()) };
        let told = changes.iter().filter_map(|change| self.index.log.find_key(change.key()));
        let newly_due = collection.changes[counted..self.counted].iter().map(|(_, key, _)| *key);
        for key in newly_due.chain(told) {
            self.is_up_to_date(key)?;
        }
        Ok(())
    }

    /// The watch must not show an older state of the key than its revision allows.
    fn is_up_to_date(&mut self, key: usize) -> Result<(), Wrong> {
        let states = &self.index.log.keys[key];
        if !self.is_target(&states.key.name) {
            return Ok(());
        }
        let due = self.due[states.place];
        let view = &mut self.view[states.place];
        if is_absent_twice(states, *view, due) {
            *view = due;
        }
        if *view >= due {
            return Ok(());
        }
        Err(Wrong::Missed(format!(
            "{} is at revision {} and never told what became of {:?} in revision {}",
            self.title(),
            self.revision,
            states.key.name,
            states.states[due].revision
        )))
    }

    /// Takes a delivered state into the view; its place among the keys of the collection.
    fn show(&mut self, mark: Mark, change: &Change) -> Result<usize, Wrong> {
        let key = change.key();
        let known = self.index.log.find_key(key).filter(|_| key.collection == self.watch.collection);
        let Some(states) = known.filter(|_| self.is_target(&key.name)).map(|key| &self.index.log.keys[key])
        else {
            return Err(Wrong::Missed(format!("{} showed {key:?}, which was never there", self.title())));
        };
        let is_it = |number: &usize| {
            let state = &states.states[*number];
            let same = match change {
                Change::Put { created, modified, .. } => state.present == Some((*created, *modified)),
                Change::Removed { created, .. } => state.present.is_none() && state.removed == *created,
            };
            same && state.mark.at <= mark.at
        };
        let (view, due) = (self.view[states.place], self.due[states.place]);
        // After a roll-back the same state can be there twice.
        let found = (view.max(due)..states.states.len())
            .find(is_it)
            .or_else(|| (view..states.states.len()).find(is_it));
        let Some(found) = found else {
            let title = self.title();
            return Err(match (0..view).find(is_it) {
                Some(_) => Wrong::WentBack(format!("{title} went back to an older state of {:?}", key.name)),
                None => Wrong::Missed(format!(
                    "{title} showed a state of {:?} that was never committed",
                    key.name
                )),
            });
        };
        self.view[states.place] = found;
        Ok(states.place)
    }

    /// In a calm run, a watch that says that it is current knows within the bound what was committed.
    fn behind_at_the_end(&self, bounds: &Bounds) -> Option<Broken> {
        let index = self.index;
        let calm = index.cluster.calm()?;
        let is_over = self.watch.ended || index.cluster.processes[self.watch.process].over.is_some();
        let known_by = index.end().checked_sub(bounds.recovery)?;
        if is_over || !self.is_current || known_by < calm || !index.cluster.is_well(self.watch.process) {
            return None;
        }
        let collection = index.log.find_collection(self.watch.collection)?;
        let keys = collection.keys.iter().map(|key| &index.log.keys[*key]);
        keys.filter(|states| self.is_target(&states.key.name)).find_map(|states| {
            let newest = states.states.iter().rposition(|state| state.mark.at <= known_by)?;
            let view = self.view[states.place];
            (view < newest && !is_absent_twice(states, view, newest)).then(|| {
                let message = format!(
                    "{} was not told in the end what became of {:?} in revision {}",
                    self.title(),
                    states.key.name,
                    states.states[newest].revision
                );
                Broken::new(message, [self.watch.opened, states.states[newest].mark])
            })
        })
    }
}

/// Whether the entry came and went between two states: nothing has to be told of it.
fn is_absent_twice(states: &KeyStates<'_>, view: usize, due: usize) -> bool {
    view < due && states.states[view].present.is_none() && states.states[due].present.is_none()
}
