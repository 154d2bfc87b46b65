//! What watches have to find out beside what the stream tells: what there is, and whether the session is alive. Each is asked for until it is answered.

use std::future::Future;
use std::sync::Arc;

use ha_core::runtime::Backoff;
use tokio::sync::mpsc;

use crate::client::{Failure, KeyRange, Kv, Read};
use crate::link::Link;
use crate::over::Why;

/// How much a watch reads at once.
const PAGE: usize = 1_000;

pub(crate) type Learns = mpsc::UnboundedSender<Learnt>;

/// What was read of a watched range. `number` tells a reading from an earlier one that is void.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) id: i64,
    pub(crate) number: u64,
    pub(crate) revision: u64,
    pub(crate) kvs: Vec<Kv>,
}

/// What a watch was waiting for.
#[derive(Debug)]
pub(crate) enum Learnt {
    /// What there is.
    Range(Reading),
    /// The session was alive when this look at its record was begun, or later.
    Alive(u64),
}

/// Reads a range for the watch `id`.
pub(crate) fn range(link: &Arc<Link>, learns: &Learns, id: i64, number: u64, range: KeyRange) {
    ask(link, learns, "etcd-snapshot", move |link| {
        let range = range.clone();
        async move {
            let (revision, kvs) = read_all(&link, &range).await?;
            Ok(Some(Learnt::Range(Reading { id, number, revision, kvs })))
        }
    });
}

/// Looks at the record of the session, which ends if it is gone.
pub(crate) fn life(link: &Arc<Link>, learns: &Learns, look: u64) {
    ask(link, learns, "etcd-look", move |link| async move {
        let (_, found) = link.read(Read::revisions(link.record.clone())).await?;
        if found.kvs.is_empty() {
            link.end(Why::Lost);
            return Ok(None);
        }
        Ok(Some(Learnt::Alive(look)))
    });
}

/// Asks in the background until there is an answer, the session is over, or nobody watches any more.
fn ask<F>(
    link: &Arc<Link>,
    learns: &Learns,
    task: &'static str,
    question: impl Fn(Arc<Link>) -> F + Send + 'static,
) where
    F: Future<Output = Result<Option<Learnt>, Failure>> + Send,
{
    let (link, learns) = (Arc::clone(link), learns.clone());
    let spawner = Arc::clone(&link);
    spawner.spawn(task, async move {
        let mut backoff = Backoff::patient();
        while link.over.why().is_none() && !learns.is_closed() {
            match question(Arc::clone(&link)).await {
                Ok(learnt) => {
                    // Nobody may watch any more.
                    learnt.into_iter().for_each(|learnt| drop(learns.send(learnt)));
                    return;
                }
                Err(failure) => {
                    tracing::debug!(session = %link.id, %failure, task, "cannot find out yet")
                }
            }
            backoff.wait(&**link.runtime()).await;
        }
    });
}

/// Reads a whole range as of one revision, page by page.
async fn read_all(link: &Arc<Link>, range: &KeyRange) -> Result<(u64, Vec<Kv>), Failure> {
    let mut kvs: Vec<Kv> = Vec::new();
    let mut pinned = 0;
    let mut range = range.clone();
    loop {
        let is_one = range.end.is_empty();
        let limit = if is_one { 0 } else { PAGE };
        let read = Read { range: range.clone(), limit, revision: pinned, ..Read::default() };
        // Of one entry it is enough to know what the session may have seen of it: whatever comes later the watch tells.
        let (header, found) = if is_one { link.read_seen(read).await? } else { link.read(read).await? };
        if pinned == 0 {
            pinned = header.revision;
        }
        kvs.extend(found.kvs);
        match kvs.last() {
            Some(last) if found.more => {
                range.key.clone_from(&last.key);
                range.key.push(0);
            }
            _ => return Ok((pinned, kvs)),
        }
    }
}
