//! L1, L3, L4: the tokens of a lock, the spans in which it is held, and its loss.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&L1, &L3, &L4];

#[test]
fn l1_tokens_grow() {
    judge(&L1);
}

#[test]
fn l3_believed_spans_are_disjoint() {
    judge(&L3);
}

#[test]
fn l4_losses_are_noticed_in_time() {
    judge(&L4);
}

const L1: Table = Table {
    id: "L1",
    good: &[
        ("nothing happens", ""),
        ("one holder for ever", "10 a ask 1; 20 a got 1 5; 9000 n idle"),
        ("one after the other", "10 a hold 1 5 20; 30 b hold 1 6 40; 50 a hold 2 7 60"),
        ("tokens with gaps", "10 a hold 1 5 20; 20 b hold 1 900 40"),
        ("the largest token", "10 a hold 1 18446744073709551614 20; 20 b hold 1 18446744073709551615 40"),
        (
            "two locks share a token",
            "10 a ask 1 x; 11 a got 1 5 1 x; 11 b ask 1 y; 12 b got 1 5 1 y; 20 a end 1 released",
        ),
        ("a lock and an election share a token", "10 a hold 1 5 20; 10 b lead 1 5 20"),
        (
            "the holder crashes and comes back",
            "10 a hold 1 5 20; 26 a ask 2; 26 a got 2 6; 30 a crash; 40 a/2 start; 2000 a/2 hold 1 7 2100",
        ),
        (
            "a frozen waiter is told of a grant that is over, after a later one",
            "10 a ask 1; 20 a freeze; 1500 b hold 1 9 1600; 1700 a thaw
             1700 a got 1 5; 1700 a until 1 1020; 1700 a end 1 expired; 1710 a told 1",
        ),
        (
            "grants in the order of neither question nor call number",
            "1 a ask 2; 2 b ask 1; 3 c ask 3; 10 c got 3 5; 20 c end 3 released; 21 b got 1 6; 30 b end 1 released; 31 a got 2 7; 40 a end 2 released",
        ),
        (
            "a store that fails over and goes on above",
            "10 a hold 1 50 20; 30 n fault 1 failover store; 40 n heal 1; 50 b hold 1 51 60",
        ),
    ],
    bad: &[
        ("a token twice", "10 a hold 1 5 20; 30 b hold 1 5 40"),
        ("a smaller token", "10 a hold 1 5 20; 30 b hold 1 4 40"),
        ("a smaller token, one between", "10 a hold 1 5 20; 30 b hold 1 9 40; 50 c hold 1 7 60"),
        ("the same process again with its old token", "10 a hold 1 5 20; 30 a hold 2 5 40"),
        (
            "a local hand-over keeps the token",
            "10 a ask 1; 10 a ask 2; 11 a got 1 5; 20 a end 1 released; 20 a got 2 5; 30 a end 2 released",
        ),
        (
            "the restarted node has its old token",
            "10 a ask 1; 10 a got 1 5; 20 a crash; 30 a/2 start; 2000 a/2 hold 1 5 2010",
        ),
        ("the token starts again at 1", "10 a hold 1 5 20; 30 b hold 1 1 40"),
        (
            "it goes back after a failover",
            "10 a hold 1 50 20; 30 n fault 1 failover store; 40 n heal 1; 50 b hold 1 7 60",
        ),
        ("a long time later", "10 a hold 1 5 20; 30 b hold 1 6 40; 900000 c hold 1 6 900010"),
        (
            "a grant that nobody believed in, with a token that another had",
            "10 a ask 1; 20 a freeze; 1500 b hold 1 9 1600; 1700 a thaw; 1700 a got 1 9; 1700 a until 1 1020; 1700 a end 1 expired",
        ),
        (
            "a later grant has the token of one that nobody believed in",
            "10 a ask 1; 1700 a got 1 9; 1700 a until 1 1020; 1800 b hold 1 9 1900",
        ),
        ("at the same instant", "10 a ask 1; 10 b ask 1; 20 a got 1 5; 20 b got 1 5"),
    ],
};

const L3: Table = Table {
    id: "L3",
    good: &[
        ("nothing happens", "10 a ask 1; 20 a quit 1"),
        ("spans that touch", "10 a hold 1 5 20; 20 b hold 1 6 40; 40 c hold 1 7 50"),
        ("a span of no length", "10 a hold 1 5 10; 10 b hold 1 6 40"),
        (
            "the next holder begins at the deadline",
            "10 a ask 1; 10 a got 1 5; 90 a until 1 100; 100 a end 1 expired; 100 a told 1; 100 b hold 1 6 110",
        ),
        (
            "a deadline is moved",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 50 a until 1 200; 200 a end 1 expired; 201 a told 1; 200 b hold 1 6 210",
        ),
        (
            "the end is written late, the deadline counts",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 100 a freeze; 150 b hold 1 6 160; 500 a thaw; 500 a end 1 expired; 510 a told 1",
        ),
        (
            "a frozen holder, and another after its deadline",
            "10 a ask 1; 10 a got 1 5; 20 a freeze; 80 a until 1 80; 80 a end 1 expired; 90 b hold 1 6 95; 200 a thaw; 210 a told 1",
        ),
        ("a crash ends the belief", "10 a ask 1; 10 a got 1 5; 20 a crash; 20 b hold 1 6 30"),
        (
            "the loss is seen before the deadline",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 900; 50 a end 1 lost; 50 a told 1; 51 b hold 1 6 60",
        ),
        ("two locks at once", "10 a ask 1 x; 11 a got 1 5 1 x; 11 b ask 1 y; 12 b got 1 6 1 y; 20 n idle"),
        (
            "released before it is answered",
            "10 a ask 1; 10 a got 1 5; 20 a end 1 released; 25 b hold 1 6 30; 500 a released 1",
        ),
        (
            "a grant delivered after its deadline",
            "10 a ask 1; 300 b hold 1 9 400; 350 a got 1 5; 350 a until 1 250; 350 a told 1",
        ),
    ],
    bad: &[
        ("by a nanosecond's worth", "10 a hold 1 5 20; 19 b hold 1 6 40"),
        ("one within the other", "10 a hold 1 5 100; 20 b hold 1 6 30"),
        ("a holder that never lets go", "10 a ask 1; 10 a got 1 5; 900000 b hold 1 6 900001"),
        (
            "the deadline has not passed",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 99 b hold 1 6 110; 120 a end 1 expired",
        ),
        (
            "the deadline was moved",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 50 a until 1 200; 150 b hold 1 6 160",
        ),
        (
            "a frozen holder",
            "10 a ask 1; 10 a got 1 5; 20 a freeze; 50 b hold 1 6 60; 80 a until 1 80; 80 a end 1 expired",
        ),
        ("two callers of one process", "10 a hold 1 5 100; 50 a hold 2 6 120"),
        (
            "the third overlaps the first",
            "10 a hold 1 5 100; 10 b ask 1; 10 b got 1 6; 10 b end 1 released; 99 c hold 1 7 120",
        ),
        ("another overlaps before the crash", "10 a ask 1; 10 a got 1 5; 19 b hold 1 6 40; 20 a crash"),
        (
            "the restarted node does not wait for the other",
            "10 a hold 1 5 20; 30 b ask 1; 30 b got 1 6; 35 a crash; 40 a/2 start; 41 a/2 hold 1 7 50; 60 b end 1 released",
        ),
        ("with the same token", "10 a hold 1 5 20; 15 b hold 1 5 40"),
        ("at the same instant", "10 a hold 1 5 20; 10 b hold 1 6 20"),
    ],
};

const L4: Table = Table {
    id: "L4",
    good: &[
        (
            "told at the deadline",
            "10 a ask 1; 10 a got 1 5; 100 a until 1 100; 100 a end 1 expired; 100 a told 1; 900 n idle",
        ),
        (
            "told before the deadline",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 60 a end 1 lost; 60 a told 1; 900 n idle",
        ),
        (
            "told just in time",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 100 a end 1 expired; 150 a told 1; 900 n idle",
        ),
        (
            "released, so that there is nothing to tell",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 90 a end 1 released; 900 n idle",
        ),
        (
            "released after the deadline, before it had to be told",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 130 a end 1 released; 900 n idle",
        ),
        ("the history ends before", "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 140 n idle"),
        (
            "frozen over the deadline",
            "10 a ask 1; 10 a got 1 5; 50 a freeze; 100 a until 1 100; 100 a end 1 expired; 700 a thaw; 750 a told 1; 900 n idle",
        ),
        (
            "frozen just after the deadline, and again",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 120 a freeze; 500 a thaw; 520 a freeze; 800 a thaw; 850 a told 1; 900 n idle",
        ),
        (
            "still frozen at the end",
            "10 a ask 1; 10 a got 1 5; 50 a freeze; 100 a until 1 100; 100 a end 1 expired; 900 n idle",
        ),
        (
            "crashed before it could be told",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 120 a crash; 900 n idle",
        ),
        (
            "the deadline was moved",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 90 a until 1 800; 900 a told 1; 800 a end 1 expired; 840 a told 1",
        ),
        (
            "cut off is no excuse, and it was told",
            "10 a ask 1; 10 a got 1 5; 20 n fault 1 cut a; 10 a until 1 100; 100 a end 1 expired; 149 a told 1; 900 n idle",
        ),
        ("told after the release as well", "10 a hold 1 5 20; 700 a told 1; 900 n idle"),
    ],
    bad: &[
        ("never told", "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 100 a end 1 expired; 900 n idle"),
        (
            "told too late",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 100 a end 1 expired; 151 a told 1; 900 n idle",
        ),
        ("the deadline passes unseen", "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 900 n idle"),
        ("cut off", "10 a ask 1; 10 a got 1 5; 20 n fault 1 cut a; 10 a until 1 100; 900 n idle"),
        (
            "the store is down",
            "10 a ask 1; 10 a got 1 5; 20 n fault 1 outage store; 10 a until 1 100; 900 n heal 1",
        ),
        (
            "released long after the deadline",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 151 a end 1 released; 900 n idle",
        ),
        (
            "seen lost, but the work is not told",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 900; 60 a end 1 lost; 120 a told 1",
        ),
        (
            "frozen, thawed, and not told",
            "10 a ask 1; 10 a got 1 5; 50 a freeze; 100 a until 1 100; 100 a end 1 expired; 700 a thaw; 751 a told 1; 900 n idle",
        ),
        (
            "frozen before, thawed in time",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 20 a freeze; 90 a thaw; 151 a told 1; 900 n idle",
        ),
        (
            "frozen after it should have been told",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 151 a freeze; 500 a thaw; 510 a told 1",
        ),
        (
            "crashed after it should have been told",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 160 a crash; 900 n idle",
        ),
        (
            "another node is frozen",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 50 b freeze; 500 b thaw; 510 a told 1",
        ),
        ("the second of two", "10 a hold 1 5 20; 30 a ask 2; 30 a got 2 6; 30 a until 2 100; 900 n idle"),
        ("yielded, but the work is not told", "10 a ask 1; 10 a got 1 5; 60 a end 1 yielded; 900 n idle"),
    ],
};
