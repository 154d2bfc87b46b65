//! P5 and P7: how much moves when a member comes or goes, and who assigns.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&P5, &P7];

#[test]
fn p5_moves_are_few() {
    judge(&P5);
}

#[test]
fn p7_only_the_elected_assigns() {
    judge(&P7);
}

/// Two members with two of four partitions each, until `rest` goes on.
macro_rules! two {
    ($rest:literal) => {
        concat!(
            "10 a seek 1 x/0; 10 a seek 2 x/1; 10 a seek 3 x/2; 10 a seek 4 x/3; ",
            "10 b seek 1 x/0; 10 b seek 2 x/1; 10 b seek 3 x/2; 10 b seek 4 x/3; ",
            "20 a gets 1 5 1 x/0; 20 a gets 2 5 2 x/1; 20 b gets 3 6 3 x/2; 20 b gets 4 6 4 x/3; ",
            $rest
        )
    };
}

/// The same, and at 5 s a third member wants all.
macro_rules! third {
    ($rest:literal) => {
        concat!(two!("5000 c seek 1 x/0; 5000 c seek 2 x/1; 5000 c seek 3 x/2; 5000 c seek 4 x/3; "), $rest)
    };
}

/// The same, settled, and at 9 s the third one goes.
macro_rules! gone {
    ($rest:literal) => {
        concat!(
            third!("5010 a end 2 released; 5010 a seek 5 x/1; 5020 c gets 2 9 2 x/1; "),
            "9000 c quit 1; 9000 c quit 2; 9000 c quit 3; 9000 c quit 4; ",
            $rest
        )
    };
}

const P5: Table = Table {
    id: "P5",
    good: &[
        ("nobody comes", two!("9000 n idle")),
        (
            "one moves to the one who comes",
            third!("5010 a end 2 released; 5010 a seek 5 x/1; 5020 c gets 2 9 2 x/1; 9000 n idle"),
        ),
        (
            "two move, which is one more than its share",
            third!(
                "5010 a end 2 released; 5010 a seek 5 x/1; 5020 c gets 2 9 2 x/1; 5030 b end 4 released; 5030 b seek 5 x/3; 5040 c gets 4 10 4 x/3; 9000 n idle"
            ),
        ),
        ("one moves when one goes", gone!("9010 c end 2 released; 9020 a gets 5 12 5 x/1; 15000 n idle")),
        ("it goes to the other one", gone!("9010 c end 2 released; 9020 b gets 2 12 2 x/1; 15000 n idle")),
        (
            "the owner is granted anew what it has",
            third!(
                "5005 a end 1 released; 5005 a seek 6 x/0; 5006 a gets 6 8 6 x/0; 5010 a end 2 released; 5010 a seek 5 x/1; 5020 c gets 2 9 2 x/1; 9000 n idle"
            ),
        ),
        (
            "everything moves, but a node is cut off",
            third!(
                "4000 n fault 1 cut b; 5010 a end 2 released; 5010 a seek 5 x/1; 5010 b end 3 released; 5010 b seek 5 x/2; 5010 a end 1 released; 5010 a seek 6 x/0; 5020 c gets 2 9 2 x/1; 5020 a gets 3 9 3 x/2; 5020 b gets 1 9 1 x/0; 9000 n idle"
            ),
        ),
        (
            "everything moves, but another one goes meanwhile",
            third!(
                "5010 a end 2 released; 5010 a seek 5 x/1; 5010 b end 3 released; 5010 b seek 5 x/2; 5010 a end 1 released; 5010 a seek 6 x/0; 5020 c gets 2 9 2 x/1; 5020 a gets 3 9 3 x/2; 5020 b gets 1 9 1 x/0; 5500 b quit 1; 5500 b quit 2; 5500 b quit 4; 5500 b quit 5; 9000 n idle"
            ),
        ),
        (
            "everything moves, but one crashed a moment before",
            third!(
                "5005 d start; 5006 d crash; 5010 a end 2 released; 5010 a seek 5 x/1; 5010 b end 3 released; 5010 b seek 5 x/2; 5010 a end 1 released; 5010 a seek 6 x/0; 5020 c gets 2 9 2 x/1; 5020 a gets 3 9 3 x/2; 5020 b gets 1 9 1 x/0; 9000 n idle"
            ),
        ),
        (
            "a partition moved before, when the group had not settled",
            "10 a seek 1 x/0; 10 b seek 1 x/0; 20 a gets 1 5 1 x/0; 30 a end 1 released; 30 a seek 2 x/0; 40 b gets 1 6 1 x/0; 9000 n idle",
        ),
        (
            "a member loses its session: what it had moves as well",
            third!(
                "5010 a end 2 released; 5010 a seek 5 x/1; 5010 b end 3 lost; 5010 b told 3; 5010 b seek 5 x/2; 5010 a end 1 released; 5010 a seek 6 x/0; 5020 c gets 2 9 2 x/1; 5020 a gets 3 9 3 x/2; 5020 b gets 1 9 1 x/0; 9000 n idle"
            ),
        ),
        (
            "the history ends before it is settled",
            third!("5010 a end 2 released; 5010 a seek 5 x/1; 5020 n idle"),
        ),
    ],
    bad: &[
        (
            "two of the others swap",
            third!(
                "5010 a end 2 released; 5010 a seek 5 x/1; 5010 b end 3 released; 5010 b seek 5 x/2; 5010 a end 1 released; 5010 a seek 6 x/0; 5020 c gets 2 9 2 x/1; 5020 a gets 3 9 3 x/2; 5020 b gets 1 9 1 x/0; 9000 n idle"
            ),
        ),
        (
            "one goes from one of the others to another",
            third!(
                "5010 a end 2 released; 5010 a seek 5 x/1; 5010 b end 3 released; 5010 b seek 5 x/2; 5020 c gets 2 9 2 x/1; 5020 a gets 3 9 3 x/2; 9000 n idle"
            ),
        ),
        (
            "all go to the one who comes, and two go back",
            third!(
                "5010 a end 1 released; 5010 a end 2 released; 5010 b end 3 released; 5010 b end 4 released; 5010 a seek 5 x/0; 5010 b seek 5 x/2; 5010 b seek 6 x/3; 5010 a seek 6 x/1; 5020 c gets 1 9 1 x/0; 5020 c gets 2 9 2 x/1; 5020 c gets 3 9 3 x/2; 5020 c gets 4 9 4 x/3; 5030 c end 1 released; 5030 c end 3 released; 5030 c end 4 released; 5030 c seek 5 x/0; 5030 c seek 6 x/2; 5030 c seek 7 x/3; 5040 a gets 5 11 5 x/0; 5040 b gets 5 11 6 x/2; 5040 b gets 6 11 7 x/3; 9000 n idle"
            ),
        ),
        (
            "one goes, and the others swap",
            gone!(
                "9010 c end 2 released; 9010 a end 1 released; 9010 a seek 6 x/0; 9010 b end 3 released; 9010 b seek 5 x/2; 9020 a gets 3 12 3 x/2; 9020 b gets 1 12 1 x/0; 9020 a gets 5 12 5 x/1; 15000 n idle"
            ),
        ),
        (
            "one goes, and what it had makes another one move",
            gone!(
                "9010 c end 2 released; 9010 b end 3 released; 9010 b seek 5 x/2; 9020 a gets 3 12 3 x/2; 9020 b gets 2 12 2 x/1; 15000 n idle"
            ),
        ),
        (
            "the only one goes on with half, and both change",
            "10 a seek 1 x/0; 10 a seek 2 x/1; 20 a gets 1 5 1 x/0; 20 a gets 2 5 2 x/1; 5000 b seek 1 x/0; 5000 b seek 2 x/1; 5010 a end 1 released; 5010 a end 2 released; 5010 a seek 3 x/0; 5010 a seek 4 x/1; 5020 b gets 1 6 1 x/0; 5020 b gets 2 6 2 x/1; 5030 b end 1 released; 5030 b seek 3 x/0; 5040 a gets 3 7 3 x/0; 5050 a end 3 released; 5050 a seek 5 x/0; 5060 b gets 3 8 3 x/0; 5070 b end 2 released; 5070 b seek 4 x/1; 5080 a gets 4 9 4 x/1; 9000 n idle",
        ),
        (
            "slowly, one after the other",
            third!(
                "5010 a end 2 released; 5010 a seek 5 x/1; 5600 c gets 2 9 2 x/1; 5700 b end 3 released; 5700 b seek 5 x/2; 6200 a gets 3 10 3 x/2; 6300 a end 1 released; 6300 a seek 6 x/0; 6900 b gets 1 11 1 x/0; 9900 n idle"
            ),
        ),
        (
            "a disturbance long before excuses nothing",
            concat!(
                "1 n fault 1 cut a; 2 n heal 1; ",
                third!(
                    "5010 a end 2 released; 5010 a seek 5 x/1; 5010 b end 3 released; 5010 b seek 5 x/2; 5020 c gets 2 9 2 x/1; 5020 a gets 3 9 3 x/2; 9000 n idle"
                )
            ),
        ),
        (
            "nor does one afterwards",
            third!(
                "5010 a end 2 released; 5010 a seek 5 x/1; 5010 b end 3 released; 5010 b seek 5 x/2; 5020 c gets 2 9 2 x/1; 5020 a gets 3 9 3 x/2; 9000 b crash; 9000 n idle"
            ),
        ),
        (
            "another group is none of its business",
            concat!(
                "10 d seek 1 y/0; 10 d gets 1 5 1 y/0; ",
                third!(
                    "5010 a end 2 released; 5010 a seek 5 x/1; 5010 b end 3 released; 5010 b seek 5 x/2; 5020 c gets 2 9 2 x/1; 5020 a gets 3 9 3 x/2; 9000 n idle"
                )
            ),
        ),
        (
            "the process that starts is not a disturbance",
            third!(
                "5001 d start; 5010 a end 2 released; 5010 a seek 5 x/1; 5010 b end 3 released; 5010 b seek 5 x/2; 5020 c gets 2 9 2 x/1; 5020 a gets 3 9 3 x/2; 9000 n idle"
            ),
        ),
    ],
};

const P7: Table = Table {
    id: "P7",
    good: &[
        ("nobody assigns", "9 n idle"),
        ("one step", "10 s step x x 5"),
        ("growing numbers", "10 s step x x 5; 20 s step x x 6; 30 s step x x 700"),
        ("another one goes on", "10 s step x x 5; 20 s step y y 6"),
        ("the first one comes back", "10 s step x x 5; 20 s step y y 6; 30 s step x x 7"),
        ("two groups have numbers of their own", "10 s step x x 5 p; 20 s step y y 5 q; 30 s step x x 6 p"),
        ("the store went back, the numbers do not", "10 s step x x 5; 20 s rollback 2; 30 s step x x 9"),
        ("after a crash", "5 a start; 10 s step x x 5; 20 a crash; 30 s step y y 6"),
        ("in a storm", "1 n fault 1 cut a; 10 s step x x 5; 20 n heal 1; 30 s step x x 6"),
        ("at one instant", "10 s step x x 5; 10 s step x x 6"),
        ("a step leaves the plan alone", "10 s step x x 5; 20 s step x x -; 30 s step x x 6"),
        ("one process assigns two groups", "10 s step x x 5 p; 20 s step x x 4 q"),
    ],
    bad: &[
        ("nobody is elected", "10 s step x - 5"),
        ("another one is elected", "10 s step x y 5"),
        ("a late step of the deposed one", "10 s step x x 5; 20 s step y y 6; 30 s step x y 7"),
        ("a late step while nobody is elected", "10 s step x x 5; 20 s step x - 6"),
        (
            "the same number after a step that left the plan alone",
            "10 s step x x 5; 20 s step x x -; 30 s step x x 5",
        ),
        ("a number twice", "10 s step x x 5; 20 s step x x 5"),
        ("a smaller number", "10 s step x x 5; 20 s step x x 4"),
        ("a smaller number of another one", "10 s step x x 5; 20 s step y y 4"),
        (
            "a late step of the same one after it planned anew",
            "10 s step x x 5; 20 s step x x 7; 30 s step x x 6",
        ),
        (
            "numbers begin again after the store went back",
            "10 s step x x 5; 20 s rollback 2; 30 s step x x 1",
        ),
        ("in the second group", "10 s step x x 5 p; 20 s step x x 6 q; 30 s step x x 6 q"),
        ("neither leader nor number", "10 s step x - -"),
    ],
};
