//! The store of a run, and each node's way to it, which can be cut off.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ha_core::StoreUrl;
use ha_core::memory::MemoryBackend;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::failure::Failure;

/// Where the nodes meet.
#[derive(Clone, Debug)]
pub(super) enum Store {
    /// In the memory of this process, under this name.
    Memory { name: String, backend: MemoryBackend },
    /// On servers. Each node reaches them through forwarders of its own.
    Servers(Arc<BTreeMap<String, Way>>),
}

/// A node's way to the servers.
#[derive(Debug)]
pub(super) struct Way {
    url: String,
    is_cut: watch::Sender<bool>,
}

impl Store {
    /// The store at `url` for `nodes`; a new one in memory without a URL. `run` keeps runs apart.
    pub(super) async fn open(url: Option<&str>, nodes: &[&str], run: &str) -> Result<Self, Failure> {
        let Some(url) = url else {
            let name = format!("platform-{run}");
            return Ok(Self::Memory { backend: MemoryBackend::named(&name)?, name });
        };
        let mut ways = BTreeMap::new();
        for node in nodes {
            ways.insert((*node).to_owned(), Way::open(url).await?);
        }
        Ok(Self::Servers(Arc::new(ways)))
    }

    /// The URL of the store as `node` sees it.
    pub(super) fn url(&self, node: &str) -> String {
        match self {
            Self::Memory { name, .. } => format!("memory:{name}"),
            Self::Servers(ways) => ways.get(node).map(|way| way.url.clone()).unwrap_or_default(),
        }
    }

    /// Lets nothing of `node` through, or everything again.
    pub(super) fn set_cut(&self, node: &str, is_cut: bool) {
        match self {
            Self::Memory { backend, .. } if is_cut => backend.faults().cut(node),
            Self::Memory { backend, .. } => backend.faults().heal(node),
            Self::Servers(ways) => {
                if let Some(way) = ways.get(node) {
                    way.is_cut.send_replace(is_cut);
                }
            }
        }
    }
}

impl Way {
    /// Forwarders to each host of `url`, and the URL that leads through them.
    async fn open(url: &str) -> Result<Self, Failure> {
        let parsed = StoreUrl::parse(url)?;
        let Some(port) = parsed.scheme().default_port() else {
            return Err(Failure::new(format!(
                "--url {parsed}: it names no server; leave it out to stay in memory"
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
    use super::with_hosts;

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
