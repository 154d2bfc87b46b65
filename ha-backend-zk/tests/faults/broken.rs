//! The tests of this target, tested: on a backend with one defect each of these fails.

use std::sync::Arc;

use ha_conformance::history::Recipe;
use ha_conformance::servers::broken::{BLIND, Defect, failure_of, with};
use ha_conformance::servers::holder::{Holder, Work};
use ha_core::spi::Backend;

use super::Test;
use super::commits;
use super::site::{self, LONG};

pub(crate) const TESTS: &[Test] = &[
    ("broken::a_copy_that_nobody_kills_is_caught", repeats),
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
    let zookeeper = site::ensemble();
    let failure =
        failure_of(|| commits::late_copies_on(&zookeeper, &|backend| with(Defect::Repeats, backend)));
    assert!(failure.contains("a late copy was applied"), "it fails for another reason: {failure}");
}

fn renews_blindly() {
    let zookeeper = site::ensemble();
    let scene = site::scene_at(format!("{RENEWS_BLINDLY}{}", site::url(&zookeeper)));
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
