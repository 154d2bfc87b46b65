//! S1 and S2: holders of slots.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&S1, &S2];

#[test]
fn s1_one_holder() {
    judge(&S1);
}

#[test]
fn s2_free_slots_are_taken() {
    judge(&S2);
}

const S1: Table = Table {
    id: "S1",
    good: &[
        ("nobody holds it", "10 a sit 1; 20 a quit 1"),
        ("one after the other", "10 a desk 1 5 20; 30 b desk 1 6 40"),
        ("tokens that touch", "10 a desk 1 5 20; 20 b desk 1 6 40"),
        (
            "a move: the record of the end comes late, the deadline is short",
            "10 a sit 1; 10 a sits 1 5; 10 a until 1 20; 21 b desk 1 6 30; 50 a end 1 released",
        ),
        ("a crash ends the token", "10 a sit 1; 10 a sits 1 5; 20 a crash; 20 b desk 1 6 30"),
        (
            "the next is given at the deadline of a cut holder",
            "10 a sit 1; 10 a sits 1 5; 15 n fault 1 cut a; 10 a until 1 90; 90 a end 1 expired; 90 a told 1; 90 b desk 1 6 99",
        ),
        ("the same node again", "10 a desk 1 5 20; 20 a desk 2 6 40; 40 a desk 3 7 50"),
        (
            "told of its assignment when the token was over",
            "10 a sit 1; 300 b desk 1 9 400; 350 a sits 1 5; 350 a until 1 250; 350 a told 1",
        ),
        ("one token", "10 a desk 1 5 20"),
        ("growing tokens", "10 a desk 1 5 20; 30 b desk 1 6 40; 50 a desk 2 7 60"),
        ("tokens with gaps", "10 a desk 1 5 20; 30 b desk 1 600 40"),
        (
            "the restarted holder",
            "10 a sit 1; 11 a sits 1 5; 20 a crash; 30 a/2 start; 2000 a/2 desk 1 6 2010",
        ),
        (
            "told too late of an old token",
            "10 a sit 1; 300 b desk 1 9 400; 350 a sits 1 5; 350 a until 1 250; 350 a told 1",
        ),
        ("a wish in vain between", "10 a desk 1 5 20; 22 b sit 1; 25 b quit 1; 30 c desk 1 6 40"),
        ("after an outage", "10 a desk 1 5 20; 22 n fault 1 outage store; 25 n heal 1; 30 c desk 1 6 40"),
        ("the first token is large", "10 a desk 1 1000000 20; 30 b desk 1 1000001 40"),
        ("given up", "10 a desk 1 5 20; 900 n idle"),
        ("given up without an answer", "10 a sit 1; 10 a sits 1 5; 20 a end 1 released; 900 n idle"),
        ("answered late", "10 a sit 1; 10 a sits 1 5; 20 a end 1 released; 900 a released 1"),
        ("answered twice", "10 a desk 1 5 20; 30 a released 1"),
        ("lost, then given up", "10 a sit 1; 10 a sits 1 5; 20 a end 1 lost; 20 a told 1; 30 a released 1"),
        ("wants it again, and holds it again", "10 a desk 1 5 20; 20 a desk 2 6 40"),
        (
            "wants it again while the end is under way",
            "10 a sit 1; 10 a sits 1 5; 20 a end 1 released; 21 a sit 2; 30 a released 1; 31 a sits 2 6; 40 a end 2 released",
        ),
        ("told of the loss after the end", "10 a desk 1 5 20; 21 a told 1"),
    ],
    bad: &[
        ("two holders", "10 a desk 1 5 20; 19 b desk 1 6 40"),
        ("a token within another", "10 a desk 1 5 90; 20 b desk 1 6 40"),
        ("two grants of one node", "10 a desk 1 5 30; 20 a desk 2 6 40"),
        ("an holder that never ends", "10 a sit 1; 10 a sits 1 5; 900000 b desk 1 6 900010"),
        (
            "the deadline of a cut holder has not passed",
            "10 a sit 1; 10 a sits 1 5; 15 n fault 1 cut a; 10 a until 1 90; 89 b desk 1 6 99",
        ),
        (
            "of a frozen one",
            "10 a sit 1; 10 a sits 1 5; 15 a freeze; 80 b desk 1 6 99; 90 a until 1 90; 90 a end 1 expired",
        ),
        (
            "the last renewal is forgotten",
            "10 a sit 1; 10 a sits 1 5; 10 a until 1 50; 40 a until 1 90; 60 b desk 1 6 70",
        ),
        ("before the crash", "10 a sit 1; 10 a sits 1 5; 19 b desk 1 6 40; 20 a crash"),
        ("both with one token", "10 a desk 1 5 20; 15 b desk 1 5 40"),
        (
            "the third with the first",
            "10 a desk 1 5 90; 10 b sit 1; 10 b sits 1 6; 10 b end 1 released; 80 c desk 1 7 99",
        ),
        ("one token, two holders", "10 a desk 1 5 20; 30 b desk 1 5 40"),
        ("one token twice", "10 a desk 1 5 20; 30 a desk 2 5 40"),
        ("a smaller token", "10 a desk 1 5 20; 30 b desk 1 4 40"),
        ("a smaller token after others", "10 a desk 1 5 20; 30 b desk 1 8 40; 50 c desk 1 7 60"),
        (
            "a record of the old session is adopted",
            "10 a sit 1; 10 a sits 1 5; 20 a crash; 30 a/2 start; 40 a/2 sit 1; 41 a/2 sits 1 5",
        ),
        (
            "tokens begin again",
            "10 a desk 1 500 20; 22 n fault 1 failover store; 25 n heal 1; 30 b desk 1 1 40",
        ),
        ("at one instant", "10 a sit 1; 10 b sit 1; 20 a sits 1 5; 20 b sits 1 5"),
        ("much later", "10 a desk 1 5 20; 90000 b desk 1 5 90001"),
        (
            "told too late of a token that another has",
            "10 a sit 1; 300 b desk 1 9 400; 350 a sits 1 9; 350 a until 1 250",
        ),
        ("renewed after the end", "10 a desk 1 5 20; 30 a until 1 90"),
        (
            "renewed after the loss",
            "10 a sit 1; 10 a sits 1 5; 20 a end 1 lost; 20 a told 1; 30 a until 1 90",
        ),
        (
            "renewed after the deadline",
            "10 a sit 1; 10 a sits 1 5; 10 a until 1 20; 20 a end 1 expired; 20 a told 1; 30 a until 1 90",
        ),
        ("believed in after the end", "10 a sit 1; 10 a sits 1 5; 20 a released 1; 30 a end 1 released"),
        ("believed in for ever after the end", "10 a sit 1; 10 a sits 1 5; 20 a released 1; 900 n idle"),
        (
            "up to the deadline after the end",
            "10 a sit 1; 10 a sits 1 5; 10 a until 1 50; 20 a released 1; 90 n idle",
        ),
        (
            "one wish is granted twice",
            "10 a sit 1; 10 a sits 1 5; 20 a end 1 released; 30 a sits 1 6 2; 40 a end 2 released",
        ),
        (
            "granted twice after the loss",
            "10 a sit 1; 10 a sits 1 5; 20 a end 1 lost; 20 a told 1; 30 a sits 1 6 2; 40 a end 2 released",
        ),
        (
            "granted twice with one token",
            "10 a sit 1; 10 a sits 1 5; 20 a end 1 released; 20 a released 1; 30 a sits 1 5 2; 40 a end 2 released",
        ),
        (
            "renewed long after the end, which was never answered",
            "10 a sit 1; 10 a sits 1 5; 20 a end 1 released; 9000 a until 1 9900",
        ),
    ],
};

const S2: Table = Table {
    id: "S2",
    good: &[
        ("nobody wants it", "1 n calm; 9000 n idle"),
        ("given within the bound", "1 n calm; 10 a sit 1; 5000 a sits 1 5; 9900 n idle"),
        ("an holder stays, processs wait", "1 n calm; 10 a sit 1; 10 a sits 1 5; 20 b sit 1; 99000 n idle"),
        ("the process is broken for ever", "1 n fault 1 cut a; 2 n calm; 10 a sit 1; 99000 n idle"),
        ("the process withdraws", "1 n calm; 10 a sit 1; 5000 a quit 1; 99000 n idle"),
        ("no liveness phase", "10 a sit 1; 99000 n idle"),
        ("back to the safety phase", "1 n calm; 2 n storm; 10 a sit 1; 99000 n idle"),
        (
            "the holder dies, another holds it",
            "1 n calm; 10 a sit 1; 10 a sits 1 5; 20 b sit 1; 4000 a crash; 6000 b sits 1 6; 99000 n idle",
        ),
        (
            "another one is free for a moment",
            "1 n calm; 10 a desk 1 5 20; 30 b sit 1; 4900 b sits 1 6; 9000 n idle",
        ),
        ("the process is frozen for ever", "1 a freeze; 2 n calm; 10 a sit 1; 99000 n idle"),
    ],
    bad: &[
        ("nobody is given", "2 z desk 9 1 3; 1 n calm; 10 a sit 1; 6000 n idle"),
        ("given too late", "2 z desk 9 1 3; 1 n calm; 10 a sit 1; 5100 a sits 1 5; 5200 a end 1 released"),
        ("nobody after the end", "2 z desk 9 1 3; 1 n calm; 10 a desk 1 5 20; 30 b sit 1; 6000 n idle"),
        (
            "nobody after the crash",
            "2 z desk 9 1 3; 10 a sit 1; 10 a sits 1 5; 20 b sit 1; 30 a crash; 40 n calm; 6000 n idle",
        ),
        (
            "a ghost holds it until the process gives up",
            "2 z desk 9 1 3; 1 n calm; 10 a sit 1; 6000 a quit 1",
        ),
        (
            "nobody after the heal",
            "2 z desk 9 1 3; 5 n fault 1 cut a; 10 a sit 1; 20 n heal 1; 21 n calm; 6000 n idle",
        ),
        (
            "the other node stays broken",
            "2 z desk 9 1 3; 5 n fault 1 cut b; 6 n calm; 10 a sit 1; 6000 n idle",
        ),
        (
            "a hint to a process that is gone",
            "2 z desk 9 1 3; 1 n calm; 10 a desk 1 5 20; 11 b sit 1; 15 c sit 1; 21 c quit 1; 6000 n idle",
        ),
        (
            "after it was lost",
            "2 z desk 9 1 3; 1 n calm; 10 a sit 1; 10 a sits 1 5; 20 a end 1 lost; 20 a told 1; 21 a sit 2; 9000 n idle",
        ),
        (
            "the second slot",
            "2 z desk 9 1 3; 1 n calm; 10 a sit 1; 10 a sits 1 5; 12 a sit 2; 12 a sits 2 6 2 d/1; 13 a end 2 released; 14 b sit 1; 9000 n idle",
        ),
    ],
};
