use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;

use super::{Keys, LEADER, Observing};
use crate::coordinator::{Context, Input, Machine, Output};
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Entry, Lineage, Revision, Stamp, WatchEvent};
use crate::view::View;

/// What the observer was told: nothing, or the term, if anybody leads.
type Told = Option<Option<u64>>;

struct Scene(Observing);

impl Scene {
    fn new() -> Self {
        let keys = Keys::new("election", &Name::parse("e").unwrap());
        let newest = Revision::default();
        Self(Observing { keys, view: View::default(), interrupted: false, newest, told: None })
    }

    fn tell(&mut self, input: Input<()>) -> Vec<Told> {
        let numbers = AtomicU64::new(1);
        let mut out = Vec::new();
        let now = Instant::from_start(Duration::ZERO);
        self.0.on_input(
            input,
            &Context { now, wall: now.since_start(), numbers: &numbers, ttl: None },
            &mut out,
        );
        let told = |output: Output<Option<Option<Entry>>>| match output {
            Output::Deliver(seen) => {
                let term = |entry: Entry| entry.created().as_u64();
                Some(seen.map(|leader| leader.map(term)))
            }
            _ => None,
        };
        out.into_iter().filter_map(told).collect()
    }

    fn snapshot(&mut self, term: Option<u64>, revision: u64) -> Vec<Told> {
        let entry = |term| {
            let term = Revision::new(term);
            let stamp = Stamp::new(self.0.keys.leader.clone(), term, term, Bytes::new());
            Entry::new(stamp, Bytes::new(), None)
        };
        let entries = term.map(entry).into_iter().collect();
        let (revision, lineage) = (Revision::new(revision), Lineage::default());
        self.tell(Input::Watched { slot: LEADER, event: WatchEvent::Snapshot { entries, revision, lineage } })
    }
}

#[test]
fn a_leader_that_survives_a_discontinuity_is_seen_though_a_newer_one_was_forgotten() {
    let mut scene = Scene::new();
    assert_eq!(scene.snapshot(Some(5), 5), [Some(Some(5))]);
    assert_eq!(scene.tell(Input::Discontinuity { hold_until: None }), [None]);
    assert_eq!(scene.snapshot(Some(3), 1_000), [Some(Some(3))]);
}

#[test]
fn a_stale_view_takes_nobody_back_to_an_older_term() {
    let mut scene = Scene::new();
    scene.snapshot(Some(5), 5);
    assert_eq!(scene.snapshot(Some(3), 4), [None]);
    assert_eq!(scene.snapshot(None, 6), [Some(None)]);
}

#[test]
fn an_interrupted_watch_knows_nothing() {
    let mut scene = Scene::new();
    scene.snapshot(Some(5), 5);
    let interrupted = Input::Watched { slot: LEADER, event: WatchEvent::Interrupted };
    assert_eq!(scene.tell(interrupted), [None]);
    assert_eq!(scene.snapshot(Some(5), 5), [Some(Some(5))]);
    assert_eq!(scene.tell(Input::SessionDown), [None]);
}
