//! Follows the log of the namespace, for all watches of a session.
//!
//! One connection waits for records. Between two waits the server is asked how it stands: a log that was cut, deleted or set back tells nothing by itself. Each record
//! names the revision before it, so that a gap shows. After one, and in another history, every target is read anew.

use std::sync::Arc;
use std::time::Duration;

use ha_core::runtime::Backoff;
use ha_core::spi::{Collection, Entry, WatchTarget};

use crate::answer::{Status, strange};
use crate::failure::Failure;
use crate::hub::{Taken, WatchId};
use crate::keys::{self, digits};
use crate::link::Link;
use crate::over::Why;
use crate::record::Record;
use crate::scripts::{Call, Script};
use crate::wire::patience;

/// How long one reading of the log waits for records. Also how late a cut log is noticed.
const WAIT: Duration = Duration::from_secs(3);

/// The most records of one answer.
const RECORDS: &str = "512";

/// No page is as large: a whole collection in one step.
const EVERYTHING: &str = "1000000000";

/// Up to where the log was read.
#[derive(Clone, Copy, Debug)]
struct Position {
    generation: u64,
    revision: u64,
}

/// Follows the log until the session is over.
pub(crate) async fn follow(link: Arc<Link>) {
    let mut position = None;
    let mut backoff = Backoff::urgent();
    let mut failures = 0_u32;
    loop {
        let mut has_worked = false;
        let failure = tokio::select! {
            biased;
            () = link.over.wait() => return,
            failure = follow_on_one_connection(&link, &mut position, &mut has_worked) => failure,
        };
        if has_worked {
            (failures, backoff) = (0, Backoff::urgent());
        }
        failures += 1;
        tracing::debug!(session = %link.id, %failure, "the log cannot be followed");
        if failures == 1 {
            // A connection that breaks is nothing to speak of, if the next one goes on where it was.
            continue;
        }
        position = None;
        if failures == 2 {
            link.hub.interrupt();
        }
        tokio::select! {
            biased;
            () = link.over.wait() => return,
            () = backoff.wait(&**link.runtime()) => {}
        }
    }
}

/// Returns when the connection is of no use any more.
async fn follow_on_one_connection(
    link: &Arc<Link>,
    position: &mut Option<Position>,
    has_worked: &mut bool,
) -> Failure {
    let live = match link.server.connect().await {
        Ok(live) => live,
        Err(failure) => return failure,
    };
    loop {
        let look = Call::new(Script::Look).of(link.session());
        let answer = match link.call_on(&live, &look, link.server.config.timeout).await {
            Ok(answer) => answer,
            Err(failure) => return failure,
        };
        if answer.status == Status::Lost {
            link.end(Why::Lost);
            return strange("the session is over");
        }
        let stands = Position { generation: answer.generation, revision: answer.revision };
        let is_continued = position
            .is_some_and(|known| known.generation == stands.generation && known.revision <= stands.revision);
        if !is_continued {
            begin(link, position, stands);
        }
        while let Some(at) = position.as_mut() {
            let records = match read(link, &live, at.revision).await {
                Ok(records) => records,
                Err(failure) => return failure,
            };
            *has_worked = true;
            if records.is_empty() {
                if at.revision < stands.revision {
                    // What lay between is not in the log any more.
                    *position = None;
                }
                break;
            }
            if !records.into_iter().all(|record| tell(link, at, &record)) {
                *position = None;
            }
        }
    }
}

/// Nothing is known of what was before: every target is read.
fn begin(link: &Arc<Link>, position: &mut Option<Position>, stands: Position) {
    *position = Some(stands);
    for id in link.hub.follow(stands.generation, stands.revision) {
        link.spawn("redis-target", read_target(Arc::clone(link), id));
    }
}

/// Tells the watches of a record. False if it does not continue what was read before.
fn tell(link: &Link, at: &mut Position, record: &Record) -> bool {
    if record.before != at.revision || record.begins_history {
        return false;
    }
    at.revision = record.revision;
    if record.ended.as_deref() == Some(link.id.as_str().as_bytes()) {
        link.end(Why::Lost);
        return true;
    }
    if let Some(ttl) = record.opened {
        link.alarm.not_after(link.now() + ttl);
    }
    link.hub.tell(&record.changes, at.generation, record.revision);
    true
}

async fn read(link: &Link, live: &crate::server::Live, after: u64) -> Result<Vec<Record>, Failure> {
    let wait = WAIT.as_millis().to_string();
    let after = format!("{}-0", digits(after));
    let parts: [&[u8]; 8] = [
        b"XREAD",
        b"COUNT",
        RECORDS.as_bytes(),
        b"BLOCK",
        wait.as_bytes(),
        b"STREAMS",
        link.server.layout.log().as_bytes(),
        after.as_bytes(),
    ];
    let reply = link.server.send(live, &parts, patience(WAIT, link.server.config.timeout)).await?;
    Record::parse_all(reply)
}

/// Reads how the target of a watch stands, until the watch has it or the log is not followed any more.
pub(crate) async fn read_target(link: Arc<Link>, id: WatchId) {
    let mut backoff = Backoff::urgent();
    while let Some(target) = link.hub.target(id) {
        let result = tokio::select! {
            biased;
            () = link.over.wait() => return,
            result = put_target(&link, id, &target) => result,
        };
        match result {
            Ok(Taken::Again) => {}
            Ok(Taken::Done | Taken::Later) => return,
            Err(failure) => {
                tracing::debug!(session = %link.id, %failure, "cannot read what is watched");
                backoff.wait(&**link.runtime()).await;
            }
        }
    }
}

async fn put_target(link: &Link, id: WatchId, target: &WatchTarget) -> Result<Taken, Failure> {
    let (order, collection, bound) = match target {
        WatchTarget::Entry(key) => ("key", key.collection(), key.name().as_str()),
        WatchTarget::Collection(collection) => ("name", collection, ""),
        _ => return Ok(Taken::Done),
    };
    let call = Call::new(Script::Read).of(link.session());
    let call = call.with(order).with(keys::place(collection)).with(bound).with(EVERYTHING);
    let answer = link.call(&link.requests, &call).await?;
    if answer.status == Status::Lost {
        link.end(Why::Lost);
        return Ok(Taken::Done);
    }
    let entries = entries(&answer, collection)?;
    let lineage = link.lineage();
    if lineage.generation() != answer.generation {
        return Ok(Taken::Again);
    }
    Ok(link.hub.put(id, entries, answer.revision, lineage))
}

fn entries(answer: &crate::answer::Answer, collection: &Collection) -> Result<Vec<Entry>, Failure> {
    let page = answer.pages(std::slice::from_ref(collection))?.pop();
    page.map(|page| page.entries).ok_or_else(|| strange("a page is missing"))
}
