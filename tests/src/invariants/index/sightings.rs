//! What fenced resources decided, what observers of elections were told, and what the store saw of those who assign partitions.

use super::{Mark, Numbers};
use crate::history::{Answer, Event, Sight};

/// A write that a fenced resource decided on.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) mark: Mark,
    pub(crate) token: u64,
    /// Of an increment: the value to write.
    pub(crate) value: Option<u64>,
    pub(crate) answer: Answer,
}

/// A fenced resource.
#[derive(Debug)]
pub(crate) struct Resource<'a> {
    pub(crate) name: &'a str,
    pub(crate) writes: Vec<Write>,
}

/// An observer of an election.
#[derive(Debug)]
pub(crate) struct Observer<'a> {
    pub(crate) process: usize,
    pub(crate) name: &'a str,
    pub(crate) sights: Vec<(Mark, &'a Sight)>,
    pub(crate) ended: bool,
}

/// A commit that changes what the members of a partitioned group are assigned.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) mark: Mark,
    pub(crate) group: &'a str,
    pub(crate) session: &'a str,
    pub(crate) leader: Option<&'a str>,
    pub(crate) number: Option<u64>,
}

/// All resources and observers, and the steps of assignors.
#[derive(Debug, Default)]
pub(crate) struct Sightings<'a> {
    pub(crate) steps: Vec<Step<'a>>,
    pub(crate) resources: Vec<Resource<'a>>,
    pub(crate) observers: Vec<Observer<'a>>,
    resource_numbers: Numbers<&'a str>,
    observer_numbers: Numbers<(usize, u64)>,
}

impl<'a> Sightings<'a> {
    pub(super) fn add(&mut self, mark: Mark, process: usize, event: &'a Event) -> Result<(), &'static str> {
        match event {
            Event::Wrote { resource, token, answer } => {
                self.write(resource, Write { mark, token: *token, value: None, answer: *answer });
            }
            Event::Incremented { resource, token, value, answer } => {
                self.write(resource, Write { mark, token: *token, value: Some(*value), answer: *answer });
            }
            Event::Stepped { name, session, leader, number } => {
                let (leader, number) = (leader.as_deref(), *number);
                self.steps.push(Step { mark, group: name, session, leader, number });
            }
            Event::Observed { observer, name, sight } => {
                let (number, new) = self.observer_numbers.number((process, *observer));
                if new {
                    self.observers.push(Observer { process, name, sights: Vec::new(), ended: false });
                }
                let observer = &mut self.observers[number];
                if observer.name != name {
                    return Err("an observer watches two elections");
                }
                if observer.ended {
                    return Err("an observer is told something after it was closed");
                }
                observer.sights.push((mark, sight));
            }
            Event::ObserverEnded { observer } => {
                // One that was told nothing is not known.
                if let Some(number) = self.observer_numbers.find(&(process, *observer)) {
                    self.observers[number].ended = true;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn write(&mut self, resource: &'a str, write: Write) {
        let (number, new) = self.resource_numbers.number(resource);
        if new {
            self.resources.push(Resource { name: resource, writes: Vec::new() });
        }
        self.resources[number].writes.push(write);
    }
}
