//! An append-only file behind a gate.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ha::{FencingGate, Token};

use super::Refusal;

/// Lines in a file, each with the token of its writer: `token`, a tab, the text. One process has it open at a time.
///
/// The token is kept by the very write that it admits, so that there is no instant at which one is there without the other.
#[derive(Debug)]
pub struct Journal {
    gate: FencingGate,
    file: Mutex<File>,
}

impl Journal {
    /// Opens the file at `path`, creates it if it is new, and goes on with the largest token in it. A line that a crash has cut is removed.
    ///
    /// # Errors
    /// `Failed` when it cannot be opened, is open elsewhere, or has a line that is none.
    pub fn open(path: &Path) -> Result<Self, Refusal> {
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(Refusal::failed)?;
        // Two processes would have two gates.
        file.try_lock().map_err(Refusal::failed)?;
        let (highest, whole) = read(&file)?;
        file.set_len(whole).map_err(Refusal::failed)?;
        file.seek(SeekFrom::Start(whole)).map_err(Refusal::failed)?;
        Ok(Self { gate: FencingGate::resume(highest), file: Mutex::new(file) })
    }

    /// Appends a line for the holder with this token; it is on the disk when this returns.
    ///
    /// # Errors
    /// `Stale` when a larger token was here before: nothing is written. `Failed` when the file cannot be written, or for a line break in `text`.
    pub fn append(&self, token: Token, text: &str) -> Result<(), Refusal> {
        if text.contains('\n') {
            return Err(Refusal::failed("a line has no line break"));
        }
        let _inside = self.gate.enter(token)?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let before = file.stream_position().map_err(Refusal::failed)?;
        let written = file.write_all(format!("{token}\t{text}\n").as_bytes()).and_then(|()| file.sync_data());
        written.map_err(|error| {
            // Half a line must not be continued by the next one. If this fails too the next opening removes it.
            drop(file.set_len(before).and_then(|()| file.seek(SeekFrom::Start(before))));
            Refusal::failed(error)
        })
    }
}

/// The largest token, and the length of the whole lines.
fn read(file: &File) -> Result<(Option<Token>, u64), Refusal> {
    let (mut highest, mut whole) = (None, 0);
    let mut lines = BufReader::new(file);
    let mut line = String::new();
    while lines.read_line(&mut line).map_err(Refusal::failed)? > 0 && line.ends_with('\n') {
        let token = line.split('\t').next().unwrap_or_default().parse::<Token>().map_err(Refusal::failed)?;
        highest = highest.max(Some(token));
        whole += line.len() as u64;
        line.clear();
    }
    Ok((highest, whole))
}
