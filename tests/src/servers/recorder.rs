//! Writes down what happens to one process, so that it survives the process.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::time::{ClockId, clock_gettime};

use crate::history::{Event, History, Record};

/// Appends records to a file, stamped by the clock that all processes of the machine share and that runs on while one of them is frozen.
///
/// A record is in the file when the call returns, and whole: a process that is killed in the next instant takes none with it.
#[derive(Debug)]
pub struct Recorder {
    node: String,
    incarnation: u64,
    file: Mutex<File>,
    path: PathBuf,
}

impl Recorder {
    /// Records for a process into `path`, behind what is there already.
    ///
    /// # Errors
    /// Those of opening the file.
    pub fn new(path: impl Into<PathBuf>, node: impl Into<String>, incarnation: u64) -> io::Result<Self> {
        let path = path.into();
        let file = Mutex::new(File::options().create(true).append(true).open(&path)?);
        Ok(Self { node: node.into(), incarnation, file, path })
    }

    /// This instant, on the clock of the records.
    #[must_use]
    pub fn now() -> u64 {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
    }

    /// `event` happens now.
    ///
    /// # Panics
    /// If it cannot be written: a history with gaps proves nothing.
    pub fn record(&self, event: Event) {
        self.record_at(Self::now(), event);
    }

    /// `event` happened at `at`.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn record_at(&self, at: u64, event: Event) {
        self.record_of(&self.node, self.incarnation, at, event);
    }

    /// `event` happened at `at`, to a process that cannot say so itself.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn record_of(&self, node: &str, incarnation: u64, at: u64, event: Event) {
        let record = Record::new(at, node, incarnation, event);
        let written = serde_json::to_vec(&record).map_err(io::Error::other).and_then(|mut line| {
            line.push(b'\n');
            // One call: it is done as a whole or not at all.
            self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line)
        });
        if let Err(error) = written {
            panic!("record {record:?} in {}: {error}", self.path.display());
        }
    }
}

/// What was recorded into `path` so far.
///
/// # Panics
/// If it cannot be read, or is no history.
#[must_use]
pub fn recorded(path: &Path) -> History {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => panic!("open {}: {error}", path.display()),
    };
    match History::read_json_lines(BufReader::new(file)) {
        Ok(history) => history,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::Folder;

    #[test]
    fn records_of_several_processes_come_together_in_the_order_of_one_clock() {
        let folder = Folder::new("recorder");
        let paths = ["a", "b"].map(|node| folder.path().join(node));
        let recorders = [("a", 1), ("b", 2)]
            .map(|(node, incarnation)| Recorder::new(folder.path().join(node), node, incarnation).unwrap());
        for _ in 0..3 {
            recorders.iter().for_each(|recorder| recorder.record(Event::Started));
        }
        let history = History::merge(paths.iter().map(|path| recorded(path)));
        let nodes: Vec<_> =
            history.records().iter().map(|record| (&*record.node, record.incarnation)).collect();
        assert_eq!(nodes, [("a", 1), ("b", 2)].repeat(3));
    }

    #[test]
    fn a_recorder_goes_on_behind_what_an_earlier_life_recorded() {
        let folder = Folder::new("recorder");
        let path = folder.path().join("a");
        for incarnation in [1, 2] {
            Recorder::new(&path, "a", incarnation).unwrap().record(Event::Started);
        }
        assert_eq!(recorded(&path).records().len(), 2);
    }
}
