//! Servers that are cut off from the others and go on answering whoever is connected to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ha_conformance::history::{Event, Recipe};
use ha_conformance::servers::Recorder;
use ha_conformance::servers::holder::{Holder, Work};
use ha_conformance::servers::zookeeper::ZooKeeper;
use zookeeper_client::Client;

use super::Test;
use super::site::{self, LONG};

pub(crate) const TESTS: &[Test] = &[
    ("cut_off::a_holder_on_a_follower_without_its_leader_stops_before_the_next_one_begins", follower),
    ("cut_off::a_holder_on_a_leader_without_followers_stops_before_the_next_one_begins", leader),
];

/// The lock that is held, and where its places are.
const LOCK: &str = "kept";
const PLACES: &str = "/faults/faults/e/lock.kept";

/// How often the server that is cut off is asked.
const PAUSE: Duration = Duration::from_millis(50);

/// Three servers that stay what they are for much longer than a session lasts that they hear nothing of.
fn ensemble() -> ZooKeeper {
    let builder = ZooKeeper::builder().members(3).separable().setting("syncLimit", "600");
    builder.start().unwrap_or_else(|missing| panic!("{missing}"))
}

fn follower() {
    let zookeeper = ensemble();
    let alone = (zookeeper.leader() + 1) % 3;
    overlapped_by_none(&zookeeper, alone, false, || {});
}

fn leader() {
    let zookeeper = ensemble();
    let alone = zookeeper.leader();
    overlapped_by_none(&zookeeper, alone, true, || {
        // They would wait for their leader as long as it waits for them.
        let others: Vec<_> = (0..3).filter(|member| *member != alone).collect();
        others.iter().for_each(|member| zookeeper.member(*member).kill());
        others.iter().for_each(|member| zookeeper.member(*member).launch());
    });
}

/// Cuts the server off on which somebody holds a lock, and lets another one have it while that server still says that the first one is there. `sync`
/// says whether it also goes on answering that.
fn overlapped_by_none(zookeeper: &ZooKeeper, alone: usize, sync: bool, others_go_on: impl FnOnce()) {
    let scene = site::scene(zookeeper);
    let addresses = zookeeper.addresses();
    let (cut_off, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().enumerate().partition(|(member, _)| *member == alone);
    let url = |members: &[(usize, String)]| {
        let hosts: Vec<&str> = members.iter().map(|(_, address)| address.as_str()).collect();
        format!("zk://{}/faults", hosts.join(","))
    };
    let mut first = scene.start_at(&url(&cut_off), "first", Work::hold(Recipe::Mutex, LOCK));
    first.wait_for_grant(1, LONG);
    let runtime = site::runtime();
    let sight = runtime.block_on(Sight::of_the_only_place(&cut_off[0].1, sync));
    let mut second = scene.start_at(&url(&others), "second", Work::hold(Recipe::Mutex, LOCK));
    second.wait_for("waiting", 1, LONG, |event| matches!(event, Event::Asked { .. }));

    let fault = scene.fault("cut off a server", None);
    zookeeper.cut_off(alone);
    others_go_on();
    second.wait_for_grant(1, LONG);
    sight.wait_beyond(granted_at(&second));
    first.wait_for("told of its loss", 1, LONG, |event| matches!(event, Event::LossNoticed { .. }));

    zookeeper.rejoin();
    zookeeper.wait_until_ready();
    scene.healed(fault);
    second.end();
    // On a session of its own, behind the one that it lost its lock to.
    first.wait_for_grant(2, LONG);
    site::end(&scene, &mut [first]);
}

/// When it was granted what it wants for the first time, on the clock of the records.
fn granted_at(holder: &Holder) -> u64 {
    let history = holder.history();
    let granted = history.records().iter().find(|record| matches!(record.event, Event::Granted { .. }));
    granted.unwrap().at
}

/// What a client sees on one server, which it stays connected to.
struct Sight {
    /// When it last asked and was told that the place is still there.
    asked: Arc<AtomicU64>,
    _asking: tokio_util::sync::DropGuard,
}

impl Sight {
    /// Looks at the only place in the queue of the lock, again and again.
    async fn of_the_only_place(server: &str, sync: bool) -> Self {
        let client = Client::connector().with_session_timeout(LONG).connect(server).await.unwrap();
        let (mut names, _) = client.get_children(PLACES).await.unwrap();
        let place = format!("{PLACES}/{}", names.pop().unwrap());
        assert!(names.is_empty(), "others are in the queue: {names:?}");
        let (asked, done) = (Arc::new(AtomicU64::new(0)), tokio_util::sync::CancellationToken::new());
        let last = Arc::clone(&asked);
        tokio::spawn(done.clone().run_until_cancelled_owned(async move {
            loop {
                let now = Recorder::now();
                let is_synced = if sync { client.sync(PLACES).await.is_ok() } else { true };
                if is_synced && let Ok(Some(_)) = client.check_stat(&place).await {
                    last.store(now, Ordering::SeqCst);
                }
                tokio::time::sleep(PAUSE).await;
            }
        }));
        Self { asked, _asking: done.drop_guard() }
    }

    /// Waits until the server was asked after `at` and still said that the place is there.
    fn wait_beyond(&self, at: u64) {
        let deadline = Recorder::now() + u64::try_from(LONG.as_nanos()).unwrap();
        while self.asked.load(Ordering::SeqCst) <= at {
            assert!(
                Recorder::now() < deadline,
                "the server did not answer any more when the next one had the lock, so nothing is shown"
            );
            std::thread::sleep(PAUSE);
        }
    }
}
