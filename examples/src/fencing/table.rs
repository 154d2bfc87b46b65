//! A table that compares tokens by itself.

use std::path::Path;

use ha::{FencingGate, StaleToken, Token};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::Refusal;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS fences (name TEXT PRIMARY KEY, token INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS ticks (number INTEGER PRIMARY KEY, token INTEGER NOT NULL, line TEXT NOT NULL);
";

/// Lines in an SQL table. Several processes may have the file open: the database is the gate.
#[derive(Debug)]
pub struct Table {
    connection: Connection,
}

impl Table {
    /// Opens the database at `path`, and creates it if it is new.
    ///
    /// # Errors
    /// `Failed` when it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Refusal> {
        let connection = Connection::open(path).map_err(Refusal::failed)?;
        connection.execute_batch(SCHEMA).map_err(Refusal::failed)?;
        Ok(Self { connection })
    }

    /// Writes a line for the holder of `name` with this token.
    ///
    /// # Errors
    /// `Stale` when a larger token was here before: nothing is written. `Failed` when the database fails.
    pub fn write(&mut self, name: &str, token: Token, line: &str) -> Result<(), Refusal> {
        // Immediate: whoever reads the fence below is the only one who writes until it is committed.
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Refusal::failed)?;
        // Larger tokens than a database can compare are refused, not wrapped.
        let number = i64::try_from(token.as_u64()).map_err(Refusal::failed)?;
        let raised = transaction.execute(
            "INSERT INTO fences (name, token) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET token = excluded.token WHERE token <= excluded.token",
            (name, number),
        );
        if raised.map_err(Refusal::failed)? == 0 {
            let highest = highest(&transaction, name)?.unwrap_or(token);
            return Err(stale(token, highest).into());
        }
        transaction
            .execute("INSERT INTO ticks (token, line) VALUES (?1, ?2)", (number, line))
            .map_err(Refusal::failed)?;
        transaction.commit().map_err(Refusal::failed)
    }

    /// The lines, in the order in which they were written.
    ///
    /// # Errors
    /// `Failed` when the database fails.
    pub fn lines(&self) -> Result<Vec<String>, Refusal> {
        let mut query =
            self.connection.prepare("SELECT line FROM ticks ORDER BY number").map_err(Refusal::failed)?;
        let rows = query.query_map((), |row| row.get(0)).map_err(Refusal::failed)?;
        rows.collect::<Result<_, _>>().map_err(Refusal::failed)
    }
}

fn highest(connection: &Connection, name: &str) -> Result<Option<Token>, Refusal> {
    let token: Option<i64> = connection
        .query_row("SELECT token FROM fences WHERE name = ?1", (name,), |row| row.get(0))
        .optional()
        .map_err(Refusal::failed)?;
    token.map(|token| u64::try_from(token).map(Token::from)).transpose().map_err(Refusal::failed)
}

/// Says it as a gate does that has seen `highest`.
fn stale(token: Token, highest: Token) -> StaleToken {
    let gate = FencingGate::resume(Some(highest));
    match gate.enter(token) {
        Err(stale) => stale,
        Ok(_) => unreachable!("the database found {token} smaller than {highest}"),
    }
}
