//! The suite on a file. All nodes of a case are in one process; what processes add is in the other tests.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

mod unhurried;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ha_backend_local::{LocalBackend, LocalConfig};
use ha_conformance::servers::Folder;
use ha_conformance::{Fault, FaultKind, Faults, Harness, Missing, Store};
use ha_core::runtime::TokioRuntime;
use ha_core::spi::{Backend, Name, Outcome, Page, Session, SessionRequest, Txn};
use rusqlite::Connection;

use unhurried::Unhurried;

/// What cannot happen to the nodes of one process on a file:
///
/// * `Commits`, `CutReplies`, `Slow`: there is no way to the store on which a request or a reply could be lost, late or repeated.
/// * `Cut`, `FailRenewals`: a file is out of reach for a whole process, and there are tests for that (`faults`, and the platform of the examples); not for one
///   of the nodes in it.
/// * `Forget`: no session lives long enough to see a store that goes back; `faults` has a loss of power.
const IGNORED: usize = 94;

fn main() -> ExitCode {
    ha_conformance::run(LocalHarness, IGNORED)
}

#[derive(Debug)]
struct LocalHarness;

impl Harness for LocalHarness {
    fn name(&self) -> &str {
        "local"
    }

    fn store(&self) -> Result<Arc<dyn Store>, Missing> {
        Ok(Arc::new(LocalStore { folder: Arc::new(Folder::new("local")), unhurried: Arc::default() }))
    }

    fn ttl(&self) -> Duration {
        Duration::from_secs(1)
    }
}

/// A file of its own for each case.
#[derive(Clone, Debug)]
struct LocalStore {
    folder: Arc<Folder>,
    /// Which nodes take their time.
    unhurried: Arc<Mutex<BTreeMap<Name, Arc<AtomicBool>>>>,
}

impl LocalStore {
    fn path(&self) -> PathBuf {
        self.folder.path().join("ha.db")
    }

    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(LocalBackend::new(LocalConfig::new(self.path())))
    }

    fn takes_its_time(&self, node: &Name) -> Arc<AtomicBool> {
        Arc::clone(self.unhurried.lock().unwrap().entry(node.clone()).or_default())
    }

    /// Takes the list of changes away, as an administrator does after a restore: whoever has not read them misses them.
    fn forget_changes(&self) {
        let database = Connection::open(self.path()).unwrap();
        database.busy_timeout(Duration::from_secs(10)).unwrap();
        database.execute("UPDATE store SET revision = revision + 1, trimmed = revision + 1", []).unwrap();
    }

    /// A session of the administrator.
    async fn administrator(&self, namespace: &Name) -> Arc<dyn Session> {
        let runtime = Arc::new(TokioRuntime::current().unwrap());
        let node = Name::parse("administrator").unwrap();
        let request = SessionRequest::observer(namespace.clone(), node, runtime);
        self.backend().open_session(request.with_ttl(Duration::from_secs(60))).await.unwrap()
    }
}

impl Store for LocalStore {
    fn connect(&self, node: &Name) -> Arc<dyn Backend> {
        Arc::new(Unhurried { backend: self.backend(), takes_its_time: self.takes_its_time(node) })
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Faults for LocalStore {
    fn offers(&self, kind: FaultKind) -> bool {
        use FaultKind::{Delete, Expire, InterruptWatches, YieldAlways};
        matches!(kind, Delete | Expire | InterruptWatches | YieldAlways)
    }

    async fn inject(&self, fault: Fault) {
        match fault {
            Fault::YieldAlways(node) => self.takes_its_time(&node).store(true, Ordering::Release),
            Fault::InterruptWatches(_) => self.forget_changes(),
            Fault::Expire(session) => {
                let administrator = self.administrator(&Name::parse("any").unwrap()).await;
                administrator.end(&session).await.unwrap();
                administrator.close().await.unwrap();
            }
            Fault::Delete(namespace, key) => {
                let administrator = self.administrator(&namespace).await;
                let listing =
                    administrator.list(key.collection(), Page::by_name(Page::MAX_LIMIT)).await.unwrap();
                let entry = listing.entries().iter().find(|entry| *entry.key() == key).unwrap();
                let deleted = administrator.commit(Txn::new().delete(entry.stamp().clone())).await.unwrap();
                assert!(
                    matches!(deleted, Outcome::Committed(_)),
                    "{key} changed at that moment: {deleted:?}"
                );
                administrator.close().await.unwrap();
            }
            other => panic!("not offered: {other:?}"),
        }
    }
}
