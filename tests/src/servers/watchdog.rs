//! Sees to it that nothing outlives the test, also when the test is killed.

use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Reads what to do until its input ends, which it does when the test process is gone, however it went; then does it.
///
/// Signals of the terminal go to every process of the group, and this one has to survive them. A killed process may stay as a zombie when
/// nobody waits for it, so it is not waited for without end.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
pids=
while read -r what subject; do
  case $what in
    process) pids="$pids $subject" ;;
    gone)
      left=
      for pid in $pids; do [ "$pid" = "$subject" ] || left="$left $pid"; done
      pids=$left ;;
    folder) set -- "$@" "$subject" ;;
    keep) kept="$kept
$subject
" ;;
  esac
done
for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
for pid in $pids; do
  tries=100
  while [ $tries -gt 0 ] && kill -0 "$pid" 2>/dev/null; do tries=$((tries - 1)); sleep 0.01; done
done
for folder; do
  case $kept in
    *"
$folder
"*) ;;
    *) rm -rf -- "$folder" ;;
  esac
done
"#;

/// A process of its own, one for each test process, that ends what that one leaves behind.
#[derive(Debug)]
pub(crate) struct Watchdog {
    orders: Mutex<ChildStdin>,
    /// Never waited for: it ends after us.
    _shell: Child,
}

impl Watchdog {
    /// The watchdog of this process.
    pub(crate) fn get() -> &'static Self {
        static WATCHDOG: OnceLock<Watchdog> = OnceLock::new();
        WATCHDOG.get_or_init(Self::start)
    }

    fn start() -> Self {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", SCRIPT, "watchdog"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut shell = match shell.spawn() {
            Ok(shell) => shell,
            Err(error) => panic!("start the watchdog: {error}"),
        };
        let orders = shell.stdin.take().unwrap();
        Self { orders: Mutex::new(orders), _shell: shell }
    }

    /// `pid` is to be killed.
    pub(crate) fn watch_process(&self, pid: u32) {
        self.order(&format!("process {pid}\n"));
    }

    /// `pid` is no more, and may soon be that of another process.
    pub(crate) fn forget_process(&self, pid: u32) {
        self.order(&format!("gone {pid}\n"));
    }

    /// The folder is to be removed.
    pub(crate) fn watch_folder(&self, folder: &Path) {
        self.order(&format!("folder {}\n", folder.display()));
    }

    /// The folder is to stay.
    pub(crate) fn keep_folder(&self, folder: &Path) {
        self.order(&format!("keep {}\n", folder.display()));
    }

    fn order(&self, line: &str) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = orders.write_all(line.as_bytes()) {
            // To go on would leave processes behind.
            panic!("tell the watchdog: {error}");
        }
    }
}
