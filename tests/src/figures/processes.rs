//! Processes of their own that want the same lock: this program, started again.

use std::io::Write as _;
use std::process::{ExitCode, Stdio};
use std::str::FromStr;
use std::time::Duration;

use ha_core::Coordinator;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::{Failure, Raw, Subject, failed, figure, leave, median, node, now};

/// In the environment of a child: what it is to do, and where.
const ROLE: &str = "HA_BENCH_ROLE";
const ADDRESS: &str = "HA_BENCH_ADDRESS";
const CONTENDER: &str = "contender";
/// The same with nothing but the client library.
const RAW_CONTENDER: &str = "raw-contender";
pub(super) const LEADER: &str = "leader";

const PROCESSES: usize = 16;
const ROUNDS: usize = 3;
/// Rounds that do not count: a server in Java is compiled while it works, and makes half as many at first.
const COLD_ROUNDS: usize = 4;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);
const QUEUE: &str = "raw-contended";
/// Of a leader that is killed. Nothing is renewed meanwhile, so that it is short.
const LEADER_TTL: Duration = Duration::from_secs(2);

/// Does the part of a child, if this process is one.
pub(super) fn run_child<S: Subject>() -> Option<ExitCode> {
    let role = std::env::var(ROLE).ok()?;
    let address = std::env::var(ADDRESS).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let ended = runtime.block_on(async {
        match role.as_str() {
            CONTENDER => contend::<S>(&address).await,
            RAW_CONTENDER => contend_raw::<S::Raw>(&address).await,
            _ => lead::<S>(&address).await,
        }
    });
    if let Err(failure) = &ended {
        println!("{failure}");
    }
    Some(if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A child of this program. It is killed when this is dropped.
pub(super) struct Part {
    pub(super) child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Part {
    pub(super) fn start(role: &str, address: &str) -> Result<Self, Failure> {
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
    pub(super) async fn line(&mut self) -> Result<String, Failure> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        line.map_err(|_late| failed("hear from a child"))??
            .ok_or_else(|| failed("hear from a child that ended"))
    }

    /// The number that it says next. Whatever else it says is why it failed.
    pub(super) async fn number<N: FromStr>(&mut self) -> Result<N, Failure> {
        let line = self.line().await?;
        line.trim().parse().map_err(|_no_number| format!("a child failed: {line}").into())
    }
}

fn say(line: &str) -> Result<(), Failure> {
    println!("{line}");
    Ok(std::io::stdout().flush()?)
}

/// Acquires and releases for a while; says how often that was in the time that counts.
async fn contend<S: Subject>(address: &str) -> Result<(), Failure> {
    let node = node::<S>(address, &format!("contender-{}", std::process::id())).await?;
    let mutex = node.mutex("contended")?;
    again_and_again(async || Ok(mutex.acquire().await?.release().await?)).await?;
    leave(node).await;
    Ok(())
}

async fn contend_raw<R: Raw>(address: &str) -> Result<(), Failure> {
    let raw = R::connect(address).await?;
    raw.prepare(QUEUE).await?;
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
async fn lead<S: Subject>(address: &str) -> Result<(), Failure> {
    let builder = Coordinator::builder(S::backend(address)?).namespace("bench").node("doomed");
    let node = builder.ttl(LEADER_TTL).connect().await?;
    let leading = node.election("crash")?.campaign().await?;
    say(&node.granted_ttl().unwrap_or_default().as_millis().to_string())?;
    leading.grant().lost().await;
    Ok(())
}

/// How often a lock changes hands among 16 processes.
pub(super) async fn contended<S: Subject>(address: &str) -> Result<(), Failure> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..COLD_ROUNDS + ROUNDS {
        let (raw, own) = (
            hand_overs_per_second(RAW_CONTENDER, address).await?,
            hand_overs_per_second(CONTENDER, address).await?,
        );
        if round >= COLD_ROUNDS {
            theirs.push(raw);
            ours.push(own);
        }
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("{PROCESSES} processes: {ours:.0} hand-overs a second, client library {theirs:.0}");
    figure::<S>("mutex_hand_overs_16_processes", ours, "per_second", S::TARGETS.contended);
    Ok(())
}

async fn hand_overs_per_second(role: &str, address: &str) -> Result<f64, Failure> {
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
        total += part.number::<u32>().await?;
    }
    for part in &mut parts {
        part.child.wait().await?;
    }
    Ok(f64::from(total) / MEASURED.as_secs_f64())
}
