//! V1 and V3: what watches deliver, against the store's own log.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&V1, &V3];

#[test]
fn v1_watches_miss_nothing() {
    judge(&V1);
}

#[test]
fn v3_watches_never_go_back() {
    judge(&V3);
}

const V1: Table = Table {
    id: "V1",
    good: &[
        ("an empty collection", "1 a watch 1 c 0; 2 a snap 1 0"),
        (
            "a snapshot, then changes",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 4 s commit 2 - - +c/l:2:2; 5 a chg 1 2 +c/l:2:2",
        ),
        ("no log at all", "2 a watch 1 c 0; 3 a snap 1 7 +c/k:1:1; 5 a chg 1 9 +c/l:9:9 -c/k:1"),
        ("interrupted first", "2 a watch 1 c 0; 3 a gap 1; 4 a snap 1 0"),
        (
            "coalesced updates",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 4 s commit 2 - - +c/k:1:2; 5 s commit 3 - - +c/k:1:3; 6 a chg 1 3 +c/k:1:3",
        ),
        (
            "an entry that came and went unseen",
            "2 a watch 1 c 0; 3 a snap 1 0; 4 s commit 1 - - +c/k:1:1; 5 s commit 2 - - -c/k:1; 6 a chg 1 2",
        ),
        (
            "re-created, told as another incarnation",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 4 s commit 2 - - -c/k:1; 5 s commit 3 - - +c/k:3:3; 6 a chg 1 3 +c/k:3:3",
        ),
        (
            "the removal of what was never shown",
            "2 a watch 1 c 0; 3 a snap 1 0; 4 s commit 1 - - +c/k:1:1; 5 s commit 2 - - -c/k:1; 6 a chg 1 2 -c/k:1",
        ),
        (
            "a snapshot newer than its revision",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 s commit 2 - - +c/k:1:2; 4 a snap 1 1 +c/k:1:2; 5 a chg 1 2 +c/k:1:2",
        ),
        (
            "a gap, and a new snapshot",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 4 a gap 1; 5 s commit 2 - - -c/k:1; 6 a snap 1 2",
        ),
        (
            "a snapshot without a gap",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 5 s commit 2 - - -c/k:1; 6 a snap 1 2",
        ),
        (
            "one entry of many",
            "1 s commit 1 - - +c/k:1:1 +c/l:1:1; 2 a watch 1 c/k 0; 3 a snap 1 1 +c/k:1:1; 4 s commit 2 - - -c/l:1; 5 s commit 3 - - -c/k:1; 6 a chg 1 3 -c/k:1",
        ),
        (
            "another collection",
            "1 s commit 1 - - +d/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1; 4 s commit 2 - - -d/k:1",
        ),
        (
            "changes are told later than the revision asks",
            "2 a watch 1 c 0; 3 a snap 1 0; 4 s commit 1 - - +c/k:1:1; 5 s commit 2 - - +c/l:2:2; 6 a chg 1 1 +c/k:1:1; 7 a chg 1 2 +c/l:2:2",
        ),
        (
            "a store that went back",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 4 s commit 2 - - -c/k:1; 5 a chg 1 2 -c/k:1; 6 n rollback 2; 6 s commit 3 - - +c/k:1:1; 7 a gap 1; 8 a snap 1 3 +c/k:1:1",
        ),
        (
            "up to date in the end",
            "1 n calm; 2 a watch 1 c 0; 3 a snap 1 0; 4 s commit 1 - - +c/k:1:1; 5 a chg 1 1 +c/k:1:1; 9000 n idle",
        ),
        (
            "interrupted in the end",
            "1 n calm; 2 a watch 1 c 0; 3 a snap 1 0; 4 a gap 1; 5 s commit 1 - - +c/k:1:1; 9000 n idle",
        ),
        (
            "closed, cut, crashed",
            "1 n fault 1 cut b; 1 n calm; 2 a watch 1 c 0; 3 a snap 1 0; 3 a unwatch 1; 2 b watch 1 c 0; 3 b snap 1 0; 2 d watch 1 c 0; 3 d snap 1 0; 4 d crash; 5 s commit 1 - - +c/k:1:1; 9000 n idle",
        ),
    ],
    bad: &[
        (
            "not told of a change from before the run was calm",
            "1 a watch 1 c 0; 2 a snap 1 0; 3 s commit 1 - - +c/k:1:1; 4000 n calm; 9000 n idle",
        ),
        ("changes without a snapshot", "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a chg 1 1 +c/k:1:1"),
        (
            "changes after a gap without a snapshot",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 4 a gap 1; 5 s commit 2 - - -c/k:1; 6 a chg 1 2 -c/k:1",
        ),
        (
            "a change is missed",
            "2 a watch 1 c 0; 3 a snap 1 0; 4 s commit 1 - - +c/k:1:1; 5 s commit 2 - - +c/l:2:2; 6 a chg 1 2 +c/l:2:2",
        ),
        (
            "a removal is missed",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 4 s commit 2 - - -c/k:1; 5 s commit 3 - - +c/l:3:3; 6 a chg 1 3 +c/l:3:3",
        ),
        (
            "a snapshot leaves an entry out",
            "1 s commit 1 - - +c/k:1:1 +c/l:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1",
        ),
        (
            "a snapshot shows what is gone",
            "1 s commit 1 - - +c/k:1:1; 2 s commit 2 - - -c/k:1; 2 a watch 1 c 0; 3 a snap 1 2 +c/k:1:1",
        ),
        (
            "a snapshot shows an old state",
            "1 s commit 1 - - +c/k:1:1; 2 s commit 2 - - +c/k:1:2; 2 a watch 1 c 0; 3 a snap 1 2 +c/k:1:1",
        ),
        (
            "what was missed in a gap is not in the snapshot",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 4 a gap 1; 5 s commit 2 - - -c/k:1; 6 a snap 1 2 +c/k:1:1",
        ),
        (
            "a re-creation hidden behind the old incarnation",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 4 s commit 2 - - -c/k:1; 5 s commit 3 - - +c/k:3:3; 6 a chg 1 3 +c/k:1:3",
        ),
        (
            "a state that was never committed",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:9",
        ),
        (
            "an entry that was never there",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1 +c/z:1:1",
        ),
        (
            "an entry of another collection",
            "1 s commit 1 - - +c/k:1:1 +d/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1 +d/k:1:1",
        ),
        (
            "an entry next to the one that is watched",
            "1 s commit 1 - - +c/k:1:1 +c/l:1:1; 2 a watch 1 c/k 0; 3 a snap 1 1 +c/k:1:1 +c/l:1:1",
        ),
        (
            "a state from the future",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:2; 4 s commit 2 - - +c/k:1:2",
        ),
        (
            "the removal of an incarnation that lives",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 4 a chg 1 1 -c/k:1",
        ),
        (
            "not told of the last change in the end",
            "1 n calm; 2 a watch 1 c 0; 3 a snap 1 0; 4 s commit 1 - - +c/k:1:1; 9000 n idle",
        ),
        (
            "not told of the last removal in the end",
            "1 s commit 1 - - +c/k:1:1; 1 n calm; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 4 s commit 2 - - -c/k:1; 9000 n idle",
        ),
        (
            "the second watch",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 2 b watch 1 c 0; 3 b snap 1 1",
        ),
    ],
};

const V3: Table = Table {
    id: "V3",
    good: &[
        ("one revision twice", "2 a watch 1 c 0; 3 a snap 1 7; 4 a chg 1 7; 5 a chg 1 8"),
        ("begins where its session was", "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 1; 3 a snap 1 1 +c/k:1:1"),
        ("begins later", "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 1; 3 s commit 2 - - -c/k:1; 4 a snap 1 2"),
        (
            "resumed at the same revision",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 4 a gap 1; 5 a snap 1 1 +c/k:1:1",
        ),
        (
            "a state is shown again",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 5 a chg 1 1 +c/k:1:1",
        ),
        ("two watches at different places", "2 a watch 1 c 0; 3 a snap 1 9; 2 b watch 1 c 0; 3 b snap 1 7"),
        (
            "a new watch of the same process begins where the session was",
            "2 a watch 1 c 0; 3 a snap 1 9; 4 a unwatch 1; 5 a watch 2 c 7; 6 a snap 2 7",
        ),
        (
            "the next incarnation",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 4 s commit 2 - - -c/k:1; 5 s commit 3 - - +c/k:3:3; 6 a chg 1 2 -c/k:1; 7 a chg 1 3 +c/k:3:3",
        ),
        (
            "changes of an older revision that came with a newer snapshot are told again",
            "1 s commit 1 - - +c/k:1:1; 2 s commit 2 - - +c/k:1:2; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:2; 5 a chg 1 2 +c/k:1:2",
        ),
        (
            "gaps upon gaps",
            "2 a watch 1 c 0; 3 a gap 1; 4 a gap 1; 5 a snap 1 3; 6 a gap 1; 7 a snap 1 3; 8 a snap 1 4",
        ),
        (
            "the store went back, and the watch with it",
            "1 s commit 1 - - +c/k:1:1; 2 s commit 2 - - +c/k:1:2; 2 a watch 1 c 0; 3 a snap 1 2 +c/k:1:2; 4 n rollback 2; 4 s commit 3 - - +c/k:1:1; 5 a snap 1 3 +c/k:1:1",
        ),
    ],
    bad: &[
        ("the revision of a change goes back", "2 a watch 1 c 0; 3 a snap 1 7; 4 a chg 1 6"),
        ("the revision of a snapshot goes back", "2 a watch 1 c 0; 3 a snap 1 7; 4 a snap 1 6"),
        (
            "resumed at an older revision",
            "2 a watch 1 c 0; 3 a snap 1 7; 4 a chg 1 9; 5 a gap 1; 6 a snap 1 8",
        ),
        ("begins before what its session had seen", "2 a watch 1 c 8; 3 a snap 1 7"),
        ("begins before, after a gap", "2 a watch 1 c 8; 3 a gap 1; 4 a snap 1 7"),
        (
            "an older state",
            "1 s commit 1 - - +c/k:1:1; 2 s commit 2 - - +c/k:1:2; 2 a watch 1 c 0; 3 a snap 1 2 +c/k:1:2; 4 a chg 1 2 +c/k:1:1",
        ),
        (
            "an older incarnation",
            "1 s commit 1 - - +c/k:1:1; 2 s commit 2 - - -c/k:1; 3 s commit 3 - - +c/k:3:3; 4 a watch 1 c 0; 5 a snap 1 3 +c/k:3:3; 6 a chg 1 3 +c/k:1:1",
        ),
        (
            "the late removal of an older incarnation",
            "1 s commit 1 - - +c/k:1:1; 2 s commit 2 - - -c/k:1; 3 s commit 3 - - +c/k:3:3; 4 a watch 1 c 0; 5 a snap 1 3 +c/k:3:3; 6 a chg 1 3 -c/k:1",
        ),
        (
            "what is gone comes back",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 4 s commit 2 - - -c/k:1; 5 a chg 1 2 -c/k:1; 6 a chg 1 2 +c/k:1:1",
        ),
        (
            "an older state in the snapshot after a gap",
            "1 s commit 1 - - +c/k:1:1; 2 s commit 2 - - +c/k:1:2; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:2; 4 a gap 1; 5 a snap 1 1 +c/k:1:1",
        ),
        (
            "an update is told after a later one",
            "1 s commit 1 - - +c/k:1:1; 2 a watch 1 c 0; 3 a snap 1 1 +c/k:1:1; 4 s commit 2 - - +c/k:1:2; 5 s commit 3 - - +c/k:1:3; 6 a chg 1 3 +c/k:1:3; 7 a chg 1 3 +c/k:1:2",
        ),
        (
            "back before the store went back",
            "1 s commit 1 - - +c/k:1:1; 2 s commit 2 - - +c/k:1:2; 2 a watch 1 c 0; 3 a snap 1 2 +c/k:1:2; 4 a snap 1 2 +c/k:1:1; 5 n rollback 2; 5 s commit 3 - - +c/k:1:1",
        ),
    ],
};
