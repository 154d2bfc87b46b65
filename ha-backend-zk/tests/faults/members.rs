//! Servers that die, freeze and come back while processes hold things.

use std::time::Duration;

use ha_conformance::history::{Event, Recipe};
use ha_conformance::servers::holder::{Holder, Work};
use ha_conformance::servers::zookeeper::ZooKeeper;

use super::Test;
use super::site::{self, LONG, TTL};

pub(crate) const TESTS: &[Test] = &[
    ("members::nobody_overlaps_while_the_leader_and_each_other_member_is_killed", killed),
    ("members::no_grant_is_lost_by_a_rolling_restart", rolling_restart),
    ("members::a_session_survives_a_leader_that_is_frozen", frozen_leader),
    ("members::a_session_survives_each_member_that_is_frozen", each_frozen),
    ("members::nobody_overlaps_while_the_leader_is_frozen_and_goes_on_again_and_again", leader_comes_back),
    ("members::nobody_overlaps_while_holders_are_killed_and_frozen", holders_die),
    ("members::while_there_is_no_majority_nobody_is_granted_anything", no_majority),
];

/// Callers that take turns quickly.
fn turns(recipe: Recipe) -> Work {
    Work::take_turns(recipe, "shared", 2, Duration::from_millis(60), Duration::from_millis(30))
}

fn has_ended(event: &Event) -> bool {
    matches!(event, Event::Ended { .. })
}

fn killed() {
    let zookeeper = site::ensemble();
    let scene = site::scene(&zookeeper);
    let mut holders = vec![
        scene.start("a", 1, turns(Recipe::Mutex)),
        scene.start("b", 1, turns(Recipe::Mutex)),
        scene.start("c", 1, turns(Recipe::Election)),
        scene.start("d", 1, turns(Recipe::Election)),
    ];
    holders.iter_mut().for_each(|holder| holder.wait_for_grant(2, LONG));
    // The leader, and then the others: whichever member somebody is connected to is among them.
    let leader = zookeeper.leader();
    for victim in [leader, (leader + 1) % 3, (leader + 2) % 3, zookeeper.leader()] {
        let fault = scene.fault("kill", None);
        zookeeper.member(victim).kill();
        let so_far: Vec<usize> = holders.iter().map(site::grants).collect();
        for (holder, so_far) in holders.iter_mut().zip(so_far) {
            holder.wait_for_grant(so_far + 2, LONG);
        }
        zookeeper.member(victim).start();
        scene.healed(fault);
    }
    site::finish(&scene, &mut holders);
}

/// Holders that keep what they have: of each recipe one.
fn keepers(scene: &ha_conformance::servers::Scene) -> Vec<Holder> {
    let mut holders = vec![
        scene.start("a", 1, Work::hold(Recipe::Mutex, "kept")),
        scene.start("b", 1, Work::hold(Recipe::Election, "kept")),
    ];
    holders.iter_mut().for_each(|holder| holder.wait_for_grant(1, LONG));
    holders
}

fn rolling_restart() {
    let zookeeper = site::ensemble();
    let scene = site::scene(&zookeeper);
    let mut holders = keepers(&scene);
    for member in zookeeper.members() {
        member.end();
        member.start();
        zookeeper.wait_until_ready();
    }
    std::thread::sleep(TTL);
    for holder in &holders {
        assert_eq!(holder.count(has_ended), 0, "{holder:?} lost its grant");
    }
    site::end(&scene, &mut holders);
}

fn frozen_leader() {
    let zookeeper = site::ensemble();
    let scene = site::scene(&zookeeper);
    let mut holders = keepers(&scene);
    let leader = zookeeper.leader();
    let fault = scene.fault("freeze the leader", None);
    zookeeper.member(leader).stop();
    assert_ne!(zookeeper.leader(), leader);
    std::thread::sleep(TTL);
    for holder in &holders {
        assert_eq!(holder.count(has_ended), 0, "{holder:?} lost its grant");
    }
    zookeeper.member(leader).resume();
    scene.healed(fault);
    site::end(&scene, &mut holders);
}

fn each_frozen() {
    let zookeeper = site::ensemble();
    let scene = site::scene(&zookeeper);
    let mut holders = keepers(&scene);
    // Whichever of them somebody is connected to.
    for member in zookeeper.members() {
        let fault = scene.fault("freeze a member", None);
        member.stop();
        // Longer than a grant is valid without a renewal.
        std::thread::sleep(TTL * 3 / 5);
        member.resume();
        zookeeper.wait_until_ready();
        scene.healed(fault);
    }
    for holder in &holders {
        assert_eq!(holder.count(has_ended), 0, "{holder:?} lost its grant");
    }
    site::end(&scene, &mut holders);
}

fn leader_comes_back() {
    let zookeeper = site::ensemble();
    let scene = site::scene(&zookeeper);
    let mut holders = vec![
        scene.start("a", 1, turns(Recipe::Mutex)),
        scene.start("b", 1, turns(Recipe::Mutex)),
        scene.start("c", 1, turns(Recipe::Election)),
    ];
    holders.iter_mut().for_each(|holder| holder.wait_for_grant(2, LONG));
    for pause in [300, 1_500, 4_000] {
        let fault = scene.fault("freeze the leader", None);
        let leader = zookeeper.leader();
        zookeeper.member(leader).stop();
        std::thread::sleep(Duration::from_millis(pause));
        zookeeper.member(leader).resume();
        scene.healed(fault);
        let so_far: Vec<usize> = holders.iter().map(site::grants).collect();
        for (holder, so_far) in holders.iter_mut().zip(so_far) {
            holder.wait_for_grant(so_far + 1, LONG);
        }
    }
    site::finish(&scene, &mut holders);
}

fn holders_die() {
    let zookeeper = site::ensemble();
    let scene = site::scene(&zookeeper);
    let mut lasting =
        vec![scene.start("a", 1, turns(Recipe::Mutex)), scene.start("b", 1, turns(Recipe::Election))];
    for (incarnation, recipe) in [(1, Recipe::Mutex), (2, Recipe::Election), (3, Recipe::Mutex)] {
        // Each of them wants to keep it, and has it when it is struck.
        let work = Work::hold(recipe, "shared");
        let mut killed = scene.start("killed", incarnation, work.clone());
        killed.wait_for_grant(1, LONG);
        killed.kill();
        let mut frozen = scene.start("frozen", incarnation, work);
        frozen.wait_for_grant(1, LONG);
        frozen.freeze();
        let so_far: Vec<usize> = lasting.iter().map(site::grants).collect();
        for (holder, so_far) in lasting.iter_mut().zip(so_far) {
            holder.wait_for_grant(so_far + 1, LONG);
        }
        frozen.thaw();
        frozen.wait_for("told of its loss", 1, LONG, |event| matches!(event, Event::LossNoticed { .. }));
        frozen.end();
    }
    site::finish(&scene, &mut lasting);
}

fn no_majority() {
    let zookeeper = site::ensemble();
    let scene = site::scene(&zookeeper);
    let mut holders =
        vec![scene.start("a", 1, turns(Recipe::Mutex)), scene.start("b", 1, turns(Recipe::Election))];
    holders.iter_mut().for_each(|holder| holder.wait_for_grant(2, LONG));
    let fault = scene.fault(Event::OUTAGE, None);
    freeze_majority(&zookeeper, true);
    std::thread::sleep(TTL * 2);
    let so_far: Vec<usize> = holders.iter().map(site::grants).collect();
    std::thread::sleep(TTL);
    let later: Vec<usize> = holders.iter().map(site::grants).collect();
    assert_eq!(so_far, later, "something was granted by a minority");
    freeze_majority(&zookeeper, false);
    scene.healed(fault);
    site::finish(&scene, &mut holders);
}

fn freeze_majority(zookeeper: &ZooKeeper, frozen: bool) {
    for member in &zookeeper.members()[..2] {
        if frozen { member.stop() } else { member.resume() }
    }
}
