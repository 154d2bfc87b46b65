//! Elections: one leader, growing terms, ranks, and what the next one is told.

use std::sync::Arc;

use ha_core::election::{Observation, Predecessor};
use ha_core::{Coordinator, ErrorKind, LossReason};

use crate::context::Context;
use crate::nodes::{Protected, candidates, leader_entry};
use crate::verbs::refused;

crate::case::cases! {
    "election";
    the_only_candidate_leads { guarantee: "G60" }
    leaders_never_overlap_and_their_terms_grow { guarantee: "G60" }
    tasks_of_one_node_lead_one_after_the_other { guarantee: "G60" }
    a_node_that_leads_again_has_a_larger_term { guarantee: "G61" }
    the_higher_priority_is_elected_then_the_older_candidate { guarantee: "G62" }
    a_leader_hands_over_to_a_higher_priority { guarantee: "G62" }
    a_leader_that_is_not_to_be_preempted_stays { guarantee: "G62" }
    a_resignation_leaves_nothing_behind { guarantee: "G63" }
    a_dropped_leadership_is_resigned { guarantee: "G63" }
    a_leader_that_resigned_does_not_lead_by_its_old_record { guarantee: "G63" }
    the_next_leader_is_told_how_the_one_before_ended { guarantee: "G66" }
    an_observer_sees_who_leads_and_that_nobody_does { guarantee: "G67" }
    an_observer_never_goes_back_and_ends_at_the_newest { guarantee: "G67" }
    a_node_without_the_capability_cannot_stand { guarantee: "G68" }
    too_long_an_address_is_a_clear_error { guarantee: "G68" }
    elections_of_different_names_have_leaders_of_their_own { guarantee: "G60" }
}

/// A campaign in the background.
pub(super) fn campaign(
    node: &Coordinator,
    priority: i32,
) -> tokio::task::JoinHandle<ha_core::election::Leadership> {
    let election = node.election("timers").unwrap().priority(priority).preempt(false);
    tokio::spawn(async move { election.campaign().await.unwrap() })
}

async fn the_only_candidate_leads(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let election = node.election("timers").unwrap();
    assert_eq!(election.name(), "timers");
    let leadership = cx.within("leadership", 20, election.campaign()).await.unwrap();
    assert!(leadership.is_valid());
    assert_eq!(*leadership.predecessor(), Predecessor::First);
    let record = leader_entry(&*judge, "timers").await.unwrap();
    assert_eq!(record.created().as_u64(), leadership.token().as_u64(), "the term is its revision");
}

async fn leaders_never_overlap_and_their_terms_grow(cx: Context) {
    let protected = Arc::new(Protected::default());
    let mut tasks = tokio::task::JoinSet::new();
    for node in 0..5 {
        let node = cx.node(&format!("node-{node}")).await;
        let protected = Arc::clone(&protected);
        tasks.spawn(async move { lead(&node, &protected, 10).await });
    }
    cx.within("everybody led", 40, tasks.join_all()).await;
    assert_eq!(protected.uses(), 50);
}

async fn tasks_of_one_node_lead_one_after_the_other(cx: Context) {
    let (node, protected) = (cx.node("node").await, Arc::new(Protected::default()));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let (node, protected) = (node.clone(), Arc::clone(&protected));
        tasks.spawn(async move { lead(&node, &protected, 10).await });
    }
    cx.within("everybody led", 40, tasks.join_all()).await;
    assert_eq!(protected.uses(), 50);
}

/// Leads several times, and lets others run meanwhile.
async fn lead(node: &Coordinator, protected: &Protected, times: usize) {
    let election = node.election("timers").unwrap();
    for round in 0..times {
        let leadership = election.campaign().await.unwrap();
        protected.enter(&leadership.grant());
        tokio::task::yield_now().await;
        assert!(leadership.is_valid());
        protected.leave(&leadership.grant());
        match round % 2 {
            0 => leadership.resign().await.unwrap(),
            _ => drop(leadership),
        }
    }
}

async fn a_node_that_leads_again_has_a_larger_term(cx: Context) {
    let node = cx.node("node").await;
    let election = node.election("timers").unwrap();
    let mut last = None;
    for round in 0..20 {
        let leadership = cx.within("leadership", 20, election.campaign()).await.unwrap();
        assert!(Some(leadership.token()) > last, "round {round}: {} after {last:?}", leadership.token());
        last = Some(leadership.token());
        drop(leadership);
    }
}

async fn the_higher_priority_is_elected_then_the_older_candidate(cx: Context) {
    let judge = cx.session().await;
    let first = cx.node("first").await;
    let mut leading = cx.within("leadership", 20, campaign(&first, 0)).await.unwrap();
    let mut nodes = Vec::new();
    let mut waiting = Vec::new();
    for (at, (node, priority)) in [("c", 1), ("a", 2), ("d", 1), ("b", 2)].into_iter().enumerate() {
        let node = cx.node(node).await;
        waiting.push(campaign(&node, priority));
        nodes.push(node);
        let stands = async || candidates(&*judge, "timers").await.len() == at + 2;
        cx.until("the candidate stands", 20, stands).await;
    }
    for expected in [1, 3, 0, 2] {
        let old = leading.grant();
        leading.resign().await.unwrap();
        let elected = std::mem::replace(&mut waiting[expected], tokio::spawn(std::future::pending()));
        leading = cx.within("the best candidate leads", 20, elected).await.unwrap();
        assert!(leading.token() > old.token());
        for (at, other) in waiting.iter().enumerate() {
            assert!(!other.is_finished(), "{expected} leads, and so does {at}");
        }
    }
}

async fn a_leader_hands_over_to_a_higher_priority(cx: Context) {
    let (low, high) = (cx.node("low").await, cx.node("high").await);
    let leading = low.election("timers").unwrap().priority(1).campaign().await.unwrap();
    let better = high.election("timers").unwrap().priority(2);
    let standing = tokio::spawn(async move { better.campaign().await });
    let reason = cx.within("the leader is told to go", 20, leading.lost()).await;
    assert_eq!(reason, LossReason::Transferred);
    drop(leading);
    let leads = cx.within("the better one leads", 20, standing).await.unwrap().unwrap();
    assert_eq!(*leads.predecessor(), Predecessor::Released { node: "low".into() });
}

async fn a_leader_that_is_not_to_be_preempted_stays(cx: Context) {
    let (low, high) = (cx.node("low").await, cx.node("high").await);
    let leading = low.election("timers").unwrap().priority(1).preempt(false).campaign().await.unwrap();
    let better = high.election("timers").unwrap().priority(2);
    let patience = cx.ttl() * 3 + std::time::Duration::from_millis(600);
    cx.not_within("the better candidate", patience, better.campaign()).await;
    assert!(leading.is_valid());
}

async fn a_resignation_leaves_nothing_behind(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let leadership = node.election("timers").unwrap().campaign().await.unwrap();
    let grant = leadership.grant();
    leadership.resign().await.unwrap();
    assert!(!grant.is_valid());
    assert_eq!(grant.lost().await, LossReason::Released);
    assert_eq!(leader_entry(&*judge, "timers").await, None);
    cx.until("the candidate is gone", 20, async || candidates(&*judge, "timers").await.is_empty()).await;
}

async fn a_dropped_leadership_is_resigned(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let leadership = first.election("timers").unwrap().campaign().await.unwrap();
    let grant = leadership.grant();
    drop(leadership);
    assert!(!grant.is_valid(), "it is over before the next line");
    let leads =
        cx.within("the other leads", 20, second.election("timers").unwrap().campaign()).await.unwrap();
    assert!(leads.token() > grant.token());
}

/// A resignation is sent, and a campaign begins at once: the record that is still there is not a new grant.
async fn a_leader_that_resigned_does_not_lead_by_its_old_record(cx: Context) {
    let node = cx.node("node").await;
    let election = node.election("timers").unwrap();
    let mut last = election.campaign().await.unwrap();
    for _ in 0..20 {
        let old = last.grant();
        let (resigned, campaigned) = tokio::join!(last.resign(), election.campaign());
        resigned.unwrap();
        last = campaigned.unwrap();
        assert!(last.token() > old.token() && last.is_valid() && !old.is_valid());
    }
}

async fn the_next_leader_is_told_how_the_one_before_ended(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let (doomed, thread) = cx.doomed_node("doomed").await;
    let election = second.election("timers").unwrap();
    first.election("timers").unwrap().campaign().await.unwrap().resign().await.unwrap();
    let leadership = election.campaign().await.unwrap();
    assert_eq!(*leadership.predecessor(), Predecessor::Released { node: "first".into() });
    leadership.resign().await.unwrap();
    let _lost = doomed.election("timers").unwrap().campaign().await.unwrap();
    thread.stop();
    let leadership = cx.within("the survivor leads", 20, election.campaign()).await.unwrap();
    assert_eq!(*leadership.predecessor(), Predecessor::Vanished { node: "doomed".into() });
}

async fn an_observer_sees_who_leads_and_that_nobody_does(cx: Context) {
    let node = cx.node("node").await;
    let watching = cx.builder("watching").observer().connect().await.unwrap();
    let mut observer = watching.election("timers").unwrap().observe();
    let mut next = async || cx.within("news", 20, observer.next()).await.unwrap();
    let mut known = async || loop {
        match next().await {
            Observation::Unknown => {}
            known => return known,
        }
    };
    assert_eq!(known().await, Observation::Vacant);
    for _ in 0..3 {
        let election = node.election("timers").unwrap().address("10.0.0.1:80");
        let leadership = election.campaign().await.unwrap();
        let Observation::Leader(leader) = known().await else { panic!("somebody leads") };
        assert_eq!((leader.node.as_str(), leader.address.as_deref()), ("node", Some("10.0.0.1:80")));
        assert_eq!(leader.term, leadership.token());
        leadership.resign().await.unwrap();
        assert_eq!(known().await, Observation::Vacant);
    }
}

async fn an_observer_never_goes_back_and_ends_at_the_newest(cx: Context) {
    let nodes = [cx.node("a").await, cx.node("b").await];
    let watching = cx.builder("watching").observer().connect().await.unwrap();
    let mut observer = watching.election("timers").unwrap().observe();
    let mut leading = tokio::spawn(async move {
        for round in 0..30 {
            let leadership = nodes[round % 2].election("timers").unwrap().campaign().await.unwrap();
            leadership.resign().await.unwrap();
        }
        let last = nodes[0].election("timers").unwrap().campaign().await.unwrap();
        (nodes, last)
    });
    let mut terms = Vec::new();
    let mut take = |news| {
        if let Some(Observation::Leader(leader)) = news {
            terms.push(leader.term);
        }
        terms.last().copied()
    };
    let reading = async {
        loop {
            tokio::select! {
                done = &mut leading => break done.unwrap(),
                news = observer.next() => drop(take(news)),
            }
        }
    };
    let (_nodes, last) = cx.within("everybody led", 40, reading).await;
    while take(None) != Some(last.token()) {
        take(cx.within("the newest leader", 20, observer.next()).await);
    }
    assert!(terms.is_sorted(), "terms in their order: {terms:?}");
}

async fn a_node_without_the_capability_cannot_stand(cx: Context) {
    let able = cx.builder("able").capability("timers").connect().await.unwrap();
    let other = cx.node("other").await;
    let election = other.election("timers").unwrap().requires("timers").unwrap();
    let error = refused(election.campaign().await, ErrorKind::Unsupported).to_string();
    assert!(error.contains("timers") && error.contains("other"), "{error}");
    let election = able.election("timers").unwrap().requires("timers").unwrap();
    assert!(cx.within("leadership", 20, election.campaign()).await.unwrap().is_valid());
}

async fn too_long_an_address_is_a_clear_error(cx: Context) {
    let node = cx.node("node").await;
    let longest = "x".repeat(ha_core::election::Election::ADDRESS_BYTES);
    let election = node.election("timers").unwrap().address(format!("{longest}x"));
    refused(election.campaign().await, ErrorKind::TooLarge);
    let election = node.election("timers").unwrap().address(longest);
    assert!(election.campaign().await.unwrap().is_valid());
}

async fn elections_of_different_names_have_leaders_of_their_own(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let mut leaderships = Vec::new();
    for (at, name) in ["a", "A", "a/b", "candidates", "ä", "\0"].into_iter().enumerate() {
        let election = [&first, &second][at % 2].election(name).unwrap();
        leaderships.push(cx.within("leadership", 20, election.campaign()).await.unwrap());
    }
    assert!(leaderships.iter().all(|leadership| leadership.is_valid()));
}
