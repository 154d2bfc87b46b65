//! A way to a server that a test can break, byte by byte and for any protocol.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{TcpListener, TcpStream};
//!
//! use ha_conformance::servers::Proxy;
//!
//! # fn main() -> std::io::Result<()> {
//! let server = TcpListener::bind("127.0.0.1:0")?;
//! let proxy = Proxy::start(server.local_addr()?);
//! let mut client = TcpStream::connect(proxy.address())?;
//! client.write_all(b"ping")?;
//!
//! let mut ping = [0; 4];
//! server.accept()?.0.read_exact(&mut ping)?;
//! assert_eq!(&ping, b"ping");
//! proxy.cut();
//! assert!(TcpStream::connect(proxy.address()).is_err());
//! # Ok(())
//! # }
//! ```

mod conduct;
mod connection;
mod listening;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub use conduct::Direction;

use super::Address;
use conduct::{Conduct, Ending, Flow};
pub(super) use listening::Listening;

/// The port of a proxy, each on an address of its own: it is still theirs after they refused connections for a while.
const PORT: u16 = 4000;

/// A way to a server, for one client or several. Until told otherwise it passes everything.
///
/// What it is told holds for all that is said after the call returned, on connections that are open as well as on new ones;
/// [`heal`](Self::heal) ends it. One difference to the server itself: a connection while the server is down is accepted and then reset, not refused.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Mutex<Option<Listening>>,
}

/// What the proxy and its connections share.
#[derive(Debug)]
struct Shared {
    conduct: watch::Sender<Conduct>,
    connections: AtomicU64,
    passed: [AtomicU64; 2],
}

impl Proxy {
    /// A way to `server`.
    ///
    /// # Panics
    /// If there is no address to listen on.
    #[must_use]
    pub fn start(server: SocketAddr) -> Self {
        Self::start_at(Address::free(&[PORT]).port(PORT), server)
    }

    /// A way to `server` that begins at `address`, where several ways share an address and each has the port of its server.
    ///
    /// # Panics
    /// If somebody listens there already.
    #[must_use]
    pub fn start_at(address: SocketAddr, server: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            conduct: watch::Sender::new(Conduct::to(server)),
            connections: AtomicU64::new(0),
            passed: [AtomicU64::new(0), AtomicU64::new(0)],
        });
        let proxy = Self { address, shared, listening: Mutex::new(None) };
        proxy.listen();
        proxy
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections in good order and refuses new ones.
    pub fn cut(&self) {
        self.refuse();
        self.end_all(Ending::Closed);
    }

    /// Refuses new connections; those that are open stay.
    pub fn refuse(&self) {
        let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(listening) = listening {
            listening.end();
        }
    }

    /// Resets all connections (`RST`), with what is under way on them; new ones are welcome.
    pub fn reset(&self) {
        self.end_all(Ending::Reset);
    }

    /// Nothing gets through in this direction, as when packets are dropped: both sides believe that they are connected, and what they
    /// send arrives late, once the way is healed.
    pub fn hold(&self, direction: Direction) {
        self.tell(|conduct| *conduct.flow_mut(direction) = Flow::Held);
    }

    /// Requests get through, and what the server says is dropped. The connections on which something was dropped are reset by
    /// [`heal`](Self::heal): a client could not make sense of the rest.
    pub fn swallow_replies(&self) {
        self.tell(|conduct| *conduct.flow_mut(Direction::ToClient) = Flow::Swallowed);
    }

    /// Everything arrives so much later in each direction, and up to `jitter` more; the order stays.
    pub fn delay(&self, delay: Duration, jitter: Duration) {
        self.tell(|conduct| (conduct.delay, conduct.jitter) = (delay, jitter));
    }

    /// Lets `bytes` more through in this direction, on each connection, and then resets it: inside a frame, if the number is chosen so.
    pub fn reset_after(&self, direction: Direction, bytes: u64) {
        self.tell(|conduct| {
            conduct.allowances += 1;
            conduct.allowance = Some((direction, bytes));
        });
    }

    /// Ends all connections; new ones are told `garbage`, and nothing else for as long as they last.
    pub fn answer(&self, garbage: impl Into<Bytes>) {
        let garbage = garbage.into();
        self.tell(|conduct| conduct.greeting = Some(garbage));
        self.end_all(Ending::Closed);
    }

    /// New connections lead to another server; those that are open are reset.
    pub fn lead_to(&self, server: SocketAddr) {
        self.tell(|conduct| conduct.server = server);
        self.reset();
    }

    /// Everything gets through again.
    ///
    /// # Panics
    /// If somebody else listens on the address by now.
    pub fn heal(&self) {
        let mut is_spoiled = false;
        self.tell(|conduct| is_spoiled = conduct.heal());
        if is_spoiled {
            self.reset();
        }
        self.listen();
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many bytes got through in this direction.
    #[must_use]
    pub fn passed(&self, direction: Direction) -> u64 {
        self.shared.passed[direction as usize].load(Ordering::SeqCst)
    }

    fn listen(&self) {
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if listening.is_none() {
            *listening = match self.try_to_listen() {
                Ok(started) => Some(started),
                Err(error) => panic!("listen on {}: {error}", self.address),
            };
        }
    }

    fn try_to_listen(&self) -> io::Result<Listening> {
        let listener = TcpListener::bind(self.address)?;
        listener.set_nonblocking(true)?;
        let shared = Arc::clone(&self.shared);
        Listening::start(listener, move |client| {
            let endings = shared.conduct.borrow().endings;
            connection::serve(client, Arc::clone(&shared), endings)
        })
    }

    fn end_all(&self, ending: Ending) {
        self.tell(|conduct| {
            conduct.endings += 1;
            conduct.ending = ending;
        });
    }

    fn tell(&self, change: impl FnOnce(&mut Conduct)) {
        self.shared.conduct.send_modify(change);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

/// All proxies of the process run on threads of their own: a test that blocks its runtime slows no connection.
pub(in crate::servers) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        match builder.worker_threads(2).thread_name("proxies").enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => panic!("start the threads of the proxies: {error}"),
        }
    })
}

#[cfg(test)]
#[path = "proxy_test.rs"]
mod tests;
