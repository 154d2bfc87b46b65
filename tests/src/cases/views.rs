//! Views of a group: what observers are told, and what operators say of nodes.

use ha_core::ErrorKind;
use ha_core::group::{Change, Profile, Status, View};

use super::membership::{group, join, until_members};
use crate::context::Context;
use crate::verbs::refused;

crate::case::cases! {
    "views";
    a_status_is_set_by_somebody_who_is_no_member { guarantee: "G125" }
    a_status_is_kept_for_a_node_that_is_not_there { guarantee: "G125" }
    operators_at_the_same_time_leave_one_of_their_statuses { guarantee: "G125" }
    whoever_applies_all_changes_has_the_view { guarantee: "G126" }
    a_reader_that_is_late_is_given_the_whole_view { guarantee: "G126" }
    a_wait_for_members_ends_with_the_last_of_them { guarantee: "G127" }
    an_observer_without_a_lease_sees_members { guarantee: "G120" }
    an_observer_can_neither_join_nor_set_a_status { guarantee: "G129" }
}

async fn a_status_is_set_by_somebody_who_is_no_member(cx: Context) {
    let (a, operator) = (cx.node("a").await, cx.node("operator").await);
    let membership = join(&a).await;
    let of = |status| move |view: &View| view.get("a").is_some_and(|member| member.status == status);
    for status in [Status::Drained, Status::Drained, Status::Active, Status::Active, Status::Drained] {
        group(&operator).set_status("a", status).await.unwrap();
        let view = cx.within("it is seen", 20, group(&a).wait_until(of(status))).await.unwrap();
        assert_eq!(view.available().count(), usize::from(status == Status::Active));
    }
    membership.update(|profile| profile.weight(9)).await.unwrap();
    let both = |view: &View| view.get("a").is_some_and(|a| a.weight == 9 && a.status == Status::Drained);
    cx.within("an update leaves the status", 20, group(&operator).wait_until(both)).await.unwrap();
}

async fn a_status_is_kept_for_a_node_that_is_not_there(cx: Context) {
    let (a, operator) = (cx.node("a").await, cx.node("operator").await);
    group(&operator).set_status("a", Status::Drained).await.unwrap();
    for _ in 0..2 {
        let membership = cx.within("it joins", 20, join(&a)).await;
        let view = until_members(&cx, &group(&operator), &["a"]).await;
        assert_eq!(view.get("a").unwrap().status, Status::Drained);
        membership.leave().await.unwrap();
        until_members(&cx, &group(&operator), &[]).await;
    }
}

async fn operators_at_the_same_time_leave_one_of_their_statuses(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let _membership = join(&a).await;
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..8 {
        let group = group([&a, &b][at % 2]);
        let status = [Status::Drained, Status::Active][at / 2 % 2];
        tasks.spawn(async move { group.set_status("a", status).await });
    }
    for result in cx.within("all have set it", 20, tasks.join_all()).await {
        result.unwrap();
    }
    group(&b).set_status("a", Status::Drained).await.unwrap();
    let drained = |view: &View| view.get("a").is_some_and(|member| member.status == Status::Drained);
    cx.within("the last one stays", 20, group(&a).wait_until(drained)).await.unwrap();
}

/// What a reader has who applies every change.
fn apply(view: &mut std::collections::BTreeMap<String, ha_core::Token>, change: Change) {
    match change {
        Change::Resynced(all) => {
            *view = all.members().map(|member| (member.node.clone(), member.incarnation)).collect();
        }
        Change::Left(member) => assert_eq!(view.remove(&member.node), Some(member.incarnation)),
        Change::Joined(member) => {
            assert_eq!(view.insert(member.node.clone(), member.incarnation), None, "{member:?} is new");
        }
        Change::Updated(member) => {
            assert_eq!(view.insert(member.node.clone(), member.incarnation), Some(member.incarnation));
        }
        Change::Restarted { member, before } => {
            assert!(member.incarnation > before);
            view.insert(member.node.clone(), member.incarnation);
        }
        other => panic!("an unknown change: {other:?}"),
    }
}

async fn whoever_applies_all_changes_has_the_view(cx: Context) {
    let watching = cx.node("watching").await;
    let mut changes = group(&watching).changes();
    let mut churn = tokio::task::JoinSet::new();
    for at in 0..4 {
        let node = cx.node(&format!("node-{at}")).await;
        churn.spawn(async move {
            for round in 0..10 {
                let membership = join(&node).await;
                membership.update(|profile| profile.weight(round)).await.unwrap();
                membership.leave().await.unwrap();
            }
            let last = join(&node).await;
            (node, last)
        });
    }
    let (mut view, mut count) = (std::collections::BTreeMap::new(), 0);
    let mut churning = Box::pin(churn.join_all());
    let kept = loop {
        tokio::select! {
            kept = &mut churning => break kept,
            change = changes.next() => {
                apply(&mut view, change.unwrap());
                count += 1;
            }
        }
    };
    let all = cx.within("all are there", 20, group(&watching).wait_for(4)).await.unwrap();
    let expected = all.members().map(|member| (member.node.clone(), member.incarnation)).collect();
    while view != expected {
        apply(&mut view, cx.within("the rest of the changes", 20, changes.next()).await.unwrap());
        count += 1;
    }
    assert!(count <= all.number(), "{count} changes led to view {}", all.number());
    drop(kept);
}

async fn a_reader_that_is_late_is_given_the_whole_view(cx: Context) {
    let (a, watching) = (cx.node("a").await, cx.node("watching").await);
    let membership = join(&a).await;
    until_members(&cx, &group(&watching), &["a"]).await;
    let mut changes = group(&watching).changes();
    assert!(matches!(changes.next().await, Some(Change::Resynced(_))));
    for weight in 0..400 {
        membership.update(|profile| profile.weight(weight)).await.unwrap();
    }
    let last = |view: &View| view.get("a").is_some_and(|member| member.weight == 399);
    let view = cx.within("the last is seen", 20, group(&watching).wait_until(last)).await.unwrap();
    match cx.within("a change", 20, changes.next()).await.unwrap() {
        // A store may have shown few of the states in between.
        Change::Updated(_) if view.number() <= 257 => {}
        Change::Resynced(all) => assert_eq!(all.get("a").unwrap().weight, 399),
        other => panic!("{other:?} after {} views", view.number()),
    }
}

async fn a_wait_for_members_ends_with_the_last_of_them(cx: Context) {
    let nodes = [cx.node("a").await, cx.node("b").await, cx.node("c").await];
    let waiting = tokio::spawn({
        let group = group(&nodes[0]);
        async move { group.wait_for(3).await }
    });
    let _a = join(&nodes[0]).await;
    let _b = join(&nodes[1]).await;
    until_members(&cx, &group(&nodes[2]), &["a", "b"]).await;
    assert!(!waiting.is_finished());
    let _c = join(&nodes[2]).await;
    let view = cx.within("all are there", 20, waiting).await.unwrap().unwrap();
    assert_eq!(view.len(), 3);
    assert_eq!(cx.within("at once", 20, group(&nodes[0]).wait_for(0)).await.unwrap().len(), 3);
}

async fn an_observer_without_a_lease_sees_members(cx: Context) {
    let watching = cx.builder("watching").observer().connect().await.unwrap();
    let view = cx.within("a view", 20, group(&watching).view()).await.unwrap();
    assert!(view.is_empty() && view.is_current());
    let a = cx.node("a").await;
    let membership = join(&a).await;
    until_members(&cx, &group(&watching), &["a"]).await;
    membership.leave().await.unwrap();
    until_members(&cx, &group(&watching), &[]).await;
}

async fn an_observer_can_neither_join_nor_set_a_status(cx: Context) {
    let watching = cx.builder("watching").observer().connect().await.unwrap();
    let error = refused(group(&watching).join(Profile::new()).await, ErrorKind::Unsupported);
    assert!(error.to_string().contains("observer"), "{error}");
    refused(group(&watching).set_status("a", Status::Drained).await, ErrorKind::Unsupported);
}
