//! What a service answers when it is asked how it is and who leads.

use std::time::Duration;

use ha_core::probe;

use crate::case::Need;
use crate::context::{Context, name};
use crate::faults::{Fault, FaultKind};

crate::case::cases! {
    "probe";
    a_node_is_healthy_suspect_lost_and_healthy_again { guarantee: "G110", needs: [Need::Fault(FaultKind::FailRenewals), Need::Fault(FaultKind::Cut)] }
    a_node_that_shuts_down_says_so { guarantee: "G110" }
    a_store_that_recovers_is_told { guarantee: "G110", needs: [Need::Reconciliation] }
    the_leader_answers_200_and_the_others_say_who_it_is { guarantee: "G110" }
    a_leader_that_lost_its_session_does_not_say_that_it_leads { guarantee: "G110", needs: [Need::Fault(FaultKind::FailRenewals)] }
}

async fn a_node_is_healthy_suspect_lost_and_healthy_again(cx: Context) {
    let node = cx.mortal_node("node").await;
    let state = || (probe::health(&node).status(), probe::health(&node).body().state);
    assert_eq!(state(), (200, "healthy"));
    cx.inject(Fault::FailRenewals(name("node"))).await;
    cx.until("it is suspect", 10, async || state() == (200, "suspect")).await;
    let remaining = probe::health(&node).body().remaining_ms;
    assert!(remaining.is_none_or(|left| u128::from(left) < cx.ttl().as_millis()), "{remaining:?}");
    cx.inject(Fault::Cut(name("node"))).await;
    cx.until("it has no session", 10, async || state() == (503, "lost")).await;
    cx.inject(Fault::Heal(name("node"))).await;
    cx.until("it has one again", 20, async || state() == (200, "healthy")).await;
}

async fn a_node_that_shuts_down_says_so(cx: Context) {
    let node = cx.node("node").await;
    node.shutdown(Duration::from_secs(60)).await.unwrap();
    let answer = probe::health(&node);
    assert_eq!((answer.status(), answer.body().state), (503, "closing"));
    assert!(answer.to_json().contains(r#""state":"closing""#), "{}", answer.to_json());
}

async fn a_store_that_recovers_is_told(cx: Context) {
    let node = cx.node("node").await;
    cx.inject(Fault::Record).await;
    cx.inject(Fault::Forget(cx.ttl() * 100)).await;
    // Whatever is asked for next hears of it.
    drop(node.store().collection("c").unwrap().get("a").await.unwrap());
    let answer = probe::health(&node);
    assert_eq!((answer.status(), answer.body().state), (200, "recovering"));
}

async fn the_leader_answers_200_and_the_others_say_who_it_is(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let observers = [&first, &second].map(|node| (node, node.election("timers").unwrap().observe()));
    let answers = || {
        observers.each_ref().map(|(node, observer)| {
            let answer = probe::leader(node, observer);
            (answer.status(), answer.body().state, answer.body().leader.clone().map(|leader| leader.node))
        })
    };
    cx.until("both know that nobody leads", 20, async || {
        answers() == [(503, "vacant", None), (503, "vacant", None)]
    })
    .await;
    let election = first.election("timers").unwrap().address("10.0.0.1:80");
    let leading = election.campaign().await.unwrap();
    let by_first = |status, state| (status, state, Some("first".to_owned()));
    cx.until("both know the leader", 20, async || {
        answers() == [by_first(200, "leads"), by_first(503, "follows")]
    })
    .await;
    let body = probe::leader(&second, &observers[1].1).to_json();
    let expected = format!(
        r#"{{"node":"second","state":"follows","leader":{{"node":"first","address":"10.0.0.1:80","term":{}}}}}"#,
        leading.token()
    );
    assert_eq!(body, expected);
    leading.resign().await.unwrap();
    cx.until("both know that nobody leads", 20, async || {
        answers() == [(503, "vacant", None), (503, "vacant", None)]
    })
    .await;
}

async fn a_leader_that_lost_its_session_does_not_say_that_it_leads(cx: Context) {
    let node = cx.mortal_node("node").await;
    let election = node.election("timers").unwrap();
    let observer = election.observe();
    let leading = election.campaign().await.unwrap();
    let status = || probe::leader(&node, &observer).status();
    cx.until("it says that it leads", 20, async || status() == 200).await;
    cx.inject(Fault::FailRenewals(name("node"))).await;
    cx.within("it loses", 10, leading.lost()).await;
    assert_eq!(status(), 503, "its record may still be there, and it may have a new session already");
    // The guard is not dropped, so it cannot stand again: whatever its record says, it does not lead.
    for _ in 0..20 {
        assert_eq!(status(), 503);
        tokio::time::sleep(cx.ttl() / 10).await;
    }
}
