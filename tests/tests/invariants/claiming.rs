//! W3 and W5: who claims an item, and until when.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&W3, &W5];

#[test]
fn w3_one_claimer() {
    judge(&W3);
}

#[test]
fn w5_given_up_for_good() {
    judge(&W5);
}

/// An item, added and claimed by b.
macro_rules! claimed {
    ($rest:literal) => {
        concat!(
            "5 s file w/0 x ready 5; 6 a new w/0; 10 b pick 1; 11 s file w/0 y claimed 7; 12 b picks 1 7; 12 b tries 1 1; ",
            $rest
        )
    };
}

const W3: Table = Table {
    id: "W3",
    good: &[
        ("one claim", claimed!("90 b end 1 released")),
        ("one after the other", "10 a work 1 5 20; 30 b work 1 6 40"),
        ("claims that touch", "10 a work 1 5 20; 20 b work 1 6 40"),
        ("two items of one commit", "10 a pick 1; 11 a picks 1 5; 11 a pick 2; 11 a picks 2 5 2 w/1"),
        (
            "given back, and claimed again",
            claimed!(
                "20 b end 1 released; 21 s file w/0 y ready 8; 22 c pick 1; 23 s file w/0 z claimed 9; 24 c picks 1 9; 24 c tries 1 2"
            ),
        ),
        (
            "taken from a dead one",
            claimed!(
                "20 b crash; 900 s file w/0 z ready 8; 902 c pick 1; 903 s file w/0 z claimed 9; 904 c picks 1 9; 904 c tries 1 2"
            ),
        ),
        (
            "taken from one that was cut off, after its deadline",
            claimed!(
                "15 n fault 1 cut b; 12 b until 1 900; 900 b end 1 expired; 900 b told 1; 901 s file w/0 z ready 8"
            ),
        ),
        (
            "put off, and claimed in its time",
            "5 s file w/0 x ready@900 5; 10 b pick 1; 901 s file w/0 y claimed 7; 902 b picks 1 7",
        ),
        (
            "forgotten and begun anew: the first attempt again",
            claimed!(
                "20 b end 1 released; 20 b settle 1 1 complete; 21 s file w/0 y done 8; 20000 s file w/0 x ready 9; 20001 s file w/0 y claimed 10; 20002 b pick 2; 20002 b picks 2 10; 20002 b tries 2 1"
            ),
        ),
        (
            "the store forgets a claim: the attempt comes again",
            claimed!(
                "20 n rollback 2; 20 s file w/0 - ready 5; 21 b end 1 lost; 21 b told 1; 30 c pick 1; 31 s file w/0 z claimed 9; 32 c picks 1 9; 32 c tries 1 1"
            ),
        ),
        (
            "told of its claim when it was over",
            "10 a pick 1; 300 b work 1 9 400; 350 a picks 1 5; 350 a until 1 250; 350 a told 1",
        ),
        (
            "removed while it is claimed",
            claimed!("20 c remove w/0; 21 s file w/0 z gone 8; 22 s file w/0 z ready 9"),
        ),
    ],
    bad: &[
        ("two at one time", "10 a work 1 5 20; 19 b work 1 6 40"),
        ("a smaller token", "10 a work 1 5 20; 30 b work 1 4 40"),
        ("one token twice", "10 a work 1 5 20; 30 b work 1 5 40"),
        (
            "of a frozen one",
            "10 a pick 1; 10 a picks 1 5; 15 a freeze; 80 b work 1 6 99; 90 a until 1 90; 90 a end 1 expired",
        ),
        ("taken from one that lives", claimed!("20 s file w/0 z ready 8; 90 b end 1 released")),
        ("buried under a worker that lives", claimed!("20 s file w/0 z dead 8; 90 b end 1 released")),
        ("claimed while it is claimed", claimed!("20 s file w/0 z claimed 8; 21 b end 1 released")),
        ("claimed before its time", "5 s file w/0 x ready@900 5; 10 s file w/0 y claimed 7"),
        ("claimed when it was done", "5 s file w/0 x done 5; 10 s file w/0 y claimed 7"),
        ("claimed when it was dead", "5 s file w/0 x dead 5; 10 s file w/0 y claimed 7"),
        ("claimed when there was none", "10 s file w/0 y claimed 7"),
        (
            "the same attempt",
            claimed!(
                "20 b end 1 released; 21 s file w/0 y ready 8; 22 c pick 1; 23 s file w/0 z claimed 9; 24 c picks 1 9; 24 c tries 1 1"
            ),
        ),
    ],
};

const W5: Table = Table {
    id: "W5",
    good: &[
        ("given up", "10 a work 1 5 20; 900 n idle"),
        ("given up without an answer", "10 a pick 1; 10 a picks 1 5; 20 a end 1 released; 900 n idle"),
        ("answered late", "10 a pick 1; 10 a picks 1 5; 20 a end 1 released; 900 a released 1"),
        ("answered twice", "10 a work 1 5 20; 30 a released 1"),
        ("lost, then given up", "10 a pick 1; 10 a picks 1 5; 20 a end 1 lost; 20 a told 1; 30 a released 1"),
        ("wants it again, and works on it again", "10 a work 1 5 20; 20 a work 2 6 40"),
        (
            "wants it again while the end is under way",
            "10 a pick 1; 10 a picks 1 5; 20 a end 1 released; 21 a pick 2; 30 a released 1; 31 a picks 2 6; 40 a end 2 released",
        ),
        ("told of the loss after the end", "10 a work 1 5 20; 21 a told 1"),
        (
            "the deadline is recorded at the end",
            "10 a pick 1; 10 a picks 1 5; 20 a until 1 90; 20 a end 1 released; 21 a released 1",
        ),
        (
            "the deadline is recorded after the end, at the same instant",
            "10 a pick 1; 10 a picks 1 5; 20 a end 1 released; 20 a until 1 90; 21 a released 1",
        ),
        (
            "the deadline passes while the end is under way",
            "10 a pick 1; 10 a picks 1 5; 10 a until 1 50; 20 a end 1 released; 80 a released 1",
        ),
        ("given up", "10 a work 1 5 20; 900 n idle"),
        (
            "cut off, told at the deadline",
            "10 a pick 1; 10 a picks 1 5; 15 n fault 1 cut a; 10 a until 1 100; 100 a end 1 expired; 100 a told 1; 900 n idle",
        ),
        (
            "told just in time",
            "10 a pick 1; 10 a picks 1 5; 10 a until 1 100; 100 a end 1 expired; 150 a told 1; 900 n idle",
        ),
        (
            "told before the deadline",
            "10 a pick 1; 10 a picks 1 5; 10 a until 1 900; 50 a end 1 lost; 50 a told 1; 900 n idle",
        ),
        (
            "frozen over the deadline",
            "10 a pick 1; 10 a picks 1 5; 50 a freeze; 100 a until 1 100; 100 a end 1 expired; 700 a thaw; 740 a told 1; 900 n idle",
        ),
        ("crashed", "10 a pick 1; 10 a picks 1 5; 10 a until 1 100; 90 a crash; 900 n idle"),
        (
            "given up just after the deadline",
            "10 a pick 1; 10 a picks 1 5; 10 a until 1 100; 140 a end 1 released; 900 n idle",
        ),
        (
            "renewed for ever",
            "10 a pick 1; 10 a picks 1 5; 10 a until 1 100; 90 a until 1 900; 800 a until 1 1700; 900 n idle",
        ),
        ("the history ends before", "10 a pick 1; 10 a picks 1 5; 10 a until 1 100; 149 n idle"),
        (
            "handed over, and the work is told",
            "10 a pick 1; 10 a picks 1 5; 50 a end 1 yielded; 51 a told 1; 900 n idle",
        ),
    ],
    bad: &[
        ("renewed after the end", "10 a work 1 5 20; 30 a until 1 90"),
        (
            "renewed after the loss",
            "10 a pick 1; 10 a picks 1 5; 20 a end 1 lost; 20 a told 1; 30 a until 1 90",
        ),
        (
            "renewed after the deadline",
            "10 a pick 1; 10 a picks 1 5; 10 a until 1 20; 20 a end 1 expired; 20 a told 1; 30 a until 1 90",
        ),
        ("believed in after the end", "10 a pick 1; 10 a picks 1 5; 20 a released 1; 30 a end 1 released"),
        ("believed in for ever after the end", "10 a pick 1; 10 a picks 1 5; 20 a released 1; 900 n idle"),
        (
            "up to the deadline after the end",
            "10 a pick 1; 10 a picks 1 5; 10 a until 1 50; 20 a released 1; 90 n idle",
        ),
        (
            "one wish is granted twice",
            "10 a pick 1; 10 a picks 1 5; 20 a end 1 released; 30 a picks 1 6 2; 40 a end 2 released",
        ),
        (
            "granted twice after the loss",
            "10 a pick 1; 10 a picks 1 5; 20 a end 1 lost; 20 a told 1; 30 a picks 1 6 2; 40 a end 2 released",
        ),
        (
            "granted twice with one token",
            "10 a pick 1; 10 a picks 1 5; 20 a end 1 released; 20 a released 1; 30 a picks 1 5 2; 40 a end 2 released",
        ),
        (
            "renewed long after the end, which was never answered",
            "10 a pick 1; 10 a picks 1 5; 20 a end 1 released; 9000 a until 1 9900",
        ),
        (
            "cut off, and never told",
            "10 a pick 1; 10 a picks 1 5; 15 n fault 1 cut a; 10 a until 1 100; 100 a end 1 expired; 900 n idle",
        ),
        (
            "told too late",
            "10 a pick 1; 10 a picks 1 5; 10 a until 1 100; 100 a end 1 expired; 151 a told 1; 900 n idle",
        ),
        ("the deadline passes unseen", "10 a pick 1; 10 a picks 1 5; 10 a until 1 100; 900 n idle"),
        (
            "an outage",
            "10 a pick 1; 10 a picks 1 5; 20 n fault 1 outage store; 10 a until 1 100; 900 n heal 1",
        ),
        (
            "seen lost, but the work is not told",
            "10 a pick 1; 10 a picks 1 5; 10 a until 1 900; 50 a end 1 lost; 900 n idle",
        ),
        (
            "thawed, and not told",
            "10 a pick 1; 10 a picks 1 5; 50 a freeze; 100 a until 1 100; 100 a end 1 expired; 700 a thaw; 760 a told 1; 900 n idle",
        ),
        (
            "given up much too late",
            "10 a pick 1; 10 a picks 1 5; 10 a until 1 100; 300 a end 1 released; 900 n idle",
        ),
        (
            "crashed too late to excuse it",
            "10 a pick 1; 10 a picks 1 5; 10 a until 1 100; 200 a crash; 900 n idle",
        ),
        (
            "handed over, but the work is not told",
            "10 a pick 1; 10 a picks 1 5; 50 a end 1 yielded; 900 n idle",
        ),
        ("the second grant", "10 a work 1 5 20; 30 a pick 2; 30 a picks 2 6; 30 a until 2 100; 900 n idle"),
    ],
};
