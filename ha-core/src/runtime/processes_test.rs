use super::{LocalProcesses, Process, Processes, linux};

#[test]
fn a_process_knows_itself_and_is_not_gone() {
    let me = LocalProcesses::new().process();
    assert!(me.boot.is_some() && me.pid_namespace.is_some() && me.started.is_some());
    assert!(me.shares_pids_with(&me));
    assert_eq!(me, LocalProcesses::new().process());
    assert!(!LocalProcesses::new().is_gone(&me));
}

#[test]
fn a_process_is_gone_once_it_was_killed_and_reaped() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let started = linux::started(child.id());
    let process = Process { pid: Some(child.id()), started, ..LocalProcesses::new().process() };
    assert!(started.is_some() && !LocalProcesses::new().is_gone(&process), "it runs");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(LocalProcesses::new().is_gone(&process));
}

#[test]
fn a_killed_process_that_nobody_has_reaped_is_not_gone_yet() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let started = linux::started(child.id()).unwrap();
    let process =
        Process { pid: Some(child.id()), started: Some(started), ..LocalProcesses::new().process() };
    child.kill().unwrap();
    assert!(!LocalProcesses::new().is_gone(&process));
    child.wait().unwrap();
    assert!(LocalProcesses::new().is_gone(&process));
}

#[test]
fn an_id_that_another_process_has_now_proves_that_the_first_is_gone() {
    let me = LocalProcesses::new().process();
    let earlier = Process { started: me.started.map(|started| started - 1), ..me.clone() };
    assert!(LocalProcesses::new().is_gone(&earlier));
}

#[test]
fn start_times_of_another_time_namespace_prove_nothing() {
    let me = LocalProcesses::new().process();
    let started = me.started.map(|started| started - 1);
    let elsewhere = Process { started, time_namespace: Some("time:[1]".into()), ..me };
    assert!(!LocalProcesses::new().is_gone(&elsewhere));
}

#[test]
fn a_process_of_which_too_little_is_known_is_not_gone() {
    let me = LocalProcesses::new().process();
    assert!(!LocalProcesses::new().is_gone(&Process::unknown()));
    assert!(!LocalProcesses::new().is_gone(&Process { started: None, ..me.clone() }));
    for pid in [0, u32::MAX] {
        assert!(
            !LocalProcesses::new().is_gone(&Process { pid: Some(pid), ..me.clone() }),
            "{pid} is nobody's id"
        );
    }
    assert!(!Process::unknown().shares_pids_with(&Process::unknown()));
    assert!(!me.shares_pids_with(&Process { boot: Some("another".into()), ..me.clone() }));
    assert!(!me.shares_pids_with(&Process { pid_namespace: Some("pid:[1]".into()), ..me.clone() }));
}

#[test]
fn the_start_time_is_read_behind_a_name_that_contains_anything() {
    let fields = (3..=22).map(|field| field.to_string()).collect::<Vec<_>>().join(" ");
    for name in ["sleep", "a) R 1 (b", "", ") ) )", "x y"] {
        assert_eq!(linux::start_of(&format!("42 ({name}) {fields} 23")), Some(22), "{name:?}");
    }
    for broken in
        ["", "42", "42 (sleep", "42 (sleep) R 1 2", "42 (x) a b c d e f g h i j k l m n o p q r s t u"]
    {
        assert_eq!(linux::start_of(broken), None, "{broken:?}");
    }
}

#[test]
fn a_proc_of_another_pid_namespace_is_recognised() {
    assert!(linux::is_of_own_namespace("Name:\tx\nNSpid:\t42\n", 42));
    for foreign in ["NSpid:\t42\t7\n", "NSpid:\t41\n", "Name:\tx\n", "NSpid:\n", ""] {
        assert!(!linux::is_of_own_namespace(foreign, 42), "{foreign:?}");
    }
}
