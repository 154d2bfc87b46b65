//! E4, E6, E8: observers, that somebody leads, and that nobody flaps.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&E4, &E6, &E8];

#[test]
fn e4_observers_go_forward() {
    judge(&E4);
}

#[test]
fn e6_somebody_leads() {
    judge(&E6);
}

#[test]
fn e8_nobody_flaps() {
    judge(&E8);
}

const E4: Table = Table {
    id: "E4",
    good: &[
        ("a store that forgot just now", "10 o see 1 9 b; 30 n rollback 2; 30 o see 1 5 a"),
        ("growing terms", "10 o see 1 5 a; 20 o see 1 6 b; 30 o see 1 9 a"),
        ("the same twice", "10 o see 1 5 a; 20 o see 1 5 a"),
        ("vacant between", "10 o see 1 -; 20 o see 1 5 a; 30 o see 1 -; 40 o see 1 6 a"),
        ("unknown, then the same", "10 o see 1 5 a; 20 o see 1 ?; 30 o see 1 5 a"),
        ("terms are skipped", "10 o see 1 5 a; 20 o see 1 50 b"),
        ("two observers at different places", "10 o see 1 6 a; 20 o see 2 5 b; 30 o see 2 6 a"),
        (
            "the leader is told before it knows itself",
            "5 a stand 1; 10 o see 1 5 a; 20 a won 1 5; 30 a end 1 released",
        ),
        ("a term whose grant nobody was told of", "10 o see 1 5 a; 20 b lead 1 6 30; 25 o see 1 6 b"),
        (
            "a store that forgot",
            "10 o see 1 5 a; 20 o see 1 9 b; 30 n rollback 2; 40 o see 1 5 a; 50 o see 1 10 b",
        ),
        ("the newest in the end", "1 n calm; 10 a stand 1; 20 a won 1 5; 30 o see 1 5 a; 9000 n idle"),
        ("vacant in the end", "1 n calm; 20 a lead 1 5 40; 30 o see 1 5 a; 50 o see 1 -; 9000 n idle"),
        ("unknown in the end", "1 n calm; 20 a lead 1 5 40; 30 o see 1 5 a; 50 o see 1 ?; 9000 n idle"),
        (
            "closed before the end",
            "1 n calm; 10 o see 1 -; 15 o unsee 1; 16 a stand 1; 20 a won 1 5; 9000 n idle",
        ),
        (
            "cut off for ever",
            "1 n fault 1 cut o; 2 n calm; 10 o see 1 -; 16 a stand 1; 20 a won 1 5; 9000 n idle",
        ),
        ("the end comes too soon to tell", "1 n calm; 10 o see 1 -; 16 a stand 1; 20 a won 1 5; 4000 n idle"),
    ],
    bad: &[
        (
            "ends at an older term of the same leader",
            "1 n calm; 10 a lead 1 5 20; 12 o see 1 5 a; 30 a stand 2; 31 a won 2 6; 9000 n idle",
        ),
        (
            "ends at the right term of another",
            "1 n calm; 10 a stand 1; 11 a won 1 5; 12 o see 1 5 b; 9000 n idle",
        ),
        ("a smaller term", "10 o see 1 6 a; 20 o see 1 5 b"),
        ("a smaller term, vacant between", "10 o see 1 6 a; 15 o see 1 -; 20 o see 1 5 b"),
        ("a smaller term, unknown between", "10 o see 1 6 a; 15 o see 1 ?; 20 o see 1 5 b"),
        ("two leaders of one term", "10 o see 1 6 a; 20 o see 1 6 b"),
        ("a term goes on after it had ended", "10 o see 1 6 a; 15 o see 1 -; 20 o see 1 6 a"),
        (
            "back twice for one discontinuity",
            "10 o see 1 9 a; 30 n rollback 2; 40 o see 1 5 b; 50 o see 1 4 a",
        ),
        ("back before the discontinuity", "10 o see 1 9 a; 20 o see 1 5 b; 30 n rollback 2"),
        ("not the leader", "10 a lead 1 5 90; 20 o see 1 5 b"),
        ("not told of the newest", "1 n calm; 10 o see 1 -; 16 a stand 1; 20 a won 1 5; 9000 n idle"),
        (
            "ends at the term before",
            "1 n calm; 10 a lead 1 5 20; 12 o see 1 5 a; 30 b stand 1; 31 b won 1 6; 9000 n idle",
        ),
        ("not told that the leader resigned", "1 n calm; 20 a lead 1 5 40; 30 o see 1 5 a; 9000 n idle"),
        (
            "the second observer",
            "1 n calm; 16 a stand 1; 20 a won 1 5; 21 o see 1 5 a; 10 p see 1 -; 9000 n idle",
        ),
    ],
};

const E6: Table = Table {
    id: "E6",
    good: &[
        ("nobody stands", "1 n calm; 9000 n idle"),
        ("elected within the bound", "1 n calm; 10 a stand 1; 5000 a won 1 5; 9900 n idle"),
        (
            "a leader stays, candidates wait",
            "1 n calm; 10 a stand 1; 10 a won 1 5; 20 b stand 1; 99000 n idle",
        ),
        ("the candidate is broken for ever", "1 n fault 1 cut a; 2 n calm; 10 a stand 1; 99000 n idle"),
        ("the candidate withdraws", "1 n calm; 10 a stand 1; 5000 a withdraw 1; 99000 n idle"),
        ("no liveness phase", "10 a stand 1; 99000 n idle"),
        ("back to the safety phase", "1 n calm; 2 n storm; 10 a stand 1; 99000 n idle"),
        ("elected before the outage", "10 a stand 1; 20 a won 1 5; 30 n fault 1 outage store; 40 n heal 1"),
        (
            "the answer arrives in the outage",
            "10 a stand 1; 30 n fault 1 outage store; 31 a won 1 5; 40 n heal 1",
        ),
        ("elected after the outage", "30 n fault 1 outage store; 35 a stand 1; 40 n heal 1; 50 a won 1 5"),
        ("another fault than an outage", "30 n fault 1 slow store; 35 a stand 1; 36 a won 1 5; 40 n heal 1"),
        (
            "the leader dies, another leads",
            "1 n calm; 10 a stand 1; 10 a won 1 5; 20 b stand 1; 4000 a crash; 6000 b won 1 6; 99000 n idle",
        ),
    ],
    bad: &[
        ("nobody is elected", "1 n calm; 10 a stand 1; 6000 n idle"),
        ("elected too late", "1 n calm; 10 a stand 1; 5100 a won 1 5; 5200 a end 1 released"),
        ("nobody after the resignation", "1 n calm; 10 a lead 1 5 20; 30 b stand 1; 6000 n idle"),
        (
            "nobody after the crash",
            "10 a stand 1; 10 a won 1 5; 20 b stand 1; 30 a crash; 40 n calm; 6000 n idle",
        ),
        ("a ghost leads until the candidate gives up", "1 n calm; 10 a stand 1; 6000 a quit 1"),
        ("nobody after the heal", "5 n fault 1 cut a; 10 a stand 1; 20 n heal 1; 21 n calm; 6000 n idle"),
        ("the other node stays broken", "5 n fault 1 cut b; 6 n calm; 10 a stand 1; 6000 n idle"),
        (
            "a hint to a candidate that is gone",
            "1 n calm; 10 a lead 1 5 20; 11 b stand 1; 15 c stand 1; 21 c withdraw 1; 6000 n idle",
        ),
        ("elected in the outage", "30 n fault 1 outage store; 35 a stand 1; 36 a won 1 5; 40 n heal 1"),
        ("elected in an outage that does not end", "30 n fault 1 outage store; 35 a stand 1; 9000 a won 1 5"),
        (
            "in the second outage",
            "10 n fault 1 outage store; 20 n heal 1; 30 n fault 2 outage store; 35 a stand 1; 36 a won 1 5; 40 n heal 2",
        ),
    ],
};

const E8: Table = Table {
    id: "E8",
    good: &[
        ("a leader for ever", "1 n calm; 10 a stand 1; 20 a won 1 5; 990000 n idle"),
        ("it resigns", "1 n calm; 10 a lead 1 5 20000; 20001 b lead 1 6 40000"),
        (
            "it hands over",
            "1 n calm; 10 a stand 1; 20 a won 1 5; 20000 a end 1 yielded; 20000 a told 1; 20001 b lead 1 6 40000",
        ),
        ("lost in the safety phase", "10 a stand 1; 20 a won 1 5; 9000 a end 1 lost; 9000 a told 1"),
        (
            "lost before the bound has passed",
            "10 a stand 1; 20 a won 1 5; 30 n calm; 4000 a end 1 expired; 4000 a told 1; 4001 b lead 1 6 40000",
        ),
        (
            "lost to a cut",
            "1 n calm; 10 a stand 1; 20 a won 1 5; 9000 n fault 1 cut a; 9900 a end 1 expired; 9900 a told 1",
        ),
        (
            "lost while frozen",
            "1 n calm; 10 a stand 1; 20 a won 1 5; 9000 a freeze; 9900 a end 1 expired; 9950 a thaw; 9950 a told 1",
        ),
        (
            "lost by a node that is broken for ever",
            "1 n fault 1 slow a; 2 n calm; 10 a stand 1; 20 a won 1 5; 9900 a end 1 expired; 9900 a told 1",
        ),
        ("crashed", "1 n calm; 10 a stand 1; 20 a won 1 5; 9000 a crash; 9900 b lead 1 6 9950"),
        (
            "lost after a late restart of another node",
            "1 n calm; 10 a stand 1; 20 a won 1 5; 9000 b start; 9900 a end 1 lost; 9900 a told 1",
        ),
        ("a mutex is lost", "1 n calm; 10 a ask 1; 20 a got 1 5; 9900 a end 1 lost; 9900 a told 1"),
    ],
    bad: &[
        (
            "it expires for nothing",
            "1 n calm; 10 a stand 1; 20 a won 1 5; 9000 a end 1 expired; 9000 a told 1",
        ),
        ("it is lost for nothing", "1 n calm; 10 a stand 1; 20 a won 1 5; 9000 a end 1 lost; 9000 a told 1"),
        (
            "after a fault that was healed long ago",
            "1 n fault 1 cut a; 2 n heal 1; 3 n calm; 10 a stand 1; 20 a won 1 5; 9000 a end 1 expired; 9000 a told 1",
        ),
        (
            "another node is broken",
            "1 n fault 1 cut b; 3 n calm; 10 a stand 1; 20 a won 1 5; 9000 a end 1 expired; 9000 a told 1",
        ),
        (
            "again and again",
            "1 n calm; 9000 a stand 1; 9000 a won 1 5; 9100 a end 1 lost; 9100 a told 1; 9200 b stand 1; 9200 b won 1 6; 9300 b end 1 lost; 9300 b told 1",
        ),
        (
            "to a newcomer that takes over",
            "1 n calm; 10 a stand 1; 20 a won 1 5; 9000 b stand 1; 9001 a end 1 lost; 9001 a told 1; 9002 b won 1 6",
        ),
        (
            "after ten quiet minutes",
            "1 n calm; 10 a stand 1; 20 a won 1 5; 600000 a end 1 expired; 600000 a told 1",
        ),
        (
            "when a candidate withdraws",
            "1 n calm; 10 a stand 1; 20 a won 1 5; 30 b stand 1; 9000 b withdraw 1; 9001 a end 1 lost; 9001 a told 1",
        ),
        (
            "the second leader",
            "1 n calm; 10 a lead 1 5 9000; 9001 b stand 1; 9001 b won 1 6; 9900 b end 1 lost; 9900 b told 1",
        ),
        ("just after the bound", "1 n calm; 10 a stand 1; 20 a won 1 5; 5002 a end 1 lost; 5002 a told 1"),
    ],
};
