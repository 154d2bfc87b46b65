//! What an administrator deletes.

use super::{ACK, Bench, RECORD};
use crate::coordinator::Input;
use crate::partition::owner::{Delivery, Request};
use crate::partition::records::{Assigned, Granted};
use crate::spi::{Conflict, Key, Lineage, Operation, Outcome};

impl Bench {
    /// A member that leaves while it still runs a partition.
    fn leaving() -> Self {
        let mut bench = Self::member();
        bench.see(20, &[(20, &[0])], &[]);
        bench.feed(Input::Request(Request::Leave { caller: 7 }));
        bench.feed(Input::Request(Request::Gone(bench.entered())));
        assert_eq!(bench.told(), ["start 0 by 20", "revoke 0"]);
        bench
    }

    /// The only commit under way meets something else.
    fn conflict(&mut self, keys: Vec<Key>) {
        let [(tag, _)] = <[_; 1]>::try_from(std::mem::take(&mut self.commits)).unwrap();
        let conflict = Outcome::Conflict(Conflict::new(keys, Lineage::default()));
        self.feed(Input::Committed { tag, outcome: Ok(conflict) });
    }
}

#[test]
fn what_a_deleted_record_granted_ends_and_is_asked_for_anew() {
    let mut bench = Bench::member();
    bench.see(20, &[(20, &[0, 1])], &[]);
    bench.told();
    bench.see_nothing(RECORD, 40);
    assert_eq!(bench.told(), ["end 0: Transferred", "end 1: Transferred"]);
    bench.stop(0, 20);
    bench.stop(1, 20);
    let says = bench.commit().unwrap();
    assert!(says.refuses(0, 20) && says.refuses(1, 20), "{says:?}");
    bench.see(20, &[(20, &[0, 1])], &[]);
    assert!(bench.told().is_empty(), "what was taken away is not started by what is shown late");
    bench.see(50, &[(50, &[1])], &[]);
    assert_eq!(bench.told(), ["start 1 by 50"]);
}

#[test]
fn a_deleted_acknowledgement_is_written_again() {
    let mut bench = Bench::member();
    bench.see_nothing(ACK, 10);
    assert!(bench.lists.is_empty(), "it was written in a later state than that");
    bench.see_nothing(ACK, 11);
    bench.answer_lists(&[]);
    assert!(matches!(bench.commits[0].1.operations(), [Operation::Create { .. }]), "{:?}", bench.commits);
}

#[test]
fn an_acknowledgement_that_is_deleted_before_its_creation_is_answered_is_written_again() {
    let mut bench = Bench::member();
    bench.see(20, &[(20, &[0])], &[]);
    bench.see(30, &[], &[(30, &[0])]);
    bench.see_nothing(ACK, 90);
    bench.answer_lists(&[]);
    bench.commit();
    assert!(!bench.lists.is_empty(), "the watch has shown a later state than the one that was written");
}

#[test]
fn whoever_leaves_and_still_runs_something_writes_a_deleted_acknowledgement_again() {
    let mut bench = Bench::leaving();
    bench.see_nothing(ACK, 12);
    let record = bench.entry(&Assigned {
        seq: 20,
        granted: vec![Granted { token: 20, set: vec![0] }],
        ..Assigned::default()
    });
    bench.answer(&[], &[record], 20);
    assert!(matches!(bench.commits[0].1.operations(), [Operation::Create { .. }]), "{:?}", bench.commits);
    bench.commit();
    assert!(bench.told().is_empty(), "it goes on, and the entry of the member may go");
    bench.stop(0, 20);
    bench.commit();
    let ceased = format!("{:?}", Delivery::Ceased(bench.entered()));
    assert_eq!(bench.told(), [ceased, "Left { caller: 7 }".to_owned()]);
}

#[test]
fn whoever_leaves_ends_at_once_when_both_of_its_entries_were_deleted() {
    let mut bench = Bench::leaving();
    bench.see_nothing(ACK, 90);
    bench.answer_lists(&[]);
    bench.conflict(vec![bench.entered().key().clone()]);
    assert_eq!(bench.told(), ["end 0: Removed"]);
    bench.wait();
    bench.answer_lists(&[]);
    assert!(bench.commits.is_empty(), "there is nothing to speak for");
    bench.stop(0, 20);
    let ceased = format!("{:?}", Delivery::Ceased(bench.entered()));
    assert_eq!(bench.told(), [ceased, "Left { caller: 7 }".to_owned()]);
}

#[test]
fn a_member_that_never_lived_has_ceased_as_soon_as_it_is_gone() {
    let mut bench = Bench::member();
    let other = super::stamp(bench.keys.members.key(crate::names::Name::internal("s1-2")), 6);
    bench.feed(Input::Request(Request::Gone(other.clone())));
    assert_eq!(bench.told(), [format!("{:?}", Delivery::Ceased(other))]);
}
