//! The server as one session reaches it: connections that are ready to use, and requests with a timeout.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ha_core::Error;
use ha_core::runtime::{Runtime, within};

use crate::answer::Answer;
use crate::config::{Address, RedisConfig};
use crate::connection::Connection;
use crate::failure::{Failure, FailureKind};
use crate::keys::Layout;
use crate::resp::{self, Reply};
use crate::scripts::{Call, Known, Loaded, Script};
use crate::sync::lock;
use crate::wire::{self, Security};

/// Where the server is, and who asks.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) config: Arc<RedisConfig>,
    pub(crate) layout: Layout,
    pub(crate) runtime: Arc<dyn Runtime>,
    security: Option<Security>,
}

/// A connection on which the scripts are loaded.
#[derive(Debug)]
pub(crate) struct Live {
    connection: Connection,
    loaded: Loaded,
}

impl Server {
    /// Reads what TLS needs. Connects to nothing.
    pub(crate) fn new(
        config: Arc<RedisConfig>,
        layout: Layout,
        runtime: Arc<dyn Runtime>,
    ) -> Result<Self, Error> {
        let host = match &config.address {
            Address::Tcp { host, .. } => host.as_str(),
            Address::Socket(_) => "",
        };
        let security = config.tls.as_ref().map(|tls| {
            let domain = tls.domain.clone().unwrap_or_else(|| host.to_owned());
            Ok::<_, Error>(Security { config: tls.load()?, domain })
        });
        Ok(Self { security: security.transpose()?, config, layout, runtime })
    }

    /// A new connection, ready to use.
    pub(crate) async fn connect(&self) -> Result<Live, Failure> {
        let (address, limit) = (&self.config.address, self.config.timeout);
        let connecting = Box::pin(wire::connect(address, self.security.as_ref()));
        let stream = match within(&*self.runtime, limit, connecting).await {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => {
                return Err(Failure::new(
                    FailureKind::NotSent,
                    format_args!("cannot connect to {address}: {error}"),
                ));
            }
            None => {
                return Err(Failure::new(
                    FailureKind::NotSent,
                    format_args!("no connection to {address} in {limit:?}"),
                ));
            }
        };
        let connection = Connection::start(stream, &*self.runtime);
        let greeted = within(&*self.runtime, limit, self.greet(&connection)).await;
        let loaded = greeted.unwrap_or_else(|| {
            Err(Failure::new(FailureKind::NotSent, format_args!("{address} does not answer in {limit:?}")))
        });
        Ok(Live { loaded: loaded.map_err(Failure::before_any_request)?, connection })
    }

    /// Logs in and loads the scripts, in one round trip.
    async fn greet(&self, connection: &Connection) -> Result<Loaded, Failure> {
        let mut answers = Vec::new();
        let mut send = |parts: &[&[u8]]| {
            let mut command = Vec::new();
            resp::encode(&mut command, parts);
            answers.push(connection.send(command));
        };
        let config = &self.config;
        if let Some(password) = &config.password {
            let password = password.expose().as_bytes();
            match &config.user {
                Some(user) => send(&[b"AUTH", user.as_bytes(), password]),
                None => send(&[b"AUTH", password]),
            }
        }
        if config.database > 0 {
            send(&[b"SELECT", config.database.to_string().as_bytes()]);
        }
        for script in Script::ALL {
            send(&[b"SCRIPT", b"LOAD", script.source().as_bytes()]);
        }
        let mut names = Vec::with_capacity(answers.len());
        for answer in answers {
            if let Reply::Text(name) = answer.await? {
                names.push(name.to_vec());
            }
        }
        // The first ones have answered to what comes before the scripts.
        names.drain(..names.len().saturating_sub(Script::ALL.len()));
        Ok(Loaded(names))
    }

    /// Sends a command that is no script, and waits for its answer.
    pub(crate) async fn send(&self, live: &Live, parts: &[&[u8]], limit: Duration) -> Result<Reply, Failure> {
        let mut command = Vec::new();
        resp::encode(&mut command, parts);
        self.answered(live, command, limit).await
    }

    /// Calls a script, and waits for its answer at most for `limit`.
    ///
    /// Dropped before its end, the call may or may not be done.
    pub(crate) async fn call(
        &self,
        live: &Live,
        call: &Call,
        known: Known,
        limit: Duration,
    ) -> Result<Answer, Failure> {
        let command = call.command(&live.loaded, &self.layout, &self.config, known);
        let answer = self.answered(live, command, limit).await?;
        Answer::parse(answer).inspect_err(|_| live.leave())
    }

    async fn answered(&self, live: &Live, command: Vec<u8>, limit: Duration) -> Result<Reply, Failure> {
        let answer = within(&*self.runtime, limit, live.connection.send(command)).await;
        let answer = answer.unwrap_or_else(|| {
            let address = &self.config.address;
            Err(Failure::new(FailureKind::Unknown, format_args!("no answer of {address} in {limit:?}")))
        });
        answer.inspect_err(|failure| {
            if failure.breaks_connection() {
                // It may be half open: then it would swallow whatever comes next.
                live.leave();
            }
        })
    }
}

impl Live {
    /// Nobody uses it any more.
    pub(crate) fn leave(&self) {
        self.connection.break_off();
    }
}

/// A connection that is made when it is needed, and again when it is broken.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    current: Mutex<Option<Arc<Live>>>,
    connecting: tokio::sync::Mutex<()>,
}

impl Lane {
    /// The connection. All who ask while there is none wait for the same one.
    pub(crate) async fn live(&self, server: &Server) -> Result<Arc<Live>, Failure> {
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let _one_at_a_time = self.connecting.lock().await;
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let live = Arc::new(server.connect().await?);
        *lock(&self.current) = Some(Arc::clone(&live));
        Ok(live)
    }

    fn current(&self) -> Option<Arc<Live>> {
        lock(&self.current).clone().filter(|live| !live.connection.is_broken())
    }
}
