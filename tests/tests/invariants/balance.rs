//! P4 and P6: shares of partitions, and that they stay.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&P4, &P6];

#[test]
fn p4_balanced() {
    judge(&P4);
}

#[test]
fn p6_nothing_moves_for_nothing() {
    judge(&P6);
}

const P4: Table = Table {
    id: "P4",
    good: &[
        (
            "one each",
            "1 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 b seek 1 x/1; 11 b gets 1 6 1 x/1; 10 a seek 2 x/1; 10 b seek 2 x/0; 30000 n idle",
        ),
        (
            "one more",
            "1 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 b seek 1 x/1; 11 b gets 1 6 1 x/1; 10 a seek 2 x/1; 10 b seek 2 x/0; 10 a seek 3 x/2; 11 a gets 3 7 3 x/2; 10 b seek 3 x/2; 30000 n idle",
        ),
        (
            "alone",
            "1 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 a seek 2 x/1; 11 a gets 2 6 2 x/1; 30000 n idle",
        ),
        (
            "too soon to tell",
            "1 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 a seek 2 x/1; 11 a gets 2 6 2 x/1; 10 b seek 1 x/0; 10 b seek 2 x/1; 9000 n idle",
        ),
        (
            "no liveness phase",
            "10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 a seek 2 x/1; 11 a gets 2 6 2 x/1; 10 b seek 1 x/0; 10 b seek 2 x/1; 30000 n idle",
        ),
        (
            "the poor one is broken",
            "1 n fault 1 cut b; 2 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 a seek 2 x/1; 11 a gets 2 6 2 x/1; 10 b seek 1 x/0; 10 b seek 2 x/1; 30000 n idle",
        ),
        (
            "the poor one has left",
            "1 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 a seek 2 x/1; 11 a gets 2 6 2 x/1; 10 b seek 1 x/0; 10 b seek 2 x/1; 20 b quit 1; 20 b quit 2; 30000 n idle",
        ),
        (
            "the poor one has crashed",
            "10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 a seek 2 x/1; 11 a gets 2 6 2 x/1; 10 b seek 1 x/0; 10 b seek 2 x/1; 20 b crash; 30 n calm; 30000 n idle",
        ),
        (
            "two groups",
            "1 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 a seek 2 x/1; 11 a gets 2 6 2 x/1; 10 b seek 1 y/0; 11 b gets 1 5 1 y/0; 10 b seek 2 y/1; 11 b gets 2 6 2 y/1; 30000 n idle",
        ),
        (
            "even in the end",
            "1 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 a seek 2 x/1; 11 a gets 2 6 2 x/1; 10 b seek 1 x/0; 10 b seek 2 x/1; 9000 a end 2 released; 9000 a released 2; 9010 b gets 2 9 2 x/1; 30000 n idle",
        ),
    ],
    bad: &[
        (
            "all and nothing",
            "1 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 a seek 2 x/1; 11 a gets 2 6 2 x/1; 10 b seek 1 x/0; 10 b seek 2 x/1; 30000 n idle",
        ),
        (
            "three and one",
            "1 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 a seek 2 x/1; 11 a gets 2 6 2 x/1; 10 a seek 3 x/2; 11 a gets 3 7 3 x/2; 10 b seek 1 x/3; 11 b gets 1 8 1 x/3; 30000 n idle",
        ),
        (
            "the third has nothing",
            "1 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 b seek 1 x/1; 11 b gets 1 6 1 x/1; 10 a seek 2 x/1; 10 b seek 2 x/0; 10 a seek 3 x/2; 11 a gets 3 7 3 x/2; 10 b seek 3 x/3; 11 b gets 3 8 3 x/3; 10 c seek 1 x/0; 30000 n idle",
        ),
        (
            "a broken one does not excuse it",
            "1 n fault 1 cut c; 2 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 a seek 2 x/1; 11 a gets 2 6 2 x/1; 10 b seek 1 x/0; 10 b seek 2 x/1; 10 c seek 1 x/0; 30000 n idle",
        ),
        (
            "healed, and still uneven",
            "1 n fault 1 cut b; 2 n heal 1; 3 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 a seek 2 x/1; 11 a gets 2 6 2 x/1; 10 b seek 1 x/0; 10 b seek 2 x/1; 30000 n idle",
        ),
        (
            "uneven after a crash",
            "10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 b seek 1 x/1; 11 b gets 1 6 1 x/1; 10 a seek 2 x/1; 10 b seek 2 x/0; 10 a seek 3 x/2; 11 a gets 3 7 3 x/2; 10 c seek 1 x/0; 10 c seek 2 x/2; 20 b crash; 30 n calm; 30000 n idle",
        ),
        (
            "one of two groups",
            "1 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 b seek 1 x/1; 11 b gets 1 6 1 x/1; 10 a seek 2 y/0; 11 a gets 2 5 2 y/0; 10 a seek 3 y/1; 11 a gets 3 6 3 y/1; 10 b seek 2 y/0; 30000 n idle",
        ),
        (
            "uneven in the end",
            "1 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 b seek 1 x/1; 11 b gets 1 6 1 x/1; 10 a seek 2 x/1; 10 b seek 2 x/0; 9000 b end 1 released; 9000 b released 1; 9001 b seek 3 x/1; 9010 a gets 2 9 2 x/1; 30000 n idle",
        ),
        (
            "as soon as it can be told",
            "1 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 a seek 2 x/1; 11 a gets 2 6 2 x/1; 10 b seek 1 x/0; 10 b seek 2 x/1; 10012 n idle",
        ),
        (
            "the second life has nothing",
            "1 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 a seek 2 x/1; 11 a gets 2 6 2 x/1; 12 b crash; 13 b/2 start; 14 b/2 seek 1 x/0; 30000 n idle",
        ),
    ],
};

const P6: Table = Table {
    id: "P6",
    good: &[
        ("kept", "1 n calm; 10 a seek 1; 11 a gets 1 5; 30000 n idle"),
        (
            "lost before it is settled",
            "1 n calm; 10 a seek 1; 11 a gets 1 5; 9000 a end 1 lost; 9000 a told 1; 30000 n idle",
        ),
        ("no liveness phase", "10 a seek 1; 11 a gets 1 5; 20000 a end 1 lost; 20000 a told 1; 30000 n idle"),
        (
            "its member has left",
            "1 n calm; 10 a seek 1; 11 a gets 1 5; 20000 a quit 1; 20000 a end 1 released; 30000 n idle",
        ),
        (
            "its process has ended",
            "1 n calm; 10 a seek 1; 11 a gets 1 5; 20000 a stop; 20000 a end 1 released; 30000 n idle",
        ),
        ("its process has crashed", "1 n calm; 10 a seek 1; 11 a gets 1 5; 20000 a crash; 30000 n idle"),
        (
            "given away on purpose",
            "1 n calm; 10 a seek 1; 11 a gets 1 5; 20000 a end 1 yielded; 20000 a told 1; 30000 n idle",
        ),
        (
            "on a node that is broken",
            "1 n fault 1 cut a; 2 n calm; 10 a seek 1; 11 a gets 1 5; 20000 a end 1 lost; 20000 a told 1; 30000 n idle",
        ),
        (
            "a new fault",
            "1 n calm; 10 a seek 1; 11 a gets 1 5; 19000 n fault 1 cut b; 19001 n heal 1; 20000 a end 1 lost; 20000 a told 1; 21000 n idle",
        ),
        ("given for the first time", "1 n calm; 20000 a seek 1; 20001 a gets 1 5; 30000 n idle"),
    ],
    bad: &[
        ("lost", "1 n calm; 10 a seek 1; 11 a gets 1 5; 20000 a end 1 lost; 20000 a told 1; 30000 n idle"),
        (
            "revoked",
            "1 n calm; 10 a seek 1; 11 a gets 1 5; 20000 a end 1 released; 20000 a released 1; 30000 n idle",
        ),
        (
            "expired",
            "1 n calm; 10 a seek 1; 11 a gets 1 5; 11 a until 1 20000; 20000 a end 1 expired; 20000 a told 1; 30000 n idle",
        ),
        (
            "moved to another",
            "1 n calm; 10 a seek 1; 11 a gets 1 5; 12 b seek 1; 20000 a end 1 released; 20010 b gets 1 6; 30000 n idle",
        ),
        (
            "moved there and back",
            "1 n calm; 10 a seek 1; 11 a gets 1 5; 12 b seek 1; 20000 a end 1 released; 20001 a seek 2; 20010 b gets 1 6; 20020 b end 1 released; 20030 a gets 2 7; 30000 n idle",
        ),
        (
            "a new grant of its own",
            "1 n calm; 10 a seek 1; 11 a gets 1 5; 20000 a end 1 released; 20001 a seek 2; 20002 a gets 2 6; 30000 n idle",
        ),
        (
            "another node is broken",
            "1 n fault 1 cut b; 2 n calm; 10 a seek 1; 11 a gets 1 5; 20000 a end 1 lost; 20000 a told 1; 30000 n idle",
        ),
        (
            "after it was healed",
            "1 n fault 1 cut a; 2 n heal 1; 3 n calm; 10 a seek 1; 11 a gets 1 5; 20000 a end 1 lost; 20000 a told 1; 30000 n idle",
        ),
        (
            "given up by another wish",
            "1 n calm; 10 a seek 1; 11 a gets 1 5; 12 a seek 2; 19000 a quit 2; 20000 a end 1 lost; 20000 a told 1; 30000 n idle",
        ),
        (
            "the second partition",
            "1 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 10 a seek 2 x/1; 11 a gets 2 5 2 x/1; 20000 a end 2 released; 30000 n idle",
        ),
    ],
};
