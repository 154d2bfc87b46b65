//! Two garbage collectors; the active one dies, the other goes on, and an object that is kept longer at the last moment survives.
#![expect(clippy::print_stdout, reason = "a program that talks to its reader")]

use std::sync::Arc;
use std::time::Duration;

use ha::runtime::{IoThread, Runtime};
use ha::{Coordinator, Error, ErrorKind};
use ha_examples::garbage::{self, GARBAGE, OBJECTS, Object, Report};

const TTL: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_millis(50);
/// Whatever is waited for here comes within a ttl and a moment.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Error> {
    // On a store of several machines these are processes, and the URL is all that differs.
    let user = ha::builder().namespace("garbage").node("user").ttl(TTL).connect("memory:garbage").await?;
    let active = start("box-1").await?;
    put(&user, &["a", "b", "c"], 0).await?;
    // A time to show to people and to other programs: what is owned by whom is never decided by it.
    let now = u64::try_from(active.runtime().wall_clock().as_millis()).unwrap_or(u64::MAX / 2);
    put(&user, &["kept"], now + 3_600_000).await?;
    collected(&user, 3).await?;
    let standby = start("box-2").await?;

    println!("-- box-1 dies");
    active.stop();
    put(&user, &["d", "e"], 0).await?;
    collected(&user, 5).await?;

    let objects = user.store().documents::<Object>(OBJECTS)?;
    if objects.get("kept").await?.is_none() {
        return Err(Error::new(ErrorKind::Corrupt, "keep an object").on("kept").because("it was collected"));
    }
    println!("what is kept is still there");
    drop(standby);
    user.shutdown(TTL).await
}

/// Starts a collector, which lives as long as its thread.
async fn start(name: &str) -> Result<IoThread, Error> {
    let life = IoThread::start()?;
    let runtime = Arc::new(life.runtime());
    let node = ha::builder().namespace("garbage").node(name).ttl(TTL).runtime(runtime.clone());
    tokio::spawn(garbage::serve(node.connect("memory:garbage").await?, INTERVAL, runtime));
    Ok(life)
}

async fn put(user: &Coordinator, names: &[&str], kept_until_ms: u64) -> Result<(), Error> {
    let objects = user.store().documents::<Object>(OBJECTS)?;
    for name in names {
        let written = objects.create(name, &Object::kept_until(kept_until_ms)).await?;
        if written.done().is_none() {
            println!("{name} was there already");
        }
    }
    println!("{names:?} are there");
    Ok(())
}

/// Waits until so many objects were collected by all collectors together.
async fn collected(user: &Coordinator, count: u64) -> Result<(), Error> {
    let reports = user.store().documents::<Report>(GARBAGE)?;
    let waiting = async {
        loop {
            if let Some(report) =
                reports.get("report").await?.filter(|report| report.value().collected >= count)
            {
                println!(
                    "{} objects were collected, the last by {}",
                    report.value().collected,
                    report.value().by
                );
                return Ok(());
            }
            tokio::time::sleep(INTERVAL).await;
        }
    };
    let late =
        || Error::new(ErrorKind::Timeout, "wait for the collectors").because("they collected too little");
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| Err(late()))
}
