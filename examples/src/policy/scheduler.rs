//! A scheduler: takes requests, waits for a permit, executes.

use std::sync::Arc;
use std::time::Duration;

use ha_core::Error;
use ha_core::lock::Semaphore;
use ha_core::runtime::Runtime;

use super::Site;
use crate::stand_in::StandIn;

/// The policy: a semaphore on what is executed.
pub(super) const POLICY: &str = "concurrency/deploy";

/// How many requests one scheduler works on at once, most of them waiting for a permit.
const WORKERS: usize = 4;
/// How long an execution takes.
const EXECUTION: Duration = Duration::from_millis(3);

/// A scheduler, seen from outside.
#[derive(Debug)]
pub(super) struct Scheduler {
    name: String,
    process: StandIn,
    site: Site,
}

impl Scheduler {
    pub(super) fn start(site: &Site, name: String) -> Self {
        let process = StandIn::start(Arc::clone(&site.runtime));
        let main = main(site.clone(), name.clone(), process.clone());
        process.spawn("scheduler", Box::pin(async move { report(main.await) }));
        Self { name, process, site: site.clone() }
    }

    /// Kills it where it is. Returns how many executions died with it.
    pub(super) fn kill(&self) -> u32 {
        self.process.kill();
        self.site.journal.bury(&self.name)
    }
}

async fn main(site: Site, name: String, process: StandIn) -> Result<(), Error> {
    let node = site.coordinator().node(&name).runtime(Arc::new(process.clone())).connect().await?;
    let policy = node.semaphore(POLICY, site.threshold)?;
    for _ in 0..WORKERS {
        let work = work(site.clone(), name.clone(), process.clone(), policy.clone());
        process.spawn("worker", Box::pin(async move { report(work.await) }));
    }
    while !site.journal.is_over() {
        process.sleep_until(process.now() + EXECUTION).await;
    }
    // Lets go of everything, so that successors need not wait for the ttl.
    node.shutdown(Duration::from_secs(1)).await
}

async fn work(site: Site, name: String, process: StandIn, policy: Semaphore) -> Result<(), Error> {
    while !site.journal.is_over() {
        let Some(request) = site.journal.take(&name) else {
            process.sleep_until(process.now() + EXECUTION).await;
            continue;
        };
        if !site.bounded {
            site.journal.begin(request);
            process.sleep_until(process.now() + EXECUTION).await;
            site.journal.end(request, true);
            continue;
        }
        let permit = policy.acquire().await?;
        site.journal.begin(request);
        // An execution whose permit is lost has to stop before somebody else has it.
        let executed = tokio::select! {
            biased;
            _ = permit.lost() => false,
            () = process.sleep_until(process.now() + EXECUTION) => true,
        };
        site.journal.end(request, executed);
        permit.release().await?;
    }
    Ok(())
}

/// What stops a scheduler that nobody killed is its own shutdown.
fn report(result: Result<(), Error>) {
    if let Err(error) = result.map_err(|error| (error.kind(), error))
        && error.0 != ha_core::ErrorKind::Closed
    {
        drop(std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("policy: {}\n", error.1)));
    }
}
