//! The suite on a file. All nodes of a case are in one process; what processes add is in the other tests.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ha_backend_local::{LocalBackend, LocalConfig};
use ha_conformance::servers::Folder;
use ha_conformance::{Fault, FaultKind, Faults, Harness, Missing, Store};
use ha_core::runtime::TokioRuntime;
use ha_core::spi::{Backend, Name, Outcome, Page, Session, SessionRequest, Txn};

/// What needs a way to the store on which something can be lost, cut off or late: there is none. And what needs a store that forgets and goes on.
const IGNORED: usize = 120;

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
        Ok(Arc::new(LocalStore(Arc::new(Folder::new("local")))))
    }

    fn ttl(&self) -> Duration {
        Duration::from_secs(1)
    }
}

/// A file of its own for each case.
#[derive(Clone, Debug)]
struct LocalStore(Arc<Folder>);

impl LocalStore {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(LocalBackend::new(LocalConfig::new(self.0.path().join("ha.db"))))
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
    fn connect(&self, _node: &Name) -> Arc<dyn Backend> {
        self.backend()
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Faults for LocalStore {
    fn offers(&self, kind: FaultKind) -> bool {
        matches!(kind, FaultKind::Expire | FaultKind::Delete)
    }

    async fn inject(&self, fault: Fault) {
        match fault {
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
