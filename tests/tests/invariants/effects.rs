//! K5, K6, K7: requests on entries, and what became of them.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&K5, &K6, &K7];

#[test]
fn k5_doubt_surfaces() {
    judge(&K5);
}

#[test]
fn k6_requests_are_applied_once() {
    judge(&K6);
}

#[test]
fn k7_limits_are_kept() {
    judge(&K7);
}

const K5: Table = Table {
    id: "K5",
    good: &[
        ("failed, and never seen", "1 a do 1 k new 7; 2 a ans 1 failed; 3 b do 2 k get; 4 b ans 2 none"),
        ("unknown, and seen", "1 a do 1 k new 7; 2 a ans 1 unknown; 3 b do 2 k get; 4 b ans 2 seen 5 5 7"),
        ("unknown, and never seen", "1 a do 1 k new 7; 2 a ans 1 unknown; 3 b do 2 k get; 4 b ans 2 none"),
        ("never answered, and seen", "1 a do 1 k new 7; 3 b do 2 k get; 4 b ans 2 seen 5 5 7"),
        ("applied, and in the log", "1 a do 1 k new 7; 1 s commit 5 - op1 +c/k:5:5; 2 a ans 1 ok 5"),
        ("unknown, and in the log", "1 a do 1 k new 7; 1 s commit 5 - op1 +c/k:5:5; 2 a ans 1 unknown"),
        (
            "failed, and not in the log",
            "1 a do 1 k new 7; 2 a ans 1 failed; 3 a do 2 k new 8; 3 s commit 5 - op2 +c/k:5:5; 4 a ans 2 ok 5",
        ),
        ("a log that names no requests", "1 a do 1 k new 7; 1 s commit 5 - - +c/k:5:5; 2 a ans 1 ok 5"),
        (
            "a failed request is repeated under another number",
            "1 a do 1 k new 7; 2 a ans 1 failed; 3 a do 2 k new 7; 4 a ans 2 ok 5; 5 a do 3 k get; 6 a ans 3 seen 5 5 7",
        ),
        (
            "one value on two keys",
            "1 a do 1 k new 7; 2 a ans 1 failed; 3 a do 2 l new 7; 4 a ans 2 ok 5; 5 a do 3 l get; 6 a ans 3 seen 5 5 7",
        ),
        (
            "a failed deletion",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k del 5; 4 a ans 2 failed; 5 a do 3 k get; 6 a ans 3 seen 5 5 7",
        ),
    ],
    bad: &[
        ("failed, and seen", "1 a do 1 k new 7; 2 a ans 1 failed; 3 b do 2 k get; 4 b ans 2 seen 5 5 7"),
        (
            "failed, and seen long after",
            "1 a do 1 k new 7; 2 a ans 1 failed; 3 b do 2 k get; 4 b ans 2 none; 9000 b do 3 k get; 9001 b ans 3 seen 5 5 7",
        ),
        (
            "a conflict, and seen",
            "1 a do 1 k new 7; 2 a ans 1 conflict; 3 b do 2 k get; 4 b ans 2 seen 5 5 7",
        ),
        (
            "a failed update is seen",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k set 5 5 8; 4 a ans 2 failed; 5 b do 3 k get; 6 b ans 3 seen 5 6 8",
        ),
        (
            "seen while it is under way, then failed",
            "1 a do 1 k new 7; 3 b do 2 k get; 4 b ans 2 seen 5 5 7; 9 a ans 1 failed",
        ),
        ("failed, and in the log", "1 a do 1 k new 7; 2 a ans 1 failed; 3 s commit 5 - op1 +c/k:5:5"),
        ("a conflict, and in the log", "1 a do 1 k new 7; 1 s commit 5 - op1 +c/k:5:5; 2 a ans 1 conflict"),
        ("a failed deletion is in the log", "1 a do 1 k del 4; 1 s commit 5 - op1 -c/k:4; 2 a ans 1 failed"),
        (
            "applied, and not in the log",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 l new 8; 3 s commit 6 - op2 +c/l:6:6; 4 a ans 2 ok 6",
        ),
        ("applied in another revision", "1 a do 1 k new 7; 1 s commit 5 - op1 +c/k:5:5; 2 a ans 1 ok 6"),
        (
            "a failed request of another client",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k set 5 5 8; 4 b ans 2 failed; 5 c do 3 k set 5 5 9; 6 c ans 3 conflict; 7 c do 4 k get; 8 c ans 4 seen 5 6 8",
        ),
    ],
};

const K6: Table = Table {
    id: "K6",
    good: &[
        ("applied once", "1 a do 1 k new 7; 1 s commit 5 - op1 +c/k:5:5; 2 a ans 1 ok 5"),
        ("not applied", "1 a do 1 k new 7; 2 a ans 1 failed"),
        (
            "two requests",
            "1 a do 1 k new 7; 1 s commit 5 - op1 +c/k:5:5; 2 a ans 1 ok 5; 3 a do 2 k set 5 5 8; 3 s commit 6 - op2 +c/k:5:6; 4 a ans 2 ok 6",
        ),
        ("commits that name no request", "1 s commit 5 - - +c/k:5:5; 2 s commit 6 - - +c/k:5:6"),
        (
            "read often",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k get; 4 b ans 2 seen 5 5 7; 5 b do 3 k get; 6 b ans 3 seen 5 5 7",
        ),
        (
            "an unknown request is applied once, late",
            "1 a do 1 k new 7; 2 a ans 1 unknown; 900 s commit 5 - op1 +c/k:5:5",
        ),
        (
            "an unknown update is read twice",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k set 5 5 8; 4 a ans 2 unknown; 5 b do 3 k get; 6 b ans 3 seen 5 6 8; 7 b do 4 k get; 8 b ans 4 seen 5 6 8",
        ),
        ("one value on two keys", "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 l new 7; 4 a ans 2 ok 6"),
        (
            "two values of a key",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k del 5; 4 a ans 2 ok 6; 5 a do 3 k new 8; 6 a ans 3 ok 7",
        ),
        ("the log of another client's request", "1 s commit 5 - op77 +c/k:5:5; 2 s commit 6 - op78 +c/k:5:6"),
    ],
    bad: &[
        (
            "applied twice",
            "1 a do 1 k new 7; 1 s commit 5 - op1 +c/k:5:5; 2 a ans 1 ok 5; 3 s commit 6 - op1 +c/k:5:6",
        ),
        (
            "a late copy after the answer",
            "1 a do 1 k new 7; 1 s commit 5 - op1 +c/k:5:5; 2 a ans 1 ok 5; 3 s commit 6 - - -c/k:5; 9000 s commit 7 - op1 +c/k:7:7",
        ),
        (
            "an unknown request is applied twice",
            "1 a do 1 k new 7; 2 a ans 1 unknown; 3 s commit 5 - op1 +c/k:5:5; 4 s commit 6 - - -c/k:5; 5 s commit 7 - op1 +c/k:7:7",
        ),
        (
            "a request that nobody invoked here is applied twice",
            "1 s commit 5 - op77 +c/k:5:5; 2 s commit 6 - op77 +c/k:5:6",
        ),
        (
            "a deletion is applied twice",
            "1 a do 1 k del 4; 1 s commit 5 - op1 -c/k:4; 2 a ans 1 ok 5; 3 s commit 6 - op1 -c/k:4",
        ),
        (
            "one value is read with two revisions",
            "1 a do 1 k new 7; 2 a ans 1 unknown; 3 b do 2 k get; 4 b ans 2 seen 5 5 7; 5 b do 3 k get; 6 b ans 3 seen 8 8 7",
        ),
        (
            "the answer says another revision than the read",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 b do 2 k get; 4 b ans 2 seen 6 6 7",
        ),
        (
            "an update is applied again",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k set 5 5 8; 4 a ans 2 ok 6; 5 b do 3 k get; 6 b ans 3 seen 5 9 8",
        ),
        (
            "created again after a deletion by a repeated copy",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k del 5; 4 a ans 2 ok 6; 5 b do 3 k get; 6 b ans 3 seen 9 9 7",
        ),
        (
            "two clients read two revisions",
            "1 a do 1 k new 7; 2 b do 2 k get; 3 c do 3 k get; 4 b ans 2 seen 5 5 7; 4 c ans 3 seen 6 6 7",
        ),
    ],
};

const K7: Table = Table {
    id: "K7",
    good: &[
        ("small", "1 a do 1 k new 7 #1; 2 a ans 1 ok 5"),
        ("empty", "1 a do 1 k new 7 #0; 2 a ans 1 ok 5"),
        ("the largest", "1 a do 1 k new 7 #65536; 2 a ans 1 ok 5"),
        ("too large", "1 a do 1 k new 7 #65537; 2 a ans 1 refused"),
        ("much too large", "1 a do 1 k new 7 #512000000; 2 a ans 1 refused"),
        (
            "too large for an update",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k set 5 5 8 #70000; 4 a ans 2 refused; 5 a do 3 k get; 6 a ans 3 seen 5 5 7",
        ),
        ("too large, and failed for another reason", "1 a do 1 k new 7 #70000; 2 a ans 1 failed"),
        ("the largest fails for another reason", "1 a do 1 k new 7 #65536; 2 a ans 1 failed"),
        (
            "refused, then written smaller",
            "1 a do 1 k new 7 #70000; 2 a ans 1 refused; 3 a do 2 k new 8 #60000; 4 a ans 2 ok 5; 5 a do 3 k get; 6 a ans 3 seen 5 5 8",
        ),
        (
            "the same value on another key",
            "1 a do 1 k new 7 #70000; 2 a ans 1 refused; 3 a do 2 l new 7; 4 a ans 2 ok 5; 5 a do 3 l get; 6 a ans 3 seen 5 5 7",
        ),
    ],
    bad: &[
        ("too large, and applied", "1 a do 1 k new 7 #65537; 2 a ans 1 ok 5"),
        ("too large, and compared", "1 a do 1 k new 7 #65537; 2 a ans 1 conflict"),
        (
            "an update too large, and applied",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k set 5 5 8 #70000; 4 a ans 2 ok 6",
        ),
        ("the largest is refused", "1 a do 1 k new 7 #65536; 2 a ans 1 refused"),
        ("a small one is refused", "1 a do 1 k new 7 #10; 2 a ans 1 refused"),
        ("a deletion is refused", "1 a do 1 k del 5 #0; 2 a ans 1 refused"),
        (
            "refused, and read",
            "1 a do 1 k new 7 #70000; 2 a ans 1 refused; 3 a do 2 k get; 4 a ans 2 seen 5 5 7",
        ),
        (
            "refused, and read long after",
            "1 a do 1 k new 7 #70000; 2 a ans 1 refused; 9000 a do 2 k get; 9001 a ans 2 seen 5 5 7",
        ),
        (
            "refused, and in the log",
            "1 a do 1 k new 7 #70000; 2 a ans 1 refused; 3 s commit 5 - op1 +c/k:5:5",
        ),
        (
            "an update is refused, and read",
            "1 a do 1 k new 7; 2 a ans 1 ok 5; 3 a do 2 k set 5 5 8 #70000; 4 a ans 2 refused; 5 a do 3 k get; 6 a ans 3 seen 5 6 8",
        ),
    ],
};
