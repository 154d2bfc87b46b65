//! Processes of their own that want the same lock: this program, started again.

use std::io::Write as _;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::raw::Raw;
use crate::{Failure, failed, figure, median, node, now};

/// In the environment of a child: what it is to do, and where.
const ROLE: &str = "HA_BENCH_ROLE";
const ADDRESS: &str = "HA_BENCH_ADDRESS";
const CONTENDER: &str = "contender";
/// The same with nothing but the client library.
const RAW_CONTENDER: &str = "raw-contender";
pub(crate) const LEADER: &str = "leader";

const PROCESSES: usize = 16;
const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(2);
const QUEUE: &str = "/raw-contended";
const PATIENCE: Duration = Duration::from_secs(60);
/// Of a leader that is killed. Nothing is renewed meanwhile, so that it is short.
const LEADER_TTL: Duration = Duration::from_secs(2);

/// Does the part of a child, if this process is one.
pub(crate) fn run_child() -> Option<ExitCode> {
    let role = std::env::var(ROLE).ok()?;
    let address = std::env::var(ADDRESS).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let ended = runtime.block_on(async {
        match role.as_str() {
            CONTENDER => contend(&address).await,
            RAW_CONTENDER => contend_raw(&address).await,
            _ => lead(&address).await,
        }
    });
    if let Err(failure) = &ended {
        println!("{failure}");
    }
    Some(if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A child of this program. It is killed when this is dropped.
pub(crate) struct Part {
    pub(crate) child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Part {
    pub(crate) fn start(role: &str, address: &str) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .env(ROLE, role)
            .env(ADDRESS, address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let lines = child.stdout.take().ok_or_else(|| failed("read what a child says"))?;
        Ok(Self { child, lines: BufReader::new(lines).lines() })
    }

    /// The next line that it says.
    pub(crate) async fn line(&mut self) -> Result<String, Failure> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        line.map_err(|_late| failed("hear from a child"))??
            .ok_or_else(|| failed("hear from a child that ended"))
    }
}

fn say(line: &str) -> Result<(), Failure> {
    println!("{line}");
    Ok(std::io::stdout().flush()?)
}

/// Acquires and releases for a while; says how often that was in the time that counts.
async fn contend(address: &str) -> Result<(), Failure> {
    let node = node(address, &format!("contender-{}", std::process::id())).await?;
    let mutex = node.mutex("contended")?;
    again_and_again(async || Ok(mutex.acquire().await?.release().await?)).await?;
    drop(node.shutdown(Duration::from_secs(10)).await);
    Ok(())
}

async fn contend_raw(address: &str) -> Result<(), Failure> {
    let raw = Raw::connect(address).await?;
    raw.directory(QUEUE).await?;
    again_and_again(async || raw.contended_pair(QUEUE).await).await
}

async fn again_and_again(pair: impl AsyncFn() -> Result<(), Failure>) -> Result<(), Failure> {
    say("ready")?;
    // Everybody begins at once. What the work needs does not run on this thread.
    std::io::stdin().read_line(&mut String::new())?;
    let started = now();
    let mut count = 0_u32;
    while started.elapsed() < WARM_UP + MEASURED {
        pair().await?;
        count += u32::from(started.elapsed() >= WARM_UP);
    }
    say(&count.to_string())
}

/// Leads until it is killed.
async fn lead(address: &str) -> Result<(), Failure> {
    let backend = ha_backend_zk::ZkBackend::new(ha_backend_zk::ZkConfig::new([address])?);
    let builder =
        ha_core::Coordinator::builder(std::sync::Arc::new(backend)).namespace("bench").node("doomed");
    let node = builder.ttl(LEADER_TTL).connect().await?;
    let leading = node.election("crash")?.campaign().await?;
    say(&node.granted_ttl().unwrap_or_default().as_millis().to_string())?;
    leading.grant().lost().await;
    Ok(())
}

/// How often a lock changes hands among 16 processes.
pub(crate) async fn contended(address: &str) -> Result<(), Failure> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(hand_overs_per_second(RAW_CONTENDER, address).await?);
        ours.push(hand_overs_per_second(CONTENDER, address).await?);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("hand-overs among 16 processes: {ours:.0} a second, client library {theirs:.0}");
    figure("mutex_hand_overs_16_processes", ours, "per_second", ">= 1300");
    Ok(())
}

async fn hand_overs_per_second(role: &str, address: &str) -> Result<f64, Failure> {
    use tokio::io::AsyncWriteExt as _;
    let mut parts: Vec<Part> =
        (0..PROCESSES).map(|_| Part::start(role, address)).collect::<Result<_, _>>()?;
    for part in &mut parts {
        part.line().await?;
    }
    for part in &mut parts {
        let stdin = part.child.stdin.as_mut().ok_or_else(|| failed("speak to a child"))?;
        stdin.write_all(b"go\n").await?;
        stdin.flush().await?;
    }
    let mut total = 0_u32;
    for part in &mut parts {
        total += part.line().await?.trim().parse::<u32>()?;
    }
    for part in &mut parts {
        part.child.wait().await?;
    }
    Ok(f64::from(total) / MEASURED.as_secs_f64())
}
