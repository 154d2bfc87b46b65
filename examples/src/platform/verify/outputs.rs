//! The output files of a run, read back.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::platform::clock::Moment;
use crate::platform::failure::Failure;
use crate::platform::records::{
    Change, EVENTS, EXECUTIONS, ExecutionRecord, FILES, POLLS, PollRecord, REFUSED, RESULTS, RUN,
    RefusedRecord, ResultRecord, RunRecord, SECTIONS, SectionRecord, TICKS, TickRecord, WORLD, Write,
    read_lines,
};
use crate::platform::resource::read_counter;
use crate::platform::timeline::{Event, EventRecord, Fault};
use crate::platform::trackers::hash_all;

/// What a machine that is busy with other things may add to a ttl before a crashed node is replaced.
const SLACK: Duration = Duration::from_secs(1);

/// All that a run has written.
#[derive(Clone, Debug)]
pub(super) struct Outputs {
    pub(super) run: RunRecord,
    pub(super) events: Vec<EventRecord>,
    pub(super) ticks: Vec<TickRecord>,
    pub(super) polls: Vec<PollRecord>,
    pub(super) sections: Vec<SectionRecord>,
    pub(super) refused: Vec<RefusedRecord>,
    pub(super) world: Vec<Change>,
    pub(super) executions: Vec<ExecutionRecord>,
    pub(super) results: Vec<ResultRecord>,
    /// The hash and the size of each file that the trackers had, computed anew.
    pub(super) hashes: BTreeMap<String, (String, u64)>,
    pub(super) counter: u64,
    /// When the end began.
    pub(super) stopping: Moment,
}

impl Outputs {
    /// Reads the files in `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let run = read_lines::<RunRecord>(folder, RUN)?;
        let run =
            run.into_iter().next().ok_or_else(|| Failure::at("use", &folder.join(RUN), "it is empty"))?;
        let events: Vec<EventRecord> = read_lines(folder, EVENTS)?;
        let stopping = events.iter().find(|record| record.event == Event::Stopping).map(|record| record.at);
        let unfinished = || Failure::at("use", &folder.join(EVENTS), "the run did not come to its end");
        Ok(Self {
            run,
            stopping: stopping.ok_or_else(unfinished)?,
            events,
            ticks: read_lines(folder, TICKS)?,
            polls: read_lines(folder, POLLS)?,
            sections: read_lines(folder, SECTIONS)?,
            refused: read_lines(folder, REFUSED)?,
            world: read_lines(folder, WORLD)?,
            executions: read_lines(folder, EXECUTIONS)?,
            results: read_lines(folder, RESULTS)?,
            hashes: hash_all(&folder.join(FILES))?,
            counter: read_counter(folder)?,
        })
    }

    /// After how long somebody else has to lead when a node is lost without notice.
    pub(super) fn crash_bound(&self) -> Duration {
        self.run.ttl() + SLACK + self.run.patience()
    }

    /// The same for a process that was killed.
    pub(super) fn death_bound(&self) -> Duration {
        if self.run.sees_deaths { self.planned_bound() } else { self.crash_bound() }
    }

    /// The same for a change that is planned. It needs a few messages; the rest is for a busy machine, and still tells it from a change that
    /// waits for an expiry.
    pub(super) fn planned_bound(&self) -> Duration {
        self.run.ttl() / 2 + self.run.patience()
    }

    /// For how much of the time between two instants the machine stood still: no bound on the platform counts that.
    pub(super) fn stalled(&self, from: Moment, until: Moment) -> Duration {
        let stalls = self.events.iter().filter_map(|record| match record.event {
            Event::Stalled { since } => Some(record.at.min(until).since(since.max(from))),
            _ => None,
        });
        stalls.sum()
    }

    /// Every poll that was made, whether the resource took its result or not.
    pub(super) fn all_polls(&self) -> Vec<PollRecord> {
        let refused = self.refused.iter().filter_map(|refused| match &refused.write {
            Write::Poll(poll) => {
                Some(PollRecord { poll: poll.clone(), node: refused.node.clone(), token: refused.token })
            }
            Write::Ticks(_) | Write::Section(_) => None,
        });
        self.polls.iter().cloned().chain(refused).collect()
    }

    /// What was done to nodes, and when.
    pub(super) fn faults(&self) -> impl Iterator<Item = (Moment, &str, Fault)> {
        let is_node = |name: &str| self.run.nodes.iter().any(|node| node == name);
        self.all_faults().filter(move |(_, name, _)| is_node(name))
    }

    /// When the tracker was killed, if it was.
    pub(super) fn death_of(&self, tracker: &str) -> Option<Moment> {
        let killed = |(_, name, fault): &(Moment, &str, Fault)| *name == tracker && *fault == Fault::Killed;
        self.all_faults().find(killed).map(|(at, ..)| at)
    }

    fn all_faults(&self) -> impl Iterator<Item = (Moment, &str, Fault)> {
        self.events.iter().filter_map(|record| match &record.event {
            Event::Fault { node, fault } => Some((record.at, node.as_str(), *fault)),
            _ => None,
        })
    }
}
