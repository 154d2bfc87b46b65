//! One session of the client library, with the connection that it keeps.

use std::fmt;
use std::time::Duration;

use ha_core::Secret;
use zookeeper_client::{
    Acls, AddWatchMode, Client, Connector, CreateMode, CreateOptions, Error as ClientError, MultiReadResult,
    MultiWriteResult, SaslOptions, SessionInfo, SessionState, Stat as ClientStat, StateWatcher, TlsOptions,
};

use super::failure::{Failure, FailureKind, MultiFailure};
use super::watcher::{OneWatcher, TreeWatcher, of_state};
use super::{Children, Life, Node, Reading, Stat, Step};

/// Who may touch what we create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Everybody,
    /// Whoever logs in as we do.
    Creator,
}

/// How to log in.
#[derive(Clone, Debug)]
pub(crate) enum Login {
    Nobody,
    Digest(String, Secret),
    Sasl(String, Secret),
}

/// How to connect.
#[derive(Clone)]
pub(crate) struct Settings {
    /// `host:port,host:port`.
    pub(crate) servers: String,
    pub(crate) tls: Option<TlsOptions>,
    pub(crate) login: Login,
    pub(crate) access: Access,
    /// After which silence a connection is given up.
    pub(crate) silence: Duration,
}

/// What it takes to go on with a session: its id and its password, which is not shown.
#[derive(Clone, Debug)]
pub(crate) struct Ticket(SessionInfo);

/// What became of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Connected,
    Disconnected,
    /// The session is over, as far as the library knows: it also says so when it could not ask for long.
    Ended,
}

/// A session of the server. It is closed when this is dropped, with all futures of its methods.
pub(crate) struct Connection {
    client: Client,
    acls: Acls<'static>,
}

impl Connection {
    /// Begins a session with this ttl, or goes on with one. Tries each server once.
    pub(crate) async fn open(
        settings: &Settings,
        ttl: Duration,
        session: Option<Ticket>,
    ) -> Result<Self, Failure> {
        let mut connector: Connector = Client::connector()
            .with_session_timeout(ttl)
            .with_connection_timeout(settings.silence.min(ttl * 2 / 5))
            .with_fail_eagerly();
        if let Some(Ticket(session)) = session {
            connector = connector.with_session(session);
        }
        match &settings.login {
            Login::Nobody => {}
            Login::Digest(user, password) => {
                let identity = format!("{user}:{}", password.expose());
                connector = connector.with_auth("digest", identity.as_bytes());
            }
            Login::Sasl(user, password) => {
                connector =
                    connector.with_sasl(SaslOptions::digest_md5(user.clone(), password.expose().to_owned()));
            }
        }
        let connected = match &settings.tls {
            Some(tls) => connector.with_tls(tls.clone()).secure_connect(&settings.servers).await,
            None => connector.connect(&settings.servers).await,
        };
        let acls = match settings.access {
            Access::Everybody => Acls::anyone_all(),
            Access::Creator => Acls::creator_all(),
        };
        Ok(Self { client: connected?, acls })
    }

    /// The id of the session.
    pub(crate) fn session(&self) -> i64 {
        self.client.session_id().0
    }

    /// What it takes to go on with the session on another connection.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.client.session().clone())
    }

    /// The ttl that the server granted.
    pub(crate) fn granted(&self) -> Duration {
        self.client.session_timeout()
    }

    /// The state of the session from now on, also once the connection is dropped.
    pub(crate) fn signs(&self) -> Signs {
        Signs(self.client.state_watcher())
    }

    /// All of `steps`, or none. What a step left is told for the steps that set data.
    pub(crate) async fn multi(&self, steps: &[Step]) -> Result<Vec<Option<Stat>>, MultiFailure> {
        let mut writer = self.client.new_multi_writer();
        for step in steps {
            let added = match step {
                Step::Check { path, version } => writer.add_check_version(path, version.unwrap_or(-1)),
                Step::Create { path, data, life } => writer.add_create(path, data, &self.options(*life)),
                Step::Set { path, data, version } => writer.add_set_data(path, data, *version),
                Step::Delete { path } => writer.add_delete(path, None),
            };
            added.map_err(|error| MultiFailure { step: None, failure: error.into() })?;
        }
        let results = writer.commit().await?;
        Ok(results
            .into_iter()
            .map(|result| match result {
                MultiWriteResult::SetData { stat } => Some(stat.into()),
                _ => None,
            })
            .collect())
    }

    /// Creates a node.
    pub(crate) async fn create(&self, path: &str, data: &[u8], life: Life) -> Result<Stat, Failure> {
        let (stat, _) = self.client.create(path, data, &self.options(life)).await?;
        Ok(stat.into())
    }

    /// Replaces the data of a node that is in this version.
    pub(crate) async fn set(&self, path: &str, data: &[u8], version: i32) -> Result<Stat, Failure> {
        Ok(self.client.set_data(path, data, Some(version)).await?.into())
    }

    /// Reads a node.
    pub(crate) async fn get(&self, path: &str) -> Result<Option<Node>, Failure> {
        match self.client.get_data(path).await {
            Ok((data, stat)) => Ok(Some(Node { data: data.into(), stat: stat.into() })),
            Err(ClientError::NoNode) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The names of the children; `None` if there is no such node.
    pub(crate) async fn children(&self, path: &str) -> Result<Option<Children>, Failure> {
        match self.client.get_children(path).await {
            Ok((names, stat)) => Ok(Some(Children { names, changed: number(stat.pzxid) })),
            Err(ClientError::NoNode) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads nodes, and the names of the children of `directory` if one is given, at one instant.
    pub(crate) async fn read(&self, paths: &[String], directory: Option<&str>) -> Result<Reading, Failure> {
        let mut reader = self.client.new_multi_reader();
        for path in paths {
            reader.add_get_data(path)?;
        }
        if let Some(directory) = directory {
            reader.add_get_children(directory)?;
        }
        let mut reading = Reading::default();
        for result in reader.commit().await? {
            match result {
                MultiReadResult::Data { data, stat } => {
                    reading.nodes.push(Some(Node { data: data.into(), stat: stat.into() }));
                }
                MultiReadResult::Children { children } => reading.children = children,
                // Of the directory this comes last, and then it has no children.
                MultiReadResult::Error { err: ClientError::NoNode } if reading.nodes.len() < paths.len() => {
                    reading.nodes.push(None);
                }
                MultiReadResult::Error { err: ClientError::NoNode } => {}
                MultiReadResult::Error { err } => return Err(err.into()),
                other => return Err(Failure::new(FailureKind::Unknown, format_args!("answered {other:?}"))),
            }
        }
        if reading.nodes.len() != paths.len() {
            return Err(Failure::new(FailureKind::Unknown, "the answer is incomplete"));
        }
        Ok(reading)
    }

    /// Watches a node, which need not exist, and reads it: in one flight if it does.
    pub(crate) async fn watch_node(&self, path: &str) -> Result<(Option<Node>, OneWatcher), Failure> {
        match self.client.get_and_watch_data(path).await {
            Ok((data, stat, watcher)) => {
                let node = Node { data: data.into(), stat: stat.into() };
                let watcher = OneWatcher::new(watcher, Some(node.stat.created));
                return Ok((Some(node), watcher));
            }
            // A watch that comes with data needs a node.
            Err(ClientError::NoNode) => {}
            Err(error) => return Err(error.into()),
        }
        let (watched, node) =
            tokio::join!(biased; Box::pin(self.client.check_and_watch_stat(path)), self.get(path));
        let (watched, watcher) = watched?;
        let watched = watched.map(|stat| number(stat.czxid));
        Ok((node?, OneWatcher::new(watcher, watched)))
    }

    /// Watches a node and all below it.
    pub(crate) async fn watch_tree(&self, path: &str) -> Result<TreeWatcher, Failure> {
        Ok(TreeWatcher::new(self.client.watch(path, AddWatchMode::PersistentRecursive).await?))
    }

    fn options(&self, life: Life) -> CreateOptions<'static> {
        let mode = match life {
            Life::Persistent => CreateMode::Persistent,
            Life::Ephemeral => CreateMode::Ephemeral,
            Life::Container => CreateMode::Container,
        };
        mode.with_acls(self.acls)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("session", &self.client.session_id()).finish_non_exhaustive()
    }
}

/// The state of a session, without keeping it open.
#[derive(Debug)]
pub(crate) struct Signs(StateWatcher);

impl Signs {
    /// Waits until the session is over, as far as the library knows. True if a server has confirmed that it is closed.
    pub(crate) async fn ended(&mut self) -> bool {
        loop {
            let state = self.0.state();
            if of_state(state) == Sign::Ended {
                // An end by time is the library's own opinion.
                return state == SessionState::Closed;
            }
            self.0.changed().await;
        }
    }
}

impl From<ClientStat> for Stat {
    fn from(stat: ClientStat) -> Self {
        Self {
            created: number(stat.czxid),
            modified: number(stat.mzxid),
            version: stat.version,
            owner: stat.ephemeral_owner,
        }
    }
}

/// Transactions are numbered from 0 upwards; what is not known is less than that.
fn number(zxid: i64) -> u64 {
    u64::try_from(zxid).unwrap_or(0)
}
