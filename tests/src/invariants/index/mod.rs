//! What the checkers ask of a history, gathered in one pass and shared by all of them.

mod groups;
mod holding;
mod items;
mod log;
mod numbers;
mod processes;
mod requests;
mod sightings;

use std::cell::OnceCell;

use crate::history::{Event, History, Record};

pub(crate) use groups::{Group, Groups, Stay, View, Watcher};
pub(crate) use holding::{Call, Grant, Holding, Thing};
pub(crate) use items::{Filing, Item, Items, Settling};
pub(crate) use log::{KeyStates, Log, Owned, Session};
pub(crate) use numbers::{Mixer, Numbers};
pub(crate) use processes::Cluster;
pub(crate) use requests::{Request, Requests, Watch};
pub(crate) use sightings::{Observer, Sightings, Step, Write};

/// When something happened, and which record says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The instant.
    pub(crate) at: u64,
    /// The position of the record in the history.
    pub(crate) record: usize,
}

/// A history, indexed.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    pub(crate) records: &'a [Record],
    pub(crate) cluster: Cluster<'a>,
    pub(crate) holding: Holding<'a>,
    pub(crate) sightings: Sightings<'a>,
    pub(crate) groups: Groups<'a>,
    pub(crate) items: Items<'a>,
    pub(crate) log: Log<'a>,
    pub(crate) requests: Requests<'a>,
    /// Records that contradict others in form: the recorder is wrong.
    pub(crate) flaws: Vec<(Mark, &'static str)>,
    /// What the replay of the watches found: several checkers share it.
    pub(crate) replay: OnceCell<super::replay::Findings>,
}

impl<'a> Index<'a> {
    /// Indexes a history.
    pub(crate) fn new(history: &'a History) -> Self {
        let mut index = Self {
            records: history.records(),
            cluster: Cluster::default(),
            holding: Holding::default(),
            sightings: Sightings::default(),
            groups: Groups::default(),
            items: Items::default(),
            log: Log::default(),
            requests: Requests::default(),
            flaws: Vec::new(),
            replay: OnceCell::new(),
        };
        for (position, record) in index.records.iter().enumerate() {
            let mark = Mark { at: record.at, record: position };
            if let Err(flaw) = index.add(mark, record) {
                index.flaws.push((mark, flaw));
            }
        }
        index.holding.settle(&index.cluster);
        index
    }

    fn add(&mut self, mark: Mark, record: &'a Record) -> Result<(), &'static str> {
        match &record.event {
            Event::Started | Event::Stopped | Event::Crashed | Event::Frozen | Event::Thawed => {
                self.cluster.life(mark, record)
            }
            Event::Fault { .. } | Event::Healed { .. } | Event::Phase { .. } => {
                self.cluster.disturbance(mark, &record.event)
            }
            _ => {
                let process = self.cluster.process(record);
                self.add_of(mark, process, &record.event)
            }
        }
    }

    /// Adds what a process says.
    fn add_of(&mut self, mark: Mark, process: usize, event: &'a Event) -> Result<(), &'static str> {
        match event {
            Event::Asked { .. }
            | Event::Granted { .. }
            | Event::Shares { .. }
            | Event::GaveUp { .. }
            | Event::Withdrawn { .. }
            | Event::ValidUntil { .. }
            | Event::Ended { .. }
            | Event::LossNoticed { .. }
            | Event::Released { .. } => self.holding.add(mark, process, event),
            Event::Wrote { .. }
            | Event::Incremented { .. }
            | Event::Stepped { .. }
            | Event::Observed { .. }
            | Event::ObserverEnded { .. } => self.sightings.add(mark, process, event),
            Event::Joining { .. }
            | Event::Joined { .. }
            | Event::Updated { .. }
            | Event::Leaving { .. }
            | Event::Left { .. }
            | Event::Viewed { .. } => self.groups.add(mark, process, event),
            Event::Added { .. }
            | Event::Removing { .. }
            | Event::Attempt { .. }
            | Event::Settling { .. }
            | Event::Settled { .. }
            | Event::Filed { .. } => self.items.add(mark, process, event, &self.holding),
            Event::SessionOpened { .. }
            | Event::Renewed { .. }
            | Event::SessionEnded { .. }
            | Event::Committed { .. }
            | Event::Discontinuity { .. }
            | Event::Leftover { .. } => self.log.add(mark, process, event),
            _ => self.requests.add(mark, process, event),
        }
    }

    /// The instant of the last record.
    pub(crate) fn end(&self) -> u64 {
        self.records.last().map_or(0, |record| record.at)
    }

    /// A process, for messages: node and incarnation.
    pub(crate) fn who(&self, process: usize) -> String {
        let process = &self.cluster.processes[process];
        format!("{}/{}", process.node_name, process.incarnation)
    }
}
