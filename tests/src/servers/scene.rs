//! Holders, what is done to them, and the judgement of what came of it.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Folder;
use super::holder::{Holder, Site, Work};
use super::recorder::{Recorder, recorded};
use crate::history::{Event, History, Key, Phase, Target};
use crate::invariants::{Bounds, check_all};

/// The name under which faults are recorded.
const NEMESIS: &str = "nemesis";

/// One run: several processes, one history.
#[derive(Debug)]
pub struct Scene {
    folder: Folder,
    site: Site,
    recorder: Recorder,
    faults: AtomicU64,
}

impl Scene {
    /// Processes that find their store at `site`.
    ///
    /// # Panics
    /// If there is no place to record.
    #[must_use]
    pub fn new(site: Site) -> Self {
        let folder = Folder::new("scene");
        let recorder = match Recorder::new(folder.path().join("nemesis.history"), NEMESIS, 1) {
            Ok(recorder) => recorder,
            Err(error) => panic!("record in {}: {error}", folder.path().display()),
        };
        Self { folder, site, recorder, faults: AtomicU64::new(0) }
    }

    /// Starts the `incarnation`th life of `node`.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(&self, node: &str, incarnation: u64, work: Work) -> Holder {
        Holder::start(&self.folder, &self.site, node, incarnation, work)
    }

    /// Starts the first life of `node`, which finds the same store at a `url` of its own: past fewer servers, or past a proxy.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start_at(&self, url: &str, node: &str, work: Work) -> Holder {
        let site = Site { url: url.to_owned(), ..self.site.clone() };
        Holder::start(&self.folder, &site, node, 1, work)
    }

    /// Something is being broken from now on: the store, or the way of one node to it.
    pub fn fault(&self, kind: &str, node: Option<&str>) -> u64 {
        let fault = self.faults.fetch_add(1, Ordering::SeqCst);
        let target = node.map_or(Target::Store, |node| Target::Node(node.to_owned()));
        self.recorder.record(Event::Fault { fault, kind: kind.to_owned(), target });
        fault
    }

    /// It works again.
    pub fn healed(&self, fault: u64) {
        self.recorder.record(Event::Healed { fault });
    }

    /// From now on nothing is broken any more, and what must happen is judged as well.
    pub fn calm(&self) {
        self.recorder.record(Event::Phase { phase: Phase::Liveness });
    }

    /// An entry was found after everything had been released and the last ttl had passed.
    pub fn leftover(&self, key: Key, owner: Option<String>, owner_alive: bool) {
        self.recorder.record_of("store", 1, Recorder::now(), Event::Leftover { key, owner, owner_alive });
    }

    /// All that happened so far, also to holders that are gone.
    ///
    /// # Panics
    /// If a process recorded nonsense.
    #[must_use]
    pub fn history(&self) -> History {
        let mut files: Vec<PathBuf> = match std::fs::read_dir(self.folder.path()) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(error) => panic!("list {}: {error}", self.folder.path().display()),
        };
        files.retain(|file| file.extension().is_some_and(|kind| kind == "history" || kind == "witness"));
        files.sort();
        History::merge(files.iter().map(|file| recorded(file)))
    }

    /// Judges all that happened.
    ///
    /// # Panics
    /// If something is violated: with what, and where the whole history is.
    pub fn judge(&self, bounds: &Bounds) -> History {
        let history = self.history();
        let Err(violations) = check_all(&history, bounds) else { return history };
        let file = self.folder.path().join("merged.jsonl");
        let kept = File::create(&file).and_then(|file| history.write_json_lines(file));
        let found: Vec<String> = violations.iter().map(ToString::to_string).collect();
        panic!(
            "{}\nthe history is in {} ({kept:?}), unless the test goes on",
            found.join("\n"),
            file.display()
        );
    }
}
