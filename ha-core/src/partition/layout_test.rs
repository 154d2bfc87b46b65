use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;

use super::{ASSIGNED, Atlas, Layout, PLAN};
use crate::coordinator::{Context, Input, Machine, Output};
use crate::names::{Key, Name};
use crate::partition::records::{Assigned, Granted, Keys, PlanRecord, encode_plan};
use crate::runtime::Instant;
use crate::spi::{Entry, Lineage, Revision, Stamp, WatchEvent};
use crate::view::View;

/// What a watch shows: one entry.
fn shown(key: Key, revision: u64, value: Bytes) -> WatchEvent {
    let stamp = Stamp::new(key, Revision::new(1), Revision::new(revision), Bytes::new());
    let entries = vec![Entry::new(stamp, value, None)];
    WatchEvent::Snapshot { entries, revision: Revision::new(revision), lineage: Lineage::default() }
}

fn told(atlas: &mut Atlas, slot: u8, event: WatchEvent) -> Vec<Layout> {
    let (numbers, mut out) = (AtomicU64::new(1), Vec::new());
    let context = Context {
        now: Instant::from_nanos(1),
        wall: std::time::Duration::ZERO,
        numbers: &numbers,
        ttl: None,
    };
    atlas.on_input(Input::Watched { slot, event }, &context, &mut out);
    let layouts = out.into_iter().filter_map(|output| match output {
        Output::Deliver(layout) => Some(layout),
        _ => None,
    });
    layouts.collect()
}

#[test]
fn owners_are_told_with_the_moves_of_their_step_whichever_watch_is_late() {
    let keys = Keys::new(&Name::parse("p").unwrap());
    let mut atlas = Atlas {
        keys: keys.clone(),
        assigned: View::default(),
        plan: View::default(),
        shares: BTreeMap::new(),
    };
    let plan = |seq, moves| encode_plan(&PlanRecord { seq, count: 2, moves });
    let assigned = |seq, set: &[u32]| {
        let granted = vec![Granted { token: seq, set: set.to_vec() }];
        let profile = br#"{"node":"a","weight":1,"ready":true}"#.to_vec();
        Assigned { seq, profile, granted, ..Assigned::default() }.encode()
    };
    let record = keys.assigned.key(Name::internal("s-1"));
    assert!(told(&mut atlas, ASSIGNED, shown(record.clone(), 5, assigned(5, &[0]))).is_empty());
    let first = told(&mut atlas, PLAN, shown(keys.plan.clone(), 5, plan(5, 0)));
    assert_eq!((first[0].moves(), first[0].counts()["a"]), (0, 1));
    // The next step: its plan is late.
    assert!(told(&mut atlas, ASSIGNED, shown(record, 6, assigned(6, &[0, 1]))).is_empty());
    let second = told(&mut atlas, PLAN, shown(keys.plan.clone(), 6, plan(6, 1)));
    assert_eq!((second[0].moves(), second[0].counts()["a"]), (1, 2));
}
