//! What is known to exist at the server, so that it need not be made again.

use std::collections::BTreeSet;
use std::sync::Mutex;

use crate::sync::lock;

/// How many paths are remembered. To make one again costs a request, and is no mistake.
const PATHS_MAX: usize = 4_096;

/// The paths of collections that exist, as far as we know. A server removes one that is empty.
#[derive(Debug, Default)]
pub(crate) struct Made(Mutex<BTreeSet<String>>);

impl Made {
    /// Those of `paths` that are not known to exist.
    pub(crate) fn missing(&self, paths: &BTreeSet<String>) -> Vec<String> {
        let made = lock(&self.0);
        paths.iter().filter(|path| !made.contains(*path)).cloned().collect()
    }

    /// They exist now.
    pub(crate) fn add(&self, paths: Vec<String>) {
        let mut made = lock(&self.0);
        if made.len() + paths.len() > PATHS_MAX {
            made.clear();
        }
        made.extend(paths);
    }

    /// It may not exist any more.
    pub(crate) fn remove(&self, path: &str) {
        lock(&self.0).remove(path);
    }
}

#[cfg(test)]
mod tests {
    use super::{Made, PATHS_MAX};
    use std::collections::BTreeSet;

    #[test]
    fn what_is_known_to_exist_is_not_missing_until_it_is_known_to_be_gone() {
        let made = Made::default();
        let both = BTreeSet::from(["/a".to_owned(), "/b".to_owned()]);
        made.add(vec!["/a".to_owned()]);
        assert_eq!(made.missing(&both), ["/b"]);
        made.remove("/a");
        assert_eq!(made.missing(&both), ["/a", "/b"]);
    }

    #[test]
    fn many_paths_cost_no_more_than_a_bound() {
        let made = Made::default();
        (0..2 * PATHS_MAX).for_each(|number| made.add(vec![format!("/{number}")]));
        assert!(super::lock(&made.0).len() <= PATHS_MAX);
    }
}
