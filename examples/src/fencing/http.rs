//! An HTTP service that takes writes with a token, in front of a journal. As small as it can be: a service would use its framework.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ha::Token;

use super::{Journal, Refusal};

/// What a request may have, in bytes.
const HEAD_MAX: u64 = 8 * 1024;
const BODY_MAX: u64 = 64 * 1024;
/// How long a client may take for anything.
const PATIENCE: Duration = Duration::from_secs(2);

/// Takes `POST` requests with a header `fencing-token`: 204 written, 409 stale, 400 not understood, 500 failed.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Serves `journal` on a free port of this machine.
    ///
    /// # Errors
    /// `Failed` when there is no port or no thread.
    pub fn start(journal: Journal) -> Result<Self, Refusal> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(Refusal::failed)?;
        let address = listener.local_addr().map_err(Refusal::failed)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let serve = move || {
            for client in listener.incoming().take_while(|_| !stop.load(Ordering::Acquire)).flatten() {
                // A client that breaks off has its own reasons.
                drop(answer(&journal, client));
            }
        };
        let thread =
            std::thread::Builder::new().name("receiver".into()).spawn(serve).map_err(Refusal::failed)?;
        Ok(Self { address, stopped, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Receiver {
    /// Ends it, so that its journal can be opened again.
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // Wakes the thread; if that fails nobody listens any more.
        drop(TcpStream::connect(self.address));
        self.thread.take().into_iter().for_each(|thread| drop(thread.join()));
    }
}

fn answer(journal: &Journal, client: TcpStream) -> std::io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let (status, body) = match request(&client) {
        Ok((token, text)) => match journal.append(token, &text) {
            Ok(()) => ("204 No Content", String::new()),
            Err(refusal @ Refusal::Stale(_)) => ("409 Conflict", refusal.to_string()),
            Err(refusal) => ("500 Internal Server Error", refusal.to_string()),
        },
        Err(reason) => ("400 Bad Request", reason),
    };
    write!(&client, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// The token and the body of a request.
fn request(client: &TcpStream) -> Result<(Token, String), String> {
    let mut head = BufReader::new(client).take(HEAD_MAX);
    let (mut token, mut length) = (None, None);
    for number in 0.. {
        let mut line = String::new();
        let read = head.read_line(&mut line).map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("the request ends in its head, or its head is too long".into());
        }
        let line = line.trim_end();
        if number == 0 && !line.starts_with("POST ") {
            return Err("only POST is understood".into());
        }
        if line.is_empty() {
            break;
        }
        match line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim())) {
            Some((name, value)) if name == "fencing-token" => {
                let parsed = value.parse::<Token>().map_err(|error| error.to_string())?;
                if token.replace(parsed).is_some() {
                    return Err("there are two fencing tokens".into());
                }
            }
            Some((name, value)) if name == "content-length" => {
                length = value.parse::<u64>().ok().filter(|length| *length <= BODY_MAX);
            }
            _ => {}
        }
    }
    let token = token.ok_or("a header `fencing-token` is missing")?;
    let length = length.ok_or("a header `content-length` is missing, or it is too long")?;
    let mut body = String::new();
    head.set_limit(length);
    head.read_to_string(&mut body).map_err(|error| error.to_string())?;
    if body.len() as u64 == length { Ok((token, body)) } else { Err("the body is cut".into()) }
}

/// Sends a line to a receiver, as a service would; returns the status of the answer.
///
/// # Errors
/// `Failed` when there is no answer: the line may or may not have been written. Send it again with the same token, or ask.
pub fn send(receiver: SocketAddr, token: Token, text: &str) -> Result<u16, Refusal> {
    let mut stream = TcpStream::connect_timeout(&receiver, PATIENCE).map_err(Refusal::failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(Refusal::failed)?;
    let length = text.len();
    write!(stream, "POST / HTTP/1.1\r\nhost: {receiver}\r\nfencing-token: {token}\r\ncontent-length: {length}\r\n\r\n{text}")
        .map_err(Refusal::failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(Refusal::failed)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| Refusal::failed("the answer is no HTTP"))
}
