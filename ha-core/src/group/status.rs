//! What an operator wants of a node: one small persistent entry, written by whoever may.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::records::{Keys, StatusRecord, encode};
use super::view::Status;
use crate::coordinator::{Hub, closed};
use crate::error::{Error, ErrorKind};
use crate::names::{Key, Name};
use crate::spi::{Entry, Naming, Outcome, Session, Txn, WatchEvent, WatchTarget};

const OPERATION: &str = "set status";
/// Each round of reading and writing can be overtaken by another operator once in a while, not many times.
const ROUNDS: usize = 16;

pub(super) async fn set(
    hub: &Arc<Hub>,
    (kind, group): (&'static str, &Name),
    node: Name,
    status: Status,
) -> Result<(), Error> {
    if hub.identity().observer {
        return Err(Error::new(ErrorKind::Unsupported, OPERATION)
            .on(format_args!("\"{node}\""))
            .because("this coordinator is an observer and writes nothing; connect without `observer()`"));
    }
    let life = hub.life().ok_or_else(|| {
        Error::new(ErrorKind::Unavailable, OPERATION).because("there is no session now; try again later")
    })?;
    let key = Keys::of(kind, group, &node).status.key(node);
    let record = StatusRecord { drained: status == Status::Drained, by: hub.identity().node.as_str().into() };
    let (answer, result) = oneshot::channel();
    let task = async move {
        let written = write(&**life.session(), &key, &record).await;
        // Whoever asked may have stopped waiting.
        drop(answer.send(written));
    };
    hub.runtime().spawn("status", Box::pin(task));
    result.await.map_err(|_stopped| closed(OPERATION, group.as_str()))?
}

async fn write(session: &dyn Session, key: &Key, record: &StatusRecord) -> Result<(), Error> {
    for _ in 0..ROUNDS {
        let txn = match (read(session, key).await?, record.drained) {
            (None, false) => return Ok(()),
            // Active is the default: nothing has to stay for it.
            (Some(entry), false) => Txn::new().delete(entry.stamp().clone()),
            (Some(entry), true) => Txn::new().update(entry.stamp().clone(), encode(record)),
            (None, true) => Txn::new().create_persistent(key.clone(), encode(record), Naming::Reusable),
        };
        if let Outcome::Committed(_) = session.commit(txn).await? {
            return Ok(());
        }
    }
    Err(Error::new(ErrorKind::Unavailable, OPERATION).on(key).because("others keep changing it; try again"))
}

/// The entry at `key`, as a watch shows it first.
async fn read(session: &dyn Session, key: &Key) -> Result<Option<Entry>, Error> {
    let mut watch = session.watch(WatchTarget::Entry(key.clone()));
    while let Some(event) = watch.next().await {
        if let WatchEvent::Snapshot { entries, .. } = event {
            return Ok(entries.into_iter().next());
        }
    }
    Err(Error::new(ErrorKind::SessionLost, OPERATION).on(key).because("try again with the next session"))
}
