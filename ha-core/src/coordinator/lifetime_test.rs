use std::sync::{Arc, Barrier};
use std::time::Duration;

use super::{Lifetime, LossReason, Standing};
use crate::coordinator::Grant;
use crate::coordinator::format::Format;
use crate::coordinator::model_test::{Manual, Unreliable};
use crate::names::{Collection, Name};
use crate::runtime::Runtime;
use crate::spi::{Backend, Revision, SessionRequest, Stamp};

const SECOND: Duration = Duration::from_secs(1);

/// A session that is valid for nine seconds, and a grant of it.
fn nine_seconds() -> (Manual, Arc<Lifetime>, Grant) {
    let (runtime, backend) = (Manual::default(), Unreliable::default());
    let shared: Arc<dyn Runtime> = Arc::new(runtime.clone());
    let name = |text| Name::parse(text).unwrap();
    let request = SessionRequest::observer(name("n"), name("a"), Arc::clone(&shared)).with_ttl(10 * SECOND);
    let session = runtime.block_on(backend.open_session(request)).unwrap();
    let life = Lifetime::new(
        session,
        shared,
        1,
        Format { token_base: 100, ..Format::default() },
        runtime.now() + 9 * SECOND,
    );
    let grant = grant_of(&life);
    (runtime, life, grant)
}

fn grant_of(life: &Arc<Lifetime>) -> Grant {
    let key = Collection::parse(&["c"]).unwrap().key(Name::parse("k").unwrap());
    let stamp = Stamp::new(key, Revision::new(7), Revision::new(7), bytes::Bytes::new());
    Grant::new("mutex", Name::parse("m").unwrap(), stamp, Arc::clone(life))
}

#[test]
fn a_grant_is_invalid_from_its_deadline_on_though_nobody_has_said_so() {
    let (runtime, _life, grant) = nine_seconds();
    runtime.advance(9 * SECOND - Duration::from_millis(10));
    assert!(grant.is_valid());
    runtime.advance(Duration::from_millis(10));
    assert!(!grant.is_valid() && grant.remaining().is_zero());
    assert_eq!(grant.standing(), Standing::Lost(LossReason::Expired));
}

#[test]
fn a_deadline_that_has_passed_is_not_moved() {
    let (runtime, life, grant) = nine_seconds();
    assert!(life.extend(runtime.now() + 10 * SECOND));
    runtime.advance(10 * SECOND);
    assert!(!life.extend(runtime.now() + 10 * SECOND));
    assert!(!grant.is_valid());
}

#[test]
fn a_late_answer_does_not_shorten_the_validity() {
    let (runtime, life, _grant) = nine_seconds();
    let before = life.valid_until();
    assert!(life.extend(runtime.now() + SECOND));
    assert_eq!(life.valid_until(), before);
}

#[test]
fn a_session_that_is_over_is_not_extended_and_the_first_reason_stays() {
    let (runtime, life, grant) = nine_seconds();
    life.end(LossReason::SessionLost);
    life.end(LossReason::Shutdown);
    grant.end(LossReason::Released);
    assert!(!life.extend(runtime.now() + 100 * SECOND));
    assert_eq!(runtime.block_on(grant.lost()), LossReason::SessionLost);
    assert!(grant.cancellation().is_cancelled());
}

#[test]
fn the_end_of_one_grant_leaves_the_session_alone() {
    let (_runtime, life, grant) = nine_seconds();
    grant.end(LossReason::Released);
    assert!(!grant.is_valid() && life.is_valid());
    assert_eq!(grant.loss(), Some(LossReason::Released));
}

#[test]
fn the_end_of_a_grant_is_seen_by_those_who_asked_before_it_and_by_those_who_ask_after_it() {
    let (runtime, _life, watched) = nine_seconds();
    let (before, waiting) = (watched.cancellation(), watched.lost());
    watched.end(LossReason::Released);
    assert!(before.is_cancelled() && watched.cancellation().is_cancelled());
    assert_eq!(runtime.block_on(waiting), LossReason::Released);

    let (runtime, _life, unwatched) = nine_seconds();
    unwatched.end(LossReason::Overdue);
    assert_eq!(runtime.block_on(unwatched.suspect()), Duration::ZERO);
    assert_eq!(runtime.block_on(unwatched.lost()), LossReason::Overdue);
    assert!(unwatched.cancellation().is_cancelled());
}

#[test]
fn the_end_of_a_session_is_seen_by_those_who_asked_before_it_and_by_those_who_ask_after_it() {
    let (runtime, life, watched) = nine_seconds();
    let (unwatched, before) = (grant_of(&life), watched.cancellation());
    life.end(LossReason::SessionLost);
    assert!(before.is_cancelled() && unwatched.cancellation().is_cancelled());
    assert_eq!(runtime.block_on(unwatched.lost()), LossReason::SessionLost);
}

#[test]
fn whoever_cancels_what_a_grant_handed_out_ends_nothing() {
    let (_runtime, _life, grant) = nine_seconds();
    let other = grant.cancellation();
    grant.cancellation().cancel();
    assert!(grant.is_valid() && grant.loss().is_none() && !other.is_cancelled());
}

#[test]
fn whoever_asks_at_the_very_instant_of_the_end_sees_it() {
    let (_runtime, life, _grant) = nine_seconds();
    let grants: Vec<Grant> = (0..20_000).map(|_| grant_of(&life)).collect();
    let start = Barrier::new(2);
    let asked: Vec<_> = std::thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            grants.iter().for_each(|grant| grant.end(LossReason::Released));
        });
        start.wait();
        grants.iter().map(Grant::cancellation).collect()
    });
    assert!(asked.iter().all(|token| token.is_cancelled()));
    assert!(grants.iter().all(|grant| grant.loss() == Some(LossReason::Released)));
}

#[test]
fn whoever_waits_for_suspicion_is_told_of_it_and_of_the_end() {
    let (runtime, life, grant) = nine_seconds();
    runtime.advance(SECOND);
    life.set_suspect(true);
    assert_eq!(runtime.block_on(grant.suspect()), 8 * SECOND);
    life.set_suspect(false);
    assert_eq!(grant.standing(), Standing::Healthy);
    let waiting = grant.suspect();
    life.end(LossReason::Expired);
    assert_eq!(runtime.block_on(waiting), Duration::ZERO);
}

#[test]
fn a_token_is_the_revision_on_top_of_the_base() {
    let (_runtime, _life, grant) = nine_seconds();
    assert_eq!(grant.token().as_u64(), 107);
}
