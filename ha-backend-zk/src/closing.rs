//! Ending sessions: our own, and that of a node proven dead.

use std::sync::Arc;
use std::time::Duration;

use ha_core::runtime::{Backoff, within};
use ha_core::spi::SessionId;
use ha_core::{Error, ErrorKind};

use crate::client::{Connection, FailureKind, Signs, Ticket};
use crate::farewell::{self, Farewell};
use crate::link::Link;
use crate::over::Why;
use crate::stamp::session_of;

const CLOSE: &str = "close the session";
const END: &str = "end the session";

/// How long a server may take to end a session that we ask it about.
const FAREWELL_WITHIN: Duration = Duration::from_secs(5);

impl Link {
    /// The session is over, or is to be. It is ended in the background, however long that takes.
    pub(crate) fn end(self: &Arc<Self>, why: Why) {
        if !self.over.begin(why) {
            return;
        }
        tracing::debug!(session = %self.id, why = why.reason(), "the session ends");
        let link = Arc::clone(self);
        self.spawn("zk-end", async move {
            if let Some(connection) = link.take_connection() {
                link.bury(connection).await;
            }
            link.over.complete();
        });
    }

    /// Closes the session and waits until the server has said that it is over: only then can nothing of it be done any more. The library calls a session
    /// over also when it could not reach a server for long, and the servers may see that differently.
    async fn bury(&self, connection: Arc<Connection>) {
        let (signs, ticket) = (connection.signs(), connection.ticket());
        drop(connection);
        if self.is_closed(signs).await {
            return;
        }
        let mut backoff = Backoff::patient();
        while !self.is_buried(ticket.clone()).await {
            backoff.wait(&*self.runtime).await;
        }
    }

    /// Whether a server confirms in time that the session is closed. The library may have nothing more to say, if it loses its connection while it closes.
    async fn is_closed(&self, mut signs: Signs) -> bool {
        within(&*self.runtime, FAREWELL_WITHIN, signs.ended()).await.unwrap_or(false)
    }

    /// Asks for the session to go on. If it does it is closed again.
    async fn is_buried(&self, ticket: Ticket) -> bool {
        let ttl = self.ttl.unwrap_or_default().max(Duration::from_secs(1));
        match Connection::open(&self.settings, ttl, Some(ticket)).await {
            Ok(connection) => {
                let signs = connection.signs();
                drop(connection);
                self.is_closed(signs).await
            }
            Err(failure) => failure.kind == FailureKind::Ended,
        }
    }

    /// Closes the session: at once if a server can be reached.
    pub(crate) async fn close(self: &Arc<Self>) -> Result<(), Error> {
        self.end(Why::Closed);
        let patience = self.give_up_at().saturating_since(self.now());
        if within(&*self.runtime, patience, self.over.completed()).await.is_some() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unavailable, CLOSE)
            .because("no server answered; it is tried further, and otherwise the session ends by its ttl"))
    }

    /// Ends the session once it was not renewed for its ttl, whether or not the server still hears of us: the library keeps it alive for as long as the
    /// process lives, also when nobody renews it.
    pub(crate) async fn watch_deadline(self: Arc<Self>) {
        loop {
            let deadline = *crate::sync::lock(&self.deadline);
            if deadline <= self.now() {
                tracing::warn!(session = %self.id, "the session was not renewed for its ttl");
                self.end(Why::Lost);
                return;
            }
            tokio::select! {
                biased;
                () = self.over.begun() => return,
                () = self.runtime.sleep_until(deadline) => {}
            }
        }
    }

    /// Ends another session as a whole.
    pub(crate) async fn end_other(self: &Arc<Self>, other: &SessionId) -> Result<(), Error> {
        self.check(END)?;
        self.require_ttl(END)?;
        if self.settings.tls.is_some() {
            return Err(Error::new(ErrorKind::Unsupported, END)
                .on(other)
                .because("over TLS a session cannot be ended for another process; it ends by its ttl"));
        }
        let session = session_of(other).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, END)
                .on(other)
                .because("no session of this store has such an id")
        })?;
        let give_up = self.give_up_at();
        let mut backoff = Backoff::urgent();
        loop {
            let said =
                within(&*self.runtime, FAREWELL_WITHIN, farewell::say(&self.settings.servers, session));
            let said = said.await.unwrap_or(Farewell::Unheard);
            self.check(END)?;
            // A server refuses in the same way what is over and what it knows by another password.
            if said == Farewell::Said && self.is_gone(other).await {
                return Ok(());
            }
            if said == Farewell::Refused {
                if self.is_gone(other).await {
                    return Ok(());
                }
                return Err(Error::new(ErrorKind::Unsupported, END)
                    .on(other)
                    .because("the server does not let us end it, though it is there; it ends by its ttl"));
            }
            if self.now() >= give_up {
                return Err(Error::new(ErrorKind::Unavailable, END)
                    .on(other)
                    .because("no server answered; try again"));
            }
            backoff.wait(&*self.runtime).await;
        }
    }

    /// Whether the marker of another session is gone, to the majority of the servers.
    async fn is_gone(self: &Arc<Self>, other: &SessionId) -> bool {
        let Ok(connection) = self.connected(self.give_up_at()).await else { return false };
        let path = self.layout.marker(other.as_str());
        let (barrier, marker) = tokio::join!(biased; self.barrier(&connection), connection.get(&path));
        matches!((barrier, marker), (Ok(true), Ok(None)))
    }
}
