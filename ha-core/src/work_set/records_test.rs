use bytes::Bytes;

use super::{
    List, Record, Stage, Tally, Worker, behind, due_name, priority_of, ready_name, time_of, worker_of,
};
use crate::names::Name;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn records() -> Vec<Record> {
    let stages = [
        Stage::Ready { due: 0 },
        Stage::Ready { due: 1 << 40 },
        Stage::Claimed { worker: Name::parse("s1-4").unwrap() },
        Stage::Done { at: 77, token: u64::MAX },
        Stage::Dead { at: 9 },
    ];
    stages
        .into_iter()
        .map(|stage| Record {
            stage,
            claims: 3,
            failures: 2,
            abandons: u32::MAX,
            reason: "no route to host".into(),
            ..Record::ready(-128, 0, Bytes::from_static(b"{\"a\":1}"))
        })
        .collect()
}

#[test]
fn records_are_read_as_they_were_written() {
    for record in records() {
        assert_eq!(Record::decode(&record.encode()), Some(record));
    }
    let list = List { bytes: 9, ids: vec![name("a"), name("ü/\0"), name(&"x".repeat(200))] };
    assert_eq!(List::decode(&list.encode()), Some(list));
    let worker = Worker { claims: true, due: 1 << 41 };
    assert_eq!(Worker::decode(&worker.encode()), Some(worker));
    let tally = Tally { ready: -5, claimed: i64::MIN, done: i64::MAX, dead: 0 };
    assert_eq!(Tally::decode(&tally.encode()), Some(tally));
}

#[test]
fn what_was_not_written_so_is_refused() {
    for record in records() {
        let value = record.encode();
        let header = value.len() - record.payload.len();
        for end in 0..header {
            assert_eq!(Record::decode(&value.slice(..end)), None, "cut after {end} bytes");
        }
        let mut other = value.to_vec();
        other[0] = 2;
        assert_eq!(Record::decode(&other.clone().into()), None, "a form of another release");
        other[..2].copy_from_slice(&[1, 4]);
        assert_eq!(Record::decode(&other.into()), None, "an unknown state");
    }
    for value in [&b""[..], b"{}", b"\x01", b"\x01\x00\x05ab", b"\x01\x00\x00", b"\xff\xff\xff"] {
        assert_eq!(List::decode(value), None, "{value:?}");
    }
    assert_eq!((Tally::decode(b"\x01\x00"), Worker::decode(b"\x02\x00\x00")), (None, None));
}

#[test]
fn names_are_in_the_order_in_which_items_are_taken() {
    let worker = name("s1-4");
    let of = |priority, at, number| ready_name(priority, at, &worker, number);
    let in_order =
        [of(127, 9, 1), of(5, 1, 300), of(5, 2, 4), of(5, 2, 256), of(0, 0, 1), of(-1, 0, 1), of(-128, 0, 1)];
    assert!(in_order.is_sorted(), "{in_order:?}");
    assert_eq!(in_order.map(|name| priority_of(&name, false).unwrap()), [127, 5, 5, 5, 0, -1, -128]);
    let due = [due_name(0, -3, &worker, 1), due_name(255, 100, &worker, 1), due_name(256, 100, &worker, 1)];
    assert!(due.is_sorted(), "{due:?}");
    assert_eq!(due.each_ref().map(|name| time_of(name).unwrap()), [0, 255, 256]);
    assert_eq!(due.each_ref().map(|name| priority_of(name, true).unwrap()), [-3, 100, 100]);
    assert_eq!(
        (time_of(&name("x-y")), time_of(&name("x")), priority_of(&name("x"), false)),
        (None, None, None)
    );
}

#[test]
fn what_belongs_to_a_worker_is_adjacent() {
    let (one, ten) = (name("s-1"), name("s-10"));
    let mut names =
        vec![name("s-1.00000001"), name("s-1.ffffffff"), name("s-10.00000001"), name("s-2.00000001")];
    let workers: Vec<_> = names.iter().map(|name| worker_of(name).unwrap()).collect();
    assert_eq!(workers, [one.clone(), one.clone(), ten, name("s-2")]);
    names.retain(|name| *name > behind(&one));
    assert_eq!(names, [name("s-10.00000001"), name("s-2.00000001")]);
    assert_eq!(worker_of(&name("s")), None);
}
