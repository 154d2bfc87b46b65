use super::*;

/// The cluster, or `None`, with the reason on the standard error, where there is no etcd and none is required.
fn cluster(members: usize) -> Option<Etcd> {
    crate::servers::or_skip(Etcd::builder().members(members).start())
}

#[test]
fn a_member_is_stopped_continued_killed_and_restarted_at_its_address() {
    let Some(etcd) = cluster(1) else { return };
    let member = etcd.member(0);
    assert!(member.is_healthy() && member.leads());
    let first = member.process_id();

    member.stop();
    assert!(!member.is_healthy());
    member.resume();
    etcd.wait_until_ready();

    member.kill();
    assert!(!member.is_running() && !member.is_healthy());
    member.start();
    assert_ne!(member.process_id(), first);
    member.end();
    assert!(!member.is_running());
}

#[test]
fn a_cluster_elects_another_leader_when_its_leader_is_killed_or_frozen() {
    let Some(etcd) = cluster(3) else { return };
    let first = etcd.leader();
    etcd.member(first).kill();
    let second = etcd.leader();
    assert_ne!(second, first);
    etcd.member(first).start();

    etcd.member(second).stop();
    let third = etcd.leader();
    assert_ne!(third, second);
    etcd.member(second).resume();
    etcd.wait_until_ready();
}

#[test]
fn the_folder_of_a_cluster_goes_with_it_and_so_do_its_processes() {
    let Some(etcd) = cluster(1) else { return };
    let folder = etcd.folder().path().to_path_buf();
    let process = etcd.member(0).process_id().unwrap();
    drop(etcd);
    assert!(!folder.exists() && !std::path::Path::new(&format!("/proc/{process}")).exists());
}
