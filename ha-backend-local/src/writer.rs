//! The one thread of this process that writes: it does together what came together.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ha_core::{Error, ErrorKind};
use rusqlite::{Connection, OpenFlags};

use crate::config::Durability;
use crate::connection;
use crate::error::{Failure, is_busy};
use crate::keys::Number;
use crate::life;
use crate::mark::{Inodes, Mark};
use crate::queue::{Job, Refusal};
use crate::schema::{self, Found, Legacy, State};
use crate::site::Shared;
use crate::step::Step;

const OPEN: &str = "open the local store";
const COMMIT: &str = "commit";

/// The most steps of one batch: an answer should not wait for many others.
const BATCH_MAX: usize = 128;

/// How long to wait for programs that write without passing the gate, before looking whether anybody still wants to write.
const BUSY_WAIT: Duration = Duration::from_millis(50);

/// After how many batches the log is moved into the database, outside of the gate.
const CHECKPOINT_EVERY: u32 = 256;

/// Serves the queue until nobody can fill it any more.
pub(crate) fn serve(shared: &Arc<Shared>) {
    let opened = open(shared);
    let mut connection = match opened {
        Ok(connection) => connection,
        Err(error) => return shared.end(&Refusal::of(&error)),
    };
    shared.inbox.want();
    let mut batches = 0;
    while shared.queue.wait() {
        let Ok(inside) = shared.gate.enter() else {
            return shared.end(&Refusal {
                kind: ErrorKind::Unavailable,
                reason: "the locks of the operating system do not work here".into(),
            });
        };
        // While we waited somebody may have opened what is there now.
        if shared.is_moved() {
            return shared.end_moved();
        }
        let done = batch(shared, &mut connection);
        drop(inside);
        done.publish(shared);
        batches += 1;
        if batches % CHECKPOINT_EVERY == 0 {
            // In the way of nobody; what cannot be moved now is moved later.
            drop(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())));
        }
    }
    if shared.is_over() {
        return;
    }
    // The database alone is what people copy. Whatever cannot be moved now, because others are at work, they move.
    drop(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
}

/// What a batch came to, to be told once others can write again.
#[derive(Default)]
struct Done {
    jobs: Vec<(Box<dyn Job>, Option<Error>)>,
    changed: bool,
    ended: Vec<Number>,
}

impl Done {
    fn publish(self, shared: &Shared) {
        if self.changed {
            shared.bell.ring();
        }
        for (job, failed) in self.jobs {
            job.answer(failed);
        }
        for number in self.ended {
            life::remove(&shared.folder, number);
        }
        if self.changed {
            shared.inbox.committed();
        }
    }
}

/// Does what waits, in one transaction; each step on its own if that fails.
fn batch(shared: &Shared, connection: &mut Connection) -> Done {
    let mut jobs = match begin(connection) {
        Ok(()) => shared.queue.take(BATCH_MAX),
        Err(error) if is_busy(&error) => return Done::default(),
        Err(error) => return refuse(shared, shared.queue.take(BATCH_MAX), error),
    };
    match attempt(shared, connection, &mut jobs) {
        Ok((changed, ended)) => {
            let jobs = jobs.into_iter().map(|job| (job, None)).collect();
            return Done { jobs, changed, ended };
        }
        Err(error) if jobs.len() == 1 => return refuse(shared, jobs, error),
        Err(error) => tracing::debug!(%error, "a batch is rolled back, and its steps are done one by one"),
    }
    let mut all = Done::default();
    for job in jobs {
        let mut alone = vec![job];
        let done = begin(connection).and_then(|()| attempt(shared, connection, &mut alone));
        match done {
            Ok((changed, ended)) => {
                all.changed |= changed;
                all.ended.extend(ended);
                all.jobs.extend(alone.into_iter().map(|job| (job, None)));
            }
            Err(error) => all.jobs.extend(refuse(shared, alone, error).jobs),
        }
    }
    all
}

fn begin(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop)
}

/// Runs the steps and commits, or leaves nothing of them.
fn attempt(
    shared: &Shared,
    connection: &Connection,
    jobs: &mut [Box<dyn Job>],
) -> rusqlite::Result<(bool, Vec<Number>)> {
    let done = run(shared, connection, jobs);
    // SQLite has rolled back by itself after some errors.
    if done.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    done
}

fn run(
    shared: &Shared,
    connection: &Connection,
    jobs: &mut [Box<dyn Job>],
) -> rusqlite::Result<(bool, Vec<Number>)> {
    let mut step = Step::begin(connection, shared.clock)?;
    jobs.iter_mut().try_for_each(|job| job.run(&mut step))?;
    let done = step.end()?;
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(done)
}

fn refuse(shared: &Shared, jobs: Vec<Box<dyn Job>>, error: rusqlite::Error) -> Done {
    let error = Failure::Database(error).into_error(COMMIT, &shared.config.path);
    let refusal = Refusal::of(&error);
    let jobs = jobs.into_iter().map(|job| (job, Some(refusal.error(COMMIT)))).collect();
    Done { jobs, ..Done::default() }
}

/// Opens the database as the only one of this process group that does so now.
fn open(shared: &Shared) -> Result<Connection, Error> {
    let path = &shared.config.path;
    let fail = |error: rusqlite::Error| Failure::Database(error).into_error(OPEN, path);
    let _inside = shared.gate.enter().map_err(|error| {
        Error::new(ErrorKind::Unavailable, OPEN)
            .on(path.display())
            .because(format_args!("its folder takes no locks: {error}; choose a local disk"))
    })?;
    refuse_read_only(path)?;
    let before = Inodes::look(path).map_err(|error| unreadable(shared, &error))?;
    let mark = Mark::read(&shared.folder).map_err(|error| unreadable(shared, &error))?;
    refuse_torn(path, mark, before)?;
    let mut connection = connection::open(path, OpenFlags::SQLITE_OPEN_CREATE).map_err(fail)?;
    connection.busy_timeout(shared.config.timeout).map_err(fail)?;
    let found = schema::look(&connection, shared.boot_text())
        .map_err(|failure| failure.into_error(OPEN, path).on(path.display()))?;
    prepare(shared, &mut connection, found, mark, before)
        .map_err(|failure| failure.into_error(OPEN, path))?;
    connection.busy_timeout(BUSY_WAIT).map_err(fail)?;
    remember(shared, &connection, mark, before).map_err(|failure| failure.into_error(OPEN, path))?;
    Ok(connection)
}

/// Refuses a file that this user cannot write, before SQLite makes files beside it that nobody can write either.
fn refuse_read_only(path: &Path) -> Result<(), Error> {
    match rustix::fs::access(path, rustix::fs::Access::WRITE_OK) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(Error::new(ErrorKind::Denied, OPEN)
            .on(path.display())
            .because(format_args!("{error}; change its owner or its mode, so that this user can write it"))),
    }
}

/// Makes the file a store of this boot. What that changes survives a loss of power: revisions are counted on from it.
fn prepare(
    shared: &Shared,
    connection: &mut Connection,
    found: Found,
    mark: Mark,
    before: Inodes,
) -> Result<(), Failure> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(Error::new(ErrorKind::Unsupported, OPEN)
            .because("its file system has no shared memory for the log of SQLite; choose a local disk")
            .into());
    }
    connection.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL")?;
    let is_same = found == Found::Current && mark.is_of(before);
    let legacy = if is_same { Legacy::default() } else { legacy(shared, mark)? };
    match found {
        Found::Nothing => schema::create(connection, shared.boot_text(), legacy)?,
        Found::EarlierBoot => schema::begin_boot(connection, shared.boot_text(), legacy)?,
        Found::Current if !is_same => schema::replace(connection, legacy)?,
        // The log has to be there, so that its loss is noticed.
        Found::Current => connection.execute_batch("BEGIN IMMEDIATE; UPDATE store SET one = 1; COMMIT")?,
    }
    if !is_same {
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        let folder = shared.config.path.parent().unwrap_or(Path::new("/"));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| unreadable(shared, &error))?;
    }
    if shared.config.durability == Durability::Normal {
        connection.execute_batch("PRAGMA synchronous = NORMAL")?;
    }
    Ok(())
}

/// Refuses a database beside the log of another one: SQLite would take that for its own.
fn refuse_torn(path: &Path, mark: Mark, found: Inodes) -> Result<(), Error> {
    if !mark.is_torn_by(found) {
        return Ok(());
    }
    let reason = "the file was moved, deleted or replaced, and the -wal or -shm beside it belongs to the one before; \
        do the same with these two";
    Err(Error::new(ErrorKind::Unavailable, OPEN).on(path.display()).because(reason))
}

/// What the store that was at the path before leaves: its sessions may still believe in their grants. Files of sessions of earlier boots are removed.
fn legacy(shared: &Shared, mark: Mark) -> Result<Legacy, Error> {
    let unreadable = |error| unreadable(shared, &error);
    // Whoever dies on the way leaves files that the mark does not know.
    Mark { revision: mark.revision, ..Mark::default() }.write(&shared.folder).map_err(unreadable)?;
    let latest = life::latest_deadline(&shared.folder, shared.boot).map_err(unreadable)?;
    Ok(Legacy { hold_until: latest.unwrap_or_default(), revision: mark.revision })
}

/// Remembers which files are used, here and for whoever opens others at the same path.
fn remember(shared: &Shared, connection: &Connection, mark: Mark, before: Inodes) -> Result<(), Failure> {
    let path = &shared.config.path;
    let files = Inodes::look(path).map_err(|error| unreadable(shared, &error))?;
    let is_moved = before.database != 0 && before.database != files.database;
    if is_moved || !files.are_complete() {
        return Err(Error::new(ErrorKind::Unavailable, OPEN)
            .on(path.display())
            .because("it was moved while it was being opened; try again")
            .into());
    }
    if files != mark.files {
        let revision = State::load(connection)?.revision;
        Mark { files, revision }.write(&shared.folder).map_err(|error| unreadable(shared, &error))?;
    }
    shared.remember_files();
    Ok(())
}

fn unreadable(shared: &Shared, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Denied, OPEN)
        .on(shared.folder.display())
        .because(format_args!("{error}; this user must be able to create and delete files there"))
}
