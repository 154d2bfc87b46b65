//! The gate in front of the write lock of the database: who waits for it sleeps, and can be told who is inside.
//!
//! It is a lock that belongs to a *process* (`fcntl`), not to a descriptor: the kernel takes it away when the process dies, also while a
//! forked child still has the descriptor. The file is never opened twice in one process, because closing it anywhere gives the lock up.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

/// The gate of one store in this process.
#[derive(Debug)]
pub(crate) struct Gate(File);

/// The gate is ours until this is dropped.
#[derive(Debug)]
#[must_use = "the gate closes behind us when this is dropped"]
pub(crate) struct Inside<'a>(&'a Gate);

impl Gate {
    /// Finds the gate, or builds it.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join("gate"))?;
        Ok(Self(file))
    }

    /// Waits, however long it takes, until no other process is inside.
    pub(crate) fn enter(&self) -> io::Result<Inside<'_>> {
        loop {
            match fcntl_lock(&self.0, FlockOperation::LockExclusive) {
                Err(Errno::INTR) => {}
                result => return Ok(result.map(|()| Inside(self))?),
            }
        }
    }

    /// The process that is inside, unless it is ours. Zero is one of another pid namespace.
    pub(crate) fn occupant(&self) -> Option<i32> {
        let wanted = Flock {
            start: 0,
            length: 0,
            pid: None,
            typ: FlockType::WriteLock,
            offset_type: FlockOffsetType::Set,
        };
        let found = fcntl_getlk(&self.0, &wanted).ok()??;
        Some(found.pid.map_or(0, rustix::process::Pid::as_raw_pid))
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if let Err(error) = fcntl_lock(&self.0.0, FlockOperation::Unlock) {
            tracing::error!(%error, "cannot leave the gate of the local store: no other process can write");
        }
    }
}
