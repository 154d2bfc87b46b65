//! Proof of life, and that the store has forgotten nothing: one write to a node that only sessions of one name write to.
//!
//! A server answers reads, and even `sync`, while it is cut off from the others, and the others may have ended the session long ago. Only a
//! write that they agree to proves that it is there. Each write leaves another version, and one that was known before shows that the store [went
//! back](crate::continuity). It can do that only while nobody is connected, so the proof also goes in front of everything else on each new connection.

use std::sync::Arc;

use crate::client::{Connection, Failure, FailureKind, Life, MultiFailure, Stat, Step};
use crate::link::Link;
use crate::over::Why;
use crate::together::together;

/// How often the node is made that somebody deletes again and again.
const ATTEMPTS: usize = 4;

/// Writes to the node at `history` if there is one at `marker`: what it left, or `None` if there is no marker.
pub(crate) async fn write(
    connection: &Connection,
    marker: &str,
    history: &str,
) -> Result<Option<Stat>, Failure> {
    let steps = [
        Step::Check { path: marker.to_owned(), version: None },
        Step::Set { path: history.to_owned(), data: Vec::new(), version: None },
    ];
    for _ in 0..ATTEMPTS {
        let MultiFailure { step, failure } = match connection.multi(&steps).await {
            Ok(left) => match left.last().copied().flatten() {
                Some(left) => return Ok(Some(left)),
                None => return Err(Failure::new(FailureKind::Unknown, "the answer is incomplete")),
            },
            Err(failed) => failed,
        };
        match (step, failure.kind) {
            (Some(0), FailureKind::NoNode) => return Ok(None),
            (Some(1), FailureKind::NoNode) => make(connection, history).await?,
            _ => return Err(failure),
        }
    }
    Err(Failure::new(FailureKind::Refused, "somebody deletes what proofs of life are written to"))
}

/// Makes the node, and what it stands in: an earlier release made namespaces without that.
async fn make(connection: &Connection, history: &str) -> Result<(), Failure> {
    let above = history.rsplit_once('/').map_or("", |(above, _)| above);
    let nodes = [above, history];
    let made = together(nodes.map(|path| connection.create(path, b"", Life::Persistent))).await;
    let mut refused = made.into_iter().filter_map(Result::err);
    refused.find(|failure| failure.kind != FailureKind::Exists).map_or(Ok(()), Err)
}

impl Link {
    /// Proves that the session is there and that the store has forgotten nothing; `false` if the session ends because one of it is not so.
    pub(crate) async fn prove(self: &Arc<Self>, connection: &Connection) -> Result<bool, Failure> {
        let floor = self.continuity.beat(&self.history);
        let Some(left) = write(connection, &self.marker, &self.history).await? else {
            self.end(Why::Lost);
            return Ok(false);
        };
        // What belongs to a history that is over says nothing of the present one.
        let is_ours = self.generation == self.continuity.generation()
            && self.generation == self.continuity.judge(&self.history, floor, left, self.now());
        if !is_ours {
            self.end(Why::History);
        }
        Ok(is_ours)
    }
}
