//! Processes that are started in another way than by the test alone: with a forked child, in another time namespace, or only to look.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::time::Duration;

use ha_core::spi::Txn;

use super::site::{connect, key, run, try_session};

/// What an option of a node's name begins with: the store is named by a URL, and says nothing of the process.
pub(crate) const FORKS: &str = "forks";
pub(crate) const SHIFTED: &str = "shifted";

/// Says that the process was started as it has to be.
const MARK: &str = "HA_TEST_STARTED";

/// The first argument of a process that looks at a store.
const VISIT: &str = "--visit";

/// The first argument of a process that is cut off from one for a while.
const CUT_OFF: &str = "--cut-off";

/// When it is told to (SIGUSR1), forks a child that has every descriptor of its parent, and goes on for a while.
const FORKING: &str = r#"
#include <signal.h>
#include <unistd.h>
static void fork_child(int signal) { (void)signal; if (fork() == 0) { alarm(30); for (;;) pause(); } }
__attribute__((constructor)) static void prepare(void) { signal(SIGUSR1, fork_child); }
"#;

/// How far ahead the other time namespace is, in seconds.
const AHEAD: &str = "86400";

/// Starts this process anew, if it has to run in another way.
pub(crate) fn differently() -> Option<ExitCode> {
    if std::env::var_os(MARK).is_some() {
        return None;
    }
    let orders: Vec<String> = std::env::args().collect();
    let wants = |what: &str| orders.iter().any(|order| order.contains(&format!("\"node\":\"{what}")));
    let program = std::env::current_exe().unwrap();
    let mut command = if wants(FORKS) {
        let mut command = Command::new(program);
        command.env("LD_PRELOAD", forking_library());
        command
    } else if wants(SHIFTED) {
        let mut command = Command::new("unshare");
        command
            .args(["--time", "--boottime", AHEAD, "--monotonic", AHEAD, "--fork", "--kill-child"])
            .arg(program);
        command
    } else {
        return None;
    };
    let error = command.args(&orders[1..]).env(MARK, "1").exec();
    eprintln!("{error}");
    Some(ExitCode::FAILURE)
}

/// Whether this user can start a process in another time namespace.
pub(crate) fn can_shift() -> bool {
    Command::new("unshare")
        .args(["--time", "--boottime", AHEAD, "--fork", "true"])
        .status()
        .is_ok_and(|status| status.success())
}

/// The library, compiled once per process that needs it, where `cargo clean` removes it.
fn forking_library() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("forking-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (source, library) = (folder.join("forking.c"), folder.join("forking.so"));
    std::fs::write(&source, FORKING).unwrap();
    let compiled =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status().unwrap();
    assert!(compiled.success());
    library
}

/// A process that opens the store at the URL, stores something if it can, and prints what came of it.
pub(crate) fn visitor() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(VISIT) {
        return None;
    }
    let url = arguments.next().unwrap();
    let many: usize = arguments.next().unwrap().parse().unwrap();
    run(async {
        let backend = connect(&url);
        let session = match try_session(&*backend, Duration::from_secs(30)).await {
            Ok(session) => session,
            Err(error) => return println!("open {:?} {error}", error.kind()),
        };
        for number in 0..many {
            let entry = key(&format!("visit-{number}"));
            if let Err(error) = session.commit(Txn::new().create(entry, vec![7; 60_000])).await {
                println!("commit {:?} {:?} {number} {error}", error.kind(), error.effect());
                println!("renew {:?}", session.renew().await.is_ok());
                return;
            }
        }
        println!("done");
    });
    Some(ExitCode::SUCCESS)
}

/// Lets a visitor store so many entries, started by `shell`, a script that runs `"$@"`; as nobody if `as_nobody`.
pub(crate) fn visit(url: &str, many: usize, shell: &str, as_nobody: bool) -> String {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", shell, "sh"]).arg(program).args([VISIT, url, &many.to_string()]);
    if as_nobody {
        command.uid(65_534).gid(65_534);
    }
    said_by(&mut command)
}

/// What a process says until it ends.
fn said_by(command: &mut Command) -> String {
    let Output { stdout, stderr, .. } = command.output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr))
}

/// A process that is cut off for a while, and prints what it sees of that.
pub(crate) fn cut_off() -> Option<ExitCode> {
    let orders: Vec<String> = std::env::args().skip(1).collect();
    let [first, url, ttl, length] = &orders[..] else { return None };
    if first != CUT_OFF {
        return None;
    }
    let millis = |text: &str| Duration::from_millis(text.parse().unwrap());
    run(super::cut::be_cut_off(url, millis(ttl), millis(length)));
    Some(ExitCode::SUCCESS)
}

/// Lets such a process run; `shell` as for [`visit`].
pub(crate) fn visit_cut_off(url: &str, ttl: Duration, length: Duration, shell: &str) -> String {
    let [ttl, length] = [ttl, length].map(|time| time.as_millis().to_string());
    let mut command = Command::new("sh");
    command
        .args(["-c", shell, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([CUT_OFF, url, &ttl, &length]);
    said_by(&mut command)
}

/// Whether this process may do whatever it wants, so that permissions have to be tried by somebody else.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The processes that were started with the arguments of the process `pid`, other than itself.
pub(crate) fn copies_of(pid: u32) -> usize {
    let arguments = |folder: &Path| std::fs::read(folder.join("cmdline")).unwrap_or_default();
    let own = arguments(&Path::new("/proc").join(pid.to_string()));
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let others =
        all.filter(|folder| folder.file_name().is_some_and(|name| name.to_str() != Some(&pid.to_string())));
    others.filter(|folder| !own.is_empty() && arguments(folder) == own).count()
}
