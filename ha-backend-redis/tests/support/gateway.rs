//! A way to a server on which single commands are lost, answered to nobody, or late.
//!
//! The protocol answers in order, so that nothing can be lost *within* a connection: what loses a command or an answer loses all that follows on the same one, as
//! a broken network does. A command that is late is passed on even if its sender has long given the connection up.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a command is, as far as faults tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Commit,
    Renewal,
    Other,
}

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    LoseRequest,
    LoseReply,
    Delay(Duration),
}

/// How the scripts begin that faults are about.
const COMMIT: &[u8] = b"-- A transaction:";
const RENEWAL: &[u8] = b"-- A proof of life.";

/// A way to a server. It lasts until the process ends.
#[derive(Debug)]
pub(crate) struct Gateway {
    address: SocketAddr,
}

type Decide = Arc<dyn Fn(Kind) -> Fate + Send + Sync>;

/// The names that the server has given to the scripts that faults are about.
#[derive(Debug, Default)]
struct Names(Mutex<Vec<(Vec<u8>, Kind)>>);

impl Gateway {
    /// Passes on to `server` what `decide` lets pass.
    pub(crate) fn start(server: SocketAddr, decide: impl Fn(Kind) -> Fate + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (decide, names): (Decide, _) = (Arc::new(decide), Arc::new(Names::default()));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Without the server the client sees its connection end, as it would without us.
                let Ok(upstream) = TcpStream::connect(server) else { continue };
                serve(client, upstream, server, Arc::clone(&decide), Arc::clone(&names));
            }
        });
        Self { address }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn serve(client: TcpStream, upstream: TcpStream, server: SocketAddr, decide: Decide, names: Arc<Names>) {
    let is_mute = Arc::new(AtomicBool::new(false));
    client.set_nodelay(true).unwrap();
    upstream.set_nodelay(true).unwrap();
    let (from, to) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
    let mute = Arc::clone(&is_mute);
    std::thread::spawn(move || {
        // A connection that breaks ends its threads, and that is all.
        answers(from, to, &mute).ok();
    });
    std::thread::spawn(move || {
        commands(client, upstream, server, &decide, &names, &is_mute).ok();
    });
}

fn answers(mut from: TcpStream, mut to: TcpStream, is_mute: &AtomicBool) -> io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut bytes)?;
        if count == 0 {
            return to.shutdown(Shutdown::Both);
        }
        if !is_mute.load(Ordering::SeqCst) {
            to.write_all(&bytes[..count])?;
        }
    }
}

fn commands(
    mut from: TcpStream,
    mut to: TcpStream,
    server: SocketAddr,
    decide: &Decide,
    names: &Names,
    is_mute: &AtomicBool,
) -> io::Result<()> {
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        while let Some((length, parts)) = command(&bytes) {
            names.learn(server, &parts);
            let kind = names.kind(&parts);
            let fate = if is_mute.load(Ordering::SeqCst) { Fate::Pass } else { decide(kind) };
            match fate {
                Fate::Pass => {}
                Fate::Delay(delay) => std::thread::sleep(delay),
                Fate::LoseReply => is_mute.store(true, Ordering::SeqCst),
                Fate::LoseRequest => return swallow(from),
            }
            to.write_all(&bytes[..length])?;
            bytes.drain(..length);
        }
        let count = from.read(&mut piece)?;
        if count == 0 {
            // What was passed on is done, whether or not anybody hears of it.
            return to.shutdown(Shutdown::Write);
        }
        bytes.extend_from_slice(&piece[..count]);
    }
}

/// Nothing of what still comes arrives anywhere.
fn swallow(mut from: TcpStream) -> io::Result<()> {
    let mut piece = vec![0; 64 * 1024];
    while from.read(&mut piece)? > 0 {}
    Ok(())
}

/// The first command in `bytes`, if it is complete: its length and its parts.
fn command(bytes: &[u8]) -> Option<(usize, Vec<&[u8]>)> {
    let mut at = 0;
    let number = |kind: u8, at: &mut usize| {
        let line = bytes.get(*at..)?;
        let end = line.windows(2).position(|pair| pair == b"\r\n")?;
        assert_eq!(line[0], kind, "a client sends lists of texts");
        *at += end + 2;
        std::str::from_utf8(&line[1..end]).unwrap().parse::<usize>().ok()
    };
    let count = number(b'*', &mut at)?;
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        let length = number(b'$', &mut at)?;
        parts.push(bytes.get(at..at + length)?);
        at += length + 2;
    }
    (at <= bytes.len()).then_some((at, parts))
}

impl Names {
    /// Asks the server under which name it knows a script that is being loaded.
    fn learn(&self, server: SocketAddr, parts: &[&[u8]]) {
        let [b"SCRIPT", b"LOAD", source] = parts else { return };
        let begins = |with: &[u8]| source.windows(with.len()).any(|window| window == with);
        let kind = match (begins(COMMIT), begins(RENEWAL)) {
            (true, _) => Kind::Commit,
            (_, true) => Kind::Renewal,
            _ => return,
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.iter().any(|(_, other)| *other == kind) {
            return;
        }
        let mut connection = TcpStream::connect(server).unwrap();
        let head = format!("*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n${}\r\n", source.len());
        connection.write_all(&[head.as_bytes(), source, b"\r\n"].concat()).unwrap();
        // `$40`, and 40 hexadecimal digits.
        let mut answer = [0; 47];
        connection.read_exact(&mut answer).unwrap();
        known.push((answer[5..45].to_vec(), kind));
    }

    fn kind(&self, parts: &[&[u8]]) -> Kind {
        let [b"EVALSHA", name, ..] = parts else { return Kind::Other };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(known, _)| known == name).map_or(Kind::Other, |(_, kind)| *kind)
    }
}
