use bytes::Bytes;
use ha_core::ErrorKind;
use ha_core::spi::{Collection, Key, Name, Naming, Page, Revision, Stamp, Txn};

use super::{Decided, Evidence, Plan};
use crate::client::{Found, Header, Is, Kv, Lease, Step, TxnAnswer};
use crate::keys::Layout;
use crate::page::Detail;
use crate::value::seal;

const LEASE: i64 = 7;
const RECORD: &[u8] = b"/ha/ns/s/7";

fn layout() -> Layout {
    Layout::new("/ha", &Name::parse("ns").unwrap())
}

fn key(name: &str) -> Key {
    Collection::parse(&["c"]).unwrap().key(Name::parse(name).unwrap())
}

fn stamp(name: &str, naming: Naming, lease: i64) -> Stamp {
    Stamp::new(key(name), Revision::new(3), Revision::new(4), Detail { naming, lease }.encode())
}

fn plan(txn: Txn) -> Plan {
    Plan::new(txn, "op".into(), LEASE, &layout()).unwrap()
}

fn kv(key: &[u8], created: u64, modified: u64, value: Vec<u8>) -> Kv {
    Kv { key: key.to_vec(), value: value.into(), created, modified, lease: LEASE }
}

fn found(kvs: Vec<Kv>) -> Found {
    Found { kvs, more: false }
}

fn refusal(plan: &Plan, kvs: Vec<Kv>) -> Decided {
    let answer = TxnAnswer { header: Header::default(), succeeded: false, found: vec![found(kvs)] };
    plan.decided(RECORD, 10, answer)
}

#[test]
fn only_what_nobody_else_has_a_reason_to_touch_needs_no_slot() {
    let own = |name: &str| Txn::new().create_owned(key(name), "", Naming::Unique);
    for (txn, evidence) in [
        (Txn::new().present(key("a")), Evidence::None),
        (own("a"), Evidence::Entries),
        (own("a").delete(stamp("b", Naming::Unique, LEASE)), Evidence::Entries),
        (Txn::new().delete(stamp("b", Naming::Unique, LEASE)), Evidence::Entries),
        (Txn::new().delete(stamp("b", Naming::Unique, LEASE + 1)), Evidence::Slot),
        (Txn::new().delete(stamp("b", Naming::Reusable, LEASE)), Evidence::Slot),
        (Txn::new().create_owned(key("a"), "", Naming::Reusable), Evidence::Slot),
        (Txn::new().create_persistent(key("a"), "", Naming::Unique), Evidence::Slot),
        (own("a").update(stamp("b", Naming::Unique, LEASE), ""), Evidence::Slot),
    ] {
        assert_eq!(plan(txn.clone()).evidence, evidence, "{txn:?}");
    }
}

#[test]
fn every_request_is_guarded_by_the_record_and_by_each_condition_once() {
    let stamp = stamp("a", Naming::Reusable, 0);
    let txn = Txn::new().held(stamp.clone()).unchanged(stamp.clone()).update(stamp, "new").absent(key("b"));
    let request = plan(txn).request(&layout(), RECORD, 10, Some(2));
    let conditions: Vec<Is> = request.when.iter().map(|compare| compare.is).collect();
    assert_eq!(request.when[0].key, RECORD);
    assert_eq!(conditions[0], Is::ModifiedAt(10));
    assert_eq!(conditions.len(), 4, "{conditions:?}");
    assert!(conditions.contains(&Is::CreatedAt(3)) && conditions.contains(&Is::ModifiedAt(4)));
    assert_eq!(request.otherwise.len(), 3, "the record and two keys are looked at");
}

#[test]
fn an_update_keeps_the_lease_of_the_entry_and_a_slot_has_our_own() {
    let request = plan(Txn::new().update(stamp("a", Naming::Reusable, 99), "new")).request(
        &layout(),
        RECORD,
        10,
        Some(2),
    );
    let [
        Step::Put { lease: Lease::Keep, value, .. },
        Step::Put { key, value: marked, lease: Lease::Of(LEASE) },
    ] = &request.then[..]
    else {
        panic!("{:?}", request.then)
    };
    assert_eq!(value, &seal(Naming::Reusable, "op", b"new"));
    assert_eq!((key.as_slice(), marked.as_slice()), (&b"/ha/ns/o/0000000000000007/2"[..], &b"op"[..]));
}

#[test]
fn an_update_of_a_persistent_entry_asks_for_no_lease() {
    let plan = plan(Txn::new().update(stamp("a", Naming::Reusable, 0), "new"));
    let request = plan.request(&layout(), RECORD, 10, Some(2));
    assert!(matches!(request.then[0], Step::Put { lease: Lease::None, .. }), "{:?}", request.then);
}

#[test]
fn a_refusal_names_the_keys_whose_conditions_failed() {
    let plan = plan(Txn::new().absent(key("a")).present(key("b")).held(stamp("c", Naming::Unique, 1)));
    let at = |name: &str| layout().entry(&key(name));
    let record = kv(RECORD, 1, 10, Vec::new());
    let Decided::Refused(keys) =
        refusal(&plan, vec![record, kv(&at("a"), 5, 5, Vec::new()), kv(&at("c"), 3, 9, Vec::new())])
    else {
        panic!("refused")
    };
    assert_eq!(keys, [key("a"), key("b")]);
}

#[test]
fn another_fence_and_a_lost_record_are_no_conflicts() {
    let plan = plan(Txn::new().absent(key("a")));
    assert!(matches!(refusal(&plan, vec![kv(RECORD, 1, 12, Vec::new())]), Decided::Fenced(12)));
    assert!(matches!(refusal(&plan, vec![]), Decided::Over));
}

#[test]
fn a_slot_shows_whether_it_was_done_and_when() {
    let plan = plan(Txn::new().update(stamp("a", Naming::Reusable, 0), ""));
    let slot = |value: &str| vec![found(vec![kv(b"slot", 2, 9, value.as_bytes().to_vec())])];
    assert_eq!(plan.trace(&slot("op"), 20), Some(9));
    assert_eq!(plan.trace(&slot("an earlier one"), 20), None);
    assert_eq!(plan.trace(&[Found::default()], 20), None);
}

#[test]
fn a_creation_shows_in_its_value_also_where_somebody_deletes_with_it() {
    let txn =
        Txn::new().delete(stamp("old", Naming::Unique, LEASE)).create_owned(key("new"), "", Naming::Unique);
    let plan = plan(txn);
    let traces = plan.traces(&layout(), None);
    assert_eq!(traces, [layout().entry(&key("new"))]);
    let there =
        |operation: &str| vec![found(vec![kv(&traces[0], 9, 9, seal(Naming::Unique, operation, b""))])];
    assert_eq!(plan.trace(&there("op"), 20), Some(9));
    assert_eq!(plan.trace(&there("somebody else's"), 20), None);
    assert_eq!(plan.trace(&[Found::default()], 20), None);
}

#[test]
fn a_deletion_of_an_own_entry_shows_in_its_absence() {
    let plan = plan(Txn::new().delete(stamp("a", Naming::Unique, LEASE)));
    let a = layout().entry(&key("a"));
    assert_eq!(plan.trace(&[Found::default()], 20), Some(20));
    assert_eq!(
        plan.trace(&[found(vec![kv(&a, 3, 4, Vec::new())])], 20),
        None,
        "the very incarnation is there"
    );
    assert_eq!(plan.trace(&[found(vec![kv(&a, 8, 8, Vec::new())])], 20), Some(20));
}

#[test]
fn what_a_server_with_the_default_limits_refuses_is_refused_before() {
    let large = Bytes::from(vec![0; 60 * 1024]);
    let txn = (0..30).fold(Txn::new(), |txn, at| {
        txn.create_persistent(key(&at.to_string()), large.clone(), Naming::Unique)
    });
    let reads =
        (0..200).fold(Txn::new(), |txn, _| txn.read_back(key("a").collection().clone(), Page::oldest(1)));
    for txn in [txn, reads] {
        let error = Plan::new(txn, "op".into(), LEASE, &layout()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    }
}
