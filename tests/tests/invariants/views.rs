//! M1, M4, M5, M7: what views show of members, and in which order.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&M1, &M4, &M5, &M7];

#[test]
fn m1_views_are_numbered() {
    judge(&M1);
}

#[test]
fn m4_views_agree() {
    judge(&M4);
}

#[test]
fn m5_incarnations_grow() {
    judge(&M5);
}

#[test]
fn m7_updates_last() {
    judge(&M7);
}

const M1: Table = Table {
    id: "M1",
    good: &[
        ("nothing happens", ""),
        ("an empty view", "10 w view 1 1 all"),
        ("a member joins", "10 w view 1 1 all; 20 w view 1 2 one a:5"),
        ("a member leaves", "10 w view 1 1 all a:5; 20 w view 1 2 one"),
        ("a member says something else", "10 w view 1 1 all a:5; 20 w view 1 2 one a:5:1"),
        ("a node is restarted", "10 w view 1 1 all a:5; 20 w view 1 2 one a/2:6"),
        ("everything anew after a gap", "10 w view 1 1 all a:5; 20 w view 1 9 all b:6 c:7"),
        (
            "watchers count for themselves",
            "10 w view 1 1 all; 10 x view 1 40 all; 20 w view 1 2 one a:5; 20 x view 1 41 one a:5",
        ),
        ("two watchers of one process", "10 w view 1 1 all; 10 w view 2 1 all; 20 w view 2 2 one a:5"),
        ("everything anew, and nothing is new", "10 w view 1 1 all a:5; 20 w view 1 2 all a:5"),
        (
            "one after the other",
            "10 w view 1 1 all; 20 w view 1 2 one a:5; 30 w view 1 3 one a:5 b:6; 40 w view 1 4 one b:6",
        ),
    ],
    bad: &[
        ("the first is a change", "10 w view 1 1 one a:5"),
        ("a number twice", "10 w view 1 1 all; 20 w view 1 1 one a:5"),
        ("a number goes back", "10 w view 1 7 all; 20 w view 1 6 one a:5"),
        ("a change is left out", "10 w view 1 1 all; 20 w view 1 3 one a:5"),
        ("a change of nothing", "10 w view 1 1 all a:5; 20 w view 1 2 one a:5"),
        ("two come at once", "10 w view 1 1 all; 20 w view 1 2 one a:5 b:6"),
        ("one comes and one goes", "10 w view 1 1 all a:5; 20 w view 1 2 one b:6"),
        ("two go at once", "10 w view 1 1 all a:5 b:6; 20 w view 1 2 one"),
        ("everything anew under the same number", "10 w view 1 4 all; 20 w view 1 4 all a:5"),
        ("everything anew under a smaller number", "10 w view 1 4 all; 20 w view 1 1 all a:5"),
        ("a node twice", "10 w view 1 1 all a:5 a/2:6"),
        (
            "the second watcher misses a change",
            "10 w view 1 1 all; 10 w view 2 1 all; 20 w view 1 2 one a:5; 20 w view 2 4 one a:5",
        ),
    ],
};

const M4: Table = Table {
    id: "M4",
    good: &[
        ("nothing happens", "1000 n calm; 9000 n idle"),
        (
            "one watcher",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 1000 n calm; 20000 n idle",
        ),
        (
            "two watchers",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all a:5 b:6; 1000 n calm; 20000 n idle",
        ),
        (
            "in another order",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all b:6 a:5; 1000 n calm; 20000 n idle",
        ),
        (
            "under other numbers",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 77 all a:5 b:6; 1000 n calm; 20000 n idle",
        ),
        (
            "a run that never gets calm",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all a:5; 20000 n idle",
        ),
        (
            "one is cut off for ever",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all a:5; 40 n fault 1 cut x; 1000 n calm; 20000 n idle",
        ),
        (
            "one is dead",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all a:5; 40 x crash; 1000 n calm; 20000 n idle",
        ),
        (
            "something has just changed",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all a:5 b:6; 1000 n calm; 19500 c joins; 19900 c in 9; 19910 w view 1 2 one a:5 b:6 c:9; 20000 n idle",
        ),
        (
            "one has just begun",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 1000 n calm; 18000 x view 1 1 all a:5; 20000 n idle",
        ),
        (
            "they differed for a while",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all a:5; 1000 n calm; 1500 x view 1 2 one a:5 b:6; 20000 n idle",
        ),
    ],
    bad: &[
        (
            "one lacks a member",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all a:5; 1000 n calm; 20000 n idle",
        ),
        (
            "one has one more",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all a:5 b:6 c:7; 1000 n calm; 20000 n idle",
        ),
        (
            "another incarnation",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all a:5 b:7; 1000 n calm; 20000 n idle",
        ),
        (
            "another process",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all a:5 b/2:6; 1000 n calm; 20000 n idle",
        ),
        (
            "another version",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all a:5 b:6:1; 1000 n calm; 20000 n idle",
        ),
        (
            "one sees nobody",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all; 1000 n calm; 20000 n idle",
        ),
        (
            "the third of three",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all a:5 b:6; 30 y view 1 1 all b:6; 1000 n calm; 20000 n idle",
        ),
        (
            "two of one process",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 w view 2 1 all b:6; 1000 n calm; 20000 n idle",
        ),
        (
            "one was told everything anew",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all a:5 b:6; 1000 n calm; 8000 x view 1 5 all a:5; 20000 n idle",
        ),
        (
            "after a death",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all a:5 b:6; 100 b crash; 1000 n calm; 1500 w view 1 2 one a:5; 20000 n idle",
        ),
        (
            "one is told of somebody who left",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 30 x view 1 1 all a:5 b:6; 1000 n calm; 7000 b leaves; 7010 b gone; 7100 x view 1 2 one a:5; 20000 n idle",
        ),
    ],
};

const M5: Table = Table {
    id: "M5",
    good: &[
        ("the first of two processes has the name again", "30 w view 1 1 all a/2:6; 40 w view 1 2 one a:7"),
        (
            "the first of two processes is told late",
            "10 a joins; 15 a freeze; 20 a/2 start; 30 a/2 joins; 40 a/2 in 6; 50 a/2 leaves; 60 a thaw; 70 a in 5",
        ),
        ("nothing happens", "1000 n idle"),
        ("a life", "10 a joins; 20 a in 5; 30 w view 1 1 all a:5"),
        (
            "another session carries it on",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a in 6; 110 w view 1 2 one a:6",
        ),
        (
            "a restart",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a crash; 110 a/2 start; 120 a/2 joins; 130 a/2 in 6; 140 w view 1 2 one a/2:6",
        ),
        (
            "it leaves and joins again",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a leaves; 110 a gone; 200 a joins; 210 a in 6",
        ),
        ("two nodes", "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6"),
        (
            "gone in between",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 40 w view 1 2 one; 50 a in 6; 60 w view 1 3 one a:6",
        ),
        (
            "the same once more, after a gap",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 40 w view 1 2 one; 60 w view 1 3 one a:5",
        ),
        (
            "the store forgot",
            "10 a joins; 20 a in 5; 25 a in 6; 30 w view 1 1 all a:6; 40 n rollback 1; 50 w view 1 2 all a:5; 60 a in 9; 70 w view 1 3 one a:9",
        ),
        (
            "a watcher that is behind",
            "10 a joins; 20 a in 5; 25 a in 6; 30 w view 1 1 all a:6; 40 x view 1 1 all a:5",
        ),
        ("with larger numbers of their own", "10 a joins; 20 a in 500; 30 b joins; 40 b in 7"),
    ],
    bad: &[
        ("a smaller one in another session", "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a in 4"),
        ("the same in another session", "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a in 5"),
        (
            "a smaller one after a restart",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a crash; 110 a/2 start; 120 a/2 joins; 130 a/2 in 4",
        ),
        (
            "the same after a restart",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a crash; 110 a/2 start; 120 a/2 joins; 130 a/2 in 5",
        ),
        (
            "a smaller one after it had left",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a leaves; 110 a gone; 200 a joins; 210 a in 3",
        ),
        ("two nodes are the same", "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 40 b joins; 50 b in 5"),
        ("a watcher is shown an earlier one", "30 w view 1 1 all a:6; 40 w view 1 2 one a:5"),
        (
            "an earlier one, after it was gone",
            "30 w view 1 1 all a:6; 40 w view 1 2 one; 50 w view 1 3 one a:5",
        ),
        ("an earlier one, in a whole view", "30 w view 1 1 all a:6; 40 w view 1 9 all a:5"),
        ("one is two processes", "30 w view 1 1 all a:6; 40 w view 1 2 one a/2:6"),
        (
            "twice, and the store forgot once",
            "30 w view 1 1 all a:6; 35 n rollback 1; 40 w view 1 2 one a:5; 50 w view 1 3 one a:7; 60 w view 1 4 one a:6",
        ),
        ("before the store forgot", "30 w view 1 1 all a:6; 40 w view 1 2 one a:5; 50 n rollback 1"),
    ],
};

const M7: Table = Table {
    id: "M7",
    good: &[
        ("nothing happens", "1000 n calm; 9000 n idle"),
        (
            "it is seen",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 40 a says 1; 50 w view 1 2 one a:5:1; 1000 n calm; 20000 n idle",
        ),
        (
            "it is seen within a second",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 a says 1; 8900 w view 1 2 one a:5:1; 20000 n idle",
        ),
        (
            "only the last is seen",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 a says 1; 8010 a says 2; 8020 w view 1 2 one a:5:2; 20000 n idle",
        ),
        (
            "it is seen before the member is told",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 w view 1 2 one a:5:1; 8100 a says 1; 20000 n idle",
        ),
        (
            "the member was never told",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 w view 1 2 one a:5:1; 20000 n idle",
        ),
        (
            "a run that never gets calm",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 40 a says 1; 20000 n idle",
        ),
        (
            "the watcher is cut off for ever",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 40 n fault 1 cut w; 50 a says 1; 1000 n calm; 20000 n idle",
        ),
        (
            "it leaves before it has to be seen",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 a says 1; 8100 a leaves; 8200 w view 1 2 one; 20000 n idle",
        ),
        (
            "the store forgot",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 40 a says 1; 50 w view 1 2 one a:5:1; 60 n rollback 1; 70 w view 1 3 all a:5; 80 w view 1 4 one a:5:1; 1000 n calm; 20000 n idle",
        ),
        (
            "another process begins at zero",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 40 a says 1; 50 w view 1 2 one a:5:1; 100 a crash; 110 a/2 start; 120 a/2 joins; 130 a/2 in 6; 140 w view 1 3 one a/2:6; 1000 n calm; 20000 n idle",
        ),
        (
            "the run ends before it has to be seen",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 a says 1; 8900 n idle",
        ),
    ],
    bad: &[
        ("an older one after a newer one", "30 w view 1 1 all a:5:2; 40 w view 1 2 one a:5:1"),
        ("an older one, in a whole view", "30 w view 1 1 all a:5:2; 40 w view 1 9 all a:5"),
        (
            "an older one, after it was gone",
            "30 w view 1 1 all a:5:2; 40 w view 1 2 one; 50 w view 1 3 one a:5:1",
        ),
        ("an older one, in another session", "30 w view 1 1 all a:5:2; 40 w view 1 2 one a:6"),
        (
            "twice, and the store forgot once",
            "30 w view 1 1 all a:5:2; 35 n rollback 1; 40 w view 1 2 one a:5:1; 50 w view 1 3 one a:5:2; 60 w view 1 4 one a:5:1",
        ),
        ("before the store forgot", "30 w view 1 1 all a:5:2; 40 w view 1 2 one a:5:1; 50 n rollback 1"),
        (
            "it is never seen",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 a says 1; 20000 n idle",
        ),
        (
            "it is seen late",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 a says 1; 9500 w view 1 2 one a:5:1; 20000 n idle",
        ),
        (
            "what was said before the run was calm",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 40 a says 1; 1000 n calm; 20000 n idle",
        ),
        (
            "only the last but one is seen",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 a says 1; 8010 a says 2; 8020 w view 1 2 one a:5:1; 20000 n idle",
        ),
        (
            "not by the second watcher",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 30 x view 1 1 all a:5; 1000 n calm; 8000 a says 1; 8020 w view 1 2 one a:5:1; 20000 n idle",
        ),
    ],
};
