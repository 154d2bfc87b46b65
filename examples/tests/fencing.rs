//! Resources that refuse whoever was replaced: through restarts, from many threads, and in spite of what a network sends.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use ha::Token;
use ha_examples::fencing::{Journal, Receiver, Refusal, Table, send};

/// A folder that is removed with what is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn token(number: u64) -> Token {
    Token::from(number)
}

fn assert_stale(result: Result<(), Refusal>) {
    assert!(matches!(result, Err(Refusal::Stale(_))), "{result:?}");
}

#[test]
fn the_late_leader_is_refused_by_all_three() {
    let output = Command::new(env!("CARGO_BIN_EXE_fencing")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    for resource in ["table", "file"] {
        for who in ["box-1", "box-2"] {
            assert!(lines.contains(&format!("{resource}: {who} wrote with token")), "{lines}");
        }
        assert!(lines.contains(&format!("{resource}: box-1, late, was refused")), "{lines}");
    }
    assert!(lines.contains("service: box-1 was answered 204"), "{lines}");
    assert!(lines.contains("service: box-2 was answered 204"), "{lines}");
    assert!(lines.contains("service: box-1, late, was answered 409"), "{lines}");
}

#[test]
fn a_table_compares_tokens_in_the_transaction_of_the_write() {
    let folder = Folder::new("table");
    let (mut one, mut other) =
        (Table::open(&folder.file("t")).unwrap(), Table::open(&folder.file("t")).unwrap());
    one.write("timers", token(7), "first").unwrap();
    other.write("timers", token(9), "second").unwrap();
    assert_stale(one.write("timers", token(7), "late"));
    one.write("timers", token(9), "again").unwrap();
    one.write("another", token(1), "tokens of another election").unwrap();
    drop((one, other));
    let mut restarted = Table::open(&folder.file("t")).unwrap();
    assert_stale(restarted.write("timers", token(8), "late"));
    assert!(matches!(restarted.write("timers", token(u64::MAX), ""), Err(Refusal::Failed(_))));
    assert_eq!(restarted.lines().unwrap(), ["first", "second", "again", "tokens of another election"]);
}

#[test]
fn a_journal_goes_on_with_the_token_of_its_last_line() {
    let folder = Folder::new("journal");
    let path = folder.file("j");
    let journal = Journal::open(&path).unwrap();
    journal.append(token(7), "first").unwrap();
    journal.append(token(9), "second").unwrap();
    assert_stale(journal.append(token(7), "late"));
    assert!(matches!(journal.append(token(9), "two\nlines"), Err(Refusal::Failed(_))));
    assert!(matches!(Journal::open(&path), Err(Refusal::Failed(_))), "two gates would know half each");
    drop(journal);
    // A crash in the middle of a write.
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"12\tcut").unwrap();
    let restarted = Journal::open(&path).unwrap();
    assert_stale(restarted.append(token(8), "late"));
    restarted.append(token(9), "third").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "7\tfirst\n9\tsecond\n9\tthird\n");
}

#[test]
fn a_journal_that_is_none_is_not_overwritten() {
    let folder = Folder::new("foreign");
    std::fs::write(folder.file("j"), "a file of somebody else\n").unwrap();
    assert!(matches!(Journal::open(&folder.file("j")), Err(Refusal::Failed(_))));
    assert_eq!(std::fs::read_to_string(folder.file("j")).unwrap(), "a file of somebody else\n");
}

#[test]
fn tokens_of_a_journal_never_go_back_whoever_writes() {
    let folder = Folder::new("threads");
    let journal = Journal::open(&folder.file("j")).unwrap();
    std::thread::scope(|threads| {
        for thread in 0..4 {
            let journal = &journal;
            threads
                .spawn(move || (0..50).for_each(|step| drop(journal.append(token(step * 4 + thread), "x"))));
        }
    });
    drop(journal);
    let text = std::fs::read_to_string(folder.file("j")).unwrap();
    let tokens: Vec<u64> =
        text.lines().map(|line| line.split('\t').next().unwrap().parse().unwrap()).collect();
    assert!(tokens.is_sorted() && tokens.last() == Some(&199), "{tokens:?}");
}

/// What a receiver answers to these bytes.
fn answer(receiver: &Receiver, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(receiver.address()).unwrap();
    stream.write_all(request).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_receiver_takes_nothing_that_it_does_not_understand() {
    let folder = Folder::new("receiver");
    let receiver = Receiver::start(Journal::open(&folder.file("j")).unwrap()).unwrap();
    assert_eq!(send(receiver.address(), token(9), "a line").unwrap(), 204);
    assert_eq!(send(receiver.address(), token(8), "late").unwrap(), 409);
    for request in [
        &b""[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nfencing-token: 10\r\n\r\nx",
        b"POST / HTTP/1.1\r\nfencing-token: ten\r\ncontent-length: 1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nfencing-token: 10\r\nfencing-token: 11\r\ncontent-length: 1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nfencing-token: 10\r\ncontent-length: 99999999999\r\n\r\nx",
        b"POST / HTTP/1.1\r\nfencing-token: 10\r\ncontent-length: 5\r\n\r\ncut",
        b"POST / HTTP/1.1\r\nfencing-token: 10\r\ncontent-length: 1\r\n\r\n\xff",
    ] {
        assert_eq!(answer(&receiver, request), "HTTP/1.1 400 Bad Request", "{request:?}");
    }
    drop(receiver);
    assert_eq!(std::fs::read_to_string(folder.file("j")).unwrap(), "9\ta line\n");
    let restarted = Receiver::start(Journal::open(&folder.file("j")).unwrap()).unwrap();
    assert_eq!(send(restarted.address(), token(8), "late").unwrap(), 409, "also after a restart");
}
