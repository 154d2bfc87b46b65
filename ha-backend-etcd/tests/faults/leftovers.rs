//! Nothing of a run remains: no process, no folder.

use std::fs;
use std::path::{Path, PathBuf};

/// The name of the watchdog's program, which ends after this process and by itself.
const WATCHDOG: &str = "sh";

/// Whether all that the tests of this process started and made is gone. Says what is not.
pub(crate) fn are_none() -> bool {
    let left: Vec<String> =
        processes().into_iter().chain(folders().iter().map(|folder| folder.display().to_string())).collect();
    for left in &left {
        eprintln!("a test left {left}");
    }
    left.is_empty()
}

/// The processes that are children of this one.
fn processes() -> Vec<String> {
    let own = std::process::id().to_string();
    let child = |process: PathBuf| {
        let stat = fs::read_to_string(process.join("stat")).ok()?;
        // The name is in brackets and can hold anything; behind it are the state and the parent.
        let (before, behind) = stat.rsplit_once(") ")?;
        let (pid, name) = before.split_once(" (")?;
        let mut fields = behind.split(' ');
        let (state, parent) = (fields.next()?, fields.next()?);
        (parent == own && name != WATCHDOG).then(|| format!("process {pid} ({name}), in state {state}"))
    };
    entries(Path::new("/proc")).into_iter().filter_map(child).collect()
}

/// The folders that carry the number of this process.
fn folders() -> Vec<PathBuf> {
    let own = format!("-{}-", std::process::id());
    let is_own = |folder: &PathBuf| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("ha-") && name.contains(&own)
    };
    let places = [PathBuf::from("/dev/shm"), std::env::temp_dir()];
    places.iter().flat_map(|place| entries(place)).filter(is_own).collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}
