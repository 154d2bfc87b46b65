//! One connection to one member: requests, and the login that they need.

use std::fmt;
use std::time::Duration;

use etcd_client::{Channel, Client, ConnectOptions, KvClient, LeaseClient, LeaseGrantOptions, WatchOptions};
use ha_core::Secret;
use tokio::sync::Mutex;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::convert;
use super::stream::{WatchReader, WatchWriter};
use super::together::Connector;
use super::{Failure, FailureKind, Found, Header, KeyRange, Read, TxnAnswer, TxnRequest};

/// What one answer may measure: a page of the longest values.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How long making a connection may take. Another member is tried meanwhile or next.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Finds out that a connection is dead while a watch waits on it. A server refuses pings that come more often than every 5 s.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// Where a member is, and how to speak to it.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// `host:port`, as a URL has it.
    pub(crate) address: String,
    pub(crate) tls: Option<TlsMaterial>,
    pub(crate) credentials: Option<(String, Secret)>,
}

/// The contents of the files that a TLS connection needs, in PEM.
#[derive(Clone)]
pub(crate) struct TlsMaterial {
    pub(crate) ca: Option<Vec<u8>>,
    /// A certificate and its private key.
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) domain: Option<String>,
}

impl TlsMaterial {
    fn config(&self) -> ClientTlsConfig {
        let mut config = match &self.ca {
            Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        if let Some((certificate, key)) = &self.identity {
            config = config.identity(Identity::from_pem(certificate, key));
        }
        match &self.domain {
            Some(domain) => config.domain_name(domain),
            None => config,
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// A connection that is made when it is first used.
pub(crate) struct Connection {
    client: Client,
    kv: KvClient,
    lease: LeaseClient,
    login: Login,
}

struct Login {
    credentials: Option<(String, Secret)>,
    /// How often it logged in on this connection.
    count: Mutex<u64>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection to `endpoint`. Sends nothing yet; has to be called on the runtime that will run it.
    pub(crate) async fn open(endpoint: &Endpoint) -> Result<Self, Failure> {
        let invalid = |error: tonic::transport::Error| {
            Failure::new(FailureKind::Incompatible, format_args!("cannot use {endpoint:?}: {error:?}"))
        };
        let scheme = if endpoint.tls.is_some() { "https" } else { "http" };
        let mut channel = tonic::transport::Endpoint::from_shared(format!("{scheme}://{}", endpoint.address))
            .map_err(invalid)?
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(false);
        if let Some(tls) = &endpoint.tls {
            channel = channel.tls_config(tls.config()).map_err(invalid)?;
        }
        let options = ConnectOptions::new().with_require_leader(true);
        let connector = Connector::new(CONNECT_TIMEOUT, PING_INTERVAL);
        let channel = Channel::Tonic(channel.connect_with_connector_lazy(connector));
        let client = Client::from_channel(channel, Some(options)).await?;
        Ok(Self {
            kv: client.kv_client().max_decoding_message_size(ANSWER_BYTES_MAX),
            lease: client.lease_client(),
            client,
            login: Login { credentials: endpoint.credentials.clone(), count: Mutex::new(0) },
        })
    }

    /// Does a transaction.
    pub(crate) async fn txn(&self, request: TxnRequest) -> Result<TxnAnswer, Failure> {
        let txn = convert::txn(request);
        let answer = match &self.login.credentials {
            None => self.kv.clone().txn(txn).await?,
            Some(_) => Box::pin(self.logged_in(|| self.txn_once(txn.clone()))).await?,
        };
        Ok(convert::txn_answer(answer.0))
    }

    async fn txn_once(&self, txn: etcd_client::Txn) -> Result<etcd_client::TxnResponse, Failure> {
        Ok(self.kv.clone().txn(txn).await?)
    }

    /// Reads, linearizably unless the member is asked alone.
    pub(crate) async fn read(&self, read: Read) -> Result<(Header, Found), Failure> {
        let answer = self
            .logged_in(|| async {
                let (key, options) = convert::read(read.clone());
                Ok(self.kv.clone().get(key, Some(options)).await?)
            })
            .await?;
        Ok((convert::header(answer.0.header.as_ref()), convert::found(answer.0)))
    }

    /// Asks for a lease of at least `seconds`; how many were granted.
    pub(crate) async fn grant(&self, lease: i64, seconds: i64) -> Result<(Header, u64), Failure> {
        let answer = self
            .logged_in(|| async {
                let options = LeaseGrantOptions::new().with_id(lease);
                Ok(self.lease.clone().grant(seconds, Some(options)).await?)
            })
            .await?;
        Ok((convert::header(answer.0.header.as_ref()), convert::unsigned(answer.ttl())))
    }

    /// Ends a lease and all that it has.
    pub(crate) async fn revoke(&self, lease: i64) -> Result<(), Failure> {
        self.logged_in(|| async { Ok(self.lease.clone().revoke(lease).await?) }).await.map(drop)
    }

    /// Renews a lease once. A stream for one request pairs the answer with it beyond doubt.
    pub(crate) async fn keep_alive(&self, lease: i64) -> Result<(), Failure> {
        self.logged_in(|| async { Ok(self.lease.clone().keep_alive(lease).await?) }).await.map(drop)
    }

    /// The version of the member's software.
    pub(crate) async fn version(&self) -> Result<String, Failure> {
        let status =
            self.logged_in(|| async { Ok(self.client.maintenance_client().status().await?) }).await?;
        Ok(status.version().to_owned())
    }

    /// Opens a stream of watches, with a first one.
    pub(crate) async fn watch(
        &self,
        id: i64,
        range: KeyRange,
    ) -> Result<(WatchWriter, WatchReader), Failure> {
        let stream = self
            .logged_in(|| async {
                let mut client = self.client.watch_client().max_decoding_message_size(ANSWER_BYTES_MAX);
                Ok(client.watch(range.key.clone(), Some(watch_options(id, &range))).await?)
            })
            .await?;
        let (writer, reader) = stream.split();
        Ok((WatchWriter::new(writer), WatchReader::new(reader)))
    }

    /// Logs in unless nobody has to, and does `request`; once more if the token was too old.
    async fn logged_in<T, F>(&self, mut request: impl FnMut() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let count = match self.login.credentials {
            None => 0,
            Some(_) => Box::pin(self.log_in(0)).await?,
        };
        match request().await {
            Err(failure) if failure.kind == FailureKind::StaleToken => {
                Box::pin(self.log_in(count)).await?;
                Box::pin(request()).await
            }
            result => result,
        }
    }

    /// Logs in, unless that was done more than `stale` times already; how often it was done.
    async fn log_in(&self, stale: u64) -> Result<u64, Failure> {
        let Some((user, password)) = &self.login.credentials else { return Ok(0) };
        let mut count = self.login.count.lock().await;
        if *count <= stale {
            let credentials = (user.clone(), password.expose().to_owned());
            self.client.clone().update_user(Some(credentials)).await?;
            *count += 1;
        }
        Ok(*count)
    }
}

/// From now on, and with the id that the answers will carry.
pub(super) fn watch_options(id: i64, range: &KeyRange) -> WatchOptions {
    let options = WatchOptions::new().with_watch_id(id);
    if range.end.is_empty() { options } else { options.with_range(range.end.clone()) }
}
