//! Groups: who is here, what they say of themselves, and what operators say of them.

use std::sync::Arc;
use std::time::Duration;

use ha_core::group::{Change, Group, Membership, Profile, Status, View};
use ha_core::spi::{Entry, Session, Txn};
use ha_core::{Coordinator, ErrorKind, Event, Heartbeat};

use crate::context::Context;
use crate::counting::Counting;
use crate::verbs::{Verbs, refused};

crate::case::cases! {
    "membership";
    a_member_is_in_every_view_with_what_it_says_of_itself { guarantee: "G120" }
    a_member_that_left_is_in_no_view { guarantee: "G120" }
    a_dropped_membership_is_left { guarantee: "G120" }
    groups_of_different_names_have_members_of_their_own { guarantee: "G120" }
    a_node_that_comes_again_is_a_larger_incarnation_and_told_as_restarted { guarantee: "G121" }
    a_second_join_of_one_coordinator_is_refused { guarantee: "G121" }
    the_late_end_of_an_earlier_life_removes_nobody { guarantee: "G121" }
    the_latest_of_many_updates_stays { guarantee: "G124" }
    updates_of_several_tasks_lose_nothing { guarantee: "G124" }
    a_record_that_was_changed_by_hand_is_written_again { guarantee: "G124" }
    a_member_whose_entry_is_deleted_joins_again { guarantee: "G123" }
    a_member_whose_health_check_fails_is_not_ready { guarantee: "G128" }
    what_is_wrong_with_a_profile_is_a_clear_error { guarantee: "G129" }
    a_shutdown_leaves_the_group_and_answers_who_waits { guarantee: "G130" }
    a_join_an_update_and_a_leave_cost_one_commit_each { guarantee: "G131" }
}

pub(super) const GROUP: &str = "api";

/// The group of a node.
pub(super) fn group(node: &Coordinator) -> Group {
    node.group(GROUP).unwrap()
}

/// Joins as a plain member.
pub(super) async fn join(node: &Coordinator) -> Membership {
    group(node).join(Profile::new()).await.unwrap()
}

/// The entries of the members, oldest first.
pub(super) async fn entries(session: &dyn Session) -> Vec<Entry> {
    let collection = ha_core::spi::Collection::parse(&["group", GROUP, "members"]).unwrap();
    let mut entries = session.all(&collection).await;
    entries.sort_by_key(Entry::created);
    entries
}

/// Waits for a view with exactly these members.
pub(super) async fn until_members(cx: &Context, group: &Group, nodes: &[&str]) -> View {
    let wanted = |view: &View| view.members().map(|member| member.node.as_str()).eq(nodes.iter().copied());
    cx.within(&format!("the members are {nodes:?}"), 20, group.wait_until(wanted)).await.unwrap()
}

async fn a_member_is_in_every_view_with_what_it_says_of_itself(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let profile =
        Profile::new().address("10.0.0.1:80").zone("north").role("rest").label("version", "1.4").weight(3);
    let profile = profile.ready(false).state("warming up");
    let membership = group(&a).join(profile.clone()).await.unwrap();
    assert_eq!((membership.node(), membership.profile()), ("a", profile));
    for node in [&a, &b] {
        let view = until_members(&cx, &group(node), &["a"]).await;
        let member = view.get("a").unwrap();
        assert_eq!(Some(member.incarnation), membership.incarnation());
        assert_eq!((member.address.as_deref(), member.zone.as_deref()), (Some("10.0.0.1:80"), Some("north")));
        assert!(member.roles.contains("rest") && member.labels["version"] == "1.4");
        assert_eq!((member.weight, member.ready, member.state.as_str()), (3, false, "warming up"));
        assert_eq!((member.status, member.is_available()), (Status::Active, false));
    }
    membership.set_ready(true).await.unwrap();
    membership.set_state("serving").await.unwrap();
    let serving = |view: &View| view.available().any(|member| member.state == "serving");
    assert!(cx.within("it serves", 20, group(&b).wait_until(serving)).await.unwrap().is_current());
}

async fn a_member_that_left_is_in_no_view(cx: Context) {
    let (a, b, judge) = (cx.node("a").await, cx.node("b").await, cx.session().await);
    let (leaving, _staying) = (join(&a).await, join(&b).await);
    until_members(&cx, &group(&b), &["a", "b"]).await;
    leaving.leave().await.unwrap();
    assert_eq!(entries(&*judge).await.len(), 1);
    until_members(&cx, &group(&b), &["b"]).await;
    let again = cx.within("it joins again", 20, join(&a)).await;
    assert!(again.incarnation().is_some());
    until_members(&cx, &group(&b), &["a", "b"]).await;
}

async fn a_dropped_membership_is_left(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    drop(join(&a).await);
    let _staying = join(&b).await;
    until_members(&cx, &group(&b), &["b"]).await;
    let _again = cx.within("it joins again", 20, join(&a)).await;
    until_members(&cx, &group(&b), &["a", "b"]).await;
}

async fn groups_of_different_names_have_members_of_their_own(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let mut memberships = Vec::new();
    let names = ["x", "X", "x/y", "members", "ids", "ä", "\0"];
    for (at, name) in names.into_iter().enumerate() {
        let node = [&a, &b][at % 2];
        memberships.push(node.group(name).unwrap().join(Profile::new()).await.unwrap());
    }
    for (at, name) in names.into_iter().enumerate() {
        until_members(&cx, &b.group(name).unwrap(), &[["a", "b"][at % 2]]).await;
    }
    drop(memberships);
}

async fn a_node_that_comes_again_is_a_larger_incarnation_and_told_as_restarted(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let mut changes = group(&b).changes();
    let first = cx.within("the view", 20, changes.next()).await;
    assert!(matches!(first, Some(Change::Resynced(view)) if view.is_empty()));
    let mut last = None;
    for round in 0..5 {
        let membership = cx.within("it joins", 20, join(&a)).await;
        let incarnation = membership.incarnation().unwrap();
        assert!(Some(incarnation) > last, "round {round}");
        let member = loop {
            match cx.within("it is told", 20, changes.next()).await.unwrap() {
                Change::Joined(member) if last.is_none() => break member,
                Change::Restarted { member, before } if Some(before) == last => break member,
                Change::Left(_) => {}
                other => panic!("round {round}: {other:?}"),
            }
        };
        assert_eq!(member.incarnation, incarnation);
        last = Some(incarnation);
        membership.leave().await.unwrap();
    }
}

async fn a_second_join_of_one_coordinator_is_refused(cx: Context) {
    let a = cx.node("a").await;
    let membership = join(&a).await;
    refused(group(&a).join(Profile::new()).await, ErrorKind::InvalidInput);
    assert!(membership.incarnation().is_some(), "the first is not disturbed");
}

/// The entry of an earlier life goes when the later one is there already, as when an expiry is late.
async fn the_late_end_of_an_earlier_life_removes_nobody(cx: Context) {
    let (a, b, judge) = (cx.node("a").await, cx.node("b").await, cx.session().await);
    let first = join(&a).await;
    let old = entries(&*judge).await.remove(0);
    let ghost = old.key().collection().key(crate::context::name("ghost-1"));
    let created =
        judge.apply(Txn::new().create_owned(ghost, old.value().clone(), ha_core::spi::Naming::Unique));
    let ghost = crate::verbs::only_stamp(created.await);
    first.leave().await.unwrap();
    let second = cx.within("it joins again", 20, join(&a)).await;
    let seen = |view: &View| view.get("a").map(|member| member.incarnation) == second.incarnation();
    cx.within("the later life is seen", 20, group(&b).wait_until(seen)).await.unwrap();
    let mut changes = group(&b).changes();
    assert!(matches!(changes.next().await, Some(Change::Resynced(_))));
    judge.apply(Txn::new().delete(ghost)).await;
    cx.not_within("a change", cx.ttl(), changes.next()).await;
    assert!(seen(&group(&b).view().await.unwrap()));
}

async fn the_latest_of_many_updates_stays(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let membership = join(&a).await;
    for weight in 2..30 {
        membership.update(|profile| profile.weight(weight)).await.unwrap();
    }
    let last = |view: &View| view.get("a").is_some_and(|member| member.weight == 29);
    let view = cx.within("the last one is seen", 20, group(&b).wait_until(last)).await.unwrap();
    let number = view.number();
    tokio::time::sleep(cx.ttl()).await;
    assert_eq!(group(&b).view().await.unwrap().number(), number, "nothing is written any more");
}

async fn updates_of_several_tasks_lose_nothing(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let membership = Arc::new(join(&a).await);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let membership = Arc::clone(&membership);
        tasks.spawn(async move {
            for round in 0..5 {
                let label = |profile: Profile| profile.label(format!("label-{task}"), format!("{round}"));
                membership.update(label).await.unwrap();
            }
        });
    }
    cx.within("all are written", 20, tasks.join_all()).await;
    let all = |view: &View| {
        let labels = view.get("a").map(|member| &member.labels);
        labels.is_some_and(|labels| labels.len() == 8 && labels.values().all(|value| value == "4"))
    };
    cx.within("all are seen", 20, group(&b).wait_until(all)).await.unwrap();
}

async fn a_record_that_was_changed_by_hand_is_written_again(cx: Context) {
    let (a, b, judge) = (cx.node("a").await, cx.node("b").await, cx.session().await);
    let membership = join(&a).await;
    let entry = entries(&*judge).await.remove(0);
    judge.apply(Txn::new().update(entry.stamp().clone(), "by hand")).await;
    until_members(&cx, &group(&b), &[]).await;
    cx.within("the update", 20, membership.update(|profile| profile.weight(7))).await.unwrap();
    let again = |view: &View| view.get("a").is_some_and(|member| member.weight == 7);
    cx.within("it is there again", 20, group(&b).wait_until(again)).await.unwrap();
}

async fn a_member_whose_entry_is_deleted_joins_again(cx: Context) {
    let (a, b, judge) = (cx.node("a").await, cx.node("b").await, cx.session().await);
    let membership = group(&a).join(Profile::new().weight(4)).await.unwrap();
    let before = membership.incarnation().unwrap();
    let entry = entries(&*judge).await.remove(0);
    judge.apply(Txn::new().delete(entry.stamp().clone())).await;
    let again = |view: &View| view.get("a").is_some_and(|member| member.incarnation > before);
    let view = cx.within("it is there again", 20, group(&b).wait_until(again)).await.unwrap();
    assert_eq!(view.get("a").unwrap().weight, 4);
    // Others can see an entry before the answer has reached its own node.
    let seen = view.get("a").map(|member| member.incarnation);
    cx.until("its own node knows it too", 5, async || membership.incarnation() == seen).await;
}

async fn a_member_whose_health_check_fails_is_not_ready(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let membership = join(&a).await;
    let healthy = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let asked = Arc::clone(&healthy);
    let check = move || asked.load(std::sync::atomic::Ordering::SeqCst);
    let heartbeat = Heartbeat::checked(Duration::from_millis(200), check).unwrap();
    membership.ready_while(&heartbeat);
    let ready = |ready| move |view: &View| view.get("a").is_some_and(|member| member.ready == ready);
    for round in [true, false, true] {
        healthy.store(round, std::sync::atomic::Ordering::SeqCst);
        cx.within("its readiness is seen", 20, group(&b).wait_until(ready(round))).await.unwrap();
    }
    assert!(membership.incarnation().is_some() && membership.profile() == Profile::new());
}

async fn what_is_wrong_with_a_profile_is_a_clear_error(cx: Context) {
    let (a, judge) = (cx.node("a").await, cx.session().await);
    for name in ["", "_ha", &"x".repeat(201)] {
        refused(a.group(name).map(drop), ErrorKind::InvalidInput);
        refused(group(&a).set_status(name, Status::Drained).await, ErrorKind::InvalidInput);
    }
    let long = |length: usize| "x".repeat(length);
    let many = |limit: usize, add: fn(Profile, String) -> Profile| {
        (0..=limit).fold(Profile::new(), |profile, at| add(profile, format!("n{at}")))
    };
    let too_large = [
        Profile::new().address(long(Profile::ADDRESS_BYTES + 1)),
        Profile::new().state(long(Profile::TEXT_BYTES + 1)),
        Profile::new().label("a", long(Profile::TEXT_BYTES + 1)),
        many(Profile::ROLES, |profile, name| profile.role(name)),
        many(Profile::LABELS, |profile, name| profile.label(name, "")),
        (0..60).fold(Profile::new(), |profile, at| profile.label(format!("n{at}"), long(1_000))),
        // Few characters, which take six each when they are stored.
        (0..3).fold(Profile::new(), |profile, at| profile.label(format!("n{at}"), "\0".repeat(1_024))),
    ];
    let invalid = ["", "_ha", &long(201)]
        .map(|bad| [Profile::new().role(bad), Profile::new().zone(bad), Profile::new().label(bad, "")]);
    let cases = too_large.into_iter().map(|profile| (profile, ErrorKind::TooLarge));
    let cases = cases.chain(invalid.into_iter().flatten().map(|profile| (profile, ErrorKind::InvalidInput)));
    let membership = join(&a).await;
    let other = a.group("other").unwrap();
    for (profile, kind) in cases {
        assert!(refused(other.join(profile.clone()).await, kind).to_string().len() < 400);
        refused(membership.update(|_| profile.clone()).await, kind);
        assert_eq!(membership.profile(), Profile::new(), "a refused change changes nothing");
    }
    assert_eq!(entries(&*judge).await.len(), 1);
    let largest = many(Profile::ROLES - 1, |profile, name| profile.role(name));
    let largest = largest.address(long(Profile::ADDRESS_BYTES)).label("\0/ä", long(Profile::TEXT_BYTES));
    membership.update(|_| largest.clone().weight(u32::MAX)).await.unwrap();
}

async fn a_shutdown_leaves_the_group_and_answers_who_waits(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let (membership, mut events) = (join(&a).await, a.events());
    until_members(&cx, &group(&b), &["a"]).await;
    let mut changes = group(&a).changes();
    let waiting = tokio::spawn({
        let group = group(&a);
        async move { group.wait_for(100).await }
    });
    cx.within("the shutdown", 20, a.shutdown(cx.ttl() * 10)).await.unwrap();
    until_members(&cx, &group(&b), &[]).await;
    refused(cx.within("whoever waits is told", 20, waiting).await.unwrap(), ErrorKind::Closed);
    let end = async { while changes.next().await.is_some() {} };
    cx.within("the changes end", 20, end).await;
    refused(group(&a).join(Profile::new()).await, ErrorKind::Closed);
    refused(membership.set_ready(false).await, ErrorKind::Closed);
    assert_eq!(membership.incarnation(), None);
    let told = async {
        loop {
            if let Event::Left { reason, .. } = events.next().await.unwrap() {
                return reason;
            }
        }
    };
    assert_eq!(cx.within("the event", 20, told).await, ha_core::LossReason::Shutdown);
}

async fn a_join_an_update_and_a_leave_cost_one_commit_each(cx: Context) {
    let (backend, counts) = Counting::wrap(cx.connect_as("a"));
    let a = cx.builder_on(backend, "a").connect().await.unwrap();
    let group = group(&a);
    let mut before = counts.commits();
    let mut cost = |what: &str| {
        let now = counts.commits();
        assert_eq!(now - std::mem::replace(&mut before, now), 1, "{what}");
    };
    let membership = group.join(Profile::new()).await.unwrap();
    cost("a join");
    membership.set_ready(false).await.unwrap();
    cost("an update");
    let listings = counts.listings();
    let quiet = counts.others();
    tokio::time::sleep(cx.ttl() * 2).await;
    assert!(counts.others() - quiet <= 1, "a member that is idle asks for nothing");
    membership.leave().await.unwrap();
    cost("leaving");
    assert_eq!(counts.listings(), listings);
}
