//! Holders in processes of their own. Each has an in-memory store of its own as well, so that two of them hold the same lock at the
//! same time: what the checkers are there to find.

#![expect(clippy::unwrap_used, reason = "a trial fails by panicking")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ha_conformance::history::{EndReason, Event, Recipe};
use ha_conformance::invariants::Bounds;
use ha_conformance::servers::Scene;
use ha_conformance::servers::holder::{self, Site, Work};
use ha_core::memory::MemoryBackend;
use libtest_mimic::{Arguments, Trial};

const TTL: Duration = Duration::from_millis(500);

/// How long anything may take that happens at all.
const LONG: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    if let Some(ended) = holder::main(|_| Arc::new(MemoryBackend::new())) {
        return ended;
    }
    let tests: [(&str, fn()); 5] = [
        ("a_holder_takes_turns_and_lets_go_when_it_is_asked_to_end", takes_turns),
        ("a_killed_holder_believes_until_its_death", killed),
        ("a_frozen_holder_believes_until_its_deadline_and_is_told_after_its_thaw", frozen),
        ("two_holders_of_one_lock_at_the_same_time_are_found", overlap),
        ("a_leader_is_a_holder_too", leads),
    ];
    let trials = tests.map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

fn scene() -> Scene {
    Scene::new(Site::new("memory:", "holders", TTL))
}

fn bounds() -> Bounds {
    let mut bounds = Bounds::new(TTL);
    bounds.loss_notice = 500_000_000;
    bounds
}

fn takes_turns() {
    let scene = scene();
    let (hold, pause) = (Duration::from_millis(20), Duration::from_millis(5));
    let mut holder = scene.start("a", 1, Work::take_turns(Recipe::Mutex, "m", 3, hold, pause));
    holder.wait_for_grant(20, LONG);
    holder.end();
    let history = scene.judge(&bounds());
    let granted = holder.count(|event| matches!(event, Event::Granted { .. }));
    let released = holder.count(|event| matches!(event, Event::Released { .. }));
    assert!(granted >= 20 && released == granted, "{granted} granted, {released} released");
    assert!(matches!(history.records().last().unwrap().event, Event::Stopped));
}

fn killed() {
    let scene = scene();
    let mut holder = scene.start("a", 1, Work::hold(Recipe::Mutex, "m"));
    holder.wait_for_grant(1, LONG);
    holder.kill();
    let history = scene.judge(&bounds());
    assert!(matches!(history.records().last().unwrap().event, Event::Crashed));
    assert_eq!(holder.count(|event| matches!(event, Event::Ended { .. })), 0);
}

fn frozen() {
    let scene = scene();
    let mut holder = scene.start("a", 1, Work::hold(Recipe::Mutex, "m"));
    holder.wait_for_grant(1, LONG);
    holder.freeze();
    std::thread::sleep(TTL * 2);
    holder.thaw();
    holder.wait_for("told", 1, LONG, |event| matches!(event, Event::LossNoticed { .. }));
    let history = scene.judge(&bounds());
    let at = |wanted: fn(&Event) -> bool| {
        history.records().iter().find(|record| wanted(&record.event)).unwrap().at
    };
    let ended = at(|event| matches!(event, Event::Ended { reason: EndReason::Expired, .. }));
    let (froze, thawed) = (at(|event| *event == Event::Frozen), at(|event| *event == Event::Thawed));
    assert!(
        froze < ended && ended < thawed,
        "it froze at {froze}, believed until {ended}, and went on at {thawed}"
    );
}

fn overlap() {
    let scene = scene();
    let mut holders = ["a", "b"].map(|node| scene.start(node, 1, Work::hold(Recipe::Mutex, "m")));
    for holder in &mut holders {
        holder.wait_for_grant(1, LONG);
    }
    let found =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scene.judge(&bounds()))).unwrap_err();
    let found = found.downcast_ref::<String>().unwrap();
    assert!(found.contains("L3: ") && found.contains("at the same time"), "{found}");
}

fn leads() {
    let scene = scene();
    let mut holder = scene.start("a", 1, Work::hold(Recipe::Election, "e"));
    holder.wait_for_grant(1, LONG);
    holder.end();
    scene.judge(&bounds());
    assert_eq!(holder.count(|event| matches!(event, Event::Released { .. })), 1);
}
