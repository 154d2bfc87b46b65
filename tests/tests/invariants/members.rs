//! M2, M3, M6: whoever is a member is shown, and nobody else.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&M2, &M3, &M6];

#[test]
fn m2_the_dead_are_gone() {
    judge(&M2);
}

#[test]
fn m3_nobody_is_removed() {
    judge(&M3);
}

#[test]
fn m6_joins_are_seen() {
    judge(&M6);
}

const M2: Table = Table {
    id: "M2",
    good: &[
        ("nothing happens", "1000 n calm; 9000 n idle"),
        (
            "a dead member goes",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a crash; 1000 n calm; 1500 w view 1 2 one; 9000 n idle",
        ),
        (
            "a member leaves",
            "5 n calm; 10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 7000 a leaves; 7010 a gone; 7900 w view 1 2 one; 20000 n idle",
        ),
        (
            "a member that was shut down",
            "1 n calm; 10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 7000 a stop; 7900 w view 1 2 one; 20000 n idle",
        ),
        (
            "a run that never gets calm",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a crash; 20000 n idle",
        ),
        (
            "the watcher is cut off for ever",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a crash; 100 n fault 1 cut w; 1000 n calm; 20000 n idle",
        ),
        (
            "the watcher is dead",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a crash; 200 w crash; 1000 n calm; 20000 n idle",
        ),
        (
            "it leaves and joins again",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a leaves; 110 a gone; 120 w view 1 2 one; 200 a joins; 210 a in 6; 220 w view 1 3 one a:6; 1000 n calm; 20000 n idle",
        ),
        (
            "it died before it was told that it is a member",
            "10 a joins; 20 w view 1 1 all a:5; 100 a crash; 1000 n calm; 1500 w view 1 2 one; 20000 n idle",
        ),
        (
            "it gave up before it was told that it is a member",
            "10 a joins; 20 w view 1 1 all a:5; 30 a leaves; 40 w view 1 2 one; 1000 n calm; 20000 n idle",
        ),
        (
            "another session carries it on",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 200 a in 6; 220 w view 1 2 one a:6; 1000 n calm; 20000 n idle",
        ),
        (
            "the run ends before it has to be gone",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a crash; 1000 n calm; 3000 n idle",
        ),
    ],
    bad: &[
        (
            "a dead member stays",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a crash; 1000 n calm; 20000 n idle",
        ),
        (
            "a member that was shut down stays",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a stop; 1000 n calm; 20000 n idle",
        ),
        (
            "a member that left stays",
            "5 n calm; 10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 7000 a leaves; 7010 a gone; 20000 n idle",
        ),
        (
            "a member that leaves stays, unanswered",
            "5 n calm; 10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 7000 a leaves; 20000 n idle",
        ),
        ("nobody knows it", "30 w view 1 1 all b:5; 1000 n calm; 20000 n idle"),
        (
            "it comes back from the dead",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a crash; 1000 n calm; 1500 w view 1 2 one; 8000 w view 1 3 one a:5; 20000 n idle",
        ),
        (
            "a join that was given up",
            "10 a joins; 20 a leaves; 30 w view 1 1 all; 1000 n calm; 8000 w view 1 2 one a:5; 20000 n idle",
        ),
        (
            "the second watcher",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 30 x view 1 1 all a:5; 100 a crash; 1000 n calm; 1500 w view 1 2 one; 20000 n idle",
        ),
        (
            "the incarnation before this one",
            "5 n calm; 10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 7000 a in 6; 20000 n idle",
        ),
        (
            "the process before this one",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a crash; 110 a/2 start; 120 a/2 joins; 130 a/2 in 6; 1000 n calm; 20000 n idle",
        ),
        (
            "everything anew, the dead as well",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a crash; 1000 n calm; 8000 w view 1 5 all a:5; 20000 n idle",
        ),
    ],
};

const M3: Table = Table {
    id: "M3",
    good: &[
        ("nothing happens", "1000 n calm; 9000 n idle"),
        ("a member stays", "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 20000 n idle"),
        (
            "a member leaves",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 7000 a leaves; 7010 a gone; 7020 w view 1 2 one; 20000 n idle",
        ),
        (
            "a member gives up, and is gone at once",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 7000 a leaves; 7000 w view 1 2 one; 20000 n idle",
        ),
        (
            "a member dies",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 7000 a crash; 9000 w view 1 2 one; 20000 n idle",
        ),
        (
            "it lost its session before the run was settled",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 1500 w view 1 2 one; 1600 a in 6; 1700 w view 1 3 one a:6; 20000 n idle",
        ),
        (
            "a run that never gets calm",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 9000 w view 1 2 one; 20000 n idle",
        ),
        (
            "the watcher is cut off for ever",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 40 n fault 1 cut w; 1000 n calm; 9000 w view 1 2 one; 20000 n idle",
        ),
        (
            "the member is cut off for ever",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 40 n fault 1 cut a; 1000 n calm; 3000 w view 1 2 one; 20000 n idle",
        ),
        (
            "it says something else",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 w view 1 2 one a:5:1; 20000 n idle",
        ),
        (
            "everything anew",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 w view 1 5 all a:5; 20000 n idle",
        ),
        (
            "it joins late, and leaves",
            "1000 n calm; 1010 w view 1 1 all; 8000 a joins; 8010 a in 5; 8020 w view 1 2 one a:5; 9000 a leaves; 9010 w view 1 3 one; 20000 n idle",
        ),
    ],
    bad: &[
        (
            "a member is gone",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 w view 1 2 one; 20000 n idle",
        ),
        (
            "everything anew, without it",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 w view 1 7 all; 20000 n idle",
        ),
        (
            "another incarnation",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 w view 1 2 one a:9; 20000 n idle",
        ),
        (
            "another incarnation, of which it was told",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 7990 a in 9; 8000 w view 1 2 one a:9; 20000 n idle",
        ),
        (
            "it comes back",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 w view 1 2 one; 8010 w view 1 3 one a:5; 20000 n idle",
        ),
        (
            "the second of two",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5 b:6; 1000 n calm; 8000 w view 1 2 one a:5; 20000 n idle",
        ),
        (
            "for one watcher of two",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 30 x view 1 1 all a:5; 1000 n calm; 8000 x view 1 2 one; 20000 n idle",
        ),
        (
            "the late end of an earlier life",
            "10 a joins; 20 a in 5; 100 a crash; 110 a/2 start; 120 a/2 joins; 130 a/2 in 6; 140 w view 1 1 all a/2:6; 1000 n calm; 8000 w view 1 2 one; 20000 n idle",
        ),
        (
            "just after the bound",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 6001 w view 1 2 one; 20000 n idle",
        ),
        (
            "before it leaves",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 w view 1 2 one; 8001 a leaves; 20000 n idle",
        ),
        (
            "one that joined late",
            "1000 n calm; 1010 w view 1 1 all; 8000 a joins; 8010 a in 5; 8020 w view 1 2 one a:5; 9000 w view 1 3 one; 20000 n idle",
        ),
    ],
};

const M6: Table = Table {
    id: "M6",
    good: &[
        ("nothing happens", "1000 n calm; 9000 n idle"),
        ("a member is seen", "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 20000 n idle"),
        (
            "a member is seen within a second",
            "1000 n calm; 1010 w view 1 1 all; 8000 a joins; 8010 a in 5; 8900 w view 1 2 one a:5; 20000 n idle",
        ),
        (
            "it leaves before it has to be seen",
            "1000 n calm; 1010 w view 1 1 all; 8000 a joins; 8010 a in 5; 8500 a leaves; 20000 n idle",
        ),
        ("a run that never gets calm", "10 w view 1 1 all; 8000 a joins; 8010 a in 5; 20000 n idle"),
        (
            "the watcher is cut off for ever",
            "10 w view 1 1 all; 20 n fault 1 cut w; 1000 n calm; 8000 a joins; 8010 a in 5; 20000 n idle",
        ),
        (
            "the member is cut off for ever",
            "10 w view 1 1 all; 10 a joins; 15 a in 5; 20 n fault 1 cut a; 1000 n calm; 20000 n idle",
        ),
        (
            "it waits for the end of its last life",
            "1000 n calm; 1010 w view 1 1 all; 8000 a joins; 12900 a in 5; 12910 w view 1 2 one a:5; 20000 n idle",
        ),
        (
            "a watcher that begins late",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 x view 1 1 all; 9000 x view 1 2 one a:5; 20000 n idle",
        ),
        (
            "the run ends before it has to be seen",
            "1000 n calm; 1010 w view 1 1 all; 8000 a joins; 8010 a in 5; 8500 n idle",
        ),
        (
            "another session carries it on",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 1100 w view 1 2 one; 1200 a in 6; 1300 w view 1 3 one a:6; 20000 n idle",
        ),
    ],
    bad: &[
        ("it is never seen", "1000 n calm; 1010 w view 1 1 all; 8000 a joins; 8010 a in 5; 20000 n idle"),
        (
            "it is seen late",
            "1000 n calm; 1010 w view 1 1 all; 8000 a joins; 8010 a in 5; 9500 w view 1 2 one a:5; 20000 n idle",
        ),
        (
            "it is not seen for a while",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 w view 1 2 one; 9000 w view 1 3 one a:5; 20000 n idle",
        ),
        (
            "not by the second watcher",
            "1000 n calm; 1010 w view 1 1 all; 1010 x view 1 1 all; 8000 a joins; 8010 a in 5; 8020 w view 1 2 one a:5; 20000 n idle",
        ),
        ("it never becomes a member", "1000 n calm; 1010 w view 1 1 all; 8000 a joins; 20000 n idle"),
        ("it becomes none in a run that got calm later", "10 a joins; 1000 n calm; 20000 n idle"),
        (
            "the process before this one is seen",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 100 a crash; 110 a/2 start; 120 a/2 joins; 130 a/2 in 6; 1000 n calm; 20000 n idle",
        ),
        (
            "it is seen once it has left",
            "1000 n calm; 1010 w view 1 1 all; 8000 a joins; 8010 a in 5; 12000 a leaves; 12010 w view 1 2 one a:5; 20000 n idle",
        ),
        (
            "everything anew, without it",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 w view 1 8 all; 20000 n idle",
        ),
        (
            "not in the end",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 19990 w view 1 2 one; 20000 n idle",
        ),
        (
            "a watcher that begins late never sees it",
            "10 a joins; 20 a in 5; 30 w view 1 1 all a:5; 1000 n calm; 8000 x view 1 1 all; 20000 n idle",
        ),
        (
            "one of two",
            "10 a joins; 10 b joins; 20 a in 5; 20 b in 6; 30 w view 1 1 all a:5; 1000 n calm; 20000 n idle",
        ),
    ],
};
