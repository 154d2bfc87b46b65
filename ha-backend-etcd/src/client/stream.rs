//! One stream that carries the watches of a session.

use std::fmt;

use etcd_client::{WatchRequestSender, WatchResponseStream};

use super::connection::watch_options;
use super::{Failure, FailureKind, Header, KeyRange, Kv, convert};

/// What to do on the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WatchOrder {
    /// Watch from now on.
    Watch {
        id: i64,
        range: KeyRange,
    },
    Cancel(i64),
    /// Answer, to show that the stream is alive.
    Progress,
}

/// The half of the stream that carries orders. A full stream makes it wait, so it gets a task of its own.
pub(crate) struct WatchWriter(WatchRequestSender);

impl WatchWriter {
    pub(super) fn new(sender: WatchRequestSender) -> Self {
        Self(sender)
    }

    pub(crate) async fn send(&mut self, order: WatchOrder) -> Result<(), Failure> {
        match order {
            WatchOrder::Watch { id, range } => {
                self.0.watch(range.key.clone(), Some(watch_options(id, &range))).await?;
            }
            WatchOrder::Cancel(id) => self.0.cancel(id).await?,
            WatchOrder::Progress => self.0.request_progress().await?,
        }
        Ok(())
    }
}

impl fmt::Debug for WatchWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WatchWriter")
    }
}

/// One answer on the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WatchAnswer {
    /// The watch that it is about; -1 for none, also in a refusal.
    pub(crate) id: i64,
    pub(crate) header: Header,
    pub(crate) told: Told,
}

/// What an answer tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The watch sees everything behind the revision of the header.
    Created,
    /// The watch was not created, or is ended by the server.
    Ended { kind: FailureKind, reason: String },
    /// All events of one or more revisions, in their order.
    Events(Vec<Event>),
    /// Nothing; but the stream is alive.
    Progress,
}

/// A change of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Put(Kv),
    Deleted { key: Vec<u8>, modified: u64 },
}

impl Event {
    /// The revision of the change.
    pub(crate) fn modified(&self) -> u64 {
        match self {
            Self::Put(kv) => kv.modified,
            Self::Deleted { modified, .. } => *modified,
        }
    }
}

/// The half of the stream that carries answers.
pub(crate) struct WatchReader(WatchResponseStream);

impl WatchReader {
    pub(super) fn new(stream: WatchResponseStream) -> Self {
        Self(stream)
    }

    /// The next answer. The end of the stream is a failure: nothing is ever told again.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<WatchAnswer, Failure> {
        let Some(raw) = self.0.message().await? else {
            return Err(Failure::new(FailureKind::Refused, "the server ended the stream of watches"));
        };
        let raw = raw.0;
        let header = convert::header(raw.header.as_ref());
        let told = if raw.canceled {
            Told::Ended { kind: why(raw.compact_revision, &raw.cancel_reason), reason: raw.cancel_reason }
        } else if raw.created {
            Told::Created
        } else if raw.events.is_empty() {
            Told::Progress
        } else {
            Told::Events(raw.events.into_iter().filter_map(event).collect())
        };
        Ok(WatchAnswer { id: raw.watch_id, header, told })
    }
}

impl fmt::Debug for WatchReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WatchReader")
    }
}

/// A refusal comes as an answer with a text, not as a status.
fn why(compact_revision: i64, reason: &str) -> FailureKind {
    if compact_revision != 0 || reason.contains("has been compacted") {
        FailureKind::Compacted
    } else if reason.contains("permission denied") {
        FailureKind::Denied
    } else if reason.contains("auth token") || reason.contains("auth store is old") {
        FailureKind::StaleToken
    } else {
        FailureKind::Refused
    }
}

/// An event of a kind that this release does not know is left out, instead of the panic that the library has for it.
fn event(raw: etcd_client::proto::PbEvent) -> Option<Event> {
    let kv = convert::kv(raw.kv?);
    match raw.r#type {
        0 => Some(Event::Put(kv)),
        1 => Some(Event::Deleted { key: kv.key, modified: kv.modified }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{FailureKind, why};

    #[test]
    fn the_text_of_a_refused_watch_says_why() {
        for (compacted, reason, kind) in [
            (7, "", FailureKind::Compacted),
            (-1, "", FailureKind::Compacted),
            (0, "etcdserver: mvcc: required revision has been compacted", FailureKind::Compacted),
            (0, "etcdserver: permission denied", FailureKind::Denied),
            (
                0,
                "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token",
                FailureKind::StaleToken,
            ),
            (0, "etcdserver: revision of auth store is old", FailureKind::StaleToken),
            (0, "etcdserver: no leader", FailureKind::Refused),
            (0, "", FailureKind::Refused),
        ] {
            assert_eq!(why(compacted, reason), kind, "{compacted} {reason}");
        }
    }
}
