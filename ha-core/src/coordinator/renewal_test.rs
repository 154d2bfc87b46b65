use std::time::Duration;

use super::{Schedule, Step, Validity};
use crate::runtime::Instant;

fn at(millis: u64) -> Instant {
    Instant::from_start(Duration::from_millis(millis))
}

fn ten_seconds() -> Validity {
    Validity::new(Duration::from_secs(10), 1_000)
}

#[test]
fn validity_is_counted_from_the_send_and_keeps_a_margin() {
    assert_eq!(ten_seconds().until(at(1_000)), at(1_000 + 10_000 - 200));
    assert_eq!(Validity::new(Duration::from_secs(10), 500).until(at(0)), at(5_000 - 200));
    assert_eq!(Validity::new(Duration::from_millis(200), 1_000).until(at(0)), at(180));
}

#[test]
fn a_healthy_session_renews_three_times_in_each_validity() {
    let mut schedule = Schedule::new(ten_seconds(), at(0));
    let mut sends = 0;
    let mut now = at(0);
    while now < at(97_000) {
        match schedule.step(now) {
            Step::Send => {
                schedule.on_sent(now);
                schedule.on_renewed(now);
                sends += 1;
            }
            Step::Wait(until) => now = until,
            Step::Lost => panic!("a session that renews is not lost"),
        }
        assert!(!schedule.is_suspect());
    }
    assert_eq!(sends, 29);
}

#[test]
fn an_unanswered_renewal_is_suspect_and_sent_again_before_the_deadline() {
    let mut schedule = Schedule::new(ten_seconds(), at(0));
    let mut now = at(0);
    let mut sends = Vec::new();
    loop {
        match schedule.step(now) {
            Step::Send => {
                sends.push(now);
                schedule.on_sent(now);
            }
            Step::Wait(until) => {
                assert!(until > now);
                now = until;
            }
            Step::Lost => break,
        }
    }
    assert!(schedule.is_suspect());
    assert_eq!(now, at(9_800));
    assert!(sends.len() >= 5, "{sends:?}");
}

#[test]
fn a_failed_renewal_is_repeated_soon_and_a_success_heals() {
    let mut schedule = Schedule::new(ten_seconds(), at(0));
    assert_eq!(schedule.step(at(3_300)), Step::Send);
    schedule.on_sent(at(3_300));
    schedule.on_failed(at(3_310));
    assert!(schedule.is_suspect());
    assert_eq!(schedule.step(at(3_310)), Step::Wait(at(3_810)));
    assert_eq!(schedule.step(at(3_810)), Step::Send);
    schedule.on_sent(at(3_810));
    schedule.on_renewed(at(3_810));
    assert!(!schedule.is_suspect());
    assert_eq!(schedule.deadline(), at(3_810 + 9_800));
}

#[test]
fn the_answer_of_an_older_renewal_does_not_shorten_the_deadline() {
    let mut schedule = Schedule::new(ten_seconds(), at(0));
    schedule.on_sent(at(3_000));
    schedule.on_sent(at(4_000));
    schedule.on_renewed(at(4_000));
    schedule.on_renewed(at(3_000));
    assert_eq!(schedule.deadline(), at(13_800));
}

#[test]
fn nothing_revives_a_session_whose_deadline_has_passed() {
    let mut schedule = Schedule::new(ten_seconds(), at(0));
    assert_eq!(schedule.step(at(9_800)), Step::Lost);
}
