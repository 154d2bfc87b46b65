//! How the processes hear of each other's commits: whoever commits writes a byte to a file that all others watch (inotify).
//!
//! A process can die, or be stopped, between its commit and the bell; therefore everybody also looks by itself now and then. Where a user
//! has used up the inotify instances that the kernel grants, its processes look often instead.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

/// How often to look where the bell is heard.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often to look where it is not.
const LOOK_OFTEN: Duration = Duration::from_millis(6);

/// The end of the bell that is rung.
#[derive(Debug)]
pub(crate) struct Bell(File);

impl Bell {
    /// Hangs up the bell, if nobody has.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path(folder))?;
        Ok(Self(file))
    }

    /// Tells everybody that something was committed.
    pub(crate) fn ring(&self) {
        // With a full disk too: the byte has its place since the first time. Whoever cannot be told looks by itself.
        if let Err(error) = self.0.write_all_at(b"!", 0) {
            tracing::debug!(%error, "cannot ring the bell of the local store; others hear of the commit later");
        }
    }
}

/// The end of the bell that is heard.
#[derive(Debug)]
pub(crate) struct Ear(Option<OwnedFd>);

impl Ear {
    /// Begins to listen.
    pub(crate) fn open(folder: &Path) -> Self {
        let listen = || {
            let instance = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
            inotify::add_watch(&instance, path(folder), WatchFlags::MODIFY)?;
            Ok::<_, Errno>(instance)
        };
        let heard = listen();
        if let Err(error) = &heard {
            tracing::warn!(%error, "no inotify for the local store, so it is looked at every {LOOK_OFTEN:?}; raise \
                fs.inotify.max_user_instances");
        }
        Self(heard.ok())
    }

    /// Also wakes up when the file at `path` is moved or deleted: whoever looks then sees that.
    pub(crate) fn watch_over(&self, path: &Path) {
        let Some(instance) = &self.0 else { return };
        // ATTRIB tells of the deletion of a file that is still open.
        let gone = WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF | WatchFlags::ATTRIB;
        if let Err(error) = inotify::add_watch(instance, path, gone) {
            tracing::debug!(%error, "that the file of the local store is moved is noticed later");
        }
    }

    /// What becomes readable when the bell rings.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }

    /// How long to sleep at the most without having heard anything.
    pub(crate) fn look_every(&self) -> Duration {
        if self.0.is_some() { LOOK_EVERY } else { LOOK_OFTEN }
    }

    /// Forgets what was heard so far.
    pub(crate) fn clear(&self) {
        let Some(instance) = &self.0 else { return };
        let mut buffer = [MaybeUninit::uninit(); 1024];
        let mut events = inotify::Reader::new(instance, &mut buffer);
        while events.next().is_ok() {}
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("bell")
}
