//! Which files the folder beside them belongs to.
//!
//! The files of a store can be deleted, moved, or replaced by those of another one, while processes use them. They notice, but later than whoever opens what is there now. The folder
//! stays, and with it the deadlines of those who may still believe in their grants. The mark tells whoever opens other files that there is something to wait for, above which
//! revision to go on, and whether what is there was ever together.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::site::beside;

/// The inodes of the database, of its log and of the index of its log; zero is none. Nobody else has one as long as somebody uses the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inodes {
    pub(crate) database: u64,
    log: u64,
    index: u64,
}

impl Inodes {
    /// The files that are at `path` and beside it now.
    pub(crate) fn look(path: &Path) -> io::Result<Self> {
        let inode = |path: &Path| match fs::metadata(path) {
            Ok(found) => Ok(found.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        };
        Ok(Self {
            database: inode(path)?,
            log: inode(&beside(path, "-wal"))?,
            index: inode(&beside(path, "-shm"))?,
        })
    }

    /// Whether all of them are there.
    pub(crate) fn are_complete(self) -> bool {
        ![self.database, self.log, self.index].contains(&0)
    }
}

/// What the folder says of the files that were used last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) files: Inodes,
    /// A revision of theirs, from the last boot that used them.
    pub(crate) revision: i64,
}

impl Mark {
    /// What `folder` says; nothing if it is new, or if whoever wrote it died in the middle.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        match fs::read_to_string(path(folder)) {
            Ok(text) => Ok(Self::parse(&text).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Lets `folder` say so. Called inside the gate.
    pub(crate) fn write(self, folder: &Path) -> io::Result<()> {
        let Self { files: Inodes { database, log, index }, revision } = self;
        // In place: part of it makes no sense to anybody.
        fs::write(path(folder), format!("{database} {log} {index} {revision}\n"))
    }

    /// Whether `now` are the files that were used. The log stays when the last connection is closed: where it is missing somebody took it away, and tokens with it.
    pub(crate) fn is_of(self, now: Inodes) -> bool {
        now.log != 0 && (self.files.database, self.files.log) == (now.database, now.log)
    }

    /// Whether another database, or none, stands beside the log of the one that was used: together they make no sense, and whoever moves them is not done.
    pub(crate) fn is_torn_by(self, now: Inodes) -> bool {
        let stays = |before: u64, now: u64| before != 0 && before == now;
        // Also where the mark knows nothing: whoever wrote it may have died, or found the files moved again.
        if now.database == 0 && (now.log, now.index) != (0, 0) {
            return true;
        }
        self.files.database != now.database
            && (stays(self.files.log, now.log) || stays(self.files.index, now.index))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.strip_suffix('\n')?.split(' ');
        let mut inode = || numbers.next()?.parse().ok();
        let files = Inodes { database: inode()?, log: inode()?, index: inode()? };
        let revision = numbers.next()?.parse().ok()?;
        numbers.next().is_none().then_some(Self { files, revision })
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("mark")
}

#[cfg(test)]
mod tests {
    use super::{Inodes, Mark, path};
    use ha_conformance::servers::Folder;

    fn files(database: u64, log: u64, index: u64) -> Inodes {
        Inodes { database, log, index }
    }

    #[test]
    fn a_mark_is_read_as_it_was_written_and_a_part_of_it_is_none() {
        let folder = Folder::new("mark");
        assert_eq!(Mark::read(folder.path()).unwrap(), Mark::default());
        let mark = Mark { files: files(12, 345, 6), revision: 1_700_000_000_000_000 };
        mark.write(folder.path()).unwrap();
        assert_eq!(Mark::read(folder.path()).unwrap(), mark);
        let whole = std::fs::read(path(folder.path())).unwrap();
        for length in 0..whole.len() {
            std::fs::write(path(folder.path()), &whole[..length]).unwrap();
            assert_eq!(Mark::read(folder.path()).unwrap(), Mark::default(), "{length} bytes");
        }
    }

    #[test]
    fn other_files_are_told_from_those_that_were_closed() {
        let mark = Mark { files: files(1, 2, 3), revision: 0 };
        assert!(mark.is_of(files(1, 2, 3)) && mark.is_of(files(1, 2, 0)));
        assert!(
            !mark.is_of(files(1, 0, 3)) && !mark.is_of(files(1, 0, 0)),
            "its log may have been taken away"
        );
        assert!(
            !mark.is_of(files(7, 0, 0))
                && !mark.is_of(files(1, 8, 9))
                && !Mark::default().is_of(files(1, 0, 0))
        );
    }

    #[test]
    fn another_database_beside_the_same_log_is_half_of_a_move() {
        let mark = Mark { files: files(1, 2, 3), revision: 0 };
        assert!(
            mark.is_torn_by(files(7, 2, 3))
                && mark.is_torn_by(files(0, 2, 0))
                && mark.is_torn_by(files(7, 8, 3))
        );
        assert!(!mark.is_torn_by(files(1, 2, 3)) && !mark.is_torn_by(files(1, 0, 0)), "the same one");
        assert!(!mark.is_torn_by(files(7, 8, 9)) && !mark.is_torn_by(files(0, 0, 0)), "all of another one");
        assert!(!Mark::default().is_torn_by(files(7, 0, 0)), "nothing is known");
        assert!(Mark::default().is_torn_by(files(0, 8, 0)) && Mark::default().is_torn_by(files(0, 0, 9)));
    }
}
