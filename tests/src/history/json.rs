//! Histories as files: one JSON object per line.

use std::fmt;
use std::io::{self, BufRead, Write};

use super::{History, Record};

impl History {
    /// Writes the records, one per line.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_json_lines(&self, mut writer: impl Write) -> io::Result<()> {
        for record in self.records() {
            serde_json::to_writer(&mut writer, record)?;
            writer.write_all(b"\n")?;
        }
        writer.flush()
    }

    /// Reads records, one per line; empty lines are skipped. The order in the file does not matter.
    ///
    /// # Errors
    /// [`Malformed`] with the number of the first line that is not a record of a kind that this version knows, or that
    /// cannot be read.
    pub fn read_json_lines(reader: impl BufRead) -> Result<Self, Malformed> {
        let mut records = Vec::new();
        for (index, line) in reader.lines().enumerate() {
            let malformed = |kind| Malformed { line: index + 1, kind };
            let line = line.map_err(|error| malformed(MalformedKind::Unreadable(error)))?;
            if line.trim().is_empty() {
                continue;
            }
            let record: Record =
                serde_json::from_str(&line).map_err(|error| malformed(MalformedKind::NoRecord(error)))?;
            records.push(record);
        }
        Ok(records.into_iter().collect())
    }
}

/// A file that is not a history.
#[derive(Debug)]
#[non_exhaustive]
pub struct Malformed {
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub kind: MalformedKind,
}

/// What is wrong with a line.
#[derive(Debug)]
#[non_exhaustive]
pub enum MalformedKind {
    /// It could not be read.
    Unreadable(io::Error),
    /// It is not a record, or one of a kind or with a field that this version does not know.
    NoRecord(serde_json::Error),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            MalformedKind::Unreadable(error) => write!(f, "read history: line {}: {error}", self.line),
            MalformedKind::NoRecord(error) => {
                write!(f, "read history: line {} is no record: {error}", self.line)
            }
        }
    }
}

impl std::error::Error for Malformed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(match &self.kind {
            MalformedKind::Unreadable(error) => error,
            MalformedKind::NoRecord(error) => error,
        })
    }
}
