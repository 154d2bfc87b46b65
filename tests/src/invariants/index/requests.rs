//! Requests of tests of the contract, and watches.

use super::{Mark, Numbers};
use crate::history::{Action, Event, Item, Key, Outcome};

/// A request.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) op: u64,
    pub(crate) key: usize,
    pub(crate) key_name: &'a Key,
    pub(crate) action: Action,
    pub(crate) bytes: u64,
    pub(crate) invoked: Mark,
    pub(crate) answered: Option<Mark>,
    /// Unknown until it is answered.
    pub(crate) outcome: Outcome,
}

/// A watch, and what it delivered.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    pub(crate) process: usize,
    pub(crate) collection: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) seen: u64,
    pub(crate) opened: Mark,
    pub(crate) items: Vec<(Mark, &'a Item)>,
    pub(crate) ended: bool,
}

/// All requests and watches.
#[derive(Debug, Default)]
pub(crate) struct Requests<'a> {
    pub(crate) list: Vec<Request<'a>>,
    /// How many keys they are about.
    pub(crate) keys: usize,
    pub(crate) watches: Vec<Watch<'a>>,
    op_numbers: Numbers<u64>,
    key_numbers: Numbers<(&'a str, &'a str)>,
    watch_numbers: Numbers<(usize, u64)>,
}

impl<'a> Requests<'a> {
    pub(super) fn add(&mut self, mark: Mark, process: usize, event: &'a Event) -> Result<(), &'static str> {
        match event {
            Event::Invoked { op, key, action, bytes } => {
                let (_, new) = self.op_numbers.number(*op);
                if !new {
                    return Err("the number of a request is used twice");
                }
                let (key_number, _) = self.key_numbers.number((&key.collection, &key.name));
                self.keys = self.keys.max(key_number + 1);
                self.list.push(Request {
                    op: *op,
                    key: key_number,
                    key_name: key,
                    action: *action,
                    bytes: *bytes,
                    invoked: mark,
                    answered: None,
                    outcome: Outcome::Unknown,
                });
            }
            Event::Answered { op, outcome } => return self.answered(mark, *op, *outcome),
            Event::WatchOpened { watch, collection, name, seen } => {
                let (_, new) = self.watch_numbers.number((process, *watch));
                if !new {
                    return Err("the number of a watch is used twice");
                }
                self.watches.push(Watch {
                    process,
                    collection,
                    name: name.as_deref(),
                    seen: *seen,
                    opened: mark,
                    items: Vec::new(),
                    ended: false,
                });
            }
            Event::WatchDelivered { watch, item } => {
                let watch = self.watch(process, *watch)?;
                if watch.ended {
                    return Err("a watch that has ended delivers something");
                }
                watch.items.push((mark, item));
            }
            Event::WatchEnded { watch } => self.watch(process, *watch)?.ended = true,
            _ => {}
        }
        Ok(())
    }

    /// The request with this number.
    pub(crate) fn find(&self, op: u64) -> Option<&Request<'a>> {
        self.op_numbers.find(&op).map(|number| &self.list[number])
    }

    fn answered(&mut self, mark: Mark, op: u64, outcome: Outcome) -> Result<(), &'static str> {
        let number = self.op_numbers.find(&op).ok_or("a request is answered that was never invoked")?;
        let request = &mut self.list[number];
        if request.answered.is_some() {
            return Err("a request is answered twice");
        }
        let is_read = matches!(request.action, Action::Get);
        if is_read && matches!(outcome, Outcome::Applied { .. } | Outcome::Conflict)
            || !is_read && matches!(outcome, Outcome::Seen(_))
        {
            return Err("a read is answered like a write, or a write like a read");
        }
        request.answered = Some(mark);
        request.outcome = outcome;
        Ok(())
    }

    fn watch(&mut self, process: usize, watch: u64) -> Result<&mut Watch<'a>, &'static str> {
        let number =
            self.watch_numbers.find(&(process, watch)).ok_or("a watch is named that was never opened")?;
        Ok(&mut self.watches[number])
    }
}
