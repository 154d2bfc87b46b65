//! What runs in the process of a holder.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ha_core::spi::Backend;
use ha_core::{Coordinator, Error};

use super::Orders;
use super::turns::Turns;
use crate::history::Event;
use crate::servers::Recorder;

/// The first argument of a process that is to be a holder.
pub(super) const ARGUMENT: &str = "--holder-of-a-test";

/// How long a coordinator may take to let everything go.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// Does the work of a holder, if this process was started to be one, and says how it ended; `None` if it was not.
///
/// `connect` makes a backend of the [URL](super::Site::url) that the test gave.
pub fn main(connect: impl Fn(&str) -> Arc<dyn Backend>) -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(ARGUMENT) {
        return None;
    }
    let ended = arguments.next().ok_or("no orders".into()).and_then(|orders| serve(&orders, connect));
    Some(match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

fn serve(orders: &str, connect: impl Fn(&str) -> Arc<dyn Backend>) -> Result<(), Box<dyn std::error::Error>> {
    let orders: Orders = serde_json::from_str(orders)?;
    let recorder = Arc::new(Recorder::new(&orders.history, &orders.node, orders.incarnation)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let backend = connect(&orders.url);
    runtime.block_on(work(&orders, backend, recorder))?;
    Ok(())
}

/// Takes turns until the process is asked to end.
async fn work(orders: &Orders, backend: Arc<dyn Backend>, recorder: Arc<Recorder>) -> Result<(), Error> {
    let coordinator = Coordinator::builder(backend)
        .namespace(&orders.namespace)
        .node(&orders.node)
        .ttl(orders.ttl)
        .connect_timeout(Duration::from_secs(60))
        .connect()
        .await?;
    let mut events = coordinator.events();
    let sessions = Arc::clone(&recorder);
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            eprintln!("{} {event:?}", Recorder::now());
            if let ha_core::Event::SessionOpened { session, ttl } = event {
                let ttl = u64::try_from(ttl.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX);
                sessions.record(Event::SessionOpened { session, ttl });
            }
        }
    });
    let turns = Arc::new(Turns::new(&orders.work, &coordinator, recorder)?);
    let callers: Vec<_> = (0..orders.work.callers)
        .map(|_| {
            let turns = Arc::clone(&turns);
            tokio::spawn(async move { turns.take().await })
        })
        .collect();
    coordinator.terminated().await?;
    // Whoever holds something lets go by itself, so that its release is recorded; whoever waits gives up.
    turns.end();
    for caller in callers {
        // One that has panicked has said so on the standard error, and what it recorded is judged.
        drop(caller.await);
    }
    coordinator.shutdown(SHUTDOWN).await
}
