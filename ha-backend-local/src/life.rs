//! Proofs of life, outside of the database.
//!
//! Each session has a small file with its deadline. Only the session itself writes it, without any lock, so that a process that is stopped in
//! the middle of a transaction, and with it keeps everybody from writing to the database, ends nobody's session.
//!
//! Why that is safe. Whoever ends sessions holds the write lock of the database, reads the clock, and *then* the file; it ends the session if the
//! deadline that it finds has passed. A renewal writes the new deadline and *then* reads the clock. If the deadline before has not passed
//! yet, nobody who read that one can have found it passed, and everybody else reads the new one: the renewal counts. If it has passed, the
//! renewal is confirmed under the write lock.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::clock::{MachineClock, Moment};
use crate::keys::Number;
use crate::sync::lock;

/// What the name of such a file begins with.
const PREFIX: &str = "session-";

/// `magic, boot (16 bytes), deadline, checksum`.
const BYTES: usize = 40;
const MAGIC: u64 = u64::from_le_bytes(*b"ha life\x01");

/// The boot of the machine, as files name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Boot([u8; 16]);

impl Boot {
    /// The boot with this id, such as `3f1c…-…`: 32 hexadecimal digits.
    pub(crate) fn parse(id: &str) -> Option<Self> {
        let digits: String = id.chars().filter(char::is_ascii_hexdigit).collect();
        let number = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32)?;
        Some(Self(number.to_be_bytes()))
    }
}

/// The file of a session of this process.
#[derive(Debug)]
pub(crate) struct Life {
    file: File,
    path: PathBuf,
    boot: Boot,
    /// The deadline that everybody who ends sessions can read at the least.
    deadline: Mutex<Moment>,
}

/// What a renewal came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewed {
    /// It counts, if the session was not ended for another reason.
    InTime,
    /// The deadline before had passed: somebody may be ending the session just now.
    Late,
}

impl Life {
    /// Creates the file of the session `number`, which lives until `deadline`.
    pub(crate) fn create(folder: &Path, boot: Boot, number: Number, deadline: Moment) -> io::Result<Self> {
        // What is left of an attempt that was rolled back.
        remove(folder, number);
        let path = path(folder, number);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        file.write_all_at(&encode(boot, deadline), 0)?;
        Ok(Self { file, path, boot, deadline: Mutex::new(deadline) })
    }

    /// Puts the deadline off to `deadline`.
    ///
    /// # Errors
    /// If the file cannot be written, or was deleted or moved, so that nobody sees what is written to it.
    pub(crate) fn renew(&self, clock: MachineClock, deadline: Moment) -> io::Result<Renewed> {
        let mut before = lock(&self.deadline);
        let next = deadline.max(*before);
        self.file.write_all_at(&encode(self.boot, next), 0)?;
        if !self.is_found()? {
            let reason = "the file of the session was deleted or moved";
            return Err(io::Error::new(io::ErrorKind::NotFound, reason));
        }
        let in_time = clock.now() < *before;
        *before = next;
        Ok(if in_time { Renewed::InTime } else { Renewed::Late })
    }

    /// Whether others find what is written to it: also after the folder was moved they look where it was.
    fn is_found(&self) -> io::Result<bool> {
        let id = |found: fs::Metadata| (found.dev(), found.ino());
        match fs::metadata(&self.path) {
            Ok(found) => Ok(id(found) == id(self.file.metadata()?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The deadline of the session `number`; `None` if its file is not there or makes no sense, which proves nothing.
pub(crate) fn deadline(folder: &Path, boot: Boot, number: Number) -> Option<Moment> {
    read(&path(folder, number), boot)
}

/// Removes the file of a session that is over.
pub(crate) fn remove(folder: &Path, number: Number) {
    if let Err(error) = fs::remove_file(path(folder, number))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(session = number.text(), %error, "cannot remove the file of a session that is over");
    }
}

/// The latest deadline among all sessions that left a file in this boot; files of other boots are removed.
pub(crate) fn latest_deadline(folder: &Path, boot: Boot) -> io::Result<Option<Moment>> {
    let mut latest = None;
    for file in files(folder)? {
        match read(&file, boot) {
            Some(deadline) => latest = latest.max(Some(deadline)),
            None => fs::remove_file(file)?,
        }
    }
    Ok(latest)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn path(folder: &Path, number: Number) -> PathBuf {
    folder.join(format!("{PREFIX}{}", number.text()))
}

fn read(path: &Path, boot: Boot) -> Option<Moment> {
    let mut bytes = [0; BYTES];
    File::open(path).ok()?.read_exact_at(&mut bytes, 0).ok()?;
    decode(&bytes, boot)
}

fn encode(boot: Boot, deadline: Moment) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(&MAGIC.to_le_bytes());
    bytes[8..24].copy_from_slice(&boot.0);
    bytes[24..32].copy_from_slice(&deadline.0.to_le_bytes());
    bytes[32..].copy_from_slice(&checksum(deadline).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; BYTES], boot: Boot) -> Option<Moment> {
    let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let deadline = Moment(word(24)?);
    let fits = word(0)? == MAGIC && bytes[8..24] == boot.0 && word(32)? == checksum(deadline);
    fits.then_some(deadline)
}

/// Shows a deadline that was read while it was being written.
fn checksum(deadline: Moment) -> u64 {
    deadline.0.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29) ^ MAGIC
}

#[cfg(test)]
mod tests {
    use super::{BYTES, Boot, Life, Renewed, deadline, decode, encode, latest_deadline, path, remove};
    use crate::clock::{MachineClock, Moment};
    use crate::keys::Number;
    use ha_conformance::servers::Folder;
    use std::time::Duration;

    fn boot() -> Boot {
        Boot::parse("0f0e0d0c-0b0a-0908-0706-050403020100").unwrap()
    }

    #[test]
    fn a_renewal_counts_only_while_nobody_can_have_found_the_deadline_passed() {
        let folder = Folder::new("life");
        let clock = MachineClock::find().unwrap();
        let (number, start) = (Number(7), clock.now());
        let life = Life::create(folder.path(), boot(), number, start + Duration::from_secs(60)).unwrap();
        assert_eq!(life.renew(clock, start + Duration::from_secs(90)).unwrap(), Renewed::InTime);
        assert_eq!(deadline(folder.path(), boot(), number), Some(start + Duration::from_secs(90)));

        let late = Life::create(folder.path(), boot(), Number(8), start).unwrap();
        assert_eq!(late.renew(clock, start + Duration::from_secs(90)).unwrap(), Renewed::Late);
        assert_eq!(late.renew(clock, start).unwrap(), Renewed::InTime);
        assert_eq!(
            deadline(folder.path(), boot(), Number(8)),
            Some(start + Duration::from_secs(90)),
            "never earlier"
        );
    }

    #[test]
    fn a_file_that_nobody_can_see_renews_nothing() {
        let folder = Folder::new("life");
        let clock = MachineClock::find().unwrap();
        let life =
            Life::create(folder.path(), boot(), Number(7), clock.now() + Duration::from_secs(60)).unwrap();
        let renew = || life.renew(clock, clock.now() + Duration::from_secs(90));
        let there = folder.path().join("there");
        std::fs::rename(path(folder.path(), Number(7)), &there).unwrap();
        assert!(renew().is_err(), "moved");
        std::fs::write(path(folder.path(), Number(7)), "another one").unwrap();
        assert!(renew().is_err(), "replaced");
        std::fs::rename(&there, path(folder.path(), Number(7))).unwrap();
        assert_eq!(renew().unwrap(), Renewed::InTime);
        remove(folder.path(), Number(7));
        assert!(renew().is_err(), "deleted");
    }

    #[test]
    fn a_torn_file_and_one_of_another_boot_prove_nothing() {
        let bytes = encode(boot(), Moment(77));
        assert_eq!(decode(&bytes, boot()), Some(Moment(77)));
        for at in 0..BYTES {
            let mut torn = bytes;
            torn[at] ^= 1;
            assert_eq!(decode(&torn, boot()), None, "byte {at}");
        }
        assert_eq!(Boot::parse("0f0e0d0c"), None);

        let folder = Folder::new("life");
        std::fs::write(path(folder.path(), Number(1)), "short").unwrap();
        std::fs::write(path(folder.path(), Number(2)), bytes).unwrap();
        assert_eq!(latest_deadline(folder.path(), boot()).unwrap(), Some(Moment(77)));
        assert!(!path(folder.path(), Number(1)).exists() && path(folder.path(), Number(2)).exists());
    }
}
