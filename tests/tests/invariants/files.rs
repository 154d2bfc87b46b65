//! H1 and the files that histories are kept in.

use ha_conformance::history::{Event, History, MalformedKind, Record};

use crate::{
    Table, contract, dsl, effects, electing, election, fenced, ghosts, judge, lock, queue, sessions, watch,
};

pub(crate) const TABLES: &[&Table] = &[&H1];

#[test]
fn h1_histories_make_sense() {
    judge(&H1);
}

const H1: Table = Table {
    id: "H1",
    good: &[
        ("empty", ""),
        (
            "numbers are per process",
            "10 a ask 1; 10 b ask 1; 10 a/2 ask 1; 20 b got 1 5; 30 b end 1 released",
        ),
        (
            "an answer to a call that was given up is a matter of other checkers",
            "10 a ask 1; 20 a quit 1; 30 a quit 1",
        ),
        ("a thaw of a node that was not frozen", "10 a thaw; 20 a start"),
        ("frozen twice", "10 a freeze; 20 a freeze; 30 a thaw; 40 a thaw"),
        ("a thaw after the crash", "10 a freeze; 20 a crash; 30 a thaw; 40 a/2 start"),
        ("healed twice", "10 n fault 1 cut a; 20 n heal 1; 30 n heal 1"),
        ("an observer that was told nothing is closed", "10 o unsee 1"),
        ("a request without an answer", "10 a do 1 k get"),
        ("a renewal of an unknown session", "10 a renew s 9 ok"),
        ("a release is answered twice", "10 a hold 1 5 20; 30 a released 1"),
    ],
    bad: &[
        ("a grant of a call that nobody asked", "10 a got 1 5"),
        ("a grant of another process' call", "10 a ask 1; 20 b got 1 5"),
        ("a call twice", "10 a ask 1; 20 a ask 1"),
        ("a grant twice", "10 a ask 1; 11 a ask 2; 20 a got 1 5 7; 30 a got 2 6 7"),
        ("the end of an unknown grant", "10 a ask 1; 20 a end 1 released"),
        ("the deadline of an unknown grant", "10 a until 1 90"),
        ("the loss of an unknown grant", "10 a told 1"),
        ("the release of an unknown grant", "10 a released 1"),
        ("giving up what nobody asked", "10 a quit 1"),
        ("withdrawing what never stood", "10 a withdraw 1"),
        ("a fault twice", "10 n fault 1 cut a; 20 n fault 1 cut b"),
        ("healing what was never broken", "10 n heal 1"),
        ("a process ends twice", "10 a crash; 20 a crash"),
        ("an incarnation starts again after its end", "10 a start; 20 a crash; 30 a start"),
        ("a session twice", "10 a open s 1000; 20 b open s 1000"),
        ("a request twice", "10 a do 1 k get; 20 b do 1 k get"),
        ("an answer to nothing", "10 a ans 1 none"),
        ("two answers", "10 a do 1 k get; 20 a ans 1 none; 30 a ans 1 none"),
        ("a read is answered like a write", "10 a do 1 k get; 20 a ans 1 ok 5"),
        ("a write is answered like a read", "10 a do 1 k new 5; 20 a ans 1 none"),
        ("a watch twice", "10 a watch 1 c 0; 20 a watch 1 c 0"),
        ("an item of an unknown watch", "10 a gap 1"),
        ("an item after the end of the watch", "10 a watch 1 c 0; 20 a unwatch 1; 30 a gap 1"),
        ("the log goes back", "10 s commit 5 - - +c/k:5:5; 20 s commit 4 - - -c/k:5"),
        ("an observer is told something after it was closed", "10 o see 1 -; 20 o unsee 1; 30 o see 1 5 a"),
    ],
};

/// Every history of these tests.
fn everything() -> Vec<History> {
    let tables = [
        TABLES,
        lock::TABLES,
        queue::TABLES,
        fenced::TABLES,
        ghosts::TABLES,
        election::TABLES,
        electing::TABLES,
        watch::TABLES,
        contract::TABLES,
        effects::TABLES,
        sessions::TABLES,
    ];
    let cases =
        tables.iter().flat_map(|tables| tables.iter()).flat_map(|table| table.good.iter().chain(table.bad));
    cases.map(|(_, text)| dsl::history(text)).collect()
}

#[test]
fn a_history_comes_back_from_its_file() {
    for history in everything() {
        let mut file = Vec::new();
        history.write_json_lines(&mut file).expect("a vector takes everything");
        assert_eq!(History::read_json_lines(file.as_slice()).expect("it was written by us"), history);
    }
}

#[test]
fn a_bad_line_is_named_by_its_number() {
    let good = r#"{"at":1,"node":"a","incarnation":1,"event":"started"}"#;
    let bad = [
        "nonsense",
        "{}",
        r#"{"at":1,"node":"a","incarnation":1,"event":"exploded"}"#,
        r#"{"at":1,"node":"a","incarnation":1,"event":{"asked":{"recipe":"mutex","name":"m"}}}"#,
        r#"{"at":1,"node":"a","incarnation":1,"event":{"asked":{"recipe":"barrier","name":"m","call":1}}}"#,
        r#"{"at":1,"node":"a","incarnation":1,"event":{"asked":{"recipe":"mutex","name":"m","call":1,"why":2}}}"#,
        r#"{"at":-1,"node":"a","incarnation":1,"event":"started"}"#,
        r#"{"at":1,"node":"a","incarnation":1,"event":"started","extra":1}"#,
    ];
    for line in bad {
        let file = format!("{good}\n\n{good}\n{line}\n{good}\n");
        let error = History::read_json_lines(file.as_bytes()).expect_err(line);
        assert_eq!(error.line, 4, "{error}");
        assert!(matches!(error.kind, MalformedKind::NoRecord(_)), "{error:?}");
        assert!(error.to_string().starts_with("read history: line 4 is no record: "), "{error}");
    }
}

#[test]
fn a_line_that_cannot_be_read_is_named_by_its_number() {
    let file: &[u8] = b"\n\xff\xfe\n";
    let error = History::read_json_lines(file).expect_err("not UTF-8");
    assert_eq!(error.line, 2);
    assert!(matches!(error.kind, MalformedKind::Unreadable(_)), "{error:?}");
}

#[test]
fn records_stand_in_the_order_of_time_and_then_of_recording() {
    let record = |at: u64, node: &str| Record::new(at, node, 1, Event::Started);
    let mut late = History::new();
    for (at, node) in [(5, "a"), (9, "b"), (5, "c"), (1, "d"), (9, "e")] {
        late.push(record(at, node));
    }
    let order =
        |history: &History| history.records().iter().map(|record| record.node.clone()).collect::<String>();
    assert_eq!(order(&late), "dacbe");
    let other: History = [record(7, "x"), record(1, "y")].into_iter().collect();
    assert_eq!(order(&History::merge([late, other])), "dyacxbe");
}
