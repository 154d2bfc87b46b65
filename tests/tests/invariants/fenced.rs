//! L2, L7: what stale tokens must not do.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&L2, &L7];

#[test]
fn l2_fenced_resources_refuse_stale_tokens() {
    judge(&L2);
}

#[test]
fn l7_stale_releases_change_nothing() {
    judge(&L7);
}

const L2: Table = Table {
    id: "L2",
    good: &[
        ("nobody writes", "1 n idle"),
        ("one token writes often", "1 r wrote 5 ok; 2 r wrote 5 ok; 3 r wrote 5 ok"),
        ("growing tokens", "1 r wrote 5 ok; 2 r wrote 6 ok; 3 r wrote 9 ok"),
        ("a stale write is refused", "1 r wrote 5 ok; 2 r wrote 6 ok; 3 r wrote 5 no; 4 r wrote 6 ok"),
        ("a stale write of unknown fate", "1 r wrote 6 ok; 2 r wrote 5 ?; 3 r wrote 6 ok"),
        ("a new token is refused for another reason", "1 r wrote 9 no; 2 r wrote 5 ok"),
        ("tokens that were never granted here", "1 r wrote 77 ok; 2 r wrote 78 ok"),
        ("a counter", "1 r inc 5 1 ok; 2 r inc 5 2 ok; 3 r inc 6 3 ok"),
        ("a stale increment is refused", "1 r inc 5 1 ok; 2 r inc 6 2 ok; 3 r inc 5 2 no; 4 r inc 6 3 ok"),
        ("an increment of unknown fate that counted", "1 r inc 5 1 ok; 2 r inc 5 2 ?; 3 r inc 6 3 ok"),
        ("an increment of unknown fate that did not", "1 r inc 5 1 ok; 2 r inc 5 2 ?; 3 r inc 6 2 ok"),
        (
            "several of unknown fate",
            "1 r inc 5 1 ?; 2 r inc 5 2 ?; 3 r inc 6 2 ?; 4 r inc 7 4 ok; 5 r inc 7 5 ok",
        ),
        ("writes and increments mixed", "1 r wrote 5 ok; 2 r inc 5 1 ok; 3 r wrote 6 ok; 4 r inc 6 2 ok"),
    ],
    bad: &[
        ("a stale write", "1 r wrote 5 ok; 2 r wrote 6 ok; 3 r wrote 5 ok"),
        ("a stale write long after", "1 r wrote 6 ok; 90000 r wrote 5 ok"),
        ("a stale write after one that was refused", "1 r wrote 6 ok; 2 r wrote 5 no; 3 r wrote 5 ok"),
        ("a stale write at the same instant", "1 r wrote 6 ok; 1 r wrote 5 ok"),
        ("a stale increment", "1 r inc 6 1 ok; 2 r inc 5 2 ok"),
        ("a stale write after an increment", "1 r inc 6 1 ok; 2 r wrote 5 ok"),
        ("a lost increment", "1 r inc 5 1 ok; 2 r inc 6 1 ok"),
        ("a counter that goes back", "1 r inc 5 1 ok; 2 r inc 5 2 ok; 3 r inc 6 1 ok"),
        ("an increment of nobody", "1 r inc 5 1 ok; 2 r inc 6 3 ok"),
        ("more than those of unknown fate", "1 r inc 5 1 ok; 2 r inc 5 2 ?; 3 r inc 6 4 ok"),
        ("a refused increment counted", "1 r inc 5 1 ok; 2 r inc 4 2 no; 3 r inc 6 3 ok"),
        ("one of unknown fate counts once", "1 r inc 5 1 ?; 2 r inc 5 2 ok; 3 r inc 6 4 ok"),
        ("the first value is 1", "1 r inc 5 2 ok"),
    ],
};

const L7: Table = Table {
    id: "L7",
    good: &[
        ("a leader updates its record", "1 a open s 1000; 10 a stand 1; 10 s commit 5 s - +election/e/record/leader:5:5:s; 11 a won 1 5; 15 s commit 6 s - +election/e/record/leader:5:6:s; 20 a end 1 released; 21 s commit 7 s - -election/e/record/leader:5; 22 a released 1"),
        ("deleted at the instant of letting go", "1 a open s 1000; 10 a ask 1; 10 s commit 5 s - +lock/m/x:5:5:s; 11 a got 1 5; 20 a end 1 released; 20 s commit 6 s - -lock/m/x:5; 22 a released 1"),
        ("released once", "10 a hold 1 5 20"),
        ("released twice", "10 a hold 1 5 20; 25 a released 1; 26 a released 1"),
        ("released after the loss", "10 a ask 1; 10 a got 1 5; 10 a until 1 50; 50 a end 1 expired; 50 a told 1; 60 b hold 1 6 70; 80 a released 1"),
        ("the deadline is recorded with the end", "10 a ask 1; 10 a got 1 5; 20 a end 1 released; 20 a until 1 900; 30 a released 1"),
        ("an old deadline is repeated", "10 a ask 1; 10 a got 1 5; 10 a until 1 50; 50 a end 1 expired; 51 a told 1; 60 a until 1 50"),
        ("created and deleted by its owner", "1 a open s 1000; 10 a ask 1; 10 s commit 5 s - +lock/m/x:5:5:s; 11 a got 1 5; 20 a end 1 released; 21 s commit 6 s - -lock/m/x:5; 22 a released 1"),
        ("the store removes it", "1 a open s 1000; 10 a ask 1; 10 s commit 5 s - +lock/m/x:5:5:s; 11 a got 1 5; 11 a until 1 900; 900 a told 1; 1900 s over s expired; 1900 s commit 6 - - -lock/m/x:5"),
        ("an administrator removes it", "1 a open s 1000; 10 a ask 1; 10 s commit 5 s - +lock/m/x:5:5:s; 11 a got 1 5; 30 s commit 6 - - -lock/m/x:5; 40 a end 1 released; 41 a released 1"),
        (
            "the next session of the same node cleans up",
            "1 a open s 1000; 10 s commit 5 s - +election/e/record/leader:5:5:s; 9 a stand 1; 11 a won 1 5; 20 a crash
             30 a/2 start; 31 a/2 open t 1000; 40 s commit 6 t - -election/e/record/leader:5",
        ),
        ("somebody else's entry elsewhere", "1 a open s 1000; 1 b open t 1000; 10 s commit 5 s - +c/k:5:5:s; 20 s commit 6 t - -c/k:5"),
        ("a candidate resigns as one, and goes on waiting as another", "1 a open s 1000; 5 a stand 1; 10 s commit 5 s - +election/e/candidates/x:5:5:s; 20 s commit 6 s - -election/e/candidates/x:5 +election/e/candidates/y:6:6:s; 30 a quit 1; 40 s commit 7 s - -election/e/candidates/y:6"),
        ("a hand-over: the place goes after the belief", "1 a open s 1000; 10 a ask 1; 10 s commit 5 s - +lock/m/x:5:5:s; 11 a got 1 5; 12 a ask 2; 20 a end 1 released; 21 s commit 6 s - -lock/m/x:5 +lock/m/y:6:6:s; 22 a released 1; 23 a got 2 6; 30 a end 2 released; 31 s commit 7 s - -lock/m/y:6"),
    ],
    bad: &[
        ("a renewal extends what was lost", "10 a ask 1; 10 a got 1 5; 10 a until 1 50; 50 a end 1 expired; 50 a told 1; 60 a until 1 90"),
        ("a renewal extends what was released", "10 a hold 1 5 20; 30 a until 1 90"),
        ("extended after the release was answered", "10 a ask 1; 10 a got 1 5; 20 a released 1; 30 a until 1 90"),
        ("believed in after the release", "10 a ask 1; 10 a got 1 5; 20 a released 1; 30 a end 1 released"),
        ("believed in for ever after the release", "10 a ask 1; 10 a got 1 5; 20 a released 1; 90 n idle"),
        ("another node deletes the entry", "1 a open s 1000; 1 b open t 1000; 9 a ask 1; 10 s commit 5 s - +lock/m/x:5:5:s; 30 s commit 6 t - -lock/m/x:5"),
        ("another node updates the entry", "1 a open s 1000; 1 b open t 1000; 9 a ask 1; 10 s commit 5 s - +lock/m/x:5:5:s; 30 s commit 6 t - +lock/m/x:5:6:s"),
        ("a stale resignation deletes the record of the next leader", "1 a open s 1000; 1 b open t 1000; 9 b stand 1; 10 s commit 5 t - +election/e/record/leader:5:5:t; 11 b won 1 5; 30 s commit 6 s - -election/e/record/leader:5"),
        ("another node replaces the record", "1 a open s 1000; 1 b open t 1000; 9 b stand 1; 10 s commit 5 t - +election/e/record/leader:5:5:t; 30 s commit 6 s - +election/e/record/leader:6:6:s"),
        ("a session that nobody knows deletes it", "1 a open s 1000; 9 a ask 1; 10 s commit 5 s - +lock/m/x:5:5:s; 30 s commit 6 q - -lock/m/x:5"),
        ("its own process deletes it while it is held", "1 a open s 1000; 10 a ask 1; 10 s commit 5 s - +lock/m/x:5:5:s; 11 a got 1 5; 20 s commit 6 s - -lock/m/x:5; 30 a end 1 released"),
        ("a new place is made before the old one is let go", "1 a open s 1000; 10 a ask 1; 10 s commit 5 s - +lock/m/x:5:5:s; 11 a got 1 5; 12 a ask 2; 20 s commit 6 s - -lock/m/x:5 +lock/m/y:6:6:s; 25 a end 1 released"),
        ("a leader's record is deleted while it leads", "1 a open s 1000; 9 a stand 1; 10 s commit 5 s - +election/e/record/leader:5:5:s; 11 a won 1 5; 20 s commit 6 s - -election/e/record/leader:5; 30 a end 1 released"),
    ],
};
