//! Stands for the office of the assignor, as long as this process is a member.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::assignor::{Assignor, Policy, Request};
use super::records::Keys;
use crate::coordinator::{Engine, Hub};
use crate::election::Election;
use crate::error::ErrorKind;
use crate::names::Name;
use crate::spi::Txn;

/// How long to wait before standing again after that was refused.
const PAUSE: Duration = Duration::from_secs(1);

/// Stands until `stop` is cancelled or the coordinator is shut down.
pub(super) fn start(hub: &Arc<Hub>, name: &Name, policy: Policy, stop: CancellationToken) {
    let (keys, limits) = (Keys::new(name), hub.capabilities());
    let (operations, bytes) =
        (limits.operations_max, limits.value_bytes_max.min(crate::spi::Capabilities::VALUE_BYTES));
    let assignor = hub.recipe("partition assignor", name, || {
        Engine::start(hub, Assignor::new(keys, operations, bytes), name.clone())
    });
    let election = Election::of(Keys::KIND, "assignor", hub, name.clone());
    let runtime = Arc::clone(hub.runtime());
    let task = async move {
        let presiding = async {
            loop {
                let leadership = match election.campaign().await {
                    Ok(leadership) => leadership,
                    Err(error) if error.kind() == ErrorKind::Closed => return,
                    Err(error) => {
                        tracing::warn!(%error, "cannot stand for assignor; trying again");
                        runtime.sleep_until(runtime.now() + PAUSE).await;
                        continue;
                    }
                };
                let Some(leader) = leadership.fence(Txn::new()).guards().first().cloned() else { return };
                let office = Office(&assignor);
                assignor.request(Request::Lead { leader, policy: policy.clone() });
                leadership.lost().await;
                drop(office);
                // It cannot fail: a resignation that meets a broken connection goes on in the background.
                drop(leadership.resign().await);
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = presiding => {}
        }
    };
    hub.runtime().spawn("assignor", Box::pin(task));
}

/// Deposes the assignor of this process when it is dropped, before leadership is.
struct Office<'a>(&'a Arc<Engine<Assignor>>);

impl Drop for Office<'_> {
    fn drop(&mut self) {
        self.0.request(Request::Deposed);
    }
}
