//! What a coordinator tells of itself: events, metrics, traces.

use tokio::sync::broadcast;

use super::{Hub, Identity};
use crate::coordinator::events::{Event, Events};
use crate::coordinator::grant::Grant;
use crate::coordinator::lifetime::LossReason;
use crate::coordinator::meters::Meters;
use crate::coordinator::reporting::Reporter;
use crate::sync::lock;
use crate::token::Token;

impl Hub {
    pub(crate) fn subscribe(&self) -> Events {
        let events = lock(&self.events);
        Events::new(events.as_ref().map_or_else(|| broadcast::channel(1).1, broadcast::Sender::subscribe))
    }

    /// Tells `reporter` every event from now on; only the first call counts.
    pub(in crate::coordinator) fn report_to(&self, reporter: Reporter) {
        drop(self.reporter.set(reporter));
    }

    pub(crate) fn emit(&self, event: Event) {
        self.meters.event(&event);
        self.emit_with(|| event);
    }

    /// Makes the event only if anybody listens: grants come by the hundred thousand.
    fn emit_with(&self, event: impl FnOnce() -> Event) {
        let reporter = self.reporter.get();
        let events = lock(&self.events);
        let events = events.as_ref().filter(|events| events.receiver_count() > 0);
        if events.is_none() && reporter.is_none() {
            return;
        }
        let event = event();
        reporter.into_iter().for_each(|reporter| reporter.report(event.clone()));
        // The last listener may just have left.
        events.into_iter().for_each(|events| drop(events.send(event.clone())));
    }

    /// Who this is, for everything that is traced in its name.
    pub(crate) fn span(&self) -> tracing::Span {
        let Identity { namespace, node, .. } = &self.identity;
        tracing::info_span!("coordinator", %namespace, %node, backend = self.backend.backend)
    }

    pub(crate) fn meters(&self) -> &Meters {
        &self.meters
    }

    pub(crate) fn granted(&self, kind: &'static str, grant: &Grant) {
        if kind == "election" {
            lock(&self.leading).insert(grant.token(), grant.clone());
        }
        self.meters.granted(kind, grant);
        self.emit_with(|| Event::Granted { kind, name: grant.name().into(), token: grant.token() });
    }

    /// Says why `grant` ended: for the reason that came first.
    pub(crate) fn ended(&self, kind: &'static str, grant: &Grant) {
        if kind == "election" {
            lock(&self.leading).remove(&grant.token());
        }
        let reason = grant.loss().unwrap_or(LossReason::Expired);
        let (name, token, node) = (grant.name(), grant.token(), &self.identity.node);
        match kind {
            "election" => tracing::info!(election = %name, %node, term = %token, %reason, "leadership ended"),
            _ => tracing::debug!(kind, name, %node, %token, %reason, "grant ended"),
        }
        self.meters.ended(kind, grant, reason);
        self.emit_with(|| Event::Ended { kind, name: grant.name().into(), token: grant.token(), reason });
    }

    /// Whether this process leads an election in this term, by its own grant.
    pub(crate) fn leads_in(&self, term: Token) -> bool {
        lock(&self.leading).get(&term).is_some_and(Grant::is_valid)
    }
}
