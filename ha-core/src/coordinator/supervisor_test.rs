use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Control;
use crate::coordinator::model_test::{Manual, Unreliable};
use crate::coordinator::{Coordinator, Standing};
use crate::error::ErrorKind;
use crate::spi::{Backend, Collection, Name, Page, SessionRequest};

struct Desk {
    runtime: Manual,
    backend: Unreliable,
    node: Coordinator,
}

impl Desk {
    fn new() -> Self {
        let (runtime, backend) = (Manual::default(), Unreliable::default());
        let connect = Coordinator::builder(Arc::new(backend.clone()))
            .node("a")
            .runtime(Arc::new(runtime.clone()))
            .connect();
        let node = runtime.block_on(connect).unwrap();
        Self { runtime, backend, node }
    }

    /// How many entries others see in the collection.
    fn count(&self, collection: &[&str]) -> usize {
        let name = |text| Name::parse(text).unwrap();
        let request = SessionRequest::observer(name("default"), name("b"), Arc::new(self.runtime.clone()));
        let session = self.runtime.block_on(self.backend.open_session(request)).unwrap();
        let collection = Collection::parse(collection).unwrap();
        let listing = self.runtime.block_on(session.list(&collection, Page::by_name(10))).unwrap();
        listing.entries().iter().filter(|entry| entry.owner().is_some()).count()
    }

    fn refuse(&self, commits: usize) {
        self.backend.connection.refused.store(commits, Ordering::SeqCst);
    }
}

#[test]
fn a_lock_is_released_though_the_release_is_refused_at_first_and_nobody_has_a_handle_any_more() {
    let desk = Desk::new();
    let guard = desk.runtime.block_on(desk.node.mutex("m").unwrap().acquire()).unwrap();
    assert_eq!(desk.count(&["lock", "m"]), 1);
    desk.refuse(3);
    drop(guard);
    assert_eq!(desk.count(&["lock", "m"]), 1);
    desk.runtime.advance(Duration::from_secs(1));
    assert_eq!(desk.count(&["lock", "m"]), 0);
}

#[test]
fn leadership_is_resigned_though_that_is_refused_at_first_and_nobody_has_a_handle_any_more() {
    let desk = Desk::new();
    let leadership = desk.runtime.block_on(desk.node.election("e").unwrap().campaign()).unwrap();
    assert_eq!(desk.count(&["election", "e", "record"]), 1);
    desk.refuse(3);
    drop(leadership);
    desk.runtime.advance(Duration::from_secs(1));
    assert_eq!(desk.count(&["election", "e", "record"]), 0);
}

#[test]
fn a_session_that_was_opened_for_a_service_that_is_no_longer_healthy_grants_nothing() {
    let desk = Desk::new();
    desk.backend.connection.shut.store(true, Ordering::SeqCst);
    desk.node.0.hub.control(Control::SessionLost { epoch: 1 });
    desk.runtime.run();
    desk.node.0.hub.control(Control::Health(false));
    desk.runtime.run();
    desk.backend.connection.shut.store(false, Ordering::SeqCst);
    desk.runtime.run();
    assert_eq!(desk.node.health().session, None);
    desk.node.0.hub.control(Control::Health(true));
    desk.runtime.run();
    assert_eq!(desk.node.health().session, Some(Standing::Healthy));
}

#[test]
fn a_shutdown_releases_what_is_released_and_answers_those_who_wait() {
    let desk = Desk::new();
    let mutex = desk.node.mutex("m").unwrap();
    let guard = desk.runtime.block_on(mutex.acquire()).unwrap();
    let mut waiting = Box::pin(mutex.acquire());
    let mut shutdown = Box::pin(desk.node.shutdown(Duration::from_secs(5)));
    let poll = |future: &mut dyn FnMut(&mut std::task::Context<'_>) -> bool| {
        future(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    };
    assert!(!poll(&mut |cx| waiting.as_mut().poll(cx).is_ready()));
    assert!(!poll(&mut |cx| shutdown.as_mut().poll(cx).is_ready()));
    let refused = desk.runtime.block_on(waiting).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Closed);
    assert!(!guard.is_valid());
    assert!(!poll(&mut |cx| shutdown.as_mut().poll(cx).is_ready()), "a guard is still held");
    drop(guard);
    desk.runtime.block_on(shutdown).unwrap();
    assert_eq!(desk.count(&["lock", "m"]), 0);
}

#[test]
fn a_shutdown_ends_at_its_deadline_though_a_guard_is_kept() {
    let desk = Desk::new();
    let guard = desk.runtime.block_on(desk.node.mutex("m").unwrap().acquire()).unwrap();
    let mut shutdown = Box::pin(desk.node.shutdown(Duration::from_secs(5)));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(shutdown.as_mut().poll(&mut context).is_pending());
    desk.runtime.advance(Duration::from_millis(5_100));
    assert_eq!(desk.runtime.block_on(shutdown).unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(desk.count(&["lock", "m"]), 0);
    desk.runtime.block_on(guard.release()).unwrap();
}

#[test]
fn a_runtime_that_is_torn_down_ends_what_is_held_and_leaves_nothing_behind() {
    let desk = Desk::new();
    let mutex = desk.node.mutex("m").unwrap();
    let guard = desk.runtime.block_on(mutex.acquire()).unwrap();
    let mut waiting = Box::pin(mutex.acquire());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    let hub = Arc::downgrade(&desk.node.0.hub);
    desk.runtime.tear_down();
    assert!(!guard.is_valid());
    assert_eq!(desk.runtime.block_on(waiting).unwrap_err().kind(), ErrorKind::Closed);
    desk.runtime.block_on(guard.release()).unwrap();
    drop((mutex, desk.node));
    // What was started meanwhile found nobody to do it.
    desk.runtime.tear_down();
    assert!(hub.upgrade().is_none(), "an engine keeps itself, and the coordinator with it");
}
