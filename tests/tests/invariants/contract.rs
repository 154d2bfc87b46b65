//! K1, K2: requests on entries, and their order.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&K1, &K2];

#[test]
fn k1_entries_are_linearizable() {
    judge(&K1);
}

#[test]
fn k2_a_version_is_replaced_once() {
    judge(&K2);
}

const K1: Table = Table {
    id: "K1",
    good: &[
        ("absent", "1 a do 1 k get; 2 a ans 1 none"),
        ("written and read", "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k get; 4 b ans 2 seen 5 5 7"),
        (
            "read while it is written: before",
            "1 a do 1 k new 7; 2 b do 2 k get; 3 b ans 2 none; 4 a ans 1 ok 5",
        ),
        (
            "read while it is written: after",
            "1 a do 1 k new 7; 2 b do 2 k get; 3 b ans 2 seen 5 5 7; 4 a ans 1 ok 5",
        ),
        (
            "an unknown creation that took effect",
            "1 a do 1 k new 7; 2 a ans 1 unknown; 3 b do 2 k get; 4 b ans 2 seen 5 5 7",
        ),
        (
            "an unknown creation that took effect late",
            "1 a do 1 k new 7; 2 a ans 1 unknown; 3 b do 2 k get; 4 b ans 2 none; 5 b do 3 k get; 6 b ans 3 seen 5 5 7",
        ),
        (
            "an unknown creation without effect",
            "1 a do 1 k new 7; 2 a ans 1 unknown; 3 b do 2 k new 8; 4 b ans 2 ok 5",
        ),
        (
            "a request without an answer",
            "1 a do 1 k new 7; 3 b do 2 k new 8; 4 b ans 2 conflict; 5 b do 3 k get; 6 b ans 3 seen 5 5 7",
        ),
        (
            "updated by its stamp",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 4 b ans 2 ok 6; 5 a do 3 k set 5 5 9; 6 a ans 3 conflict; 7 a do 4 k get; 8 a ans 4 seen 5 6 8",
        ),
        (
            "deleted and created again",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k del 5; 4 b ans 2 ok 6; 5 a do 3 k new 9; 6 a ans 3 ok 8; 7 a do 4 k del 5; 8 a ans 4 conflict",
        ),
        (
            "an unknown update shows up",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 4 b ans 2 unknown; 5 a do 3 k set 5 5 9; 6 a ans 3 conflict; 7 a do 4 k get; 8 a ans 4 seen 5 6 8",
        ),
        (
            "an unknown creation is deleted by one who saw it",
            "1 a do 1 k new 7; 2 a ans 1 unknown; 3 b do 2 k get; 4 b ans 2 seen 5 5 7; 5 b do 3 k del 5; 6 b ans 3 ok 6; 7 b do 4 k get; 8 b ans 4 none",
        ),
        (
            "two creations at once: one wins",
            "1 a do 1 k new 7; 1 b do 2 k new 8; 4 a ans 1 conflict; 4 b ans 2 ok 5",
        ),
        (
            "keys have nothing to do with each other",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 l get; 4 b ans 2 none",
        ),
        (
            "failed and refused do nothing",
            "1 a do 1 k new 7; 2 a ans 1 failed; 3 a do 2 k new 8 #70000; 4 a ans 2 refused; 5 b do 3 k get; 6 b ans 3 none",
        ),
    ],
    bad: &[
        ("written, then absent", "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k get; 4 b ans 2 none"),
        (
            "read before it is written",
            "1 b do 2 k get; 2 b ans 2 seen 5 5 7; 3 a do 1 k new 7; 4 a ans 1 ok 5",
        ),
        (
            "absent again without a deletion",
            "1 a do 1 k new 7; 9 a ans 1 ok 5; 3 b do 2 k get; 4 b ans 2 seen 5 5 7; 5 b do 3 k get; 6 b ans 3 none",
        ),
        ("two creations win", "1 a do 1 k new 7; 1 b do 2 k new 8; 4 a ans 1 ok 5; 4 b ans 2 ok 6"),
        ("a creation conflicts with nothing", "1 a do 1 k new 7; 4 a ans 1 conflict"),
        (
            "an update of an old state",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 4 b ans 2 ok 6; 5 a do 3 k set 5 5 9; 6 a ans 3 ok 7",
        ),
        (
            "an update of what is deleted",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k del 5; 4 b ans 2 ok 6; 5 a do 3 k set 5 5 9; 6 a ans 3 ok 7",
        ),
        (
            "an update conflicts with the very state",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 4 b ans 2 conflict",
        ),
        (
            "a deletion of another incarnation",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k del 4; 4 b ans 2 ok 6",
        ),
        (
            "a stale read",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 4 b ans 2 ok 6; 5 a do 3 k get; 6 a ans 3 seen 5 5 7",
        ),
        (
            "reads go back and forth",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 3 c do 3 k get; 4 c ans 3 seen 5 6 8; 5 c do 4 k get; 6 c ans 4 seen 5 5 7; 9 b ans 2 ok 6",
        ),
        ("a value of nobody", "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k get; 4 b ans 2 seen 5 5 99"),
        (
            "an unknown creation that came and went",
            "1 a do 1 k new 7; 2 a ans 1 unknown; 3 b do 2 k get; 4 b ans 2 seen 5 5 7; 5 b do 3 k get; 6 b ans 3 none",
        ),
        (
            "deleted and still there",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k del 5; 4 b ans 2 ok 6; 5 a do 3 k get; 6 a ans 3 seen 5 5 7",
        ),
    ],
};

const K2: Table = Table {
    id: "K2",
    good: &[
        ("one update", "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 4 b ans 2 ok 6"),
        (
            "a chain of updates",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 4 b ans 2 ok 6; 5 a do 3 k set 5 6 9; 6 a ans 3 ok 7",
        ),
        (
            "the second conflicts",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 3 c do 3 k set 5 5 9; 4 b ans 2 ok 6; 5 c ans 3 conflict",
        ),
        (
            "the second fails",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 3 c do 3 k set 5 5 9; 4 b ans 2 ok 6; 5 c ans 3 failed",
        ),
        (
            "the second is unknown",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 3 c do 3 k set 5 5 9; 4 b ans 2 ok 6; 5 c ans 3 unknown",
        ),
        (
            "two keys at one revision",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 1 b do 2 l new 8; 2 b ans 2 ok 5; 3 a do 3 k set 5 5 9; 4 a ans 3 ok 6; 3 b do 4 l set 5 5 10; 4 b ans 4 ok 6",
        ),
        (
            "updated, then deleted by its incarnation",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 4 b ans 2 ok 6; 5 a do 3 k del 5; 6 a ans 3 ok 7",
        ),
        (
            "deleted, created, deleted",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k del 5; 4 a ans 2 ok 6; 5 a do 3 k new 8; 6 a ans 3 ok 7; 7 a do 4 k del 7; 8 a ans 4 ok 8",
        ),
        (
            "the second deletion conflicts",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k del 5; 3 b do 3 k del 5; 4 a ans 2 ok 6; 4 b ans 3 conflict",
        ),
        ("revisions with gaps", "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 4 b ans 2 ok 900"),
    ],
    bad: &[
        (
            "two updates of one state",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 3 c do 3 k set 5 5 9; 4 b ans 2 ok 6; 5 c ans 3 ok 7",
        ),
        (
            "one client updates twice",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k set 5 5 8; 4 a ans 2 ok 6; 5 a do 3 k set 5 5 9; 6 a ans 3 ok 7",
        ),
        (
            "two deletions of one incarnation",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k del 5; 3 b do 3 k del 5; 4 a ans 2 ok 6; 4 b ans 3 ok 7",
        ),
        (
            "two deletions far apart",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k del 5; 4 a ans 2 ok 6; 9000 b do 3 k del 5; 9001 b ans 3 ok 7",
        ),
        (
            "an update with the revision of its stamp",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k set 5 5 8; 4 a ans 2 ok 5",
        ),
        (
            "an update with an older revision",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k set 5 5 8; 4 a ans 2 ok 4",
        ),
        (
            "a deletion with an older revision",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k del 5; 4 a ans 2 ok 3",
        ),
        ("a creation at revision 0", "1 a do 1 k new 7; 2 a ans 1 ok 0"),
        (
            "two writes of a key in one revision",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 4 b ans 2 ok 6; 5 a do 3 k set 5 6 9; 5 a ans 3 ok 7; 6 a do 4 k set 5 7 10; 7 a ans 4 ok 8; 8 a do 5 k del 5; 9 a ans 5 ok 8",
        ),
        (
            "created twice in one revision",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k new 8; 4 b ans 2 ok 5",
        ),
        (
            "in the third generation",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 4 b ans 2 ok 6; 5 a do 3 k set 5 6 9; 6 a ans 3 ok 7; 5 c do 4 k set 5 6 10; 6 c ans 4 ok 8",
        ),
    ],
};
