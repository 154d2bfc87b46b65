//! Processes of their own: this program, started again.

use std::io::Write as _;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ha_backend_local::{LocalBackend, LocalConfig};
use ha_core::runtime::TokioRuntime;
use ha_core::spi::{Backend, Collection, Key, Name, Session, SessionRequest, Txn};
use ha_core::{Coordinator, Error};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::{Failure, failed, node, node_with, now};

/// In the environment of a child: what it is to do, and where.
const ROLE: &str = "HA_BENCH_ROLE";
const PATH: &str = "HA_BENCH_PATH";
/// Holds a lock and says all the time that it does, until it is killed.
pub(crate) const HOLDER: &str = "holder";
/// Writes an entry and says when, again and again.
pub(crate) const WRITER: &str = "writer";
/// Holds a lock and does nothing.
pub(crate) const IDLE: &str = "idle";

/// The ttl of a process that is idle but for its renewals: the default of services.
const RENEWED: Duration = Duration::from_secs(10);

const PATIENCE: Duration = Duration::from_secs(60);

/// The key that a writer writes to.
pub(crate) fn written() -> Result<Key, Error> {
    Ok(Collection::parse(&["bench"])?.key(Name::parse("written")?))
}

/// A session that nobody has to renew.
pub(crate) async fn session(path: &Path, node: &str) -> Result<Arc<dyn Session>, Error> {
    let runtime = Arc::new(TokioRuntime::current()?);
    let request = SessionRequest::observer(Name::parse("bench")?, Name::parse(node)?, runtime);
    let backend = LocalBackend::new(LocalConfig::new(path));
    backend.open_session(request.with_ttl(Duration::from_secs(3_600))).await
}

/// Does the part of a child, if this process is one.
pub(crate) fn run_child() -> Option<ExitCode> {
    let role = std::env::var(ROLE).ok()?;
    let path = std::env::var(PATH).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let ended = runtime.block_on(async {
        let path = Path::new(&path);
        let name = format!("{role}-{}", std::process::id());
        match role.as_str() {
            HOLDER => hold(&node(path, &name).await?).await,
            WRITER => write(path).await,
            _ => idle(&node_with(path, &name, RENEWED).await?).await,
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
    pub(crate) fn start(role: &str, path: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .env(ROLE, role)
            .env(PATH, path)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let lines = child.stdout.take().ok_or_else(|| failed("read what a child says"))?;
        Ok(Self { child, lines: BufReader::new(lines).lines() })
    }

    /// The next line that it says; `None` once it has ended.
    pub(crate) async fn line(&mut self) -> Result<Option<String>, Failure> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        Ok(line.map_err(|_late| failed("hear from a child"))??)
    }
}

fn say(line: impl std::fmt::Display) -> Result<(), Failure> {
    println!("{line}");
    Ok(std::io::stdout().flush()?)
}

/// Acts under a lock: what it says is its action.
async fn hold(node: &Coordinator) -> Result<(), Failure> {
    let guard = node.mutex("failover")?.acquire().await?;
    while guard.is_valid() {
        say(now())?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// What the watcher is told is when it was written.
async fn write(path: &Path) -> Result<(), Failure> {
    let session = session(path, "writer").await?;
    let key = written()?;
    let created = session.commit(Txn::new().create(key, now().to_string())).await?.committed();
    let mut stamp = created.and_then(|created| created.stamps.into_iter().flatten().next());
    while let Some(last) = stamp {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let updated = session.commit(Txn::new().update(last, now().to_string())).await?.committed();
        stamp = updated.and_then(|updated| updated.stamps.into_iter().flatten().next());
    }
    Ok(())
}

async fn idle(node: &Coordinator) -> Result<(), Failure> {
    let _held = node.mutex(&format!("idle-{}", std::process::id()))?.acquire().await?;
    say("ready")?;
    std::future::pending().await
}
