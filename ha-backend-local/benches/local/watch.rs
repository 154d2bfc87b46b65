//! How long it takes until another process hears of a change.

use std::path::Path;

use ha_core::spi::{Change, WatchEvent, WatchTarget};

use crate::parts::{Part, WRITER, session, written};
use crate::{Failure, figure, median, millis, now};

const CHANGES: usize = 300;

/// From before the commit in one process to the event in the other.
pub(crate) async fn latency(path: &Path) -> Result<(), Failure> {
    let session = session(path, "watcher").await?;
    let mut watch = session.watch(WatchTarget::Entry(written()?));
    let _writer = Part::start(WRITER, path)?;
    let mut took = Vec::new();
    while took.len() < CHANGES {
        let Some(event) = watch.next().await else { break };
        let heard = now();
        let WatchEvent::Changed { changes, .. } = event else { continue };
        for change in changes {
            if let Change::Put(entry) = change {
                let written: u64 = std::str::from_utf8(entry.value())?.parse()?;
                took.push(millis(heard.saturating_sub(written)));
            }
        }
    }
    figure("watch_latency", median(took), "ms", "<= 10");
    Ok(session.close().await?)
}
