//! A way to a server that speaks gRPC, on which a test decides the fate of single requests.
//!
//! A [`Proxy`](super::Proxy) sees bytes. To lose the reply of the second commit, and of nothing else, somebody has to know where requests
//! begin and end; in HTTP/2 they are interleaved on one connection and their names are compressed against what was said before.

mod call;
mod fate;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::net::TcpStream;
use tokio::sync::watch;

pub use fate::{Call, Fate, Gate};

use super::Address;
use super::proxy::Listening;

/// The port of every gateway, each on an address of its own.
const PORT: u16 = 4001;

/// How much a stream or a connection may have in flight: more than any test sends, so that nobody waits for anybody.
const WINDOW: u32 = 16 * 1024 * 1024;

/// Decides what becomes of each message that a client sends.
type Rule = Arc<dyn Fn(&Call<'_>) -> Fate + Send + Sync>;

/// A way to a gRPC server without TLS, for one client or several.
///
/// A request that was let through once is carried out whatever becomes of its client: nobody takes a packet back. When the connection to
/// the server breaks, so does the client's. To break the client's connections, put a [`Proxy`](super::Proxy) in front.
pub struct Gateway {
    address: SocketAddr,
    server: watch::Sender<SocketAddr>,
    listening: Mutex<Option<Listening>>,
}

impl Gateway {
    /// A way to `server`, on which `rule` decides the fate of each message.
    ///
    /// # Panics
    /// If there is no address to listen on.
    #[must_use]
    pub fn start(server: SocketAddr, rule: impl Fn(&Call<'_>) -> Fate + Send + Sync + 'static) -> Self {
        let address = Address::free(&[PORT]).port(PORT);
        let server = watch::Sender::new(server);
        match listen(address, server.subscribe(), Arc::new(rule)) {
            Ok(listening) => Self { address, server, listening: Mutex::new(Some(listening)) },
            Err(error) => panic!("listen on {address}: {error}"),
        }
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections; new ones lead to another server.
    pub fn lead_to(&self, server: SocketAddr) {
        self.server.send_replace(server);
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gateway {} to {}", self.address, *self.server.borrow())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.lock().unwrap_or_else(PoisonError::into_inner).take() {
            listening.end();
        }
    }
}

fn listen(address: SocketAddr, server: watch::Receiver<SocketAddr>, rule: Rule) -> io::Result<Listening> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Listening::start(listener, move |client| {
        let (server, rule) = (server.clone(), Arc::clone(&rule));
        async move {
            // However it ends, the client sees that its connection is gone.
            drop(serve(client, server, rule).await);
        }
    })
}

/// Serves one connection until one side of it ends or it is to lead elsewhere.
async fn serve(
    client: TcpStream,
    mut server: watch::Receiver<SocketAddr>,
    rule: Rule,
) -> Result<(), h2::Error> {
    let address = *server.borrow_and_update();
    let Ok((upstream, broken)) = connect(address).await else {
        drop(client.set_zero_linger());
        return Ok(());
    };
    drop(client.set_nodelay(true));
    tokio::select! {
        biased;
        _ = server.changed() => Ok(()),
        _ = broken => Ok(()),
        ended = accept(client, upstream, rule) => ended,
    }
}

/// Carries what the client asks until it has asked all.
async fn accept(client: TcpStream, upstream: SendRequest<Bytes>, rule: Rule) -> Result<(), h2::Error> {
    let mut settings = h2::server::Builder::new();
    settings.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let mut connection = settings.handshake(client).await?;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        tokio::spawn(call::carry(request, respond, upstream.clone(), Arc::clone(&rule)));
    }
    Ok(())
}

/// A connection to the server, and a future that ends when it breaks. It lasts for as long as a request is on it.
async fn connect(server: SocketAddr) -> io::Result<(SendRequest<Bytes>, tokio::task::JoinHandle<()>)> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let mut settings = h2::client::Builder::new();
    settings.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let (requests, connection) = settings.handshake(stream).await.map_err(io::Error::other)?;
    let driver = tokio::spawn(async move {
        // Its requests see the error as well.
        drop(connection.await);
    });
    Ok((requests, driver))
}

#[cfg(test)]
#[path = "gateway_test.rs"]
mod tests;
