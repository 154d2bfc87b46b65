//! What the reader is asked.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;

use rustix::event::{EventfdFlags, eventfd};

use crate::reader::Reader;
use crate::sync::lock;

/// A question: runs on the thread of the reader.
pub(crate) type Question = Box<dyn FnOnce(&mut Reader) + Send>;

/// What the thread of the reader finds when it wakes up.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) questions: Vec<Question>,
    /// This process has committed something.
    pub(crate) committed: bool,
    /// Some watch wants a snapshot.
    pub(crate) wanted: bool,
    /// Nobody asks any more.
    pub(crate) stopped: bool,
}

/// Questions, and the descriptor that wakes whoever answers them.
pub(crate) struct Inbox {
    found: Mutex<Found>,
    event: OwnedFd,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("questions", &lock(&self.found).questions.len()).finish_non_exhaustive()
    }
}

impl Inbox {
    /// An empty one.
    pub(crate) fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { found: Mutex::default(), event })
    }

    /// Asks the reader. False if there is none any more.
    pub(crate) fn ask(&self, question: Question) -> bool {
        {
            let mut found = lock(&self.found);
            if found.stopped {
                return false;
            }
            found.questions.push(question);
        }
        self.wake();
        true
    }

    /// This process has committed something.
    pub(crate) fn committed(&self) {
        lock(&self.found).committed = true;
        self.wake();
    }

    /// Some watch wants a snapshot.
    pub(crate) fn want(&self) {
        lock(&self.found).wanted = true;
        self.wake();
    }

    /// Lets the reader end.
    pub(crate) fn stop(&self) {
        lock(&self.found).stopped = true;
        self.wake();
    }

    /// What becomes readable when there is something.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// Whether nobody asks any more.
    pub(crate) fn is_stopped(&self) -> bool {
        lock(&self.found).stopped
    }

    /// Takes what is there.
    pub(crate) fn take(&self) -> Found {
        self.quiet();
        let mut found = lock(&self.found);
        let stopped = found.stopped;
        Found { stopped, ..std::mem::replace(&mut *found, Found { stopped, ..Found::default() }) }
    }

    /// Lets the descriptor be readable no more until something else comes.
    pub(crate) fn quiet(&self) {
        // Nothing to read is fine.
        rustix::io::read(&self.event, &mut [0; 8]).ok();
    }

    fn wake(&self) {
        // It is full when it was written 2^64 times without being read, and wakes then too.
        rustix::io::write(&self.event, &1_u64.to_ne_bytes()).ok();
    }
}
