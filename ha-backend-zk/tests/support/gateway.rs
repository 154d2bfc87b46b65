//! A way to a ZooKeeper server on which single requests are lost, held, or never answered.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::wire;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    /// It never arrives: the connection breaks in front of it.
    LoseRequest,
    /// It is done, and the connection breaks in front of its answer.
    LoseReply,
    /// It arrives so much later, whatever becomes of the client meanwhile.
    Delay(Duration),
}

/// Decides about the requests of all connections.
type Judge = Arc<dyn Fn(&[u8]) -> Fate + Send + Sync>;

/// A listener in front of a server, until this is dropped.
#[derive(Debug)]
pub(crate) struct Gateway {
    address: SocketAddr,
    is_closed: Arc<AtomicBool>,
}

impl Gateway {
    /// Leads to `server`; `judge` is asked about every request but the first one of a connection.
    pub(crate) fn start(server: SocketAddr, judge: impl Fn(&[u8]) -> Fate + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (is_closed, judge): (_, Judge) = (Arc::new(AtomicBool::new(false)), Arc::new(judge));
        let closed = Arc::clone(&is_closed);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if closed.load(Ordering::SeqCst) {
                    return;
                }
                let judge = Arc::clone(&judge);
                // If the server is down the client sees its connection closed.
                std::thread::spawn(move || {
                    TcpStream::connect(server).map(|server| lead(client, server, judge))
                });
            }
        });
        Self { address, is_closed }
    }

    /// Where to connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.is_closed.store(true, Ordering::SeqCst);
        // Wakes the listener up.
        drop(TcpStream::connect(self.address));
    }
}

/// Leads one connection, until either side ends it.
fn lead(client: TcpStream, server: TcpStream, judge: Judge) {
    // The number of the request whose answer is to be lost.
    let lost = Arc::new(Mutex::new(None));
    let (from_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let awaited = Arc::clone(&lost);
    let answers = std::thread::spawn(move || {
        drop(forward_answers(&from_server, &to_client, &awaited));
        // The server may still get what is on its way to it.
        to_client.shutdown(Shutdown::Both).ok();
    });
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    drop(forward_requests(&client, &server, &judge, &lost));
    client.shutdown(Shutdown::Both).ok();
    server.shutdown(Shutdown::Both).ok();
    answers.join().ok();
}

fn forward_requests(
    mut client: &TcpStream,
    mut server: &TcpStream,
    judge: &Judge,
    lost: &Mutex<Option<i32>>,
) -> io::Result<()> {
    server.write_all(&frame(&mut client)?)?;
    loop {
        let request = frame(&mut client)?;
        match judge(&request[4..]) {
            Fate::Pass => {}
            Fate::LoseRequest => return Ok(()),
            Fate::LoseReply => *lost.lock().unwrap() = wire::number(&request[4..]),
            Fate::Delay(delay) => std::thread::sleep(delay),
        }
        server.write_all(&request)?;
    }
}

fn forward_answers(
    mut server: &TcpStream,
    mut client: &TcpStream,
    lost: &Mutex<Option<i32>>,
) -> io::Result<()> {
    client.write_all(&frame(&mut server)?)?;
    loop {
        let answer = frame(&mut server)?;
        let number = wire::number(&answer[4..]);
        if number.is_some() && *lost.lock().unwrap() == number {
            return Ok(());
        }
        client.write_all(&answer)?;
    }
}

/// The next message, with its length in front.
fn frame(stream: &mut &TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    stream.read_exact(&mut bytes)?;
    let length = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    bytes.resize(4 + usize::try_from(length).unwrap(), 0);
    stream.read_exact(&mut bytes[4..])?;
    Ok(bytes)
}
