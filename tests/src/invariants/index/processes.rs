//! Who was there, and who was in trouble when.

use super::{Mark, Numbers};
use crate::history::{Event, Phase, Record, Target};

/// One life of a node.
#[derive(Debug)]
pub(crate) struct Process<'a> {
    pub(crate) node: usize,
    pub(crate) node_name: &'a str,
    pub(crate) incarnation: u64,
    /// Its end, if it ended.
    pub(crate) over: Option<Mark>,
    /// When it did not run, though it was alive. The last of them may still be open.
    freezes: Vec<(u64, u64)>,
}

impl Process<'_> {
    /// The first instant from `at` on at which the process has run for `span` since `at`, freezes not counted.
    pub(crate) fn has_run(&self, at: u64, span: u64) -> u64 {
        let mut due = at.saturating_add(span);
        for (from, to) in self.freezes.iter().filter(|(_, to)| *to > at) {
            if *from > due {
                break;
            }
            // The whole span anew: whoever is thawed first has to be scheduled.
            due = to.saturating_add(span);
        }
        due
    }
}

/// All processes, all faults, and the phases.
#[derive(Debug, Default)]
pub(crate) struct Cluster<'a> {
    pub(crate) processes: Vec<Process<'a>>,
    process_numbers: Numbers<(&'a str, u64)>,
    last: Option<(&'a str, u64, usize)>,
    nodes: Numbers<&'a str>,
    /// Spans of trouble by node; an open one ends never.
    troubles: Vec<Vec<(u64, u64)>>,
    store_troubles: Vec<(u64, u64)>,
    /// The down time of each node that has crashed and not been started again: its place among the troubles.
    down: Vec<Option<usize>>,
    faults: Numbers<u64>,
    /// For each fault its kind, its span and what it strikes.
    pub(crate) fault_list: Vec<Fault<'a>>,
    liveness: Option<u64>,
    disturbed: u64,
    /// When something was broken, healed, frozen, thawed or ended, in order.
    disturbances: Vec<u64>,
}

/// Something that was broken on purpose.
#[derive(Debug)]
pub(crate) struct Fault<'a> {
    pub(crate) kind: &'a str,
    pub(crate) from: Mark,
    pub(crate) healed: Option<Mark>,
    /// The node; `None`: the store.
    node: Option<usize>,
    trouble: usize,
}

impl<'a> Cluster<'a> {
    /// The number of the process that `record` is about.
    pub(crate) fn process(&mut self, record: &'a Record) -> usize {
        // Runs of records of one process are common.
        if let Some((node, incarnation, process)) = self.last
            && incarnation == record.incarnation
            && node == record.node
        {
            return process;
        }
        let (process, new) = self.process_numbers.number((&record.node, record.incarnation));
        if new {
            let node = self.node(&record.node);
            self.processes.push(Process {
                node,
                node_name: &record.node,
                incarnation: record.incarnation,
                over: None,
                freezes: Vec::new(),
            });
        }
        self.last = Some((&record.node, record.incarnation, process));
        process
    }

    /// The process of this node and incarnation, if the history knows it.
    pub(crate) fn find(&self, node: &'a str, incarnation: u64) -> Option<usize> {
        self.process_numbers.find(&(node, incarnation))
    }

    fn node(&mut self, name: &'a str) -> usize {
        let (node, new) = self.nodes.number(name);
        if new {
            self.troubles.push(Vec::new());
            self.down.push(None);
        }
        node
    }

    pub(super) fn life(&mut self, mark: Mark, record: &'a Record) -> Result<(), &'static str> {
        self.disturbed = mark.at;
        if !matches!(record.event, Event::Started) {
            self.disturbances.push(mark.at);
        }
        let number = self.process(record);
        let node = self.processes[number].node;
        let has_successor = self.processes[number + 1..].iter().any(|other| {
            other.node == node && other.incarnation > record.incarnation && other.over.is_none()
        });
        let process = &mut self.processes[number];
        let troubles = &mut self.troubles[process.node];
        match record.event {
            Event::Started => {
                if let Some(down) = self.down[process.node].take() {
                    troubles[down].1 = mark.at;
                }
                if process.over.is_some() {
                    return Err("an incarnation that ended starts again");
                }
            }
            Event::Crashed | Event::Stopped => {
                if process.over.is_some() {
                    return Err("a process that ended ends again");
                }
                process.over = Some(mark);
                close(&mut process.freezes, mark.at);
                if !has_successor {
                    self.down[process.node] = Some(troubles.len());
                    troubles.push((mark.at, u64::MAX));
                }
            }
            Event::Frozen if process.over.is_none() => {
                if !is_open(&process.freezes) {
                    process.freezes.push((mark.at, u64::MAX));
                }
            }
            // Healing a node that was not frozen, or is dead by now, is harmless.
            _ => close(&mut process.freezes, mark.at),
        }
        Ok(())
    }

    pub(super) fn disturbance(&mut self, mark: Mark, event: &'a Event) -> Result<(), &'static str> {
        self.disturbances.push(mark.at);
        match event {
            Event::Fault { fault, kind, target } => {
                self.disturbed = mark.at;
                let node = match target {
                    Target::Store => None,
                    Target::Node(name) => Some(self.node(name)),
                };
                let (_, new) = self.faults.number(*fault);
                if !new {
                    return Err("the number of a fault is used twice");
                }
                let troubles = node.map_or(&mut self.store_troubles, |node| &mut self.troubles[node]);
                let trouble = troubles.len();
                troubles.push((mark.at, u64::MAX));
                self.fault_list.push(Fault { kind, from: mark, healed: None, node, trouble });
            }
            Event::Healed { fault } => {
                self.disturbed = mark.at;
                let Some(number) = self.faults.find(fault) else {
                    return Err("a fault is healed that nobody recorded");
                };
                let fault = &mut self.fault_list[number];
                fault.healed.get_or_insert(mark);
                let troubles = fault.node.map_or(&mut self.store_troubles, |node| &mut self.troubles[node]);
                troubles[fault.trouble].1 = mark.at;
            }
            Event::Phase { phase } => self.liveness = (*phase == Phase::Liveness).then_some(mark.at),
            _ => {}
        }
        Ok(())
    }

    /// From when on nothing is disturbed any more, if the run has a liveness phase and the store works in it. Nodes may
    /// stay broken for ever; see [`is_well`](Self::is_well).
    pub(crate) fn calm(&self) -> Option<u64> {
        let liveness = self.liveness?;
        (!is_open(&self.store_troubles)).then_some(liveness.max(self.disturbed))
    }

    /// Whether a process is healthy once the run is calm.
    pub(crate) fn is_well(&self, process: usize) -> bool {
        let process = &self.processes[process];
        !is_open(&self.troubles[process.node]) && !is_open(&process.freezes)
    }

    /// Whether nothing was broken, healed, frozen or ended from `from` to `to`. The start of a process is no disturbance; the end of the one before is.
    pub(crate) fn is_quiet(&self, from: u64, to: u64) -> bool {
        let next = self.disturbances.partition_point(|at| *at < from);
        self.disturbances.get(next).is_none_or(|at| *at > to)
    }

    /// The last instant up to `at` at which the process, or the store, was in trouble; 0 if there is none.
    pub(crate) fn last_trouble(&self, process: usize, at: u64) -> u64 {
        let process = &self.processes[process];
        let node = latest(&self.troubles[process.node], at).max(latest(&process.freezes, at));
        node.max(self.last_store_trouble(at))
    }

    /// The last instant up to `at` at which the store was in trouble; 0 if there is none.
    pub(crate) fn last_store_trouble(&self, at: u64) -> u64 {
        latest(&self.store_troubles, at)
    }
}

fn latest(spans: &[(u64, u64)], at: u64) -> u64 {
    spans.iter().filter(|(from, _)| *from <= at).map(|(_, to)| (*to).min(at)).max().unwrap_or(0)
}

fn is_open(spans: &[(u64, u64)]) -> bool {
    spans.iter().any(|(_, to)| *to == u64::MAX)
}

fn close(spans: &mut [(u64, u64)], at: u64) {
    if let Some(last) = spans.last_mut()
        && last.1 == u64::MAX
    {
        last.1 = at;
    }
}
