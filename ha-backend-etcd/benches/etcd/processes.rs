//! Processes of their own that want the same lock: this program, started again.

use std::io::Write as _;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::{Failure, failed, figure, node, now};

/// In the environment of a child: what it is to do, and where.
const ROLE: &str = "HA_BENCH_ROLE";
const ADDRESS: &str = "HA_BENCH_ADDRESS";
pub(crate) const CONTENDER: &str = "contender";
pub(crate) const LEADER: &str = "leader";

const PROCESSES: usize = 16;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(3);
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
    say("ready")?;
    // Everybody begins at once. The work of the coordinator does not run on this thread.
    std::io::stdin().read_line(&mut String::new())?;
    let started = now();
    let mut count = 0_u32;
    while started.elapsed() < WARM_UP + MEASURED {
        let guard = mutex.acquire().await?;
        count += u32::from(started.elapsed() >= WARM_UP);
        guard.release().await?;
    }
    say(&count.to_string())?;
    drop(node.shutdown(Duration::from_secs(10)).await);
    Ok(())
}

/// Leads until it is killed.
async fn lead(address: &str) -> Result<(), Failure> {
    let backend = ha_backend_etcd::EtcdBackend::new(ha_backend_etcd::EtcdConfig::new([address])?);
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
    use tokio::io::AsyncWriteExt as _;
    let mut parts: Vec<Part> =
        (0..PROCESSES).map(|_| Part::start(CONTENDER, address)).collect::<Result<_, _>>()?;
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
    let per_second = f64::from(total) / MEASURED.as_secs_f64();
    figure("mutex_hand_overs_16_processes", per_second, "per_second", ">= 1500");
    for part in &mut parts {
        part.child.wait().await?;
    }
    Ok(())
}
