use ha_core::ErrorKind;
use ha_core::spi::{Collection, Key, Name, Naming, Revision, Stamp, Txn};

use super::{Plan, Refused};
use crate::client::{Failure, FailureKind, Life, MultiFailure, Stat, Step};
use crate::keys::Layout;
use crate::stamp::Detail;
use crate::value::seal;

const SESSION: i64 = 7;
const MARKER: &str = "/ha/ns/s/7";
const SLOT: &str = "/ha/ns/o/7.0";

fn key(name: &str) -> Key {
    Collection::parse(&["c"]).unwrap().key(Name::parse(name).unwrap())
}

fn stamp(name: &str, version: i32, companion: &str) -> Stamp {
    let detail = Detail { version, owner: SESSION, companion: companion.to_owned() };
    Stamp::new(key(name), Revision::new(3), Revision::new(4), detail.encode())
}

fn plan(txn: Txn) -> Plan {
    Plan::new(txn, "op.1".into(), SESSION, &Layout::new("/ha", &Name::parse("ns").unwrap())).unwrap()
}

/// The steps between the guard by the marker and the trace in the slot.
fn steps(txn: Txn) -> Vec<Step> {
    let mut steps = plan(txn).request(MARKER, 5, SLOT);
    assert_eq!(steps.remove(0), Step::Check { path: MARKER.into(), version: Some(5) });
    assert_eq!(steps.pop(), Some(Step::Set { path: SLOT.into(), data: b"op.1".to_vec(), version: None }));
    steps
}

fn entry(name: &str) -> String {
    format!("/ha/ns/e/c/{name}")
}

fn check(path: String, version: Option<i32>) -> Step {
    Step::Check { path, version }
}

#[test]
fn each_guard_is_a_step_and_reusable_names_are_guarded_by_their_companions() {
    let companion = || "/ha/ns/i/s.1.0".to_owned();
    assert_eq!(steps(Txn::new().present(key("a"))), [check(entry("a"), None)]);
    assert_eq!(steps(Txn::new().held(stamp("a", 2, ""))), [check(entry("a"), None)]);
    assert_eq!(
        steps(Txn::new().held(stamp("a", 2, "s.1.0"))),
        [check(entry("a"), None), check(companion(), None)]
    );
    assert_eq!(
        steps(Txn::new().unchanged(stamp("a", 2, "s.1.0"))),
        [check(entry("a"), Some(2)), check(companion(), None)]
    );
    let absent = [
        Step::Create { path: entry("a"), data: Vec::new(), life: Life::Persistent },
        Step::Delete { path: entry("a") },
    ];
    assert_eq!(steps(Txn::new().absent(key("a")).absent(key("a"))), absent);
}

#[test]
fn operations_come_behind_all_guards_and_bring_their_companions_along() {
    let txn = Txn::new()
        .create_owned(key("a"), "1", Naming::Unique)
        .create(key("b"), "2")
        .update(stamp("d", 2, "s.1.0"), "3")
        .delete(stamp("e", 0, "s.1.1"))
        .absent(key("b"))
        .present(key("d"));
    let companion = |name: &str| format!("/ha/ns/i/{name}");
    assert_eq!(
        steps(txn),
        [
            check(entry("d"), None),
            Step::Create { path: entry("a"), data: seal("", b"1"), life: Life::Ephemeral },
            Step::Create { path: entry("b"), data: seal("op.1.1", b"2"), life: Life::Persistent },
            Step::Create { path: companion("op.1.1"), data: Vec::new(), life: Life::Persistent },
            check(companion("s.1.0"), None),
            Step::Set { path: entry("d"), data: seal("s.1.0", b"3"), version: Some(2) },
            Step::Delete { path: companion("s.1.1") },
            Step::Delete { path: entry("e") },
        ]
    );
}

#[test]
fn a_refused_step_means_what_it_is_about() {
    let plan = plan(Txn::new().present(key("a")).create(key("b"), ""));
    let refused = |step, kind| {
        let failed = MultiFailure { step: Some(step), failure: Failure::new(kind, "refused") };
        plan.refused(failed)
    };
    assert!(matches!(refused(0, FailureKind::NoNode), Refused::Over));
    assert!(matches!(refused(0, FailureKind::OtherVersion), Refused::Fenced));
    assert!(matches!(refused(1, FailureKind::NoNode), Refused::Conflict(conflict) if conflict == key("a")));
    assert!(matches!(refused(2, FailureKind::Exists), Refused::Conflict(conflict) if conflict == key("b")));
    assert!(matches!(refused(2, FailureKind::NoNode), Refused::NoParent(parent) if parent == key("b")));
    assert!(matches!(refused(2, FailureKind::Denied), Refused::Failed(_)));
    assert!(matches!(refused(4, FailureKind::NoNode), Refused::NoSlot));
    let lost = MultiFailure { step: None, failure: Failure::new(FailureKind::Unknown, "lost") };
    assert!(matches!(plan.refused(lost), Refused::Failed(failure) if failure.kind == FailureKind::Unknown));
}

#[test]
fn stamps_say_what_a_read_will_say() {
    let txn = Txn::new()
        .create_owned(key("a"), "", Naming::Unique)
        .create(key("b"), "")
        .update(stamp("d", 2, "s.1.0"), "")
        .delete(stamp("e", 0, ""));
    let results = [None, Some(Stat { modified: 9, ..Stat::default() })];
    let revision = Plan::revision(&results).unwrap();
    let stamps = plan(txn).stamps(revision);
    let detail = |at: usize| Detail::of(stamps[at].as_ref().unwrap());
    assert_eq!(detail(0), Detail { version: 0, owner: SESSION, companion: String::new() });
    assert_eq!(detail(1), Detail { version: 0, owner: 0, companion: "op.1.1".to_owned() });
    assert_eq!(detail(2), Detail { version: 3, owner: SESSION, companion: "s.1.0".to_owned() });
    let updated = stamps[2].as_ref().unwrap();
    assert_eq!((updated.created().as_u64(), updated.modified().as_u64()), (3, 9));
    assert_eq!(stamps[3], None);
}

#[test]
fn a_request_that_a_server_would_hang_up_on_is_refused_before_it_is_sent() {
    let value = vec![b'x'; 64 * 1024];
    let many = |count: usize| {
        (0..count).fold(Txn::new(), |txn, number| txn.create(key(&number.to_string()), value.clone()))
    };
    let layout = Layout::new("/ha", &Name::parse("ns").unwrap());
    assert!(Plan::new(many(15), "op".into(), SESSION, &layout).is_ok());
    let refused = Plan::new(many(16), "op".into(), SESSION, &layout).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
}

#[test]
fn only_what_nobody_else_touches_is_known_without_a_second_look() {
    let txn = Txn::new().create_owned(key("a"), "1", Naming::Unique).create(key("b"), "2");
    let plan = plan(txn);
    let own = |name: &str| plan.own_creation(key(name).collection(), key(name).name(), 9);
    let entry = own("a").unwrap();
    assert_eq!(
        (entry.value().as_ref(), entry.owner().map(|owner| owner.as_str())),
        (&b"1"[..], Some("0000000000000007"))
    );
    assert!(own("b").is_none() && own("z").is_none());
}
