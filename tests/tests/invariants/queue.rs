//! L5, L8: who waits is served in order, and the lock as a whole.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&L5, &L8];

#[test]
fn l5_waiters_are_served_in_order() {
    judge(&L5);
}

#[test]
fn l8_locks_are_linearizable() {
    judge(&L8);
}

const L5: Table = Table {
    id: "L5",
    good: &[
        (
            "overtaken by two places after all",
            "0 n calm; 1 a ask 1; 600 b hold 1 5 610; 620 b hold 2 6 630; 640 a got 1 7; 650 a end 1 released; 660 b hold 3 8 670",
        ),
        (
            "overtaken because it is broken for ever",
            "0 n fault 1 slow a; 0 n calm; 1 a ask 1; 600 b hold 1 5 610; 620 b hold 2 6 630; 640 b hold 3 7 650; 660 b hold 4 8 670",
        ),
        (
            "served within the bound",
            "0 n calm; 10 a hold 1 5 20; 30 b ask 1; 5000 b got 1 6; 9000 b end 1 released; 9900 n idle",
        ),
        ("no liveness phase, nobody served", "10 a ask 1; 99000 n idle"),
        (
            "the holder holds for long",
            "0 n calm; 10 a ask 1; 20 a got 1 5; 30 b ask 1; 90000 a end 1 released; 90100 b got 1 6",
        ),
        ("the waiter is cut off for ever", "5 n fault 1 cut a; 6 n calm; 10 a ask 1; 99000 n idle"),
        ("the waiter is frozen for ever", "5 a freeze; 6 n calm; 10 a ask 1; 99000 n idle"),
        ("the waiter has crashed", "5 a ask 1; 6 a crash; 7 n calm; 99000 n idle"),
        ("the waiter gives up in time", "0 n calm; 10 a ask 1; 4900 a quit 1; 99000 n idle"),
        ("the store stays broken", "5 n fault 1 outage store; 6 n calm; 10 a ask 1; 99000 n idle"),
        (
            "the last fault is healed late",
            "0 n calm; 5 n fault 1 cut b; 10 a ask 1; 6000 n heal 1; 10900 a got 1 5",
        ),
        ("a node starts late", "0 n calm; 10 a ask 1; 6000 b start; 10900 a got 1 5"),
        (
            "nodes in any order, callers of a node in theirs",
            "0 n calm; 10 a ask 1; 15 a ask 2; 20 b ask 1; 30 b got 1 5; 40 b end 1 released; 41 a got 1 6; 50 a end 1 released; 51 a got 2 7; 60 a end 2 released",
        ),
        (
            "a later caller is served, for the earlier gave up",
            "10 a ask 1; 20 a ask 2; 30 a quit 1; 40 a got 2 5; 50 a end 2 released",
        ),
        (
            "callers too close together to be told apart",
            "10 a ask 1; 11 a ask 2; 40 a got 2 5; 50 a end 2 released; 51 a got 1 6; 60 a end 1 released",
        ),
        (
            "overtaken by the places that were in front",
            "0 n calm; 1 a ask 1; 2 b ask 1; 3 b ask 2; 10 b got 1 5; 600 b end 1 released; 601 b got 2 6; 700 b end 2 released; 701 a got 1 7; 800 a end 1 released",
        ),
        (
            "overtaken by many nodes, once each",
            "0 n calm; 1 a ask 1; 600 b hold 1 5 610; 620 c hold 1 6 630; 640 d hold 1 7 650; 660 e hold 1 8 670; 680 a got 1 9; 690 a end 1 released",
        ),
        (
            "overtaken while its session was a new one",
            "0 n calm; 1 a ask 1; 600 b hold 1 5 610; 620 b hold 2 6 630; 640 a open s 1000; 650 b hold 3 7 660; 680 a got 1 9; 690 a end 1 released",
        ),
        (
            "behind its own process' other callers",
            "0 n calm; 1 a ask 1; 2 a ask 2; 600 b hold 1 5 610; 620 b hold 2 6 630; 640 a got 1 7; 650 a end 1 released; 660 b hold 3 8 670; 680 a got 2 9; 690 a end 2 released",
        ),
    ],
    bad: &[
        ("nobody is served", "0 n calm; 10 a ask 1; 6000 n idle"),
        ("served too late", "0 n calm; 10 a ask 1; 5100 a got 1 5; 5200 a end 1 released"),
        ("not served after the holder", "0 n calm; 10 a hold 1 5 20; 30 b ask 1; 6000 n idle"),
        (
            "not served after the holder crashed",
            "10 a ask 1; 20 a got 1 5; 30 b ask 1; 40 a crash; 50 n calm; 6000 n idle",
        ),
        ("a ghost in front: gives up after the bound", "0 n calm; 10 a ask 1; 5100 a quit 1"),
        (
            "another is served afterwards, but much too late",
            "0 n calm; 10 a ask 1; 20 b ask 1; 5100 b got 1 5; 5200 b end 1 released; 5201 a got 1 6",
        ),
        ("after the heal", "5 n fault 1 cut a; 10 a ask 1; 20 n heal 1; 20 n calm; 6000 n idle"),
        ("another node stays broken", "5 n fault 1 cut b; 6 n calm; 10 a ask 1; 6000 n idle"),
        (
            "after the deadline of a frozen holder",
            "10 b ask 1; 10 b got 1 5; 20 b freeze; 30 n calm; 30 a ask 1; 500 b until 1 500; 500 b end 1 expired; 6000 n idle",
        ),
        (
            "callers of one process out of order",
            "10 a ask 1; 20 a ask 2; 40 a got 2 5; 50 a end 2 released; 51 a got 1 6; 60 a end 1 released",
        ),
        (
            "the youngest of three first",
            "10 a ask 1; 20 a ask 2; 30 a ask 3; 40 a got 1 5; 50 a end 1 released; 51 a got 3 6; 60 a end 3 released; 61 a got 2 7",
        ),
        (
            "out of order while others wait as well",
            "10 b ask 1; 20 a ask 1; 30 a ask 2; 40 a got 2 5; 50 a end 2 released",
        ),
        (
            "overtaken again and again",
            "0 n calm; 1 a ask 1; 600 b hold 1 5 610; 620 b hold 2 6 630; 640 b hold 3 7 650; 680 a got 1 9; 690 a end 1 released",
        ),
        (
            "overtaken for ever, by two nodes in turn",
            "0 n calm; 1 a ask 1; 600 b hold 1 5 610; 620 c hold 1 6 630; 640 b hold 2 7 650; 660 c hold 2 8 670; 680 b hold 3 9 690; 700 c hold 3 10 710",
        ),
    ],
};

const L8: Table = Table {
    id: "L8",
    good: &[
        ("one after the other", "10 a hold 1 5 20; 30 b hold 1 6 40"),
        (
            "everybody asks at once",
            "1 a ask 1; 1 b ask 1; 1 c ask 1; 5 c got 1 5; 6 c end 1 released; 6 c released 1; 7 a got 1 6; 8 a end 1 released; 8 b got 1 7",
        ),
        (
            "the release is answered after the next grant",
            "10 a ask 1; 10 a got 1 5; 20 a end 1 released; 15 b ask 1; 21 b got 1 6; 90 a released 1",
        ),
        (
            "a release without an answer",
            "10 a ask 1; 10 a got 1 5; 20 a end 1 released; 15 b ask 1; 21 b got 1 6",
        ),
        ("an expiry", "10 a ask 1; 10 a got 1 5; 10 a until 1 50; 50 a told 1; 51 b hold 1 6 60"),
        (
            "a release of what has expired",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 50; 50 a told 1; 55 b ask 1; 60 b got 1 6; 70 a end 1 released; 75 a released 1; 90 b end 1 released",
        ),
        ("a crash", "10 a ask 1; 10 a got 1 5; 20 a crash; 30 b hold 1 6 40; 50 c hold 1 7 60"),
        ("callers that gave up", "10 a hold 1 5 20; 12 b ask 1; 15 b quit 1; 30 c hold 1 6 40"),
        (
            "a grant that was told too late",
            "10 a ask 1; 300 b hold 1 9 400; 350 a got 1 5; 350 a until 1 250; 350 a told 1",
        ),
        ("several locks", "10 a ask 1 x; 11 a got 1 5 1 x; 11 b ask 1 y; 12 b got 1 3 1 y; 20 n idle"),
        (
            "two expiries, of which nobody tells",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 50; 50 a told 1; 60 b ask 1; 60 b got 1 6; 60 b until 1 90; 90 b told 1; 91 c hold 1 7 95",
        ),
        ("held at the end", "10 a hold 1 5 20; 30 b ask 1; 30 b got 1 6; 50 c ask 1"),
    ],
    bad: &[
        ("two holders", "10 a hold 1 5 20; 15 b hold 1 6 40"),
        ("two holders of which one never lets go", "10 a ask 1; 10 a got 1 5; 900 b hold 1 6 910"),
        ("a token twice", "10 a hold 1 5 20; 30 b hold 1 5 40"),
        ("a smaller token", "10 a hold 1 6 20; 30 b hold 1 5 40"),
        ("the deadline has not passed", "10 a ask 1; 10 a got 1 5; 10 a until 1 100; 99 b hold 1 6 110"),
        ("before the crash", "10 a ask 1; 10 a got 1 5; 15 b hold 1 6 18; 20 a crash"),
        (
            "granted twice after one release",
            "10 a hold 1 5 20; 21 b ask 1; 22 b got 1 6; 21 c ask 1; 23 c got 1 7",
        ),
        (
            "in a crowd",
            "1 a ask 1; 1 b ask 1; 1 c ask 1; 5 c got 1 5; 6 a got 1 6; 7 c end 1 released; 7 c released 1; 8 a end 1 released; 8 b got 1 7",
        ),
        (
            "a stale release frees the lock",
            "10 a ask 1; 10 a got 1 5; 10 a until 1 50; 51 b ask 1; 51 b got 1 6; 60 a end 1 released; 61 a released 1; 70 c hold 1 7 80",
        ),
        (
            "a caller that asked late has an early token",
            "10 a hold 1 5 20; 30 b hold 1 7 40; 50 c hold 1 6 60",
        ),
        (
            "the second lock only",
            "10 a ask 1 x; 11 a got 1 5 1 x; 12 a end 1 released; 11 b ask 1 y; 12 b got 1 3 1 y; 20 c ask 1 y; 21 c got 1 4 1 y",
        ),
        ("a token of 0", "10 a hold 1 0 20"),
    ],
};
