//! P1, P2 and P3: owners of partitions.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&P1, &P2, &P3];

#[test]
fn p1_one_owner() {
    judge(&P1);
}

#[test]
fn p2_every_partition_is_owned() {
    judge(&P2);
}

#[test]
fn p3_given_up_for_good() {
    judge(&P3);
}

const P1: Table = Table {
    id: "P1",
    good: &[
        ("nobody owns it", "10 a seek 1; 20 a quit 1"),
        ("one after the other", "10 a own 1 5 20; 30 b own 1 6 40"),
        ("tokens that touch", "10 a own 1 5 20; 20 b own 1 6 40"),
        (
            "a move: the record of the end comes late, the deadline is short",
            "10 a seek 1; 10 a gets 1 5; 10 a until 1 20; 21 b own 1 6 30; 50 a end 1 released",
        ),
        ("a crash ends the token", "10 a seek 1; 10 a gets 1 5; 20 a crash; 20 b own 1 6 30"),
        (
            "the next is assigned at the deadline of a cut owner",
            "10 a seek 1; 10 a gets 1 5; 15 n fault 1 cut a; 10 a until 1 90; 90 a end 1 expired; 90 a told 1; 90 b own 1 6 99",
        ),
        ("two partitions", "10 a seek 1 x; 11 a gets 1 5 1 x; 11 b seek 1 y; 12 b gets 1 6 1 y"),
        ("an owner and a holder", "10 a own 1 5 50; 20 b hold 1 6 40"),
        ("the same node again", "10 a own 1 5 20; 20 a own 2 6 40; 40 a own 3 7 50"),
        (
            "told of its assignment when the token was over",
            "10 a seek 1; 300 b own 1 9 400; 350 a gets 1 5; 350 a until 1 250; 350 a told 1",
        ),
        ("one token", "10 a own 1 5 20"),
        ("growing tokens", "10 a own 1 5 20; 30 b own 1 6 40; 50 a own 2 7 60"),
        ("tokens with gaps", "10 a own 1 5 20; 30 b own 1 600 40"),
        (
            "two partitions share a token",
            "10 a seek 1 x; 11 a gets 1 5 1 x; 11 b seek 1 y; 12 b gets 1 5 1 y",
        ),
        ("a partition and a lock share a token", "10 a own 1 5 20; 30 b hold 1 5 40"),
        (
            "the restarted owner",
            "10 a seek 1; 11 a gets 1 5; 20 a crash; 30 a/2 start; 2000 a/2 own 1 6 2010",
        ),
        (
            "told too late of an old token",
            "10 a seek 1; 300 b own 1 9 400; 350 a gets 1 5; 350 a until 1 250; 350 a told 1",
        ),
        ("a wish in vain between", "10 a own 1 5 20; 22 b seek 1; 25 b quit 1; 30 c own 1 6 40"),
        ("after an outage", "10 a own 1 5 20; 22 n fault 1 outage store; 25 n heal 1; 30 c own 1 6 40"),
        ("the first token is large", "10 a own 1 1000000 20; 30 b own 1 1000001 40"),
        (
            "moved by force: the owner before has not heard of it",
            "10 a seek 1; 11 a gets 1 5; 11 a takes 1 1/9; 20 b seek 1; 21 b gets 1 6; 21 b takes 1 1/9; 90 a end 1 lost; 90 a told 1",
        ),
        (
            "moved by force: the owner before hears late of the older one",
            "10 a seek 1; 20 b seek 1; 21 b gets 1 6; 21 b takes 1 1/9; 30 a gets 1 5; 30 a takes 1 1/9",
        ),
        (
            "two groups have partitions of one number",
            "10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 11 b seek 1 y/0; 12 b gets 1 6 1 y/0",
        ),
    ],
    bad: &[
        ("two owners", "10 a own 1 5 20; 19 b own 1 6 40"),
        (
            "moved by force, and one token for two",
            "10 a seek 1; 20 b seek 1; 21 b gets 1 6; 21 b takes 1 1/9; 30 a gets 1 6; 30 a takes 1 1/9",
        ),
        ("a token within another", "10 a own 1 5 90; 20 b own 1 6 40"),
        ("two grants of one node", "10 a own 1 5 30; 20 a own 2 6 40"),
        ("an owner that never ends", "10 a seek 1; 10 a gets 1 5; 900000 b own 1 6 900010"),
        (
            "the deadline of a cut owner has not passed",
            "10 a seek 1; 10 a gets 1 5; 15 n fault 1 cut a; 10 a until 1 90; 89 b own 1 6 99",
        ),
        (
            "of a frozen one",
            "10 a seek 1; 10 a gets 1 5; 15 a freeze; 80 b own 1 6 99; 90 a until 1 90; 90 a end 1 expired",
        ),
        (
            "the last renewal is forgotten",
            "10 a seek 1; 10 a gets 1 5; 10 a until 1 50; 40 a until 1 90; 60 b own 1 6 70",
        ),
        ("before the crash", "10 a seek 1; 10 a gets 1 5; 19 b own 1 6 40; 20 a crash"),
        ("both with one token", "10 a own 1 5 20; 15 b own 1 5 40"),
        (
            "the third with the first",
            "10 a own 1 5 90; 10 b seek 1; 10 b gets 1 6; 10 b end 1 released; 80 c own 1 7 99",
        ),
        ("one token, two owners", "10 a own 1 5 20; 30 b own 1 5 40"),
        ("one token twice", "10 a own 1 5 20; 30 a own 2 5 40"),
        ("a smaller token", "10 a own 1 5 20; 30 b own 1 4 40"),
        ("a smaller token after others", "10 a own 1 5 20; 30 b own 1 8 40; 50 c own 1 7 60"),
        (
            "a record of the old session is adopted",
            "10 a seek 1; 10 a gets 1 5; 20 a crash; 30 a/2 start; 40 a/2 seek 1; 41 a/2 gets 1 5",
        ),
        (
            "tokens begin again",
            "10 a own 1 500 20; 22 n fault 1 failover store; 25 n heal 1; 30 b own 1 1 40",
        ),
        ("at one instant", "10 a seek 1; 10 b seek 1; 20 a gets 1 5; 20 b gets 1 5"),
        ("much later", "10 a own 1 5 20; 90000 b own 1 5 90001"),
        (
            "in the second partition only",
            "10 a seek 1 x; 11 a gets 1 5 1 x; 11 b seek 1 y; 12 b gets 1 6 1 y; 13 b end 1 released; 14 c seek 1 y; 15 c gets 1 6 1 y",
        ),
        (
            "told too late of a token that another has",
            "10 a seek 1; 300 b own 1 9 400; 350 a gets 1 9; 350 a until 1 250",
        ),
        (
            "moved by force with an old token",
            "10 a seek 1; 11 a gets 1 5; 11 a takes 1 1/9; 20 b seek 1; 21 b gets 1 5; 21 b takes 1 1/9",
        ),
        (
            "only one of the two may be moved by force",
            "10 a seek 1; 11 a gets 1 5; 11 a takes 1 1/9; 20 b seek 1; 21 b gets 1 6",
        ),
    ],
};

const P2: Table = Table {
    id: "P2",
    good: &[
        ("nobody wants it", "1 n calm; 9000 n idle"),
        ("assigned within the bound", "1 n calm; 10 a seek 1; 5000 a gets 1 5; 9900 n idle"),
        ("an owner stays, members wait", "1 n calm; 10 a seek 1; 10 a gets 1 5; 20 b seek 1; 99000 n idle"),
        ("the member is broken for ever", "1 n fault 1 cut a; 2 n calm; 10 a seek 1; 99000 n idle"),
        ("the member withdraws", "1 n calm; 10 a seek 1; 5000 a quit 1; 99000 n idle"),
        ("no liveness phase", "10 a seek 1; 99000 n idle"),
        ("back to the safety phase", "1 n calm; 2 n storm; 10 a seek 1; 99000 n idle"),
        (
            "the owner dies, another owns it",
            "1 n calm; 10 a seek 1; 10 a gets 1 5; 20 b seek 1; 4000 a crash; 6000 b gets 1 6; 99000 n idle",
        ),
        (
            "another one is free for a moment",
            "1 n calm; 10 a own 1 5 20; 30 b seek 1; 4900 b gets 1 6; 9000 n idle",
        ),
        ("the member is frozen for ever", "1 a freeze; 2 n calm; 10 a seek 1; 99000 n idle"),
    ],
    bad: &[
        ("nobody is assigned", "1 n calm; 10 a seek 1; 6000 n idle"),
        ("assigned too late", "1 n calm; 10 a seek 1; 5100 a gets 1 5; 5200 a end 1 released"),
        ("nobody after the end", "1 n calm; 10 a own 1 5 20; 30 b seek 1; 6000 n idle"),
        (
            "nobody after the crash",
            "10 a seek 1; 10 a gets 1 5; 20 b seek 1; 30 a crash; 40 n calm; 6000 n idle",
        ),
        ("a ghost owns it until the member gives up", "1 n calm; 10 a seek 1; 6000 a quit 1"),
        ("nobody after the heal", "5 n fault 1 cut a; 10 a seek 1; 20 n heal 1; 21 n calm; 6000 n idle"),
        ("the other node stays broken", "5 n fault 1 cut b; 6 n calm; 10 a seek 1; 6000 n idle"),
        (
            "a hint to a member that is gone",
            "1 n calm; 10 a own 1 5 20; 11 b seek 1; 15 c seek 1; 21 c quit 1; 6000 n idle",
        ),
        (
            "the second partition",
            "1 n calm; 10 a seek 1 x/0; 11 a gets 1 5 1 x/0; 12 a seek 2 x/1; 9000 n idle",
        ),
        (
            "after it was lost",
            "1 n calm; 10 a seek 1; 10 a gets 1 5; 20 a end 1 lost; 20 a told 1; 21 a seek 2; 9000 n idle",
        ),
    ],
};

const P3: Table = Table {
    id: "P3",
    good: &[
        ("given up", "10 a own 1 5 20; 900 n idle"),
        ("given up without an answer", "10 a seek 1; 10 a gets 1 5; 20 a end 1 released; 900 n idle"),
        ("answered late", "10 a seek 1; 10 a gets 1 5; 20 a end 1 released; 900 a released 1"),
        ("answered twice", "10 a own 1 5 20; 30 a released 1"),
        ("lost, then given up", "10 a seek 1; 10 a gets 1 5; 20 a end 1 lost; 20 a told 1; 30 a released 1"),
        ("wants it again, and owns it again", "10 a own 1 5 20; 20 a own 2 6 40"),
        (
            "wants it again while the end is under way",
            "10 a seek 1; 10 a gets 1 5; 20 a end 1 released; 21 a seek 2; 30 a released 1; 31 a gets 2 6; 40 a end 2 released",
        ),
        ("told of the loss after the end", "10 a own 1 5 20; 21 a told 1"),
        (
            "the deadline is recorded at the end",
            "10 a seek 1; 10 a gets 1 5; 20 a until 1 90; 20 a end 1 released; 21 a released 1",
        ),
        (
            "the deadline is recorded after the end, at the same instant",
            "10 a seek 1; 10 a gets 1 5; 20 a end 1 released; 20 a until 1 90; 21 a released 1",
        ),
        (
            "the deadline passes while the end is under way",
            "10 a seek 1; 10 a gets 1 5; 10 a until 1 50; 20 a end 1 released; 80 a released 1",
        ),
        ("given up", "10 a own 1 5 20; 900 n idle"),
        (
            "cut off, told at the deadline",
            "10 a seek 1; 10 a gets 1 5; 15 n fault 1 cut a; 10 a until 1 100; 100 a end 1 expired; 100 a told 1; 900 n idle",
        ),
        (
            "told just in time",
            "10 a seek 1; 10 a gets 1 5; 10 a until 1 100; 100 a end 1 expired; 150 a told 1; 900 n idle",
        ),
        (
            "told before the deadline",
            "10 a seek 1; 10 a gets 1 5; 10 a until 1 900; 50 a end 1 lost; 50 a told 1; 900 n idle",
        ),
        (
            "frozen over the deadline",
            "10 a seek 1; 10 a gets 1 5; 50 a freeze; 100 a until 1 100; 100 a end 1 expired; 700 a thaw; 740 a told 1; 900 n idle",
        ),
        ("crashed", "10 a seek 1; 10 a gets 1 5; 10 a until 1 100; 90 a crash; 900 n idle"),
        (
            "given up just after the deadline",
            "10 a seek 1; 10 a gets 1 5; 10 a until 1 100; 140 a end 1 released; 900 n idle",
        ),
        (
            "renewed for ever",
            "10 a seek 1; 10 a gets 1 5; 10 a until 1 100; 90 a until 1 900; 800 a until 1 1700; 900 n idle",
        ),
        ("the history ends before", "10 a seek 1; 10 a gets 1 5; 10 a until 1 100; 149 n idle"),
        (
            "handed over, and the work is told",
            "10 a seek 1; 10 a gets 1 5; 50 a end 1 yielded; 51 a told 1; 900 n idle",
        ),
    ],
    bad: &[
        ("renewed after the end", "10 a own 1 5 20; 30 a until 1 90"),
        (
            "renewed after the loss",
            "10 a seek 1; 10 a gets 1 5; 20 a end 1 lost; 20 a told 1; 30 a until 1 90",
        ),
        (
            "renewed after the deadline",
            "10 a seek 1; 10 a gets 1 5; 10 a until 1 20; 20 a end 1 expired; 20 a told 1; 30 a until 1 90",
        ),
        ("believed in after the end", "10 a seek 1; 10 a gets 1 5; 20 a released 1; 30 a end 1 released"),
        ("believed in for ever after the end", "10 a seek 1; 10 a gets 1 5; 20 a released 1; 900 n idle"),
        (
            "up to the deadline after the end",
            "10 a seek 1; 10 a gets 1 5; 10 a until 1 50; 20 a released 1; 90 n idle",
        ),
        (
            "one wish is granted twice",
            "10 a seek 1; 10 a gets 1 5; 20 a end 1 released; 30 a gets 1 6 2; 40 a end 2 released",
        ),
        (
            "granted twice after the loss",
            "10 a seek 1; 10 a gets 1 5; 20 a end 1 lost; 20 a told 1; 30 a gets 1 6 2; 40 a end 2 released",
        ),
        (
            "granted twice with one token",
            "10 a seek 1; 10 a gets 1 5; 20 a end 1 released; 20 a released 1; 30 a gets 1 5 2; 40 a end 2 released",
        ),
        (
            "renewed long after the end, which was never answered",
            "10 a seek 1; 10 a gets 1 5; 20 a end 1 released; 9000 a until 1 9900",
        ),
        (
            "cut off, and never told",
            "10 a seek 1; 10 a gets 1 5; 15 n fault 1 cut a; 10 a until 1 100; 100 a end 1 expired; 900 n idle",
        ),
        (
            "told too late",
            "10 a seek 1; 10 a gets 1 5; 10 a until 1 100; 100 a end 1 expired; 151 a told 1; 900 n idle",
        ),
        ("the deadline passes unseen", "10 a seek 1; 10 a gets 1 5; 10 a until 1 100; 900 n idle"),
        (
            "an outage",
            "10 a seek 1; 10 a gets 1 5; 20 n fault 1 outage store; 10 a until 1 100; 900 n heal 1",
        ),
        (
            "seen lost, but the work is not told",
            "10 a seek 1; 10 a gets 1 5; 10 a until 1 900; 50 a end 1 lost; 900 n idle",
        ),
        (
            "thawed, and not told",
            "10 a seek 1; 10 a gets 1 5; 50 a freeze; 100 a until 1 100; 100 a end 1 expired; 700 a thaw; 760 a told 1; 900 n idle",
        ),
        (
            "given up much too late",
            "10 a seek 1; 10 a gets 1 5; 10 a until 1 100; 300 a end 1 released; 900 n idle",
        ),
        (
            "crashed too late to excuse it",
            "10 a seek 1; 10 a gets 1 5; 10 a until 1 100; 200 a crash; 900 n idle",
        ),
        (
            "handed over, but the work is not told",
            "10 a seek 1; 10 a gets 1 5; 50 a end 1 yielded; 900 n idle",
        ),
        ("the second grant", "10 a own 1 5 20; 30 a seek 2; 30 a gets 2 6; 30 a until 2 100; 900 n idle"),
    ],
};
