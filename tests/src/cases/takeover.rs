//! The name of a node: taken over from the dead, refused to a second one that lives.

use std::sync::Arc;

use ha_core::group::Profile;
use ha_core::runtime::{IoThread, Processes};
use ha_core::spi::{Collection, Entry, Session, Txn};
use ha_core::{Coordinator, CoordinatorBuilder, ErrorKind, Event, LossReason};

use crate::case::Need;
use crate::clock::Stopwatch;
use crate::context::{Context, name};
use crate::counting::Counting;
use crate::faults::{CommitFault, Fault, FaultKind};
use crate::machine::Machine;
use crate::verbs::{Verbs, refused};

const ENDS: Need = Need::EndsSessions;
const FORGET: Need = Need::Reconciliation;
const RENEWALS: Need = Need::Fault(FaultKind::FailRenewals);
const COMMITS: Need = Need::Fault(FaultKind::Commits);

crate::case::cases! {
    "takeover";
    a_node_whose_predecessor_is_proven_dead_is_back_at_once { guarantee: "G132", needs: [ENDS] }
    a_restarted_node_is_member_and_leader_within_three_round_trips { guarantee: "G132", needs: [ENDS] }
    nothing_of_the_dead_is_left { guarantee: "G132", needs: [ENDS] }
    a_predecessor_that_dies_while_it_is_waited_for_is_taken_over { guarantee: "G132", needs: [ENDS] }
    lost_requests_and_replies_make_no_second_owner { guarantee: "G132", needs: [ENDS, COMMITS] }
    a_frozen_predecessor_is_waited_for { guarantee: "G133" }
    a_process_of_another_machine_is_waited_for { guarantee: "G133" }
    a_live_duplicate_is_refused_and_disturbs_nobody { guarantee: "G134" }
    of_two_that_start_at_once_one_has_the_name { guarantee: "G134" }
    an_observer_needs_no_name_of_its_own { guarantee: "G134" }
    a_coordinator_that_lost_its_session_goes_on_at_once { guarantee: "G135", needs: [ENDS, RENEWALS] }
    the_name_is_free_after_a_shutdown { guarantee: "G135" }
    the_name_is_free_when_a_waiting_connect_is_dropped { guarantee: "G135" }
    another_boot_proves_death_only_where_machine_ids_are_unique { guarantee: "G136", needs: [ENDS] }
    an_exclusive_identity_is_taken_over_from_a_process_that_lives { guarantee: "G136", needs: [ENDS] }
    a_name_that_was_forgotten_is_taken_again { guarantee: "G137", needs: [FORGET] }
}

const NODE: &str = "box-1";

/// A process of the node seen by `processes`, whose session does not run out within the case.
fn process(cx: &Context, processes: Arc<dyn Processes>) -> CoordinatorBuilder {
    cx.builder(NODE).processes(processes)
}

/// A process of the node on `processes` and on a thread that can be stopped. With the short ttl if it is `mortal`.
async fn doomed(cx: &Context, processes: Arc<dyn Processes>, mortal: bool) -> (Coordinator, IoThread) {
    let thread = IoThread::start().unwrap();
    let builder = process(cx, processes).runtime(Arc::new(thread.runtime()));
    let builder = if mortal { builder.ttl(cx.ttl()) } else { builder };
    (builder.connect().await.unwrap(), thread)
}

/// The entry of the name.
async fn identity(session: &dyn Session) -> Option<Entry> {
    let collection = Collection::parse(&["_ha", "nodes", NODE]).unwrap();
    session.all(&collection).await.into_iter().next()
}

/// So many short ttl are short, compared with one that does not run out within the case.
const SOON: u32 = 20;

async fn a_node_whose_predecessor_is_proven_dead_is_back_at_once(cx: Context) {
    let machine = Machine::started();
    let first = machine.process();
    let (old, thread) = doomed(&cx, first.clone(), false).await;
    let leading = old.election("timers").unwrap().campaign().await.unwrap();
    let held = old.mutex("deploy").unwrap().acquire().await.unwrap();
    let member = old.group("api").unwrap().join(Profile::new()).await.unwrap();
    thread.stop();
    first.kill();
    let new = process(&cx, machine.process()).connect();
    let new = cx.within("it has its name", SOON, new).await.unwrap();
    let leads = cx.within("it leads", SOON, new.election("timers").unwrap().campaign()).await.unwrap();
    let holds = cx.within("it holds", SOON, new.mutex("deploy").unwrap().acquire()).await.unwrap();
    let group = new.group("api").unwrap();
    let joined = cx.within("it is a member", SOON, group.join(Profile::new())).await.unwrap();
    assert!(leads.token() > leading.token() && holds.token() > held.token());
    assert!(joined.incarnation() > member.incarnation());
}

/// Counted in requests, each of which waits for the one before it at most.
async fn a_restarted_node_is_member_and_leader_within_three_round_trips(cx: Context) {
    let machine = Machine::started();
    let first = machine.process();
    let (old, thread) = doomed(&cx, first.clone(), false).await;
    let _leading = old.election("timers").unwrap().campaign().await.unwrap();
    let _member = old.group("api").unwrap().join(Profile::new()).await.unwrap();
    thread.stop();
    first.kill();
    let (backend, counts) = Counting::wrap(cx.connect_as(NODE));
    let new = cx.builder_on(backend, NODE).processes(machine.process()).connect();
    let new = cx.within("it has its name", SOON, new).await.unwrap();
    // It reads the namespace and who has the name, then ends that session and takes the name: once more, should one overtake the other.
    let (listings, commits) = (counts.listings(), counts.commits());
    assert!(listings <= 3 && commits <= 2, "{listings} listings and {commits} commits to connect");
    let (group, election) = (new.group("api").unwrap(), new.election("timers").unwrap());
    let both = async { tokio::join!(group.join(Profile::new()), election.campaign()) };
    let (member, leader) = cx.within("it is back", SOON, both).await;
    let back = (counts.listings() - listings, counts.commits() - commits);
    assert!(member.unwrap().incarnation().is_some() && leader.unwrap().is_valid());
    assert_eq!(back, (0, 2), "a commit to be a member; a look and a commit to lead");
}

async fn nothing_of_the_dead_is_left(cx: Context) {
    let (machine, judge) = (Machine::started(), cx.session().await);
    let first = machine.process();
    let (old, thread) = doomed(&cx, first.clone(), false).await;
    let _held = old.mutex("deploy").unwrap().acquire().await.unwrap();
    let _leading = old.election("timers").unwrap().campaign().await.unwrap();
    let _member = old.group("api").unwrap().join(Profile::new()).await.unwrap();
    let dead = identity(&*judge).await.unwrap().owner().cloned().unwrap();
    thread.stop();
    first.kill();
    let new = cx.within("it has its name", 20, process(&cx, machine.process()).connect()).await.unwrap();
    let alive = identity(&*judge).await.unwrap().owner().cloned();
    assert!(alive.is_some() && alive != Some(dead));
    for collection in [
        &["lock", "deploy"] as &[&str],
        &["election", "timers", "record"],
        &["election", "timers", "candidates"],
        &["group", "api", "members"],
        &["group", "api", "ids", NODE],
    ] {
        let entries = judge.all(&Collection::parse(collection).unwrap()).await;
        assert!(entries.iter().all(|entry| entry.owner().is_none()), "{collection:?}: {entries:?}");
    }
    drop(new);
}

async fn a_predecessor_that_dies_while_it_is_waited_for_is_taken_over(cx: Context) {
    let machine = Machine::started();
    let first = machine.process();
    let (_old, thread) = doomed(&cx, first.clone(), false).await;
    let new = process(&cx, machine.process()).connect();
    let mut new = Box::pin(new);
    cx.not_within("the name", cx.ttl(), &mut new).await;
    thread.stop();
    first.kill();
    assert!(cx.within("it has its name", 20, new).await.unwrap().health().session.is_some());
}

async fn lost_requests_and_replies_make_no_second_owner(cx: Context) {
    let (machine, judge) = (Machine::started(), cx.session().await);
    for faults in [
        vec![CommitFault::LoseReply],
        vec![CommitFault::LoseRequest],
        vec![CommitFault::Pass, CommitFault::LoseReply],
        vec![CommitFault::Delay(cx.ttl() / 10), CommitFault::LoseReply],
    ] {
        let first = machine.process();
        let (_old, thread) = doomed(&cx, first.clone(), false).await;
        let before = identity(&*judge).await.unwrap();
        thread.stop();
        first.kill();
        cx.inject(Fault::Commits(name(NODE), faults)).await;
        let new = cx.within("it has its name", 20, process(&cx, machine.process()).connect()).await.unwrap();
        assert!(identity(&*judge).await.unwrap().created() > before.created());
        new.shutdown(cx.ttl() * 10).await.unwrap();
        assert_eq!(identity(&*judge).await, None);
    }
}

/// Waits for the predecessor, which runs no more but may be frozen only, and sees to it that it has lost before anything is granted.
async fn waits_for_the_unproven(cx: &Context, old: Arc<dyn Processes>, new: CoordinatorBuilder) {
    let (old, thread) = doomed(cx, old, true).await;
    let held = old.mutex("deploy").unwrap().acquire().await.unwrap();
    thread.stop();
    let new = cx.within("it has its name", 20, new.connect()).await.unwrap();
    assert!(!held.is_valid(), "the predecessor still believes in its grants");
    let next = cx.within("the lock", 20, new.mutex("deploy").unwrap().acquire()).await.unwrap();
    assert!(next.token() > held.token());
}

async fn a_frozen_predecessor_is_waited_for(cx: Context) {
    let machine = Machine::started();
    waits_for_the_unproven(&cx, machine.process(), process(&cx, machine.process())).await;
}

async fn a_process_of_another_machine_is_waited_for(cx: Context) {
    // It is gone there, for all that anybody knows here: its ids mean something else here.
    let here = Machine::started();
    let there = here.restarted().process();
    there.kill();
    here.process().kill();
    waits_for_the_unproven(&cx, there, process(&cx, here.process())).await;
}

async fn a_live_duplicate_is_refused_and_disturbs_nobody(cx: Context) {
    let first = process(&cx, Machine::started().process()).ttl(cx.ttl()).connect().await.unwrap();
    let held = first.mutex("deploy").unwrap().acquire().await.unwrap();
    let mut events = first.events();
    let watch = Stopwatch::start();
    // As the operating system sees it both are this very process.
    let duplicate = cx.builder(NODE).ttl(cx.ttl()).connect_timeout(cx.ttl()).connect();
    let error = refused(cx.within("it is refused", 20, duplicate).await, ErrorKind::DuplicateNode);
    assert!(watch.elapsed() >= cx.ttl(), "a dead one would have been there for as long");
    let text = error.to_string();
    assert!(
        text.contains(NODE) && text.contains("live process") && text.contains("late to expire"),
        "{text}"
    );
    assert!(held.is_valid());
    let quiet = async {
        while let Some(event) = events.next().await {
            assert!(!matches!(event, Event::SessionLost(_)), "{event:?}");
        }
    };
    cx.not_within("the end of its events", cx.ttl() / 2, quiet).await;
}

async fn of_two_that_start_at_once_one_has_the_name(cx: Context) {
    let machine = Machine::started();
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..3 {
        starting.spawn(process(&cx, machine.process()).ttl(cx.ttl()).connect());
    }
    let (mut connected, mut refusals) = (Vec::new(), 0);
    for result in cx.within("all have an answer", 20, starting.join_all()).await {
        match result {
            Ok(node) => connected.push(node),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::DuplicateNode, "{error}");
                refusals += 1;
            }
        }
    }
    assert_eq!((connected.len(), refusals), (1, 2));
}

async fn an_observer_needs_no_name_of_its_own(cx: Context) {
    let node = cx.node(NODE).await;
    let watching = cx.builder(NODE).observer().connect();
    let watching = cx.within("at once", 20, watching).await.unwrap();
    assert!(watching.health().session.is_some() && node.health().session.is_some());
}

async fn a_coordinator_that_lost_its_session_goes_on_at_once(cx: Context) {
    let (node, judge) = (cx.node(NODE).await, cx.session().await);
    for _ in 0..3 {
        let mut events = node.events();
        let before = identity(&*judge).await.unwrap();
        judge.end(before.owner().unwrap()).await.unwrap();
        let opened = async {
            loop {
                if let Event::SessionOpened { .. } = events.next().await.unwrap() {
                    return;
                }
            }
        };
        // It hears of it with the next answer that it gets.
        drop(cx.within("an answer", 20, node.mutex("any").unwrap().try_acquire()).await);
        cx.within("the next session", 20, opened).await;
        assert!(identity(&*judge).await.unwrap().created() > before.created());
    }
    // The session that the store still has is its own: it need not wait for its end.
    let mortal = cx.mortal_node("mortal").await;
    let held = mortal.mutex("deploy").unwrap().acquire().await.unwrap();
    let mut events = mortal.events();
    cx.inject(Fault::FailRenewals(name("mortal"))).await;
    cx.within("the loss", 20, held.lost()).await;
    cx.inject(Fault::Heal(name("mortal"))).await;
    let opened = async { while !matches!(events.next().await, Some(Event::SessionOpened { .. })) {} };
    cx.within("the next session", 20, opened).await;
    assert!(cx.within("the lock", 20, mortal.mutex("deploy").unwrap().acquire()).await.unwrap().is_valid());
}

async fn the_name_is_free_after_a_shutdown(cx: Context) {
    let judge = cx.session().await;
    for _ in 0..3 {
        let node = cx.within("it has its name", 20, cx.builder(NODE).connect()).await.unwrap();
        assert!(identity(&*judge).await.is_some());
        node.shutdown(cx.ttl() * 10).await.unwrap();
        assert_eq!(identity(&*judge).await, None);
    }
}

async fn the_name_is_free_when_a_waiting_connect_is_dropped(cx: Context) {
    let (first, judge) = (cx.node(NODE).await, cx.session().await);
    cx.not_within("the second", cx.ttl(), cx.builder(NODE).connect()).await;
    assert!(first.health().session.is_some());
    first.shutdown(cx.ttl() * 10).await.unwrap();
    cx.until("nobody has the name", 20, async || identity(&*judge).await.is_none()).await;
    assert!(cx.within("the third", 20, cx.builder(NODE).connect()).await.is_ok());
}

async fn another_boot_proves_death_only_where_machine_ids_are_unique(cx: Context) {
    let machine = Machine::started();
    for declared in [true, false] {
        let thread = IoThread::start().unwrap();
        let old = process(&cx, machine.process()).runtime(Arc::new(thread.runtime()));
        let new = process(&cx, machine.restarted().process());
        let (old, new) =
            if declared { (old.unique_machine_ids(), new.unique_machine_ids()) } else { (old, new) };
        let _old = old.connect().await.unwrap();
        thread.stop();
        if declared {
            let new = cx.within("it has its name", 20, new.connect()).await.unwrap();
            new.shutdown(cx.ttl() * 10).await.unwrap();
        } else {
            cx.not_within("the name", cx.ttl() * 3, new.connect()).await;
        }
    }
}

async fn an_exclusive_identity_is_taken_over_from_a_process_that_lives(cx: Context) {
    let first = process(&cx, Machine::started().process()).connect().await.unwrap();
    let held = first.mutex("deploy").unwrap().acquire().await.unwrap();
    let second = process(&cx, Machine::started().restarted().process()).exclusive_identity();
    let second = cx.within("it has its name", 20, second.connect()).await.unwrap();
    let next = cx.within("the lock", 20, second.mutex("deploy").unwrap().acquire()).await.unwrap();
    assert!(next.token() > held.token());
    // Nobody but the store can tell the first one, with the next answer that it gets.
    let asks = first.mutex("other").unwrap();
    drop(cx.within("an answer", 20, asks.try_acquire()).await);
    assert_eq!(cx.within("it learns the loss", 20, held.lost()).await, LossReason::SessionLost);
}

async fn a_name_that_was_forgotten_is_taken_again(cx: Context) {
    let (node, judge) = (cx.mortal_node(NODE).await, cx.session().await);
    let session = identity(&*judge).await.unwrap().owner().cloned();
    judge.apply(Txn::new().delete(identity(&*judge).await.unwrap().stamp().clone())).await;
    cx.inject(Fault::Record).await;
    cx.inject(Fault::Forget(cx.ttl())).await;
    cx.until("the name is taken again", 20, async || identity(&*judge).await.is_some()).await;
    assert_eq!(identity(&*judge).await.unwrap().owner().cloned(), session, "by the session that had it");
    assert!(node.health().session.is_some());
}
