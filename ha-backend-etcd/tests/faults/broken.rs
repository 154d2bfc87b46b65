//! The tests of this target, tested: on a backend with one defect each of these fails.

use std::sync::Arc;

use ha_conformance::history::Recipe;
use ha_conformance::servers::broken::{BLIND, Defect, failure_of, with};
use ha_conformance::servers::holder::{Holder, Work};
use ha_core::spi::Backend;

use super::Test;
use super::site::{self, LONG, TTL};
use super::{compaction, late};

pub(crate) const TESTS: &[Test] = &[
    ("broken::a_copy_that_nobody_kills_is_caught", repeats),
    ("broken::a_gap_that_is_passed_over_is_caught", passes_over_gaps),
    ("broken::a_renewal_that_nobody_answered_is_caught", renews_blindly),
];

/// How a URL says that a holder's backend is to renew blindly.
const RENEWS_BLINDLY: &str = "renews-blindly+";

/// The backend that a URL names, with the defect that it names, if any.
pub(crate) fn connect(url: &str) -> Arc<dyn Backend> {
    match url.strip_prefix(RENEWS_BLINDLY) {
        Some(url) => with(Defect::RenewsBlindly, site::connect(url)),
        None => site::connect(url),
    }
}

fn repeats() {
    let etcd = site::cluster();
    let failure = failure_of(|| late::late_copies_on(&etcd, &|backend| with(Defect::Repeats, backend)));
    assert!(failure.contains("a late copy was applied"), "it fails for another reason: {failure}");
}

fn passes_over_gaps() {
    let etcd = site::cluster();
    let broken = |backend| with(Defect::PassesOverGaps, backend);
    let failure = failure_of(|| compaction::during_a_gap_of(&etcd, &broken, TTL * 3));
    assert!(failure.contains("the watch does not catch up"), "it fails for another reason: {failure}");
}

fn renews_blindly() {
    let etcd = site::cluster();
    let scene = site::scene_at(format!("{RENEWS_BLINDLY}{}", site::url(&etcd)));
    let mut holders = [BLIND, "sound"].map(|node| {
        let mut holder = scene.start(node, 1, Work::hold(Recipe::Mutex, "kept"));
        // The session of the first one runs out, which it does not hear of; so the second one has its turn.
        holder.wait_for_grant(1, LONG);
        holder
    });
    holders.iter_mut().for_each(Holder::end);
    let failure = failure_of(|| drop(scene.judge(&site::bounds())));
    assert!(failure.contains("L3"), "it fails for another reason: {failure}");
}
