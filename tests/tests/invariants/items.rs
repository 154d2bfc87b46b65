//! W1, W2, W4 and W6: what becomes of items.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&W1, &W2, &W4, &W6];

#[test]
fn w1_completed_once() {
    judge(&W1);
}

#[test]
fn w2_nothing_is_lost() {
    judge(&W2);
}

#[test]
fn w4_answers_are_true() {
    judge(&W4);
}

#[test]
fn w6_taken_up_again() {
    judge(&W6);
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

/// The same, and b has asked for the end of its claim.
macro_rules! ending {
    ($verdict:literal, $rest:literal) => {
        concat!(claimed!("20 b end 1 released; 20 b settle 1 1 "), $verdict, "; ", $rest)
    };
}

/// The same, and b has completed it.
macro_rules! done {
    ($rest:literal) => {
        concat!(ending!("complete", "21 s file w/0 y done 8; 22 b settled 1 applied; "), $rest)
    };
}

const W1: Table = Table {
    id: "W1",
    good: &[
        ("never claimed", "5 s file w/0 x ready 5"),
        ("done under its claim", done!("30 n idle")),
        (
            "failed, then done by another",
            ending!(
                "fail",
                "21 s file w/0 y ready 8; 22 b settled 1 applied; 23 c pick 1; 24 s file w/0 z claimed 9; 25 c picks 1 9; 26 c end 1 released; 26 c settle 1 1 complete; 27 s file w/0 z done 10; 28 c settled 1 applied"
            ),
        ),
        (
            "the worker died",
            claimed!(
                "20 b crash; 3000 s file w/0 z ready 8; 3001 s file w/0 z claimed 9; 3002 s file w/0 z done 10"
            ),
        ),
        (
            "forgotten after its time, and begun anew",
            done!("11000 s file w/0 x gone 9; 11001 s file w/0 x ready 10; 11002 a new w/0"),
        ),
        ("begun anew in one step", done!("11000 s file w/0 x ready 9; 11001 a new w/0")),
        (
            "the store forgets the completion, and it is made again",
            done!(
                "30 n rollback 2; 30 s file w/0 - claimed 7; 31 b settle 1 2 complete; 32 s file w/0 y done 11; 33 b settled 2 applied"
            ),
        ),
        ("an administrator deletes it", done!("30 s file w/0 - gone 9")),
        (
            "a second completion is told of the first",
            done!("30 b settle 1 2 complete; 31 b settled 2 done:7"),
        ),
        (
            "the store says nothing, and it was begun anew",
            "10 b work 1 7 20; 20 b settle 1 1 complete; 21 b settled 1 applied; 9000 a new w/0; 9001 c work 1 9 9010; 9010 c settle 1 1 complete; 9011 c settled 1 applied",
        ),
        (
            "the store says nothing, and it may have forgotten",
            "10 b work 1 7 20; 20 b settle 1 1 complete; 21 b settled 1 applied; 25 n rollback 2; 30 c work 1 9 40; 40 c settle 1 1 complete; 41 c settled 1 applied",
        ),
        (
            "two items",
            "10 b work 1 7 20; 20 b settle 1 1 complete; 21 b settled 1 applied; 30 c pick 1; 31 c picks 1 9 1 w/1; 40 c end 1 released; 40 c settle 1 1 complete; 41 c settled 1 applied",
        ),
    ],
    bad: &[
        ("completed by another session", claimed!("21 s file w/0 z done 8")),
        ("completed when it was ready", "5 s file w/0 x ready 5; 9 s file w/0 x done 6"),
        ("completed when it was dead", "5 s file w/0 x dead 5; 9 s file w/0 x done 6"),
        ("completed when there was none", "9 s file w/0 x done 6"),
        ("completed twice", done!("30 s file w/0 z done 9")),
        ("completed twice by one session", done!("30 s file w/0 y done 9")),
        ("claimed when it was done", done!("30 s file w/0 z claimed 9")),
        ("made a dead letter when it was done", done!("30 s file w/0 y dead 9")),
        (
            "completed by whoever had it before",
            claimed!("20 s file w/0 y ready 8; 21 s file w/0 z claimed 9; 22 s file w/0 y done 10"),
        ),
        (
            "the store says nothing, and two were accepted",
            "10 b work 1 7 20; 20 b settle 1 1 complete; 21 b settled 1 applied; 30 c work 1 9 40; 40 c settle 1 1 complete; 41 c settled 1 applied",
        ),
        (
            "one claim is accepted twice",
            "10 b work 1 7 20; 20 b settle 1 1 complete; 21 b settled 1 applied; 22 b settle 1 2 complete; 23 b settled 2 applied",
        ),
        (
            "begun anew too late to excuse it",
            "10 b work 1 7 20; 20 b settle 1 1 complete; 21 b settled 1 applied; 30 c work 1 9 40; 40 c settle 1 1 complete; 41 c settled 1 applied; 50 a new w/0",
        ),
    ],
};

const W2: Table = Table {
    id: "W2",
    good: &[
        ("added", "5 s file w/0 x ready 5; 6 a new w/0"),
        ("added again", "5 s file w/0 x ready 5; 6 a new w/0; 8 b known w/0"),
        ("an addition that nobody was told of", "5 s file w/0 x ready 5; 8 b known w/0"),
        ("done and kept", done!("9000 n idle")),
        ("forgotten in its time", done!("10030 s file w/0 x gone 9")),
        ("begun anew in its time", done!("10030 s file w/0 x ready 9; 10031 a new w/0")),
        ("removed", "5 s file w/0 x ready 5; 6 a new w/0; 7 c remove w/0; 8 s file w/0 z gone 6"),
        (
            "removed, and added again",
            "5 s file w/0 x ready 5; 6 a new w/0; 7 c remove w/0; 8 s file w/0 z gone 6; 9 s file w/0 x ready 7; 10 a new w/0",
        ),
        ("removed when it was done", done!("30 c remove w/0; 31 s file w/0 z gone 9")),
        ("removed when it was claimed", claimed!("20 c remove w/0; 21 s file w/0 z gone 8")),
        (
            "the store forgets its addition, and it is added again",
            "5 s file w/0 x ready 5; 6 a new w/0; 10 n rollback 2; 10 s file w/0 - gone 6; 20 s file w/0 x ready 7; 21 a new w/0",
        ),
        ("an administrator deletes it", "5 s file w/0 x ready 5; 6 a new w/0; 8 s file w/0 - gone 6"),
        (
            "the store heard late that it was done",
            ending!(
                "complete",
                "5000 s file w/0 y done 8; 5001 b settled 1 applied; 10030 s file w/0 x gone 9"
            ),
        ),
        (
            "a dead letter that is redriven",
            "5 s file w/0 x ready 5; 6 s file w/0 x claimed 6; 7 s file w/0 x dead 7; 8 s file w/0 z ready 8",
        ),
    ],
    bad: &[
        ("new, and not there", "5 s file w/1 x ready 5; 6 a new w/1; 7 a new w/1"),
        ("new before it was there", "4 a new w/0; 5 s file w/0 x ready 5"),
        ("new for two", "5 s file w/0 x ready 5; 6 a new w/0; 7 b new w/0"),
        (
            "new after the store forgot, for two",
            "5 s file w/0 x ready 5; 6 a new w/0; 8 s file w/0 - gone 6; 9 s file w/0 x ready 7; 10 a new w/0; 11 b new w/0",
        ),
        ("gone when it was ready", "5 s file w/0 x ready 5; 6 a new w/0; 8 s file w/0 z gone 6"),
        ("gone when it was claimed", claimed!("20 s file w/0 z gone 8")),
        ("gone when it was dead", "5 s file w/0 x dead 5; 8 s file w/0 z gone 6"),
        ("gone before its time", done!("5000 s file w/0 x gone 9")),
        ("begun anew before its time", done!("5000 s file w/0 x ready 9")),
        (
            "removed once, gone twice",
            "5 s file w/0 x ready 5; 7 c remove w/0; 8 s file w/0 z gone 6; 9 s file w/0 x ready 7; 10 s file w/0 z gone 8",
        ),
        ("somebody else's removal", "5 s file w/0 x ready 5; 7 c remove w/1; 8 s file w/0 z gone 6"),
        ("asked to remove it afterwards", "5 s file w/0 x ready 5; 8 s file w/0 z gone 6; 9 c remove w/0"),
    ],
};

const W4: Table = Table {
    id: "W4",
    good: &[
        ("completed", done!("30 n idle")),
        ("failed", ending!("fail", "21 s file w/0 y ready@900 8; 22 b settled 1 applied")),
        ("failed for the last time", ending!("fail", "21 s file w/0 y dead 8; 22 b settled 1 applied")),
        ("buried", ending!("bury", "21 s file w/0 y dead 8; 22 b settled 1 applied")),
        ("released", ending!("release", "21 s file w/0 y ready 8; 22 b settled 1 applied")),
        ("extended", claimed!("20 b settle 1 1 extend; 22 b settled 1 applied; 90 b end 1 released")),
        (
            "extended just before it was given back",
            claimed!(
                "20 b settle 1 1 extend; 21 b end 1 released; 21 s file w/0 y ready 8; 22 b settled 1 applied"
            ),
        ),
        ("nobody knows, and it was applied", ending!("complete", "21 s file w/0 y done 8; 22 b settled 1 ?")),
        ("nobody knows, and it was not", ending!("complete", "22 b settled 1 ?")),
        ("never answered", ending!("complete", "21 s file w/0 y done 8")),
        (
            "stale, and not applied",
            claimed!(
                "15 b until 1 18; 18 b end 1 expired; 18 b told 1; 19 s file w/0 z ready 8; 20 b settle 1 1 complete; 22 b settled 1 stale"
            ),
        ),
        (
            "done by another",
            claimed!(
                "15 b until 1 18; 18 b end 1 expired; 18 b told 1; 19 s file w/0 z ready 8; 20 s file w/0 z claimed 9; 21 s file w/0 z done 10; 22 b settle 1 1 complete; 23 b settled 1 done:9"
            ),
        ),
        (
            "stale at once, after an answer that nobody knows",
            ending!(
                "complete",
                "21 s file w/0 y done 8; 22 b settled 1 ?; 23 b settle 1 2 complete; 24 b settled 2 stale"
            ),
        ),
        (
            "the store forgot what was applied",
            ending!(
                "complete",
                "21 s file w/0 y done 8; 22 n rollback 2; 22 s file w/0 - ready 5; 23 b settled 1 stale"
            ),
        ),
        (
            "the store forgot what was applied, before it was asked for again",
            ending!(
                "complete",
                "21 s file w/0 y done 8; 22 n rollback 2; 22 s file w/0 - claimed 7; 23 b settled 1 failed; 24 b settle 1 2 complete; 26 b settled 2 stale; 27 s file w/0 z ready 9"
            ),
        ),
        (
            "tried again",
            ending!(
                "complete",
                "21 b settled 1 failed; 22 b settle 1 2 complete; 23 s file w/0 y done 8; 24 b settled 2 applied"
            ),
        ),
    ],
    bad: &[
        ("applied, and still claimed", ending!("complete", "22 b settled 1 applied")),
        ("applied before it was", ending!("complete", "22 b settled 1 applied; 23 s file w/0 y done 8")),
        (
            "applied, but it was another's claim by then",
            claimed!(
                "15 b until 1 18; 18 b end 1 expired; 19 s file w/0 z ready 8; 20 s file w/0 z claimed 9; 21 b settle 1 1 complete; 22 s file w/0 z done 10; 23 b settled 1 applied"
            ),
        ),
        (
            "applied to a later claim of the same session",
            claimed!(
                "19 b end 1 released; 19 s file w/0 y ready 8; 20 s file w/0 y claimed 9; 21 b settle 1 1 complete; 22 s file w/0 y done 10; 23 b settled 1 applied"
            ),
        ),
        ("buried, and it is ready", ending!("bury", "21 s file w/0 y ready 8; 22 b settled 1 applied")),
        ("released, and it is dead", ending!("release", "21 s file w/0 y dead 8; 22 b settled 1 applied")),
        ("failed, and it is done", ending!("fail", "21 s file w/0 y done 8; 22 b settled 1 applied")),
        ("stale, and applied", ending!("complete", "21 s file w/0 y done 8; 22 b settled 1 stale")),
        ("failed, and applied", ending!("complete", "21 s file w/0 y done 8; 22 b settled 1 failed")),
        (
            "stale, and applied after the store forgot it once",
            ending!(
                "complete",
                "21 s file w/0 y done 8; 22 n rollback 2; 22 s file w/0 - claimed 7; 23 b settled 1 failed; 24 b settle 1 2 complete; 25 s file w/0 y done 9; 26 b settled 2 stale"
            ),
        ),
        ("failed, and applied later", ending!("complete", "21 b settled 1 failed; 22 s file w/0 y done 8")),
        (
            "extended when it was over",
            claimed!(
                "15 b end 1 released; 15 s file w/0 y ready 8; 20 b settle 1 1 extend; 22 b settled 1 applied"
            ),
        ),
        ("a result that nobody stored", ending!("complete", "21 b settled 1 done:9")),
        ("a claim that the store does not know", "5 s file w/0 x ready 5; 10 b work 1 7 20"),
    ],
};

const W6: Table = Table {
    id: "W6",
    good: &[
        ("nobody wants items", "1 n calm; 5 s file w/0 x ready 5; 99000 n idle"),
        (
            "claimed within the bound",
            "1 n calm; 5 s file w/0 x ready 5; 10 b pick 1; 4900 s file w/0 y claimed 7; 4901 b picks 1 7; 99000 n idle",
        ),
        ("done", "1 n calm; 5 s file w/0 - done 5; 10 b pick 1; 99000 n idle"),
        ("dead", "1 n calm; 5 s file w/0 x dead 5; 10 b pick 1; 99000 n idle"),
        (
            "held for long",
            "1 n calm; 5 s file w/0 x ready 5; 6 s file w/0 y claimed 7; 7 b pick 1; 8 b picks 1 7; 10 c pick 1; 99000 n idle",
        ),
        ("its time has not come", "1 n calm; 5 s file w/0 x ready@98000 5; 10 b pick 1; 99000 n idle"),
        (
            "its time comes",
            "1 n calm; 5 s file w/0 x ready@20000 5; 10 b pick 1; 24000 s file w/0 y claimed 7; 24001 b picks 1 7; 99000 n idle",
        ),
        (
            "its worker dies, another takes it up",
            "1 n calm; 5 s file w/0 x ready 5; 6 s file w/0 y claimed 7; 7 b pick 1; 8 b picks 1 7; 10 c pick 1; 50 b crash; 4000 s file w/0 z ready 8; 4500 s file w/0 z claimed 9; 4501 c picks 1 9; 9000 n idle",
        ),
        (
            "who wants it is broken for ever",
            "1 n fault 1 cut b; 2 n calm; 5 s file w/0 x ready 5; 10 b pick 1; 99000 n idle",
        ),
        ("no liveness phase", "5 s file w/0 x ready 5; 10 b pick 1; 99000 n idle"),
        ("of another set", "1 n calm; 5 s file v/0 x ready 5; 10 b pick 1; 99000 n idle"),
    ],
    bad: &[
        ("nobody takes it", "1 n calm; 5 s file w/0 x ready 5; 10 b pick 1; 6000 n idle"),
        (
            "taken too late",
            "1 n calm; 5 s file w/0 x ready 5; 10 b pick 1; 5100 s file w/0 y claimed 7; 5101 b picks 1 7",
        ),
        ("its time has come", "1 n calm; 5 s file w/0 x ready@20000 5; 10 b pick 1; 26000 n idle"),
        (
            "its worker is dead",
            "1 n calm; 5 s file w/0 x ready 5; 6 s file w/0 y claimed 7; 7 b pick 1; 8 b picks 1 7; 10 c pick 1; 50 b crash; 9000 n idle",
        ),
        (
            "its worker has given it up",
            "1 n calm; 5 s file w/0 x ready 5; 6 s file w/0 y claimed 7; 7 b pick 1; 8 b picks 1 7; 10 c pick 1; 50 b end 1 released; 9000 n idle",
        ),
        (
            "nobody was given the claim",
            "1 n calm; 5 s file w/0 x ready 5; 6 s file w/0 y claimed 7; 10 c pick 1; 9000 n idle",
        ),
        (
            "the second item",
            "1 n calm; 5 s file w/0 x done 5; 5 s file w/1 x ready 5; 10 b pick 1; 6000 n idle",
        ),
        ("from before it was calm", "5 s file w/0 x ready 5; 10 b pick 1; 90 n calm; 6000 n idle"),
        (
            "given back by the store",
            "1 n calm; 5 s file w/0 x claimed 5; 6 s file w/0 - ready 4; 10 b pick 1; 6000 n idle",
        ),
        (
            "the other worker is broken",
            "1 n fault 1 cut c; 2 n calm; 5 s file w/0 x ready 5; 10 b pick 1; 10 c pick 1; 6000 n idle",
        ),
        ("given up too late", "1 n calm; 5 s file w/0 x ready 5; 10 b pick 1; 6000 b quit 1"),
    ],
};
