//! A store as this process uses it: one writer and one reader for all of its sessions.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use ha_core::runtime::{LocalProcesses, Process, Processes};
use ha_core::{Error, ErrorKind};

use crate::bell::Bell;
use crate::clock::MachineClock;
use crate::config::LocalConfig;
use crate::filesystem::refuse_network;
use crate::gate::Gate;
use crate::hub::{Holder, Hub};
use crate::inbox::Inbox;
use crate::keys::Number;
use crate::life::Boot;
use crate::mark::Inodes;
use crate::queue::{Queue, Refusal};
use crate::sync::lock;
use crate::{reader, writer};

const OPEN: &str = "open the local store";

/// What the sessions, the writer and the reader of one store share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: LocalConfig,
    /// Where the files are that are not part of the database.
    pub(crate) folder: PathBuf,
    pub(crate) clock: MachineClock,
    pub(crate) boot: Boot,
    pub(crate) process: Process,
    /// The same as sessions say it.
    pub(crate) process_text: String,
    pub(crate) gate: Gate,
    pub(crate) bell: Bell,
    pub(crate) queue: Arc<Queue>,
    pub(crate) inbox: Inbox,
    pub(crate) hub: Hub,
    /// The files of the database, and the gate: one that is deleted, moved or replaced is not of the store any more.
    files: OnceLock<(Inodes, u64)>,
    holders: Mutex<BTreeMap<Holder, HolderState>>,
    holders_opened: AtomicU64,
    over: OnceLock<Refusal>,
}

/// A session or observer of this process.
#[derive(Debug)]
struct HolderState {
    number: Option<Number>,
    over: Arc<AtomicBool>,
}

/// Keeps the threads of a store running.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) shared: Arc<Shared>,
}

impl Site {
    /// The store that `config` names. All who use it in this process share it.
    pub(crate) fn get(config: &LocalConfig) -> Result<Arc<Self>, Error> {
        static SITES: Mutex<BTreeMap<PathBuf, Weak<Site>>> = Mutex::new(BTreeMap::new());
        let path = canonical(&config.path)?;
        let mut sites = lock(&SITES);
        sites.retain(|_, site| site.strong_count() > 0);
        if let Some(site) = sites.get(&path).and_then(Weak::upgrade) {
            if site.shared.is_moved() {
                site.shared.end_moved();
            }
            if !site.shared.is_over() {
                return Ok(site);
            }
        }
        let site = Arc::new(Self::start(LocalConfig { path: path.clone(), ..config.clone() })?);
        sites.insert(path, Arc::downgrade(&site));
        Ok(site)
    }

    fn start(config: LocalConfig) -> Result<Self, Error> {
        let shared = Arc::new(Shared::prepare(config)?);
        let spawn = |name: &str, run: fn(&Arc<Shared>)| {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(name.into()).spawn(move || run(&shared));
            thread.map(drop).map_err(|error| {
                Error::new(ErrorKind::Unavailable, OPEN)
                    .because(format_args!("no thread for it: {error}; check the limits"))
            })
        };
        let site = Self { shared: Arc::clone(&shared) };
        spawn("ha-local-write", writer::serve)?;
        spawn("ha-local-read", reader::serve)?;
        Ok(site)
    }
}

impl Drop for Site {
    /// Lets the threads end: nobody can ask them any more.
    fn drop(&mut self) {
        self.shared.queue.stop();
        self.shared.inbox.stop();
    }
}

impl Shared {
    fn prepare(config: LocalConfig) -> Result<Self, Error> {
        let at = |error: std::io::Error| refused(&config.path, &error);
        refuse_network(config.path.parent().unwrap_or(Path::new("/")))?;
        let clock = MachineClock::find()?;
        let process = LocalProcesses::new().process();
        let boot = process.boot.as_deref().and_then(Boot::parse).ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, OPEN)
                .because("the boot of this machine has no id in /proc/sys/kernel/random/boot_id")
        })?;
        let process_text = serde_json::to_string(&process).map_err(|error| {
            Error::new(ErrorKind::Unsupported, OPEN)
                .because("this process cannot be described")
                .with_source(error)
        })?;
        let folder = beside(&config.path, "-live");
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(at(error)),
            _ => {}
        }
        Ok(Self {
            gate: Gate::open(&folder).map_err(at)?,
            bell: Bell::open(&folder).map_err(at)?,
            inbox: Inbox::new().map_err(at)?,
            folder,
            clock,
            boot,
            process,
            process_text,
            queue: Arc::new(Queue::new(clock)),
            hub: Hub::default(),
            files: OnceLock::new(),
            holders: Mutex::default(),
            holders_opened: AtomicU64::new(0),
            over: OnceLock::new(),
            config,
        })
    }

    /// The id of the present boot of the machine.
    pub(crate) fn boot_text(&self) -> &str {
        self.process.boot.as_deref().unwrap_or_default()
    }

    /// Adds a session or observer of this process. The flag is set once it is over.
    pub(crate) fn add_holder(&self, number: Option<Number>) -> (Holder, Arc<AtomicBool>) {
        let holder = self.holders_opened.fetch_add(1, Ordering::Relaxed);
        let over = Arc::new(AtomicBool::new(self.is_over()));
        lock(&self.holders).insert(holder, HolderState { number, over: Arc::clone(&over) });
        (holder, over)
    }

    /// A session or observer of this process is over: its watches end.
    pub(crate) fn end_holder(&self, holder: Holder) {
        if let Some(state) = lock(&self.holders).remove(&holder) {
            state.over.store(true, Ordering::Release);
        }
        self.hub.close_all_of(holder);
    }

    /// The sessions of this process that are not known to be over.
    pub(crate) fn own_sessions(&self) -> Vec<(Holder, Number)> {
        let holders = lock(&self.holders);
        holders.iter().filter_map(|(holder, state)| Some((*holder, state.number?))).collect()
    }

    /// Remembers which files the database was opened in.
    pub(crate) fn remember_files(&self) {
        if let Some(files) = self.look_at_files() {
            // They are opened once.
            self.files.set(files).ok();
        }
    }

    /// Whether the writer has found a store of ours, or made one.
    pub(crate) fn is_ready(&self) -> bool {
        self.files.get().is_some()
    }

    /// Whether a file was deleted, moved or replaced, so that others would not see what we do to it.
    pub(crate) fn is_moved(&self) -> bool {
        self.files.get().is_some_and(|files| self.look_at_files() != Some(*files))
    }

    /// The store cannot be used any more: everything that holds it ends.
    pub(crate) fn end(&self, refusal: &Refusal) {
        if self.over.set(refusal.clone()).is_err() {
            return;
        }
        tracing::warn!(store = %self.config.path.display(), reason = refusal.reason, "the local store is given up");
        self.queue.refuse(refusal);
        let holders: Vec<Holder> = lock(&self.holders).keys().copied().collect();
        holders.into_iter().for_each(|holder| self.end_holder(holder));
        self.inbox.stop();
    }

    /// The same, because the files are not the store any more.
    pub(crate) fn end_moved(&self) {
        self.end(&Refusal {
            kind: ErrorKind::Unavailable,
            reason: format!(
                "{} was deleted, moved or replaced while it was used; a new session uses what is there now",
                self.config.path.display()
            ),
        });
    }

    /// Whether the store cannot be used any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over.get().is_some()
    }

    /// The error of a request of a session or observer that is over; `otherwise`, unless that is because the store is.
    pub(crate) fn explain_end(&self, otherwise: Error) -> Error {
        match self.over.get() {
            Some(refusal) => otherwise.because(&refusal.reason),
            None => otherwise,
        }
    }

    /// Why nothing can be written now: who is inside the gate.
    pub(crate) fn explain_waiting(&self, operation: &'static str) -> Error {
        let waited = self.config.timeout;
        let error = Error::new(ErrorKind::Unavailable, operation)
            .on(format_args!("in {}", self.config.path.display()));
        match self.gate.occupant() {
            Some(0) => error.because(format_args!(
                "waited {waited:?} for a process of another pid namespace that is in the middle of a transaction; continue or kill it"
            )),
            Some(pid) => error.because(format_args!(
                "waited {waited:?} for process {pid}, which is in the middle of a transaction; continue or kill it"
            )),
            None => error.because(format_args!("waited {waited:?} for the disk or for another program that writes to the file")),
        }
    }

    fn look_at_files(&self) -> Option<(Inodes, u64)> {
        let files = Inodes::look(&self.config.path).ok().filter(|files| files.are_complete())?;
        Some((files, fs::metadata(self.folder.join("gate")).ok()?.ino()))
    }
}

/// The path of a file or folder that belongs to the one at `path`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// One path for each file, whatever links lead to it.
fn canonical(path: &Path) -> Result<PathBuf, Error> {
    if let Ok(path) = fs::canonicalize(path) {
        return Ok(path);
    }
    let invalid = |reason: &str| Error::new(ErrorKind::InvalidInput, OPEN).on(path.display()).because(reason);
    let name = path.file_name().ok_or_else(|| invalid("it names no file"))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = fs::canonicalize(parent).map_err(|error| refused(path, &error))?;
    Ok(parent.join(name))
}

fn refused(path: &Path, error: &std::io::Error) -> Error {
    let (kind, advice) = match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::Denied, "this user must be able to create and write files in its folder")
        }
        std::io::ErrorKind::NotFound => {
            (ErrorKind::InvalidInput, "create its folder, or choose another path")
        }
        _ => (ErrorKind::Unavailable, "look at the folder and at the limits of this process"),
    };
    Error::new(kind, OPEN).on(path.display()).because(format_args!("{error}; {advice}"))
}
