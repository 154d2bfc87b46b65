//! Random histories with gaps: whoever applies every change has what the watches show.

use super::super::{MEMBERS, News, STATUS};
use super::Desk;
use crate::coordinator::Input;
use crate::coordinator::model_test::Random;
use crate::group::view::Member;

#[test]
fn whoever_applies_all_changes_has_the_view_whatever_happens() {
    let mut steps = 0;
    for seed in 0..4_000 {
        let mut random = Random::new(seed);
        let mut desk = Desk::new();
        for _ in 0..60 {
            random_step(&mut desk, &mut random);
            if desk.current {
                assert_eq!(desk.folded, desk.truth(), "seed {seed}");
            }
        }
        steps += desk.news.iter().filter(|news| matches!(news, News::Changed(_))).count();
        desk.snapshots();
        assert!(desk.current);
        assert_eq!(desk.folded, desk.truth(), "seed {seed}");
    }
    assert!(steps > 8_000, "{steps} changes show nothing");
}

fn random_step(desk: &mut Desk, random: &mut Random) {
    let node = ["a", "b", "c"][random.below(3)];
    let slot = [MEMBERS, STATUS][random.below(2)];
    match random.below(24) {
        0..=5 => {
            let entry = format!("{}", desk.revision);
            desk.member(&entry, node, 1);
        }
        6..=8 => {
            let entries: Vec<_> = desk.tables[0].values().cloned().collect();
            if !entries.is_empty() {
                let entry = &entries[random.below(entries.len())];
                let (key, node) = (entry.key().name().to_string(), Member::of(entry, None).unwrap().node);
                desk.member(&key, &node, u32::try_from(random.below(9)).unwrap());
            }
        }
        9..=12 => {
            // Of a node with two lives the older one ends first.
            let lives = desk.tables[0].values().filter(|entry| Member::of(entry, None).unwrap().node == node);
            let oldest = lives.min_by_key(|entry| entry.created()).map(|entry| entry.key().name().clone());
            oldest.into_iter().for_each(|oldest| desk.leave(oldest.as_str()));
        }
        13 | 14 => desk.drain(node, random.one_in(2)),
        15..=20 => {
            // A watch that has not begun yet, or is interrupted, says nothing but a snapshot.
            let source = [&desk.viewing.members, &desk.viewing.status][usize::from(slot)];
            match source.view.is_known() && !source.interrupted {
                true => desk.say(slot),
                false => desk.snapshot(slot),
            }
        }
        21 => desk.interrupt(slot),
        22 => desk.snapshot(slot),
        _ => {
            desk.feed(Input::SessionDown);
            desk.open();
        }
    }
}
