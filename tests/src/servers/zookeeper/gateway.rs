//! A way to a ZooKeeper server on which single requests are lost, held, or never answered.
//!
//! A [`Proxy`](crate::servers::Proxy) sees bytes, and the other [`Gateway`](crate::servers::Gateway) speaks gRPC; here somebody knows where ZooKeeper's requests begin and end.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What happens to one request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fate {
    /// Nothing happens to it.
    Pass,
    /// It never arrives: the connection breaks in front of it.
    LoseRequest,
    /// It is done, and the connection breaks in front of its answer.
    LoseReply,
    /// It arrives so much later, whatever becomes of the client meanwhile.
    Delay(Duration),
    /// It arrives once the gate is open, and so does everything behind it.
    Hold(Gate),
}

/// Holds requests back until it is opened, for good.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<Queue>, Condvar)>);

#[derive(Debug, Default)]
struct Queue {
    is_open: bool,
    waiting: usize,
}

impl Gate {
    /// Lets everything through that waits, and all that comes.
    pub fn open(&self) {
        self.queue().is_open = true;
        self.0.1.notify_all();
    }

    /// How many requests wait in front of it.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue().waiting
    }

    fn pass(&self) {
        let mut queue = self.queue();
        queue.waiting += 1;
        while !queue.is_open {
            queue = self.0.1.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.waiting -= 1;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.0.0)
    }
}

/// Decides about the requests of all connections.
type Judge = Arc<dyn Fn(&[u8]) -> Fate + Send + Sync>;

/// A listener in front of a server, until this is dropped.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    is_closed: Arc<AtomicBool>,
}

impl Gateway {
    /// Leads to `server`; `judge` is asked about every request, without its length, but the first one of a connection.
    ///
    /// # Panics
    /// If there is no address to listen on.
    #[must_use]
    pub fn start(server: SocketAddr, judge: impl Fn(&[u8]) -> Fate + Send + Sync + 'static) -> Self {
        let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| {
            let address = listener.local_addr()?;
            Ok((listener, address))
        });
        let (listener, address) = listening.unwrap_or_else(|error| panic!("listen: {error}"));
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

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
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
    let (Ok(from_server), Ok(to_client)) = (server.try_clone(), client.try_clone()) else { return };
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
            Fate::LoseReply => *lock(lost) = number(&request[4..]),
            Fate::Delay(delay) => std::thread::sleep(delay),
            Fate::Hold(gate) => gate.pass(),
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
        let number = number(&answer[4..]);
        if number.is_some() && *lock(lost) == number {
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
    bytes.resize(4 + usize::try_from(length).map_err(io::Error::other)?, 0);
    stream.read_exact(&mut bytes[4..])?;
    Ok(bytes)
}

/// The number by which a request and its answer belong together.
fn number(message: &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(message.get(..4)?.try_into().ok()?))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
