//! K3 and K4: the life and the end of sessions.

use crate::{Table, judge};

pub(crate) const TABLES: &[&Table] = &[&K3, &K4];

#[test]
fn k3_sessions_expire_in_time_and_for_good() {
    judge(&K3);
}

#[test]
fn k4_the_loss_of_a_session_is_reported() {
    judge(&K4);
}

const K3: Table = Table {
    id: "K3",
    good: &[
        (
            "created and gone at the instant of the end",
            "10 a open s 1000; 500 s commit 5 s - +c/k:5:5:s; 500 s over s closed; 500 s commit 6 - - -c/k:5; 900 n idle",
        ),
        ("renewed for ever", "10 a open s 1000; 500 a renew s 499 ok; 900 a renew s 899 ok; 1100 n idle"),
        (
            "expires a ttl after its last renewal",
            "10 a open s 1000; 500 a renew s 499 ok; 1499 s over s expired",
        ),
        ("expires at the end of the slack", "10 a open s 1000; 500 a renew s 499 ok; 2500 s over s expired"),
        ("never renewed", "10 a open s 1000; 1010 s over s expired"),
        (
            "an unanswered renewal counted",
            "10 a open s 1000; 500 a renew s 400 ok; 1400 a renew s 900 ?; 3300 s over s expired",
        ),
        (
            "an unanswered renewal did not count",
            "10 a open s 1000; 500 a renew s 499 ok; 1400 a renew s 900 ?; 1499 s over s expired",
        ),
        ("closed early", "10 a open s 1000; 20 s over s closed"),
        ("ended by another", "10 a open s 1000; 20 s over s ended"),
        (
            "the store was down, and let it live longer",
            "10 a open s 1000; 500 a renew s 499 ok; 900 n fault 1 outage store; 4000 n heal 1; 5900 s over s expired",
        ),
        (
            "what it owned goes with it",
            "10 a open s 1000; 20 s commit 5 s - +c/k:5:5:s; 1500 s over s expired; 1500 s commit 6 - - -c/k:5; 9000 n idle",
        ),
        (
            "what it owned goes, recorded before the end",
            "10 a open s 1000; 20 s commit 5 s - +c/k:5:5:s; 1500 s commit 6 - - -c/k:5; 1500 s over s expired; 9000 n idle",
        ),
        (
            "what it owned was gone before",
            "10 a open s 1000; 20 s commit 5 s - +c/k:5:5:s; 30 s commit 6 s - -c/k:5; 1500 s over s expired; 9000 n idle",
        ),
        (
            "another session has the name now",
            "10 a open s 1000; 10 b open t 9000; 20 s commit 5 s - +c/k:5:5:s; 1500 s over s expired; 1500 s commit 6 - - -c/k:5; 1600 s commit 7 t - +c/k:7:7:t",
        ),
        (
            "persistent entries stay",
            "10 a open s 1000; 20 s commit 5 s - +c/k:5:5; 1500 s over s expired; 9000 s left c/k - dead",
        ),
        (
            "a slow opening says nothing about when it was sent",
            "5 n fault 1 slow store; 900 n heal 1; 900 a open s 1000; 1200 s over s expired",
        ),
        (
            "the store forgot",
            "10 a open s 1000; 20 s commit 5 s - +c/k:5:5:s; 1500 s over s expired; 1500 s commit 6 - - -c/k:5; 1600 n rollback 2; 1600 s commit 7 - - +c/k:5:5:s; 2900 s commit 8 - - -c/k:5",
        ),
    ],
    bad: &[
        ("expires before its ttl", "2000 a open s 1000; 2400 s over s expired"),
        (
            "expires before a ttl after its last renewal",
            "10 a open s 1000; 500 a renew s 499 ok; 1498 s over s expired",
        ),
        (
            "expires a ttl after the renewal before the last",
            "10 a open s 1000; 500 a renew s 499 ok; 900 a renew s 899 ok; 1500 s over s expired",
        ),
        ("expires right after a renewal", "10 a open s 1000; 500 a renew s 499 ok; 501 s over s expired"),
        ("lives too long", "10 a open s 1000; 500 a renew s 499 ok; 2501 s over s expired"),
        ("closed much too late", "10 a open s 1000; 500 a renew s 499 ok; 9000 s over s closed"),
        (
            "lives for ever",
            "10 a open s 1000; 500 a renew s 499 ok; 10 b open t 1000; 1200 s over t closed; 9000 n idle",
        ),
        (
            "what it owned stays",
            "10 a open s 1000; 20 s commit 5 s - +c/k:5:5:s; 1500 s over s expired; 9000 n idle",
        ),
        (
            "what it owned stays for a moment",
            "10 a open s 1000; 20 s commit 5 s - +c/k:5:5:s; 1500 s over s expired; 1501 s commit 6 - - -c/k:5",
        ),
        (
            "one of two entries stays",
            "10 a open s 1000; 20 s commit 5 s - +c/k:5:5:s; 21 s commit 6 s - +c/l:6:6:s; 1500 s over s expired; 1500 s commit 7 - - -c/k:5; 9000 n idle",
        ),
        (
            "it creates something after its end",
            "10 a open s 1000; 20 s over s closed; 30 s commit 5 s - +c/k:5:5:s",
        ),
        (
            "its entry comes back",
            "10 a open s 1000; 20 s commit 5 s - +c/k:5:5:s; 1500 s over s expired; 1500 s commit 6 - - -c/k:5; 1600 s commit 7 - - +c/k:5:5:s",
        ),
        (
            "an entry of a dead session is left",
            "10 a open s 1000; 20 s over s closed; 9000 s left c/k s dead",
        ),
        (
            "closed, and what it owned stays",
            "10 a open s 1000; 20 s commit 5 s - +c/k:5:5:s; 30 s over s closed; 40 s commit 6 s - -c/k:5",
        ),
    ],
};

const K4: Table = Table {
    id: "K4",
    good: &[
        ("renewed while it lives", "10 a open s 1000; 500 a renew s 499 ok; 1000 s over s closed"),
        ("a renewal after the end fails", "10 a open s 1000; 500 s over s closed; 600 a renew s 550 ?"),
        (
            "a renewal that was sent before the end is answered after it",
            "10 a open s 1000; 500 s over s closed; 600 a renew s 499 ok",
        ),
        ("sent at the instant of the end", "10 a open s 1000; 500 s over s closed; 600 a renew s 500 ok"),
        (
            "another session goes on",
            "10 a open s 1000; 10 b open t 1000; 500 s over s closed; 600 b renew t 599 ok",
        ),
        (
            "the next session of the same process",
            "10 a open s 1000; 500 s over s ended; 510 a open t 1000; 600 a renew t 599 ok; 610 s commit 5 t - +c/k:5:5",
        ),
        ("committed before the end", "10 a open s 1000; 20 s commit 5 s - +c/k:5:5; 500 s over s closed"),
        (
            "committed at the instant of the end",
            "10 a open s 1000; 500 s commit 5 s - +c/k:5:5; 500 s over s closed",
        ),
        (
            "the store itself commits",
            "10 a open s 1000; 20 s commit 5 s - +c/k:5:5:s; 500 s over s closed; 500 s commit 6 - - -c/k:5",
        ),
        ("a session of which only renewals are known", "10 a renew s 9 ok; 20 a renew s 19 ok"),
        ("the end is recorded twice", "10 a open s 1000; 500 s over s closed; 600 s over s expired"),
    ],
    bad: &[
        ("a renewal after the end succeeds", "10 a open s 1000; 500 s over s closed; 600 a renew s 501 ok"),
        ("long after the end", "10 a open s 1000; 1500 s over s expired; 90000 a renew s 89999 ok"),
        ("after it was ended by another", "10 a open s 1000; 500 s over s ended; 600 a renew s 550 ok"),
        (
            "the second renewal after the end",
            "10 a open s 1000; 500 s over s ended; 600 a renew s 550 ?; 700 a renew s 650 ok",
        ),
        (
            "one that was sent before, and one after",
            "10 a open s 1000; 500 s over s ended; 600 a renew s 499 ok; 700 a renew s 650 ok",
        ),
        (
            "a server that is cut off from its leader goes on answering",
            "10 a open s 1000; 1200 n fault 1 cut a; 1500 s over s expired; 1600 a renew s 1599 ok; 1700 a renew s 1699 ok",
        ),
        ("a commit after the end", "10 a open s 1000; 500 s over s closed; 600 s commit 5 s - +c/k:5:5"),
        (
            "a late deletion after the end",
            "10 a open s 1000; 20 s commit 5 s - +c/k:5:5; 500 s over s closed; 501 s commit 6 s - -c/k:5",
        ),
        (
            "a commit after the expiry",
            "10 a open s 1000; 1500 s over s expired; 1600 s commit 5 s - +c/k:5:5",
        ),
        (
            "a commit without effect after the end",
            "10 a open s 1000; 500 s over s ended; 600 s commit 5 s - +c/z:5:5",
        ),
    ],
};
