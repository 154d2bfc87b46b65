//! What is in the file: created once, checked each time, told of each new boot.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use ha_core::{Error, ErrorKind};

use crate::clock::{MachineClock, Moment, wall_nanos};
use crate::error::Failure;
use ha_core::spi::Lineage;

/// `hadb`: tells our files from those of other programs.
const APPLICATION: i32 = i32::from_be_bytes(*b"hadb");

/// The format of this release.
const FORMAT: i32 = 1;

/// How far a boot raises the revision: with `synchronous=NORMAL` a loss of power forgets the last commits, and their revisions must not be
/// given again.
const BOOT_STEP: i64 = 1 << 32;

/// How far to the right the wall clock stands in the first revision of a store: so that the tokens of a store that replaces a deleted one are
/// larger. Room for a million commits in each second.
const WALL_SHIFT: u32 = 10;

const TABLES: &str = "
    CREATE TABLE store(
        one INTEGER PRIMARY KEY CHECK (one = 1),
        revision INTEGER NOT NULL,
        boot TEXT NOT NULL,
        hold_until INTEGER NOT NULL,
        trimmed INTEGER NOT NULL,
        membership INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE sessions(
        number INTEGER PRIMARY KEY,
        node TEXT NOT NULL,
        ttl INTEGER NOT NULL,
        process TEXT NOT NULL
    ) STRICT;
    CREATE TABLE entries(
        place BLOB NOT NULL,
        name BLOB NOT NULL,
        created INTEGER NOT NULL,
        modified INTEGER NOT NULL,
        owner INTEGER,
        value BLOB NOT NULL,
        PRIMARY KEY (place, name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX entries_by_age ON entries(place, created, name);
    CREATE INDEX entries_by_owner ON entries(owner) WHERE owner IS NOT NULL;
    CREATE TABLE changes(
        revision INTEGER NOT NULL,
        place BLOB NOT NULL,
        name BLOB NOT NULL,
        created INTEGER NOT NULL,
        PRIMARY KEY (revision, place, name)
    ) STRICT, WITHOUT ROWID;
";

/// The one row that says where the store stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The revision of the latest commit.
    pub(crate) revision: i64,
    /// Until when nothing is granted: there was another file before.
    pub(crate) hold_until: Moment,
    /// Changes up to this revision are no longer listed.
    pub(crate) trimmed: i64,
    /// The revision at which a session was opened or ended last.
    pub(crate) membership: i64,
}

impl State {
    /// Reads it.
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT revision, hold_until, trimmed, membership FROM store";
        connection.prepare_cached(sql)?.query_row([], |row| {
            Ok(Self {
                revision: row.get(0)?,
                hold_until: Moment(row.get::<_, i64>(1)?.cast_unsigned()),
                trimmed: row.get(2)?,
                membership: row.get(3)?,
            })
        })
    }

    /// Writes what commits change.
    pub(crate) fn save(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "UPDATE store SET revision = ?1, trimmed = ?2, membership = ?3";
        connection.prepare_cached(sql)?.execute(params![self.revision, self.trimmed, self.membership])?;
        Ok(())
    }

    /// Whether grants are held back at `now`.
    pub(crate) fn is_holding(&self, now: Moment) -> bool {
        now < self.hold_until
    }

    /// What answers of `now` belong to. No session outlives a boot or its file, so that none ever sees another history.
    pub(crate) fn lineage(&self, clock: MachineClock, now: Moment) -> Lineage {
        let lineage = Lineage::default();
        if self.is_holding(now) { lineage.held_until(clock.instant(self.hold_until)) } else { lineage }
    }
}

/// What was found in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing yet.
    Nothing,
    /// A store of another boot: all of its sessions are over.
    EarlierBoot,
    /// A store of this boot.
    Current,
}

/// Looks what is in the file, without changing it.
pub(crate) fn look(connection: &Connection, boot: &str) -> Result<Found, Failure> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i32>(0));
    let application = number("PRAGMA application_id")?;
    let format = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    if (application, format, tables) == (0, 0, 0) {
        return Ok(Found::Nothing);
    }
    if application != APPLICATION {
        return Err(incompatible("it is a database of another program; choose another path").into());
    }
    if format != FORMAT {
        let reason = format!(
            "it has format {format}, and this release knows format {FORMAT}; use the release that all the other processes use"
        );
        return Err(incompatible(&reason).into());
    }
    let same: Option<bool> =
        connection.query_row("SELECT boot = ?1 FROM store", [boot], |row| row.get(0)).optional()?;
    match same {
        Some(true) => Ok(Found::Current),
        Some(false) => Ok(Found::EarlierBoot),
        None => Err(Error::new(ErrorKind::Corrupt, "open the local store")
            .because("it lacks its first row; restore it from a backup")
            .into()),
    }
}

/// What the store that was at the path before leaves to the one that is there now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Legacy {
    /// Its last grant is believed in until then.
    pub(crate) hold_until: Moment,
    /// A revision of it that it reached in this boot, or in the one before.
    pub(crate) revision: i64,
}

impl Legacy {
    /// Larger than each of its revisions, and than those of a store that was deleted without a trace.
    fn first_revision(self) -> i64 {
        (wall_nanos() >> WALL_SHIFT).cast_signed().max(self.revision.saturating_add(BOOT_STEP))
    }
}

/// Makes a store in an empty file.
pub(crate) fn create(connection: &mut Connection, boot: &str, legacy: Legacy) -> Result<(), Failure> {
    let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    step.execute_batch(TABLES)?;
    step.pragma_update(None, "application_id", APPLICATION)?;
    step.pragma_update(None, "user_version", FORMAT)?;
    step.execute(
        "INSERT INTO store VALUES (1, ?1, ?2, ?3, ?1, ?1)",
        params![legacy.first_revision(), boot, legacy.hold_until.0.cast_signed()],
    )?;
    Ok(step.commit()?)
}

/// Lets a store that was moved to the place of another one go on above both.
pub(crate) fn replace(connection: &mut Connection, legacy: Legacy) -> Result<(), Failure> {
    let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    step.execute(
        "UPDATE store SET revision = max(revision + ?1, ?2), hold_until = max(hold_until, ?3)",
        params![BOOT_STEP, legacy.first_revision(), legacy.hold_until.0.cast_signed()],
    )?;
    step.execute("UPDATE store SET trimmed = revision, membership = revision", [])?;
    Ok(step.commit()?)
}

/// Ends what an earlier boot left, and begins another history above it.
pub(crate) fn begin_boot(connection: &mut Connection, boot: &str, legacy: Legacy) -> Result<(), Failure> {
    let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    step.execute_batch(
        "DELETE FROM entries WHERE owner IS NOT NULL; DELETE FROM sessions; DELETE FROM changes;",
    )?;
    step.execute(
        "UPDATE store SET revision = max(revision + ?1, ?2), boot = ?3, hold_until = ?4",
        params![BOOT_STEP, legacy.first_revision(), boot, legacy.hold_until.0.cast_signed()],
    )?;
    step.execute("UPDATE store SET trimmed = revision, membership = revision", [])?;
    Ok(step.commit()?)
}

fn incompatible(reason: &str) -> Error {
    Error::new(ErrorKind::Incompatible, "open the local store").because(reason)
}
