//! Who was a member of which group, and who was told what of it.

use super::{Cluster, Mark, Numbers};
use crate::history::{Event, Shown};

/// The time from when a process wants to be a member until it does not.
#[derive(Debug)]
pub(crate) struct Stay {
    pub(crate) process: usize,
    pub(crate) from: Mark,
    /// Its incarnations, one after the other.
    pub(crate) joined: Vec<(u64, Mark)>,
    /// What it was told that is stored.
    pub(crate) updates: Vec<(u64, Mark)>,
    pub(crate) leaving: Option<Mark>,
    pub(crate) left: Option<Mark>,
}

impl Stay {
    /// What ended it, if anything did.
    pub(crate) fn ended(&self, cluster: &Cluster<'_>) -> Option<Mark> {
        let over = cluster.processes[self.process].over;
        [self.leaving, over].into_iter().flatten().min_by_key(|mark| mark.at)
    }

    /// What ended this incarnation: the next one, or the stay. `None`: it is not of this stay; `Some(None)`: nothing has.
    pub(crate) fn end_of(&self, incarnation: u64, cluster: &Cluster<'_>) -> Option<Option<Mark>> {
        let place = self.joined.iter().position(|(other, _)| *other == incarnation)?;
        let next = self.joined.get(place + 1).map(|(_, mark)| *mark);
        Some([next, self.ended(cluster)].into_iter().flatten().min_by_key(|mark| mark.at))
    }

    /// Until when it lasts; `u64::MAX`: for ever.
    pub(crate) fn until(&self, cluster: &Cluster<'_>) -> u64 {
        self.ended(cluster).map_or(u64::MAX, |mark| mark.at)
    }
}

/// What a watcher was told last, from this instant on.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) mark: Mark,
    pub(crate) number: u64,
    pub(crate) whole: bool,
    pub(crate) members: &'a [Shown],
}

impl<'a> View<'a> {
    /// The member of this node.
    pub(crate) fn get(&self, node: &str) -> Option<&'a Shown> {
        self.members.iter().find(|shown| shown.node == node)
    }
}

/// Somebody who follows a group.
#[derive(Debug)]
pub(crate) struct Watcher<'a> {
    pub(crate) process: usize,
    pub(crate) views: Vec<View<'a>>,
}

impl<'a> Watcher<'a> {
    /// The view that it has at this instant.
    pub(crate) fn at(&self, at: u64) -> Option<&View<'a>> {
        self.views[..self.views.partition_point(|view| view.mark.at <= at)].last()
    }

    /// Its views, each with the instant up to which it has it; `end` is that of the last.
    pub(crate) fn spans(&self, end: u64) -> impl Iterator<Item = (&View<'a>, u64)> {
        let ends = self.views.iter().skip(1).map(|view| view.mark.at).chain([end]);
        self.views.iter().zip(ends)
    }
}

/// A group.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    pub(crate) name: &'a str,
    pub(crate) stays: Vec<Stay>,
    pub(crate) watchers: Vec<Watcher<'a>>,
}

/// All groups.
#[derive(Debug, Default)]
pub(crate) struct Groups<'a> {
    pub(crate) groups: Vec<Group<'a>>,
    numbers: Numbers<&'a str>,
    /// By group, process and number.
    watchers: Numbers<(usize, usize, u64)>,
    /// The place of each among those of its group.
    places: Vec<usize>,
}

impl<'a> Groups<'a> {
    pub(super) fn add(&mut self, mark: Mark, process: usize, event: &'a Event) -> Result<(), &'static str> {
        match event {
            Event::Joining { group } => {
                let group = self.group(group);
                let stays = &mut self.groups[group].stays;
                if open(stays, process).is_ok() {
                    return Err("a member wants to join the group that it is in");
                }
                stays.push(Stay {
                    process,
                    from: mark,
                    joined: Vec::new(),
                    updates: Vec::new(),
                    leaving: None,
                    left: None,
                });
            }
            Event::Joined { group, incarnation } => {
                self.stay(group, process)?.joined.push((*incarnation, mark));
            }
            Event::Updated { group, version } => {
                self.stay(group, process)?.updates.push((*version, mark));
            }
            Event::Leaving { group } => self.stay(group, process)?.leaving = Some(mark),
            Event::Left { group } => {
                let group = self.group(group);
                let mut stays = self.groups[group].stays.iter_mut().rev();
                let stay = stays.find(|stay| stay.process == process && stay.leaving.is_some());
                stay.ok_or("a process has left a group that it was not leaving")?.left = Some(mark);
            }
            Event::Viewed { watcher, group, number, whole, members } => {
                let group = self.group(group);
                let (place, new) = self.watchers.number((group, process, *watcher));
                let watchers = &mut self.groups[group].watchers;
                if new {
                    self.places.push(watchers.len());
                    watchers.push(Watcher { process, views: Vec::new() });
                }
                let view = View { mark, number: *number, whole: *whole, members };
                watchers[self.places[place]].views.push(view);
            }
            _ => {}
        }
        Ok(())
    }

    fn group(&mut self, name: &'a str) -> usize {
        let (number, new) = self.numbers.number(name);
        if new {
            self.groups.push(Group { name, stays: Vec::new(), watchers: Vec::new() });
        }
        number
    }

    fn stay(&mut self, group: &'a str, process: usize) -> Result<&mut Stay, &'static str> {
        let group = self.group(group);
        open(&mut self.groups[group].stays, process)
    }
}

fn open(stays: &mut [Stay], process: usize) -> Result<&mut Stay, &'static str> {
    let last = stays.iter_mut().rev().find(|stay| stay.process == process);
    last.filter(|stay| stay.leaving.is_none())
        .ok_or("a process does something in a group that it did not join")
}
