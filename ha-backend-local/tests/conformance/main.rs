//! The suite on a file. All nodes of a case are in one process; what processes add is in the other tests.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ha_backend_local::{LocalBackend, LocalConfig};
use ha_conformance::servers::Folder;
use ha_conformance::{Fault, FaultKind, Faults, Harness, Missing, Store, Ways};
use ha_core::runtime::TokioRuntime;
use ha_core::spi::{Backend, Name, Outcome, Page, Session, SessionRequest, Txn};
use rusqlite::Connection;

/// What needs a store that forgets and goes on. A file that goes back ends all sessions instead: `faults` has a loss of power, and files that are deleted or replaced.
const IGNORED: usize = 44;

fn main() -> ExitCode {
    ha_conformance::run(LocalHarness, IGNORED)
}

/// How long a request waits for the file, as by default.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct LocalHarness;

impl Harness for LocalHarness {
    fn name(&self) -> &str {
        "local"
    }

    fn store(&self) -> Result<Arc<dyn Store>, Missing> {
        Ok(Arc::new(LocalStore { folder: Arc::new(Folder::new("local")), ways: Ways::new(PATIENCE) }))
    }

    fn ttl(&self) -> Duration {
        Duration::from_secs(2)
    }
}

/// A file of its own for each case.
#[derive(Clone, Debug)]
struct LocalStore {
    folder: Arc<Folder>,
    /// How the nodes come to it. Between a process and its file there is nothing that could break for one node only.
    ways: Ways,
}

impl LocalStore {
    fn path(&self) -> PathBuf {
        self.folder.path().join("ha.db")
    }

    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(LocalBackend::new(LocalConfig::new(self.path())))
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
        self.ways.lead(node, self.backend())
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Faults for LocalStore {
    fn offers(&self, kind: FaultKind) -> bool {
        matches!(kind, FaultKind::Delete | FaultKind::Expire) || self.ways.offers(kind)
    }

    async fn inject(&self, fault: Fault) {
        match fault {
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
            other => self.ways.inject(other).await,
        }
    }
}
