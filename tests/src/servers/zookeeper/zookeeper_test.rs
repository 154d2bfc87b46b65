use super::*;

/// The ensemble, or `None`, with the reason on the standard error, where there is no ZooKeeper and none is required.
fn ensemble(members: usize) -> Option<ZooKeeper> {
    crate::servers::or_skip(ZooKeeper::builder().members(members).start())
}

#[test]
fn a_server_is_stopped_continued_killed_and_restarted_at_its_address() {
    let Some(zookeeper) = ensemble(1) else { return };
    let member = zookeeper.member(0);
    assert!(member.is_healthy() && member.leads());
    let first = member.process_id();

    member.stop();
    assert!(!member.is_healthy());
    member.resume();
    zookeeper.wait_until_ready();

    member.kill();
    assert!(!member.is_running() && !member.is_healthy());
    member.start();
    assert_ne!(member.process_id(), first);
    assert!(member.ask("mntr").is_some_and(|counts| counts.contains("zk_znode_count")));
    member.end();
    assert!(!member.is_running());
}

#[test]
fn an_ensemble_elects_another_leader_when_its_leader_is_killed_or_frozen() {
    let Some(zookeeper) = ensemble(3) else { return };
    let first = zookeeper.leader();
    zookeeper.member(first).kill();
    let second = zookeeper.leader();
    assert_ne!(second, first);
    zookeeper.member(first).start();

    zookeeper.member(second).stop();
    let third = zookeeper.leader();
    assert_ne!(third, second);
    zookeeper.member(second).resume();
    zookeeper.wait_until_ready();
}

#[test]
fn the_folder_of_an_ensemble_goes_with_it_and_so_do_its_processes() {
    let Some(zookeeper) = ensemble(1) else { return };
    let folder = zookeeper.folder().path().to_path_buf();
    let process = zookeeper.member(0).process_id().unwrap();
    drop(zookeeper);
    assert!(!folder.exists() && !std::path::Path::new(&format!("/proc/{process}")).exists());
}

#[test]
fn a_setting_of_a_test_comes_behind_ours_and_counts() {
    let started = ZooKeeper::builder().setting("maxSessionTimeout", "5000").java("-Dsome.thing=1").start();
    let Some(zookeeper) = crate::servers::or_skip(started) else { return };
    let settings = zookeeper.member(0).ask("conf").unwrap();
    assert!(settings.contains("maxSessionTimeout=5000"), "{settings}");
}
