//! Processes that die.

use std::time::Duration;

use ha_conformance::history::{Event, Recipe};
use ha_conformance::servers::holder::{Holder, Work};
use rustix::process::{Pid, Signal, kill_process};

use super::Test;
use super::site::{self, FOR_EVER, LONG, Place, TTL};
use super::start::{self, FORKS, SHIFTED};

pub(crate) const TESTS: &[Test] = &[
    ("processes::a_killed_holder_is_followed_at_once", killed),
    ("processes::a_killed_holder_is_followed_at_once_although_its_forked_child_lives", forked),
    ("processes::nobody_overlaps_while_holders_are_killed_in_the_middle_of_their_transactions", killed_often),
    (ELSEWHEN, shifted),
    ("processes::two_hundred_processes_open_a_file_at_once", many),
    ("processes::two_hundred_processes_that_want_one_lock_get_it_one_after_the_other", crowd),
];

/// Needs a right that not every user has.
pub(crate) const ELSEWHEN: &str =
    "processes::a_holder_in_another_time_namespace_keeps_what_it_has_and_is_followed";

/// On two cores.
const PROCESSES: usize = 200;

/// What is noticed at once, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(3);

fn killed() {
    let place = Place::new();
    let scene = place.scene_with(FOR_EVER);
    let mut holders = ["a", "b"].map(|node| {
        let mut holder = scene.start(node, 1, Work::hold(Recipe::Mutex, "m"));
        if node == "a" {
            holder.wait_for_grant(1, LONG);
        }
        holder
    });
    holders[1].wait_for("asked", 1, LONG, |event| matches!(event, Event::Asked { .. }));
    let [first, second] = &mut holders;
    first.kill();
    second.wait_for_grant(1, AT_ONCE);
    second.end();
    scene.judge(&site::bounds());
}

fn forked() {
    let place = Place::new();
    let scene = place.scene_with(FOR_EVER);
    let mut first = scene.start(FORKS, 1, Work::hold(Recipe::Mutex, "m"));
    first.wait_for_grant(1, LONG);
    let pid = Pid::from_raw(i32::try_from(first.id()).unwrap()).unwrap();
    kill_process(pid, Signal::USR1).unwrap();
    while start::copies_of(first.id()) == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut second = scene.start("second", 1, Work::hold(Recipe::Mutex, "m"));
    second.wait_for("asked", 1, LONG, |event| matches!(event, Event::Asked { .. }));
    first.kill();
    second.wait_for_grant(1, AT_ONCE);
    second.end();
    scene.judge(&site::bounds());
}

fn turns(recipe: Recipe) -> Work {
    Work::take_turns(recipe, "shared", 4, Duration::from_millis(2), Duration::ZERO)
}

/// Eight processes that do little else than commit; a kill meets one in the middle of it again and again.
fn killed_often() {
    let place = Place::new();
    let scene = place.scene();
    let start = |node: usize, life: u64| {
        let recipe = if node % 4 == 3 { Recipe::Election } else { Recipe::Mutex };
        scene.start(&format!("node-{node}"), life, turns(recipe))
    };
    let mut holders: Vec<Holder> = (0..8).map(|node| start(node, 1)).collect();
    holders.iter_mut().for_each(|holder| holder.wait_for_grant(1, LONG));
    for round in 0..24_u64 {
        let victim = usize::try_from(round).unwrap() % holders.len();
        std::thread::sleep(Duration::from_millis(17 * (round % 7)));
        holders[victim].kill();
        holders[victim] = start(victim, 2 + round / 8);
        if round % 8 == 7 {
            holders.iter_mut().for_each(|holder| holder.wait_for_grant(1, LONG));
        }
    }
    site::finish(&scene, &mut holders);
}

fn shifted() {
    let place = Place::new();
    let scene = place.scene();
    let mut there = scene.start(SHIFTED, 1, Work::hold(Recipe::Mutex, "m"));
    there.wait_for_grant(1, LONG);
    let mut here = scene.start("here", 1, Work::hold(Recipe::Mutex, "m"));
    std::thread::sleep(TTL * 3);
    assert_eq!(there.count(|event| matches!(event, Event::Ended { .. })), 0, "it renews in its own time");
    assert_eq!(site::grants(&here), 0, "and is not taken for dead");
    there.kill();
    here.wait_for_grant(1, TTL + AT_ONCE);
    here.end();
}

fn many() {
    let place = Place::new();
    let url = place.crowded_url();
    let all: Vec<_> = (0..PROCESSES)
        .map(|_| {
            let url = url.clone();
            std::thread::spawn(move || start::visit(&url, 0, "exec \"$@\"", false))
        })
        .collect();
    for visitor in all {
        let said = visitor.join().unwrap();
        assert!(said.contains("done"), "{said}");
    }
}

fn crowd() {
    let place = Place::new();
    let scene = place.crowded_scene();
    let turn = || Work::take_turns(Recipe::Mutex, "m", 1, Duration::from_millis(1), LONG);
    let start = |node| scene.start(&format!("node-{node}"), 1, turn());
    let mut holders: Vec<Holder> = (0..PROCESSES).map(start).collect();
    for holder in &mut holders {
        holder.wait_for_grant(1, LONG);
    }
    holders.iter_mut().for_each(Holder::end);
    scene.judge(&site::bounds());
}
