use std::sync::Arc;

use super::{Claims, Death, Identified, Record};
use crate::runtime::{Process, Processes};

/// A machine on which everything that `gone` names is gone.
#[derive(Debug)]
struct Planted {
    me: Process,
    gone: bool,
}

impl Processes for Planted {
    fn process(&self) -> Process {
        self.me.clone()
    }

    fn is_gone(&self, _: &Process) -> bool {
        self.gone
    }
}

const NONE: Claims = Claims { unique_machines: false, exclusive: false };
const MACHINES: Claims = Claims { unique_machines: true, exclusive: false };
const EXCLUSIVE: Claims = Claims { unique_machines: false, exclusive: true };

fn process(machine: &str, boot: &str, namespace: &str, pid: u32) -> Process {
    Process::unknown().on_machine(machine).in_boot(boot, namespace).with_pid(pid, 7)
}

/// What process 2 on machine `m` in boot `b` and namespace `n` finds out about `other`.
fn proof(claims: Claims, gone: bool, other: Process) -> Option<Death> {
    let me = process("m", "b", "n", 2);
    let identified = Identified::new(Arc::new(Planted { me, gone }), claims);
    identified.proof(Some(&Record::new(std::time::Duration::from_secs(1), other)))
}

#[test]
fn a_process_that_is_gone_from_our_own_pid_namespace_is_dead() {
    assert_eq!(proof(NONE, true, process("m", "b", "n", 1)), Some(Death::ProcessGone));
    assert_eq!(proof(NONE, false, process("m", "b", "n", 1)), None);
}

#[test]
fn what_is_not_here_is_not_gone_when_it_was_in_another_boot_or_namespace() {
    for other in [process("m", "x", "n", 1), process("m", "b", "x", 1), Process::unknown()] {
        assert_eq!(proof(NONE, true, other), None);
    }
}

#[test]
fn another_boot_of_the_same_machine_proves_death_only_where_machine_ids_are_unique() {
    assert_eq!(proof(MACHINES, false, process("m", "x", "n", 1)), Some(Death::MachineRestarted));
    assert_eq!(proof(NONE, false, process("m", "x", "n", 1)), None);
    assert_eq!(proof(MACHINES, false, process("another", "x", "n", 1)), None);
    assert_eq!(proof(MACHINES, false, process("m", "b", "x", 1)), None);
    let no_boot = Process { boot: None, ..process("m", "x", "n", 1) };
    assert_eq!(proof(MACHINES, false, no_boot), None);
    let no_machine = Process { machine: None, ..process("m", "x", "n", 1) };
    assert_eq!(proof(MACHINES, false, no_machine), None);
}

#[test]
fn an_asserted_identity_proves_the_death_of_everybody_but_ourselves() {
    assert_eq!(proof(EXCLUSIVE, false, process("another", "x", "x", 1)), Some(Death::Asserted));
    assert_eq!(proof(EXCLUSIVE, false, Process::unknown()), Some(Death::Asserted));
    assert_eq!(proof(EXCLUSIVE, false, process("m", "b", "n", 2)), None);
    let me = Identified::new(Arc::new(Planted { me: Process::unknown(), gone: false }), EXCLUSIVE);
    assert_eq!(me.proof(None), Some(Death::Asserted), "of an entry that cannot be read as well");
}

#[test]
fn the_id_of_the_machine_is_stored_only_where_it_is_declared_unique() {
    let planted = || Arc::new(Planted { me: process("m", "b", "n", 2), gone: false });
    assert_eq!(Identified::new(planted(), NONE).process().machine, None);
    assert_eq!(Identified::new(planted(), MACHINES).process().machine.as_deref(), Some("m"));
}
