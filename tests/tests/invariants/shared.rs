//! L9, L10, L11: what several hold at once, its tokens, and that nobody starves.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&L9, &L10, &L11];

#[test]
fn l9_shares_fit() {
    judge(&L9);
}

#[test]
fn l10_tokens_of_shares_grow() {
    judge(&L10);
}

#[test]
fn l11_nobody_starves() {
    judge(&L11);
}

const L9: Table = Table {
    id: "L9",
    good: &[
        ("nothing happens", "10 a want 1; 20 a quit 1"),
        ("readers together", "10 a use 1 5 90 1/9; 20 b use 1 6 80 1/9; 30 a use 2 7 70 1/9"),
        ("writers one after the other", "10 a use 1 5 20 9/9; 20 b use 1 6 40 9/9"),
        (
            "readers, a writer, readers",
            "10 a use 1 5 20 1/9; 10 b use 1 6 25 1/9; 25 c use 1 7 30 9/9; 30 a use 2 8 40 1/9",
        ),
        ("all permits at once", "10 a use 1 5 90 1/3; 20 b use 1 6 90 1/3; 30 c use 1 7 90 1/3"),
        ("permits given back are taken", "10 a use 1 5 20 2/3; 15 b use 1 6 90 1/3; 20 c use 1 7 90 2/3"),
        ("one takes all", "10 a use 1 5 20 3/3; 20 b use 1 6 30 3/3"),
        (
            "a writer that goes on as a reader, and another reader",
            "10 a want 1; 10 a has 1 5 9/9; 20 a end 1 yielded; 20 a told 1; 20 a want 2; 25 a has 2 5 1/9; 25 b use 1 6 90 1/9; 80 a end 2 released",
        ),
        (
            "a frozen reader, and a writer after its deadline",
            "10 a want 1; 10 a has 1 5 1/9; 20 a freeze; 80 a until 1 80; 80 a end 1 expired; 90 b use 1 6 95 9/9; 200 a thaw; 210 a told 1",
        ),
        ("the permit of a crashed one", "10 a want 1; 10 a has 1 5 2/2; 20 a crash; 20 b use 1 6 30 2/2"),
        (
            "shares that are delivered too late",
            "10 a want 1; 300 b use 1 9 400 9/9; 350 a has 1 5 9/9; 350 a until 1 250; 350 a told 1",
        ),
        ("a mutex of its own beside it", "10 a use 1 5 90 3/3; 20 b hold 1 6 80"),
    ],
    bad: &[
        ("a writer beside a reader", "10 a use 1 5 90 1/9; 20 b use 1 6 80 9/9"),
        ("a reader beside a writer", "10 a use 1 5 90 9/9; 20 b use 1 6 80 1/9"),
        ("two writers", "10 a use 1 5 90 9/9; 20 b use 1 6 80 9/9"),
        ("two writers of one process", "10 a use 1 5 90 9/9; 20 a use 2 6 80 9/9"),
        (
            "a fourth of three",
            "10 a use 1 5 90 1/3; 20 b use 1 6 90 1/3; 30 c use 1 7 90 1/3; 40 a use 2 8 90 1/3",
        ),
        ("a weight that does not fit", "10 a use 1 5 90 2/3; 20 b use 1 6 90 2/3"),
        ("all beside one", "10 a use 1 5 90 1/3; 20 b use 1 6 90 3/3"),
        (
            "one of them is given back too late",
            "10 a use 1 5 21 2/3; 15 b use 1 6 90 1/3; 20 c use 1 7 90 1/3",
        ),
        ("a grant that says nothing takes all", "10 a want 1; 10 a has 1 5 1/1; 20 b use 1 6 30 1/9"),
        (
            "the deadline has not passed",
            "10 a want 1; 10 a has 1 5 1/9; 10 a until 1 100; 99 b use 1 6 110 9/9; 100 a end 1 expired",
        ),
        (
            "a writer while another goes on as a reader",
            "10 a want 1; 10 a has 1 5 9/9; 20 a end 1 yielded; 20 a want 2; 25 a has 2 5 1/9; 30 b use 1 6 40 9/9; 80 a end 2 released",
        ),
        ("before the crash", "10 a want 1; 10 a has 1 5 2/2; 15 b use 1 6 18 1/2; 20 a crash"),
        ("they disagree on what there is", "10 a use 1 5 90 1/3; 20 b use 1 6 90 3/4"),
    ],
};

const L10: Table = Table {
    id: "L10",
    good: &[
        ("nothing happens", ""),
        (
            "readers in any order",
            "10 a want 1; 10 b want 1; 20 a has 1 6 1/9; 21 b has 1 5 1/9; 30 a end 1 released; 30 b end 1 released",
        ),
        ("writers grow", "10 a use 1 5 20 9/9; 20 b use 1 6 40 9/9"),
        ("a writer after readers", "10 a use 1 6 20 1/9; 10 b use 1 5 20 1/9; 30 c use 1 7 40 9/9"),
        (
            "permits in any order",
            "10 a want 1; 10 b want 1; 20 a has 1 6 1/3; 21 b has 1 5 2/3; 30 a end 1 released; 30 b end 1 released",
        ),
        (
            "asked before the other ended, at the same time",
            "10 a use 1 7 30 1/3; 15 b want 1; 16 b has 1 6 1/3; 40 b end 1 released",
        ),
        (
            "a writer that goes on as a reader",
            "10 a want 1; 10 a has 1 5 9/9; 20 a end 1 yielded; 20 a told 1; 20 a want 2; 25 a has 2 5 1/9; 30 b use 1 6 40 1/9; 80 a end 2 released; 90 c use 1 7 95 9/9",
        ),
        ("a place that was made for an earlier caller", "10 a use 1 6 20 1/3; 30 b use 1 5 40 1/3"),
        ("two locks share a token", "10 a use 1 5 20 1/3; 10 b hold 1 5 20"),
        ("tokens with gaps", "10 a use 1 5 20 3/3; 20 b use 1 900 40 3/3"),
        (
            "a grant that is told too late has an older token",
            "10 a want 1; 300 b use 1 9 400 9/9; 350 a has 1 5 9/9; 350 a until 1 250; 350 a told 1",
        ),
        (
            "the node comes back",
            "10 a want 1; 10 a has 1 5 1/1; 20 a crash; 30 a/2 start; 40 a/2 use 1 6 50 1/1",
        ),
    ],
    bad: &[
        ("a token twice", "10 a use 1 5 90 1/9; 20 b use 1 5 80 1/9"),
        ("a token twice, one after the other", "10 a use 1 5 20 1/9; 30 b use 1 5 80 1/9"),
        ("a token twice of one process", "10 a use 1 5 90 1/3; 20 a use 2 5 80 1/3"),
        ("a writer with a smaller token", "10 a use 1 6 20 9/9; 30 b use 1 5 40 9/9"),
        (
            "a reader with a smaller token than a writer before",
            "10 a use 1 6 20 9/9; 15 b want 1; 30 b has 1 5 1/9; 40 b end 1 released",
        ),
        (
            "a writer with a smaller token than a reader before",
            "10 a use 1 6 20 1/9; 15 b want 1; 30 b has 1 5 9/9; 40 b end 1 released",
        ),
        (
            "weights that do not fit, in the wrong order",
            "10 a use 1 6 20 2/3; 15 b want 1; 30 b has 1 5 2/3; 40 b end 1 released",
        ),
        (
            "a reader goes on as a writer",
            "10 a want 1; 10 a has 1 5 1/9; 20 a end 1 yielded; 20 a want 2; 25 a has 2 5 9/9; 80 a end 2 released",
        ),
        (
            "a writer goes on as a reader before it ends",
            "10 a want 1; 10 a has 1 5 9/9; 20 a want 2; 25 a has 2 5 1/9; 30 a end 1 yielded; 80 a end 2 released",
        ),
        (
            "another process goes on as a reader",
            "10 a want 1; 10 a has 1 5 9/9; 20 a end 1 yielded; 20 b want 1; 25 b has 1 5 1/9; 80 b end 1 released",
        ),
        (
            "it goes back after a failover",
            "10 a use 1 50 20 9/9; 30 n fault 1 failover store; 40 n heal 1; 50 b use 1 7 60 1/9",
        ),
        (
            "a grant that nobody believed in, with a token that another had",
            "10 a want 1; 300 b use 1 9 400 9/9; 350 a has 1 9 9/9; 350 a until 1 250",
        ),
    ],
};

const L11: Table = Table {
    id: "L11",
    good: &[
        ("nothing happens", "0 n calm; 9 n idle"),
        (
            "not judged before it is calm",
            "1 a want 1; 600 b use 1 5 610 1/9; 620 b use 2 6 630 1/9; 640 a has 1 7 9/9; 650 a end 1 released",
        ),
        (
            "two readers are let in by one release, the later caller hears of it first",
            "0 n calm; 1 a want 1; 550 b want 1; 600 b has 1 6 1/9; 601 a has 1 5 1/9; 610 b end 1 released; 610 a end 1 released",
        ),
        (
            "those who waited before are served before",
            "0 n calm; 1 b want 1; 1 b want 2; 2 a want 1; 600 b has 1 5 1/9; 610 b has 2 6 1/9; 620 b end 1 released; 620 b end 2 released; 630 a has 1 7 9/9; 640 a end 1 released",
        ),
        (
            "a place that was made for another caller serves one who came later",
            "0 n calm; 1 b want 1; 2 a want 1; 100 b quit 1; 550 b want 2; 600 b has 2 5 1/9; 610 b end 2 released; 630 a has 1 7 9/9; 640 a end 1 released",
        ),
        (
            "callers that came within the time of a commit",
            "0 n calm; 1 a want 1; 300 b want 1; 400 b want 2; 600 b has 1 5 1/9; 601 b has 2 6 1/9; 610 b end 1 released; 610 b end 2 released; 640 a has 1 7 9/9; 650 a end 1 released",
        ),
        (
            "the waiter is cut off for ever",
            "0 n fault 1 cut a; 0 n calm; 1 a want 1; 600 b use 1 5 610 1/9; 700 b use 2 6 710 1/9",
        ),
        (
            "the waiter is frozen for ever",
            "0 a freeze; 0 n calm; 1 a want 1; 600 b use 1 5 610 1/9; 700 b use 2 6 710 1/9",
        ),
        ("granted at once", "0 n calm; 1 a use 1 5 2 1/9; 600 b use 1 6 610 1/9; 620 b use 2 7 630 1/9"),
        (
            "it gave up before",
            "0 n calm; 1 a want 1; 590 a quit 1; 600 b use 1 6 610 1/9; 620 b use 2 7 630 1/9",
        ),
        (
            "behind its own process' other callers",
            "0 n calm; 1 a want 1; 2 a want 2; 40 a has 1 7 9/9; 650 a end 1 released; 660 b use 2 8 670 1/9; 680 a has 2 9 9/9; 690 a end 2 released",
        ),
        (
            "its session was a new one",
            "0 n calm; 1 a want 1; 600 a open s 1000; 650 b use 1 7 660 1/9; 680 a has 1 9 9/9; 690 a end 1 released",
        ),
        (
            "a writer goes on as a reader while another one waits",
            "0 n calm; 1 b want 1; 1 b has 1 5 9/9; 2 a want 1; 600 b end 1 yielded; 600 b told 1; 600 b want 2; 610 b has 2 5 1/9; 640 b end 2 released; 650 a has 1 7 9/9; 660 a end 1 released",
        ),
        ("another lock", "0 n calm; 1 a want 1 x; 600 b use 1 5 610 1/9; 620 b use 2 6 630 1/9"),
    ],
    bad: &[
        (
            "a reader overtakes a writer",
            "0 n calm; 1 a want 1; 600 b use 1 5 610 1/9; 640 a has 1 7 9/9; 650 a end 1 released",
        ),
        (
            "a writer overtakes a reader",
            "0 n calm; 1 a want 1; 600 b use 1 5 610 9/9; 640 a has 1 7 1/9; 650 a end 1 released",
        ),
        (
            "small weights overtake a large one",
            "0 n calm; 1 a want 1; 600 b use 1 5 610 1/3; 640 a has 1 7 3/3; 650 a end 1 released",
        ),
        ("it is never served", "0 n calm; 1 a want 1; 600 b use 1 5 610 1/9; 900 n idle"),
        (
            "one too many of those who waited before",
            "0 n calm; 1 b want 1; 2 a want 1; 600 b has 1 5 1/9; 610 b end 1 released; 620 b use 2 6 630 1/9; 640 a has 1 7 9/9; 650 a end 1 released",
        ),
        (
            "another one than those who waited before",
            "0 n calm; 1 b want 1; 2 a want 1; 600 b has 1 5 1/9; 610 b end 1 released; 620 c use 1 6 630 1/9; 640 a has 1 7 9/9; 650 a end 1 released",
        ),
        (
            "a reader is let through by those who read already",
            "0 n calm; 1 b want 1; 1 b has 1 4 1/9; 600 a want 1; 1200 b use 2 5 1210 1/9; 1220 b end 1 released; 1240 a has 1 7 9/9; 1250 a end 1 released",
        ),
        (
            "one who waited gave up long before",
            "0 n calm; 1 b want 1; 2 b quit 1; 600 a want 1; 1200 b use 2 5 1210 1/9; 1240 a has 1 7 9/9; 1250 a end 1 released",
        ),
        (
            "after the calm began",
            "1 a want 1; 10 n calm; 600 b use 1 5 610 1/9; 640 a has 1 7 9/9; 650 a end 1 released",
        ),
        (
            "two in turn",
            "0 n calm; 1 b want 1; 1 c want 1; 2 a want 1; 600 b has 1 5 1/9; 605 c has 1 6 1/9; 610 b end 1 released; 610 c end 1 released; 620 c use 2 7 630 1/9; 640 a has 1 8 9/9; 650 a end 1 released",
        ),
        ("it gives up long after", "0 n calm; 1 a want 1; 600 b use 1 5 610 1/9; 1300 a quit 1"),
        (
            "another node stays broken",
            "0 n fault 1 cut c; 0 n calm; 1 a want 1; 600 b use 1 5 610 1/9; 640 a has 1 7 9/9; 650 a end 1 released",
        ),
    ],
};
