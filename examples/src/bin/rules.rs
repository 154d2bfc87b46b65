//! Three nodes of a rules engine; the one that emits the ticks dies, and no tick is missed or emitted twice.
#![expect(clippy::print_stdout, reason = "a program that talks to its reader")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ha::runtime::IoThread;
use ha::spi::Page;
use ha::store::Documents;
use ha::{Coordinator, Error, ErrorKind};
use ha_examples::rules::{self, Rule, TIMERS, Tick};

const TTL: Duration = Duration::from_secs(1);
const A_WHILE: Duration = Duration::from_millis(1_500);
/// More ticks than this program lives to see.
const ALL: usize = 1_000;

#[tokio::main]
async fn main() -> Result<(), Error> {
    // On a store of several machines these are processes, and the URL is all that differs.
    let reader = ha::builder().namespace("rules").node("reader").ttl(TTL).connect("memory:rules").await?;
    let mut lives = BTreeMap::new();
    for name in ["box-1", "box-2", "box-3"] {
        lives.insert(name.to_owned(), start(name).await?);
    }
    let leader = leader(&reader, None).await?;
    tokio::time::sleep(A_WHILE).await;
    println!("-- {leader} dies");
    if let Some(life) = lives.remove(&leader) {
        life.stop();
    }
    let successor = self::leader(&reader, Some(&leader)).await?;
    tokio::time::sleep(A_WHILE).await;
    let ticks = ticks(&reader.store().documents(TIMERS)?).await?;
    judge(&ticks)?;
    println!("{} ticks, by {leader} and {successor}: none is missing, none was emitted twice", ticks.len());
    reader.shutdown(TTL).await
}

/// Starts a node, which lives as long as its thread.
async fn start(name: &str) -> Result<IoThread, Error> {
    let life = IoThread::start()?;
    let runtime = Arc::new(life.runtime());
    let node = ha::builder().namespace("rules").node(name).ttl(TTL).runtime(runtime.clone());
    let node = node.connect("memory:rules").await?;
    let rules =
        vec![Rule::new("cpu", Duration::from_millis(100)), Rule::new("disk", Duration::from_millis(250))];
    tokio::spawn(rules::serve(node, rules, runtime));
    Ok(life)
}

/// Who leads, and is not `other`.
async fn leader(node: &Coordinator, other: Option<&str>) -> Result<String, Error> {
    let mut leaders = node.election(TIMERS)?.observe();
    while let Some(seen) = leaders.next().await {
        if let ha::election::Observation::Leader(leader) = seen
            && Some(leader.node.as_str()) != other
        {
            println!("{} emits the ticks, in term {}", leader.node, leader.term);
            return Ok(leader.node);
        }
    }
    Err(Error::new(ErrorKind::Closed, "wait for a leader"))
}

/// All ticks, by rule and number.
async fn ticks(all: &Documents<Tick>) -> Result<Vec<Tick>, Error> {
    let listing = all.entries().list(Page::by_name(ALL)).await?;
    listing.entries().iter().map(|entry| Ok(all.decode(entry)?.into_value())).collect()
}

/// Each rule has the ticks 1, 2, 3, …
fn judge(ticks: &[Tick]) -> Result<(), Error> {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for tick in ticks {
        let last = last.entry(&tick.rule).or_default();
        *last += 1;
        if tick.number != *last {
            let error = Error::new(ErrorKind::Corrupt, "count the ticks").on(&tick.rule);
            return Err(
                error.because(format_args!("tick {last} is missing, or {} is there twice", tick.number))
            );
        }
    }
    Ok(())
}
