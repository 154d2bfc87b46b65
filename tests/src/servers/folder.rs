//! A place on the disk for what a test starts.

use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::watchdog::Watchdog;

/// In memory: a server that waits for a disk tells nothing about the toolkit, and takes ten times as long.
const IN_MEMORY: &str = "/dev/shm";

/// A folder that is removed with what is in it, when this is dropped or the process dies, unless the test failed.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    is_kept: AtomicBool,
}

impl Folder {
    /// A new and empty folder with `name` in its name.
    ///
    /// # Panics
    /// If it cannot be created.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let above = Path::new(IN_MEMORY);
        let above = if above.is_dir() { above.to_path_buf() } else { std::env::temp_dir() };
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        let path = above.join(format!("ha-{name}-{}-{random:016x}", std::process::id()));
        if let Err(error) = fs::create_dir_all(&path) {
            panic!("create {}: {error}", path.display());
        }
        Watchdog::get().watch_folder(&path);
        Self { path, is_kept: AtomicBool::new(false) }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets it stay when everything else goes.
    pub fn keep(&self) {
        if !self.is_kept.swap(true, Ordering::SeqCst) {
            Watchdog::get().keep_folder(&self.path);
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep();
            eprintln!("kept for a look: {}", self.path.display());
        }
        if !self.is_kept.load(Ordering::SeqCst) {
            // The watchdog tries again what fails here.
            drop(fs::remove_dir_all(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_what_is_in_it() {
        let folder = Folder::new("test");
        let path = folder.path().to_path_buf();
        fs::write(path.join("file"), "content").unwrap();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn the_folder_of_a_test_that_failed_stays() {
        let folder = Folder::new("test");
        let path = folder.path().to_path_buf();
        fs::write(path.join("log"), "a reason").unwrap();
        std::thread::spawn(move || {
            let _folder = folder;
            std::panic::resume_unwind(Box::new("a failed test"));
        })
        .join()
        .unwrap_err();
        let log = fs::read_to_string(path.join("log"));
        fs::remove_dir_all(&path).unwrap();
        assert_eq!(log.unwrap(), "a reason");
    }
}
