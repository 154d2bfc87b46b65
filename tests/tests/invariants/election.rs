//! E1, E2, E3, E5: leaders and their terms.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&E1, &E2, &E3, &E5];

#[test]
fn e1_one_leads() {
    judge(&E1);
}

#[test]
fn e2_terms_grow() {
    judge(&E2);
}

#[test]
fn e3_leadership_does_not_return() {
    judge(&E3);
}

#[test]
fn e5_leaders_step_down() {
    judge(&E5);
}

const E1: Table = Table {
    id: "E1",
    good: &[
        ("nobody leads", "10 a stand 1; 20 a quit 1"),
        ("one after the other", "10 a lead 1 5 20; 30 b lead 1 6 40"),
        ("terms that touch", "10 a lead 1 5 20; 20 b lead 1 6 40"),
        (
            "a transfer: the record of the end comes late, the deadline is short",
            "10 a stand 1; 10 a won 1 5; 10 a until 1 20; 21 b lead 1 6 30; 50 a end 1 released",
        ),
        ("a crash ends the term", "10 a stand 1; 10 a won 1 5; 20 a crash; 20 b lead 1 6 30"),
        (
            "the next is elected at the deadline of a cut leader",
            "10 a stand 1; 10 a won 1 5; 15 n fault 1 cut a; 10 a until 1 90; 90 a end 1 expired; 90 a told 1; 90 b lead 1 6 99",
        ),
        ("two elections", "10 a stand 1 x; 11 a won 1 5 1 x; 11 b stand 1 y; 12 b won 1 6 1 y"),
        ("a leader and a holder", "10 a lead 1 5 50; 20 b hold 1 6 40"),
        ("the same node again", "10 a lead 1 5 20; 20 a lead 2 6 40; 40 a lead 3 7 50"),
        (
            "told of its election when the term was over",
            "10 a stand 1; 300 b lead 1 9 400; 350 a won 1 5; 350 a until 1 250; 350 a told 1",
        ),
    ],
    bad: &[
        ("two leaders", "10 a lead 1 5 20; 19 b lead 1 6 40"),
        ("a term within another", "10 a lead 1 5 90; 20 b lead 1 6 40"),
        ("two leaders of one node", "10 a lead 1 5 30; 20 a lead 2 6 40"),
        ("a leader that never ends", "10 a stand 1; 10 a won 1 5; 900000 b lead 1 6 900010"),
        (
            "the deadline of a cut leader has not passed",
            "10 a stand 1; 10 a won 1 5; 15 n fault 1 cut a; 10 a until 1 90; 89 b lead 1 6 99",
        ),
        (
            "of a frozen one",
            "10 a stand 1; 10 a won 1 5; 15 a freeze; 80 b lead 1 6 99; 90 a until 1 90; 90 a end 1 expired",
        ),
        (
            "the last renewal is forgotten",
            "10 a stand 1; 10 a won 1 5; 10 a until 1 50; 40 a until 1 90; 60 b lead 1 6 70",
        ),
        ("before the crash", "10 a stand 1; 10 a won 1 5; 19 b lead 1 6 40; 20 a crash"),
        ("both with one term", "10 a lead 1 5 20; 15 b lead 1 5 40"),
        (
            "the third with the first",
            "10 a lead 1 5 90; 10 b stand 1; 10 b won 1 6; 10 b end 1 released; 80 c lead 1 7 99",
        ),
    ],
};

const E2: Table = Table {
    id: "E2",
    good: &[
        ("one term", "10 a lead 1 5 20"),
        ("growing terms", "10 a lead 1 5 20; 30 b lead 1 6 40; 50 a lead 2 7 60"),
        ("terms with gaps", "10 a lead 1 5 20; 30 b lead 1 600 40"),
        ("two elections share a term", "10 a stand 1 x; 11 a won 1 5 1 x; 11 b stand 1 y; 12 b won 1 5 1 y"),
        ("an election and a lock share a term", "10 a lead 1 5 20; 30 b hold 1 5 40"),
        (
            "the restarted leader",
            "10 a stand 1; 11 a won 1 5; 20 a crash; 30 a/2 start; 2000 a/2 lead 1 6 2010",
        ),
        (
            "told too late of an old term",
            "10 a stand 1; 300 b lead 1 9 400; 350 a won 1 5; 350 a until 1 250; 350 a told 1",
        ),
        ("a campaign in vain between", "10 a lead 1 5 20; 22 b stand 1; 25 b quit 1; 30 c lead 1 6 40"),
        ("after an outage", "10 a lead 1 5 20; 22 n fault 1 outage store; 25 n heal 1; 30 c lead 1 6 40"),
        ("the first term is large", "10 a lead 1 1000000 20; 30 b lead 1 1000001 40"),
    ],
    bad: &[
        ("one term, two leaders", "10 a lead 1 5 20; 30 b lead 1 5 40"),
        ("one term twice", "10 a lead 1 5 20; 30 a lead 2 5 40"),
        ("a smaller term", "10 a lead 1 5 20; 30 b lead 1 4 40"),
        ("a smaller term after others", "10 a lead 1 5 20; 30 b lead 1 8 40; 50 c lead 1 7 60"),
        (
            "a record of the old session is adopted",
            "10 a stand 1; 10 a won 1 5; 20 a crash; 30 a/2 start; 40 a/2 stand 1; 41 a/2 won 1 5",
        ),
        (
            "terms begin again",
            "10 a lead 1 500 20; 22 n fault 1 failover store; 25 n heal 1; 30 b lead 1 1 40",
        ),
        ("at one instant", "10 a stand 1; 10 b stand 1; 20 a won 1 5; 20 b won 1 5"),
        ("much later", "10 a lead 1 5 20; 90000 b lead 1 5 90001"),
        (
            "in the second election only",
            "10 a stand 1 x; 11 a won 1 5 1 x; 11 b stand 1 y; 12 b won 1 6 1 y; 13 b end 1 released; 14 c stand 1 y; 15 c won 1 6 1 y",
        ),
        (
            "told too late of a term that another has",
            "10 a stand 1; 300 b lead 1 9 400; 350 a won 1 9; 350 a until 1 250",
        ),
    ],
};

const E3: Table = Table {
    id: "E3",
    good: &[
        ("resigned", "10 a lead 1 5 20; 900 n idle"),
        ("resigned without an answer", "10 a stand 1; 10 a won 1 5; 20 a end 1 released; 900 n idle"),
        ("answered late", "10 a stand 1; 10 a won 1 5; 20 a end 1 released; 900 a released 1"),
        ("answered twice", "10 a lead 1 5 20; 30 a released 1"),
        ("lost, then resigned", "10 a stand 1; 10 a won 1 5; 20 a end 1 lost; 20 a told 1; 30 a released 1"),
        ("stands again, and leads again", "10 a lead 1 5 20; 20 a lead 2 6 40"),
        (
            "stands again while the resignation is under way",
            "10 a stand 1; 10 a won 1 5; 20 a end 1 released; 21 a stand 2; 30 a released 1; 31 a won 2 6; 40 a end 2 released",
        ),
        ("told of the loss after the resignation", "10 a lead 1 5 20; 21 a told 1"),
        (
            "the deadline is recorded at the end",
            "10 a stand 1; 10 a won 1 5; 20 a until 1 90; 20 a end 1 released; 21 a released 1",
        ),
        (
            "the deadline is recorded after the end, at the same instant",
            "10 a stand 1; 10 a won 1 5; 20 a end 1 released; 20 a until 1 90; 21 a released 1",
        ),
        (
            "the deadline passes while the resignation is under way",
            "10 a stand 1; 10 a won 1 5; 10 a until 1 50; 20 a end 1 released; 80 a released 1",
        ),
    ],
    bad: &[
        ("renewed after the resignation", "10 a lead 1 5 20; 30 a until 1 90"),
        (
            "renewed after the loss",
            "10 a stand 1; 10 a won 1 5; 20 a end 1 lost; 20 a told 1; 30 a until 1 90",
        ),
        (
            "renewed after the deadline",
            "10 a stand 1; 10 a won 1 5; 10 a until 1 20; 20 a end 1 expired; 20 a told 1; 30 a until 1 90",
        ),
        (
            "believed in after the resignation",
            "10 a stand 1; 10 a won 1 5; 20 a released 1; 30 a end 1 released",
        ),
        (
            "believed in for ever after the resignation",
            "10 a stand 1; 10 a won 1 5; 20 a released 1; 900 n idle",
        ),
        (
            "up to the deadline after the resignation",
            "10 a stand 1; 10 a won 1 5; 10 a until 1 50; 20 a released 1; 90 n idle",
        ),
        (
            "one campaign is won twice",
            "10 a stand 1; 10 a won 1 5; 20 a end 1 released; 30 a won 1 6 2; 40 a end 2 released",
        ),
        (
            "won twice after the loss",
            "10 a stand 1; 10 a won 1 5; 20 a end 1 lost; 20 a told 1; 30 a won 1 6 2; 40 a end 2 released",
        ),
        (
            "won twice with one term",
            "10 a stand 1; 10 a won 1 5; 20 a end 1 released; 20 a released 1; 30 a won 1 5 2; 40 a end 2 released",
        ),
        (
            "renewed long after the resignation, which was never answered",
            "10 a stand 1; 10 a won 1 5; 20 a end 1 released; 9000 a until 1 9900",
        ),
    ],
};

const E5: Table = Table {
    id: "E5",
    good: &[
        ("resigned", "10 a lead 1 5 20; 900 n idle"),
        (
            "cut off, told at the deadline",
            "10 a stand 1; 10 a won 1 5; 15 n fault 1 cut a; 10 a until 1 100; 100 a end 1 expired; 100 a told 1; 900 n idle",
        ),
        (
            "told just in time",
            "10 a stand 1; 10 a won 1 5; 10 a until 1 100; 100 a end 1 expired; 150 a told 1; 900 n idle",
        ),
        (
            "told before the deadline",
            "10 a stand 1; 10 a won 1 5; 10 a until 1 900; 50 a end 1 lost; 50 a told 1; 900 n idle",
        ),
        (
            "frozen over the deadline",
            "10 a stand 1; 10 a won 1 5; 50 a freeze; 100 a until 1 100; 100 a end 1 expired; 700 a thaw; 740 a told 1; 900 n idle",
        ),
        ("crashed", "10 a stand 1; 10 a won 1 5; 10 a until 1 100; 90 a crash; 900 n idle"),
        (
            "resigned just after the deadline",
            "10 a stand 1; 10 a won 1 5; 10 a until 1 100; 140 a end 1 released; 900 n idle",
        ),
        (
            "renewed for ever",
            "10 a stand 1; 10 a won 1 5; 10 a until 1 100; 90 a until 1 900; 800 a until 1 1700; 900 n idle",
        ),
        ("the history ends before", "10 a stand 1; 10 a won 1 5; 10 a until 1 100; 149 n idle"),
        (
            "handed over, and the work is told",
            "10 a stand 1; 10 a won 1 5; 50 a end 1 yielded; 51 a told 1; 900 n idle",
        ),
    ],
    bad: &[
        (
            "cut off, and never told",
            "10 a stand 1; 10 a won 1 5; 15 n fault 1 cut a; 10 a until 1 100; 100 a end 1 expired; 900 n idle",
        ),
        (
            "told too late",
            "10 a stand 1; 10 a won 1 5; 10 a until 1 100; 100 a end 1 expired; 151 a told 1; 900 n idle",
        ),
        ("the deadline passes unseen", "10 a stand 1; 10 a won 1 5; 10 a until 1 100; 900 n idle"),
        (
            "an outage",
            "10 a stand 1; 10 a won 1 5; 20 n fault 1 outage store; 10 a until 1 100; 900 n heal 1",
        ),
        (
            "seen lost, but the work is not told",
            "10 a stand 1; 10 a won 1 5; 10 a until 1 900; 50 a end 1 lost; 900 n idle",
        ),
        (
            "thawed, and not told",
            "10 a stand 1; 10 a won 1 5; 50 a freeze; 100 a until 1 100; 100 a end 1 expired; 700 a thaw; 760 a told 1; 900 n idle",
        ),
        (
            "resigned much too late",
            "10 a stand 1; 10 a won 1 5; 10 a until 1 100; 300 a end 1 released; 900 n idle",
        ),
        (
            "crashed too late to excuse it",
            "10 a stand 1; 10 a won 1 5; 10 a until 1 100; 200 a crash; 900 n idle",
        ),
        (
            "handed over, but the work is not told",
            "10 a stand 1; 10 a won 1 5; 50 a end 1 yielded; 900 n idle",
        ),
        ("the second term", "10 a lead 1 5 20; 30 a stand 2; 30 a won 2 6; 30 a until 2 100; 900 n idle"),
    ],
};
