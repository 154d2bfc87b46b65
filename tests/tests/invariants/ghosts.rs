//! L6, E7: whoever gave up holds nothing.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&L6, &E7];

#[test]
fn l6_there_is_no_ghost_holder() {
    judge(&L6);
}

#[test]
fn e7_there_is_no_ghost_leader() {
    judge(&E7);
}

const L6: Table = Table {
    id: "L6",
    good: &[
        (
            "the release is under way for long",
            "1 a open s 1000; 10 a ask 1; 11 s commit 5 s - +lock/m/x:5:5:s; 12 a got 1 5; 20 a end 1 released; 5000 s commit 6 s - -lock/m/x:5; 5001 a released 1",
        ),
        (
            "the entry is deleted at the last instant",
            "1 a open s 1000; 10 a ask 1; 11 s commit 5 s - +lock/m/x:5:5:s; 20 a quit 1; 2020 s commit 6 s - -lock/m/x:5; 9000 n idle",
        ),
        ("gave up, and nothing came", "10 a ask 1; 20 a quit 1; 9000 n idle"),
        ("gave up after it was granted", "10 a ask 1; 20 a got 1 5; 20 a quit 1; 30 a end 1 released"),
        (
            "gave up at the instant of another's grant",
            "10 a ask 1; 10 b ask 1; 20 a quit 1; 20 b got 1 5; 30 b end 1 released",
        ),
        ("gave up twice", "10 a ask 1; 20 a quit 1; 21 a quit 1"),
        (
            "the entry is deleted soon",
            "1 a open s 1000; 10 a ask 1; 11 s commit 5 s - +lock/m/x:5:5:s; 20 a quit 1; 1900 s commit 6 s - -lock/m/x:5; 9000 n idle",
        ),
        (
            "the late entry of a call that was given up",
            "1 a open s 1000; 10 a ask 1; 20 a quit 1; 500 s commit 5 s - +lock/m/x:5:5:s; 600 s commit 6 s - -lock/m/x:5; 9000 n idle",
        ),
        (
            "an entry serves the next caller",
            "1 a open s 1000; 10 a ask 1; 11 s commit 5 s - +lock/m/x:5:5:s; 20 a quit 1; 1500 a ask 2; 9000 a got 2 5; 9010 a end 2 released; 9011 s commit 6 s - -lock/m/x:5",
        ),
        (
            "an entry waits as long as its caller",
            "1 a open s 1000; 10 a ask 1; 11 s commit 5 s - +lock/m/x:5:5:s; 90000 a quit 1; 90001 s commit 6 s - -lock/m/x:5",
        ),
        (
            "a crash, and the session expires",
            "1 a open s 1000; 10 a ask 1; 11 s commit 5 s - +lock/m/x:5:5:s; 20 a crash; 1900 s over s expired; 1900 s commit 6 - - -lock/m/x:5; 9000 n idle",
        ),
        (
            "a cut node cannot clean up at once",
            "1 a open s 1000; 10 a ask 1; 11 s commit 5 s - +lock/m/x:5:5:s; 20 a quit 1; 19 n fault 1 cut a; 5000 n heal 1; 5100 s commit 6 s - -lock/m/x:5",
        ),
        ("a persistent entry is left", "10 a hold 1 5 20; 9000 s left lock/m/x - dead"),
        (
            "an entry of somebody who waits is left",
            "1 a open s 1000; 10 a ask 1; 9000 s left lock/m/x s alive",
        ),
        (
            "an entry of a holder is left",
            "1 a open s 1000; 10 a ask 1; 11 a got 1 5; 9000 s left lock/m/x s alive",
        ),
        ("somebody else's collection", "1 a open s 1000; 9000 s left c/k s alive"),
    ],
    bad: &[
        ("granted after it gave up", "10 a ask 1; 20 a quit 1; 30 a got 1 5; 40 a end 1 released"),
        (
            "granted at the instant after it gave up",
            "10 a ask 1; 20 a quit 1; 20 a got 1 5; 30 a end 1 released",
        ),
        ("granted after it withdrew", "10 a ask 1; 20 a withdraw 1; 30 a got 1 5; 40 a end 1 released"),
        ("granted after its crash", "10 a ask 1; 20 a crash; 30 a got 1 5"),
        ("granted after it stopped", "10 a ask 1; 20 a stop; 30 a got 1 5"),
        (
            "granted twice",
            "10 a ask 1; 20 a got 1 5; 30 a end 1 released; 40 a got 1 6 2; 50 a end 2 released",
        ),
        (
            "an entry is left after it was given up",
            "1 a open s 1000; 10 a ask 1; 20 a quit 1; 9000 s left lock/m/x s alive",
        ),
        (
            "an entry is left after the release",
            "1 a open s 1000; 10 a hold 1 5 20; 9000 s left lock/m/x s alive",
        ),
        (
            "an entry is left, of another node than the one that waits",
            "1 a open s 1000; 10 a hold 1 5 20; 30 b ask 1; 9000 s left lock/m/x s alive",
        ),
        ("an entry of an unknown session is left", "10 a hold 1 5 20; 9000 s left lock/m/x q alive"),
        (
            "an entry stays after it was given up",
            "1 a open s 1000; 10 a ask 1; 11 s commit 5 s - +lock/m/x:5:5:s; 20 a quit 1; 2100 s commit 6 s - -lock/m/x:5",
        ),
        (
            "an entry stays for ever",
            "1 a open s 1000; 10 a ask 1; 11 s commit 5 s - +lock/m/x:5:5:s; 20 a quit 1; 9000 n idle",
        ),
        (
            "a late entry stays",
            "1 a open s 1000; 10 a ask 1; 20 a quit 1; 500 s commit 5 s - +lock/m/x:5:5:s; 9000 n idle",
        ),
        (
            "an entry stays between two callers",
            "1 a open s 1000; 10 a ask 1; 11 s commit 5 s - +lock/m/x:5:5:s; 20 a quit 1; 5000 a ask 2; 5010 a got 2 5; 5020 a end 2 released; 5021 s commit 6 s - -lock/m/x:5",
        ),
        (
            "a late entry of a crashed node stays",
            "1 a open s 1000; 10 a ask 1; 20 a crash; 25 a/2 start; 5000 s commit 5 s - +lock/m/x:5:5:s; 9000 n idle",
        ),
        (
            "a released entry stays",
            "1 a open s 1000; 10 a ask 1; 11 s commit 5 s - +lock/m/x:5:5:s; 12 a got 1 5; 20 a end 1 released; 21 a released 1; 9000 n idle",
        ),
    ],
};

const E7: Table = Table {
    id: "E7",
    good: &[
        ("withdrew, and was not elected", "10 a stand 1; 20 a withdraw 1; 9000 n idle"),
        ("the campaign was dropped", "10 a stand 1; 20 a quit 1; 30 b lead 1 5 40"),
        (
            "withdrew after it had led",
            "10 a stand 1; 20 a won 1 5; 30 a end 1 released; 30 a released 1; 40 a withdraw 1",
        ),
        ("elected, then crashed", "10 a stand 1; 20 a won 1 5; 30 a crash; 9000 n idle"),
        (
            "another candidate of the same node is elected",
            "10 a stand 1; 11 a stand 2; 20 a withdraw 1; 30 a won 2 5; 40 a end 2 released",
        ),
        ("the restarted node is elected", "10 a stand 1; 20 a crash; 30 a/2 start; 2100 a/2 lead 1 5 2200"),
        (
            "candidate and record go when it resigns",
            "1 a open s 1000; 10 a stand 1; 11 s commit 5 s - +election/e/candidates/x:5:5:s; 12 s commit 6 s - +election/e/record/leader:6:6:s; 13 a won 1 6; 20 a end 1 released; 25 s commit 7 s - -election/e/candidates/x:5 -election/e/record/leader:6; 26 a released 1; 9000 n idle",
        ),
        (
            "a leader entry that nobody was told of is deleted",
            "1 a open s 1000; 10 a stand 1; 20 a quit 1; 300 s commit 5 s - +election/e/record/leader:5:5:s; 700 s commit 6 s - -election/e/record/leader:5; 9000 n idle",
        ),
        (
            "a crashed leader's entries go with its session",
            "1 a open s 1000; 10 a stand 1; 11 s commit 5 s - +election/e/record/leader:5:5:s; 12 a won 1 5; 20 a crash; 1950 s over s expired; 1950 s commit 6 - - -election/e/record/leader:5; 9000 n idle",
        ),
        (
            "the tenure is persistent",
            "1 a open s 1000; 10 a stand 1; 11 s commit 5 s - +election/e/record/tenure:5:5; 12 a quit 1; 9000 s left election/e/record/tenure - dead",
        ),
        (
            "a standing candidate is left",
            "1 a open s 1000; 10 a stand 1; 9000 s left election/e/candidates/x s alive",
        ),
    ],
    bad: &[
        ("elected after it withdrew", "10 a stand 1; 20 a withdraw 1; 30 a won 1 5; 40 a end 1 released"),
        (
            "elected after its campaign was dropped",
            "10 a stand 1; 20 a quit 1; 30 a won 1 5; 40 a end 1 released",
        ),
        ("elected after its crash", "10 a stand 1; 20 a crash; 30 a won 1 5"),
        ("elected after it stopped", "10 a stand 1; 20 a stop; 30 a won 1 5"),
        ("elected long after it withdrew", "10 a stand 1; 20 a withdraw 1; 90000 a won 1 5"),
        (
            "the record of a dropped campaign is left",
            "1 a open s 1000; 10 a stand 1; 20 a quit 1; 9000 s left election/e/record/leader s alive",
        ),
        (
            "a candidate is left after it was withdrawn",
            "1 a open s 1000; 10 a stand 1; 20 a withdraw 1; 9000 s left election/e/candidates/x s alive",
        ),
        (
            "a candidate is left after it led",
            "1 a open s 1000; 10 a lead 1 5 20; 9000 s left election/e/candidates/x s alive",
        ),
        (
            "a candidate stays",
            "1 a open s 1000; 10 a stand 1; 11 s commit 5 s - +election/e/candidates/x:5:5:s; 20 a withdraw 1; 9000 n idle",
        ),
        (
            "a ghost leads: the grant lands after the campaign was dropped",
            "1 a open s 1000; 10 a stand 1; 20 a quit 1; 30 s commit 5 s - +election/e/record/leader:5:5:s; 9000 n idle",
        ),
        (
            "a record stays after the resignation",
            "1 a open s 1000; 10 a stand 1; 11 s commit 5 s - +election/e/record/leader:5:5:s; 12 a won 1 5; 20 a end 1 released; 9000 n idle",
        ),
        (
            "a crashed node is elected by a late request",
            "1 a open s 1000; 10 a stand 1; 20 a crash; 30 a/2 start; 3000 s commit 5 s - +election/e/record/leader:5:5:s; 9000 n idle",
        ),
    ],
};
