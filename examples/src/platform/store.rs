//! The store of a run: a file, or servers, to which each node has a way of its own that can be cut off.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ha_backend_local::{LocalBackend, LocalConfig};
use ha_core::{Scheme, StoreUrl};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::failure::Failure;

/// Where the nodes meet.
#[derive(Clone, Debug)]
pub(super) enum Store {
    /// In a file of this machine.
    File {
        url: String,
        backend: LocalBackend,
        /// Where it is, if it goes with the run.
        _temporary: Option<Arc<Temporary>>,
    },
    /// On servers. Each node reaches them through forwarders of its own.
    Servers(Arc<BTreeMap<String, Way>>),
}

/// A folder that is removed with what is in it, when this is dropped.
#[derive(Debug)]
pub(super) struct Temporary(PathBuf);

/// A node's way to the servers.
#[derive(Debug)]
pub(super) struct Way {
    url: String,
    is_cut: watch::Sender<bool>,
}

impl Store {
    /// The store at `url` for `nodes`; without a URL, a temporary file. `run` keeps runs apart.
    pub(super) async fn open(url: Option<&str>, nodes: &[&str], run: &str) -> Result<Self, Failure> {
        let temporary = if url.is_none() { Some(Temporary::create(run)?) } else { None };
        let url = url.map(str::to_owned).or(temporary.as_ref().map(Temporary::url)).unwrap_or_default();
        let parsed = StoreUrl::parse(&url)?;
        if parsed.scheme() == Scheme::Local {
            let backend = LocalBackend::new(LocalConfig::from_url(&parsed)?);
            return Ok(Self::File { url, backend, _temporary: temporary.map(Arc::new) });
        }
        let mut ways = BTreeMap::new();
        for node in nodes {
            ways.insert((*node).to_owned(), Way::open(&url, &parsed).await?);
        }
        Ok(Self::Servers(Arc::new(ways)))
    }

    /// The URL of the store as `node` sees it.
    pub(super) fn url(&self, node: &str) -> String {
        match self {
            Self::File { url, .. } => url.clone(),
            Self::Servers(ways) => ways.get(node).map(|way| way.url.clone()).unwrap_or_default(),
        }
    }

    /// Lets nothing of `node` through to the servers, or everything again.
    pub(super) fn set_cut(&self, node: &str, is_cut: bool) {
        if let Self::Servers(ways) = self
            && let Some(way) = ways.get(node)
        {
            way.is_cut.send_replace(is_cut);
        }
    }

    /// Whether it sees by itself that a process has died, and need not wait for its ttl.
    pub(super) fn sees_deaths(&self) -> bool {
        matches!(self, Self::File { .. })
    }

    /// Whether this process keeps all others from writing just now.
    pub(super) fn is_being_written_by(&self, process: u32) -> bool {
        match self {
            Self::File { backend, .. } => backend.writer().is_ok_and(|writer| writer == Some(process)),
            Self::Servers(_) => false,
        }
    }
}

impl Temporary {
    /// A new one: in memory, where that can be had. On a disk that others keep busy a write can take seconds, and a proof of life is one.
    fn create(run: &str) -> Result<Self, Failure> {
        let in_memory = Path::new("/dev/shm");
        let above = if in_memory.is_dir() { in_memory.to_owned() } else { std::env::temp_dir() };
        let folder = above.join(format!("ha-platform-{run}"));
        std::fs::create_dir(&folder).map_err(|error| Failure::at("create", &folder, error))?;
        Ok(Self(folder))
    }

    /// The store in it.
    fn url(&self) -> String {
        format!("local://{}", escaped(&self.0.join("ha.db").to_string_lossy()))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Whoever may not remove it finds it among other temporary files.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl Way {
    /// Forwarders to each host of `url`, and the URL that leads through them.
    async fn open(url: &str, parsed: &StoreUrl) -> Result<Self, Failure> {
        let Some(port) = parsed.scheme().default_port() else {
            return Err(Failure::new(format!(
                "--url {parsed}: the nodes are processes, which meet in a file (local:) or on servers"
            )));
        };
        let is_cut = watch::Sender::new(false);
        let mut hosts = Vec::new();
        for host in parsed.hosts() {
            let server = match host.port() {
                Some(_) => host.to_string(),
                None => format!("{host}:{port}"),
            };
            hosts.push(forward(server, is_cut.subscribe()).await?.to_string());
        }
        Ok(Self { url: with_hosts(url, &hosts.join(",")), is_cut })
    }
}

/// `path` as a URL has it.
fn escaped(path: &str) -> String {
    let escape = |byte: u8| match byte {
        b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    path.bytes().map(escape).collect()
}

/// `url` with other hosts.
fn with_hosts(url: &str, hosts: &str) -> String {
    let Some((scheme, rest)) = url.split_once("//") else { return url.to_owned() };
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let credentials = authority.rsplit_once('@').map(|(credentials, _)| format!("{credentials}@"));
    format!("{scheme}//{}{hosts}{tail}", credentials.unwrap_or_default())
}

/// Forwards connections to `server` until they are cut; where to connect to.
async fn forward(server: String, is_cut: watch::Receiver<bool>) -> Result<SocketAddr, Failure> {
    let failed = |error| Failure::new(format!("cannot open a way to {server}: {error}"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            if !*is_cut.borrow() {
                tokio::spawn(carry(client, server.clone(), is_cut.clone()));
            }
        }
    });
    Ok(address)
}

/// Carries one connection. However it ends, both sides see that it is gone.
async fn carry(mut client: TcpStream, server: String, mut is_cut: watch::Receiver<bool>) {
    let Ok(mut upstream) = TcpStream::connect(&server).await else { return };
    drop((client.set_nodelay(true), upstream.set_nodelay(true)));
    tokio::select! {
        biased;
        _ = is_cut.wait_for(|is_cut| *is_cut) => {}
        _ = tokio::io::copy_bidirectional(&mut client, &mut upstream) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{escaped, with_hosts};
    use ha_core::StoreUrl;

    #[test]
    fn any_path_can_stand_in_a_url() {
        for path in ["/tmp/ha.db", "/a b/50%/#1?&@ü/ha.db"] {
            let url = StoreUrl::parse(&format!("local://{}", escaped(path))).unwrap();
            assert_eq!(url.path(), path);
        }
    }

    #[test]
    fn only_the_hosts_of_a_url_are_replaced() {
        for (url, expected) in [
            ("etcd://a:1,b:2", "etcd://x:9"),
            ("etcd://u:p%40q@a,b?prefix=/x/y", "etcd://u:p%40q@x:9?prefix=/x/y"),
            ("zk://a,b/chroot", "zk://x:9/chroot"),
        ] {
            assert_eq!(with_hosts(url, "x:9"), expected);
        }
    }
}
