//! The bytes between us and a server: over TCP, TLS, or a socket of this machine.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::config::Address;

/// Both directions.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// What a TLS connection needs.
#[derive(Clone, Debug)]
pub(crate) struct Security {
    pub(crate) config: Arc<ClientConfig>,
    /// The name that the certificate of the server carries.
    pub(crate) domain: String,
}

/// Connects. Whoever waits sees to it that it does not take for ever.
pub(crate) async fn connect(address: &Address, security: Option<&Security>) -> io::Result<Box<dyn Duplex>> {
    let (host, port) = match address {
        Address::Socket(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
        Address::Tcp { host, port } => (host.as_str(), *port),
    };
    let stream = TcpStream::connect((host, port)).await?;
    // A request is one packet; nothing is gained by waiting for more.
    stream.set_nodelay(true)?;
    let Some(Security { config, domain }) = security else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(domain.clone()).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?))
}

/// For how long the server may keep silent on a reading that it is to answer after `blocked`.
pub(crate) fn patience(blocked: Duration, timeout: Duration) -> Duration {
    blocked + timeout.max(Duration::from_secs(2))
}
