use std::sync::Arc;
use std::time::Duration;

use super::Keeper;
use crate::coordinator::Hub;
use crate::coordinator::Lifetime;
use crate::coordinator::format::Format;
use crate::coordinator::hub::{Identity, Listener, Signal};
use crate::coordinator::lifetime::LossReason;
use crate::coordinator::model_test::{Manual, Unreliable};
use crate::coordinator::renewal::{Schedule, Validity};
use crate::names::Name;
use crate::runtime::{Instant, Runtime};
use crate::spi::{Backend, Lineage, Renewal, SessionRequest};

const TTL: Duration = Duration::from_secs(10);

/// An engine that takes its time to look again.
struct Slow;

impl Listener for Slow {
    fn signal(self: Arc<Self>, _: Signal) {}

    fn is_idle(&self) -> bool {
        true
    }
}

struct Desk {
    runtime: Manual,
    hub: Arc<Hub>,
    keeper: Keeper,
    slow: Arc<Slow>,
}

impl Desk {
    fn new() -> Self {
        let (runtime, backend) = (Manual::default(), Unreliable::default());
        let shared: Arc<dyn Runtime> = Arc::new(runtime.clone());
        let name = |text| Name::parse(text).unwrap();
        let request = SessionRequest::observer(name("n"), name("a"), Arc::clone(&shared)).with_ttl(TTL);
        let session = runtime.block_on(backend.open_session(request)).unwrap();
        let identity =
            Identity { namespace: name("n"), node: name("a"), capabilities: [].into(), observer: false };
        let (hub, _control) = Hub::new(identity, backend.capabilities().clone(), Arc::clone(&shared));
        let validity = Validity::new(TTL, 1_000);
        let schedule = Schedule::new(validity, shared.now());
        let life = Lifetime::new(session, shared, 1, Format::default(), schedule.deadline());
        let slow = Arc::new(Slow);
        let listener: Arc<dyn Listener> = slow.clone();
        hub.register(7, Arc::downgrade(&listener));
        Self { runtime, hub, keeper: Keeper::new(life, Some(schedule), Some(validity)), slow }
    }

    fn renewed(&mut self, sent: Instant, generation: u64) -> Option<LossReason> {
        self.keeper.renewed(&self.hub, sent, Renewal::new(Lineage::new(generation)))
    }

    fn valid_until(&self) -> Instant {
        self.keeper.life.valid_until()
    }
}

#[test]
fn a_renewal_counts_from_when_it_was_sent() {
    let mut desk = Desk::new();
    let (sent, before) = (desk.runtime.now() + Duration::from_secs(1), desk.valid_until());
    desk.runtime.advance(Duration::from_secs(3));
    assert_eq!(desk.renewed(sent, 0), None);
    assert_eq!(desk.valid_until(), before + Duration::from_secs(1));
}

#[test]
fn a_renewal_that_shows_a_newer_history_extends_nothing_before_all_have_looked_again() {
    let mut desk = Desk::new();
    let before = desk.valid_until();
    desk.runtime.advance(Duration::from_secs(3));
    assert_eq!(desk.renewed(desk.runtime.now(), 1), None);
    assert_eq!(desk.valid_until(), before);
    desk.hub.reconciled(7, 1);
    assert_eq!(desk.keeper.reconciled(&desk.hub), None);
    assert_eq!(desk.valid_until(), before + Duration::from_secs(3));
    drop(desk.slow);
}

#[test]
fn a_renewal_that_an_older_history_answered_extends_nothing() {
    let mut desk = Desk::new();
    let before = desk.valid_until();
    desk.hub.observe(Lineage::new(1));
    desk.hub.reconciled(7, 1);
    desk.runtime.advance(Duration::from_secs(3));
    assert_eq!(desk.renewed(desk.runtime.now(), 0), None);
    assert_eq!(desk.valid_until(), before);
}

#[test]
fn a_renewal_that_waited_for_one_discontinuity_is_void_after_the_next() {
    let mut desk = Desk::new();
    let before = desk.valid_until();
    desk.runtime.advance(Duration::from_secs(3));
    assert_eq!(desk.renewed(desk.runtime.now(), 1), None);
    desk.hub.observe(Lineage::new(2));
    desk.hub.reconciled(7, 2);
    assert_eq!(desk.keeper.reconciled(&desk.hub), None);
    assert_eq!(desk.valid_until(), before);
}

#[test]
fn a_renewal_that_is_answered_after_the_deadline_revives_nothing() {
    let mut desk = Desk::new();
    let sent = desk.runtime.now() + Duration::from_secs(5);
    desk.runtime.advance(Duration::from_secs(10));
    assert_eq!(desk.renewed(sent, 0), Some(LossReason::Expired));
    assert!(!desk.keeper.life.is_valid());
}
