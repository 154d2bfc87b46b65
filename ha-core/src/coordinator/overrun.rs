//! Notices guarded work that goes on after its grant was lost.

use std::sync::Arc;

use super::events::Event;
use super::hub::Hub;
use super::lifetime::Lifetime;
use super::renewal::Validity;

/// What to do when guarded work has not ended by the time at which somebody else may hold the grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverrunPolicy {
    /// Say so in an event and in the log. The resource has to check the token.
    #[default]
    Report,
    /// Also abort the process: for work that must never overlap and whose resource checks no token.
    Abort,
}

/// Looks, half a margin after the loss of `life`, whether work that it guarded still runs.
pub(super) fn watch(hub: &Arc<Hub>, life: &Arc<Lifetime>, validity: Option<Validity>, policy: OverrunPolicy) {
    let Some(validity) = validity else { return };
    if life.works().is_empty() {
        return;
    }
    let at = hub.runtime().now() + validity.margin() / 2;
    let sleep = hub.runtime().sleep_until(at);
    let (hub_, life) = (Arc::clone(hub), Arc::clone(life));
    let task = async move {
        sleep.await;
        report(&hub_, &life, policy);
    };
    hub.runtime().spawn("overrun", Box::pin(task));
}

/// Reports the work that still runs under `life`.
pub(super) fn report(hub: &Hub, life: &Lifetime, policy: OverrunPolicy) {
    let works = life.works();
    for what in &works {
        tracing::error!(%what, "guarded work goes on after its grant was lost");
        hub.emit(Event::Overrun { what: what.clone() });
    }
    if policy == OverrunPolicy::Abort && !works.is_empty() {
        tracing::error!("aborting the process, as the overrun policy says");
        std::process::abort();
    }
}
