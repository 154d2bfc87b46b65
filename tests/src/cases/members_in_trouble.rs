//! Groups when nodes die, pause, are cut off or give up, and when the store forgets.

use ha_core::group::{Change, Membership, Profile, View};
use ha_core::spi::{Collection, Session};
use ha_core::{Coordinator, Event, LossReason};

use super::membership::{GROUP, entries, group, join, until_members};
use crate::case::Need;
use crate::clock::Stopwatch;
use crate::context::{Context, name};
use crate::faults::{CommitFault, Fault, FaultKind};
use crate::nodes::{abandon_after, polls_of};
use crate::verbs::Verbs;

const COMMITS: Need = Need::Fault(FaultKind::Commits);
const CUT: Need = Need::Fault(FaultKind::Cut);
const FORGET: Need = Need::Reconciliation;
const INTERRUPT: Need = Need::Fault(FaultKind::InterruptWatches);
const YIELDS: Need = Need::Fault(FaultKind::YieldAlways);

crate::case::cases! {
    "members_in_trouble";
    a_dead_member_is_out_of_every_view_within_its_ttl_and_not_before { guarantee: "G122" }
    pauses_of_a_third_of_the_validity_remove_nobody { guarantee: "G122", needs: [CUT] }
    a_member_that_renews_stays_for_many_ttl { guarantee: "G122" }
    a_member_whose_session_was_ended_joins_again { guarantee: "G123", needs: [Need::EndsSessions] }
    a_member_that_was_cut_off_joins_again_with_what_it_said_meanwhile { guarantee: "G123", needs: [CUT] }
    lost_requests_and_replies_lose_no_update { guarantee: "G124", needs: [COMMITS] }
    a_gap_of_a_watch_is_told_as_the_whole_view { guarantee: "G126", needs: [INTERRUPT] }
    an_observer_that_is_cut_off_says_so_and_catches_up { guarantee: "G126", needs: [CUT] }
    an_update_that_was_forgotten_is_written_again { guarantee: "G124", needs: [FORGET] }
    a_member_that_was_forgotten_joins_again_after_the_hold { guarantee: "G123", needs: [FORGET] }
    a_membership_that_comes_back_is_given_up { guarantee: "G123", needs: [FORGET] }
    a_join_dropped_at_any_point_leaves_no_ghost { guarantee: "G138", needs: [YIELDS] }
    an_update_dropped_at_any_point_is_made { guarantee: "G138", needs: [YIELDS] }
    leaving_dropped_at_any_point_is_done { guarantee: "G138", needs: [YIELDS] }
    a_join_whose_reply_is_lost_and_that_is_dropped_leaves_no_ghost { guarantee: "G138", needs: [COMMITS] }
}

async fn a_dead_member_is_out_of_every_view_within_its_ttl_and_not_before(cx: Context) {
    let (watching, other) = (cx.node("watching").await, cx.node("other").await);
    let _stays = join(&other).await;
    for _ in 0..3 {
        let (doomed, thread) = cx.doomed_node("doomed").await;
        let _member = join(&doomed).await;
        for node in [&watching, &other] {
            until_members(&cx, &group(node), &["doomed", "other"]).await;
        }
        let granted = doomed.granted_ttl().unwrap();
        let dead = Stopwatch::start();
        thread.stop();
        for node in [&watching, &other] {
            until_members(&cx, &group(node), &["other"]).await;
        }
        let (latest, passed) = (granted + doomed.capabilities().expiry_slack + cx.margin(), dead.elapsed());
        assert!(passed <= latest, "it was there for {passed:?} after its death, {latest:?} are right");
        // Its latest renewal was sent a third of the validity ago at most, when it lived.
        assert!(passed >= granted / 2, "it was gone after {passed:?}, with a ttl of {granted:?}");
    }
}

/// Told to whoever follows the group: nobody left.
async fn assert_nobody_leaves(changes: &mut ha_core::group::Changes) {
    loop {
        match changes.next().await {
            Some(Change::Left(member)) => panic!("{member:?} is said to have left"),
            Some(Change::Restarted { member, .. }) => panic!("{member:?} is said to have come again"),
            Some(_) => {}
            None => panic!("the changes end"),
        }
    }
}

async fn pauses_of_a_third_of_the_validity_remove_nobody(cx: Context) {
    let (member, watching) = (cx.mortal_node("member").await, cx.node("watching").await);
    let membership = join(&member).await;
    until_members(&cx, &group(&watching), &["member"]).await;
    let (before, mut changes) = (membership.incarnation(), group(&watching).changes());
    let validity = member.granted_ttl().unwrap() * member.capabilities().validity_per_mille / 1_000;
    let pauses = async {
        for _ in 0..6 {
            cx.inject(Fault::Cut(name("member"))).await;
            tokio::time::sleep(validity / 3).await;
            cx.inject(Fault::Heal(name("member"))).await;
            tokio::time::sleep(validity / 2).await;
        }
    };
    tokio::select! {
        () = pauses => {}
        () = assert_nobody_leaves(&mut changes) => {}
    }
    assert_eq!(membership.incarnation(), before);
}

async fn a_member_that_renews_stays_for_many_ttl(cx: Context) {
    let (member, watching) = (cx.mortal_node("member").await, cx.node("watching").await);
    let membership = join(&member).await;
    until_members(&cx, &group(&watching), &["member"]).await;
    let (before, mut changes) = (membership.incarnation(), group(&watching).changes());
    cx.not_within("a loss", cx.ttl() * 8, assert_nobody_leaves(&mut changes)).await;
    assert_eq!(membership.incarnation(), before);
}

/// The session of the member.
async fn owner(judge: &dyn Session) -> ha_core::spi::SessionId {
    entries(judge).await.pop().and_then(|entry| entry.owner().cloned()).unwrap()
}

async fn a_member_whose_session_was_ended_joins_again(cx: Context) {
    let (member, watching, judge) = (cx.node("member").await, cx.node("watching").await, cx.session().await);
    let membership = group(&member).join(Profile::new().weight(6)).await.unwrap();
    let mut events = member.events();
    for _ in 0..3 {
        let before = membership.incarnation();
        judge.end(&owner(&*judge).await).await.unwrap();
        let again =
            |view: &View| view.get("member").is_some_and(|m| Some(m.incarnation) > before && m.weight == 6);
        cx.within("it is there again", 20, group(&watching).wait_until(again)).await.unwrap();
        let told = async {
            let (mut left, mut joined) = (None, None);
            while joined.is_none() {
                match events.next().await.unwrap() {
                    Event::Left { reason, incarnation, .. } => left = Some((reason, incarnation)),
                    Event::Joined { incarnation, .. } => joined = Some(incarnation),
                    _ => {}
                }
            }
            (left, joined)
        };
        let (left, joined) = cx.within("its events", 20, told).await;
        assert_eq!(left, before.map(|before| (LossReason::SessionLost, before)));
        assert_eq!(joined, membership.incarnation());
    }
}

async fn a_member_that_was_cut_off_joins_again_with_what_it_said_meanwhile(cx: Context) {
    let (member, watching) = (cx.mortal_node("member").await, cx.node("watching").await);
    let membership = join(&member).await;
    until_members(&cx, &group(&watching), &["member"]).await;
    cx.inject(Fault::Cut(name("member"))).await;
    until_members(&cx, &group(&watching), &[]).await;
    assert_eq!(membership.incarnation(), None);
    let saying = membership.update(|profile| profile.weight(8));
    let mut saying = Box::pin(saying);
    cx.not_within("an update", cx.ttl(), &mut saying).await;
    cx.inject(Fault::Heal(name("member"))).await;
    cx.within("the update", 20, saying).await.unwrap();
    let view = until_members(&cx, &group(&watching), &["member"]).await;
    assert_eq!(view.get("member").unwrap().weight, 8);
}

async fn lost_requests_and_replies_lose_no_update(cx: Context) {
    let (member, watching) = (cx.node("member").await, cx.node("watching").await);
    let each = [
        CommitFault::LoseReply,
        CommitFault::LoseRequest,
        CommitFault::Pass,
        CommitFault::Delay(cx.ttl() / 30),
    ];
    cx.inject(Fault::Commits(name("member"), each.into_iter().cycle().take(60).collect())).await;
    let membership = cx.within("it joins", 20, join(&member)).await;
    for weight in 1..=20 {
        let update = membership.update(|profile| profile.weight(weight));
        cx.within("the update", 20, update).await.unwrap();
        let written = |view: &View| view.get("member").is_some_and(|member| member.weight == weight);
        cx.within("it is seen", 20, group(&watching).wait_until(written)).await.unwrap();
    }
    membership.leave().await.unwrap();
    until_members(&cx, &group(&watching), &[]).await;
}

async fn a_gap_of_a_watch_is_told_as_the_whole_view(cx: Context) {
    let nodes = [cx.node("a").await, cx.node("b").await];
    let watching = cx.node("watching").await;
    let first = join(&nodes[0]).await;
    until_members(&cx, &group(&watching), &["a"]).await;
    let mut changes = group(&watching).changes();
    assert!(matches!(changes.next().await, Some(Change::Resynced(_))));
    cx.inject(Fault::InterruptWatches(name("watching"))).await;
    first.leave().await.unwrap();
    let _second = join(&nodes[1]).await;
    // What is told before the gap is told one by one; after it comes everything.
    let told = async {
        loop {
            match changes.next().await.unwrap() {
                Change::Resynced(view) => return view,
                Change::Left(member) => assert_eq!(member.node, "a"),
                Change::Joined(member) => assert_eq!(member.node, "b"),
                other => panic!("{other:?}"),
            }
        }
    };
    let view = cx.within("the whole view", 20, told).await;
    assert!(view.members().all(|member| ["a", "b"].contains(&member.node.as_str())));
    until_members(&cx, &group(&watching), &["b"]).await;
}

async fn an_observer_that_is_cut_off_says_so_and_catches_up(cx: Context) {
    let (a, b, watching) = (cx.node("a").await, cx.node("b").await, cx.mortal_node("watching").await);
    let (first, watched) = (join(&a).await, group(&watching));
    until_members(&cx, &watched, &["a"]).await;
    cx.inject(Fault::Cut(name("watching"))).await;
    cx.until("it says that it cannot know", 20, async || !watched.view().await.unwrap().is_current()).await;
    assert!(watched.view().await.unwrap().get("a").is_some(), "what it knew last");
    first.leave().await.unwrap();
    let _second = join(&b).await;
    cx.inject(Fault::Heal(name("watching"))).await;
    let view = until_members(&cx, &watched, &["b"]).await;
    assert!(view.is_current());
}

async fn an_update_that_was_forgotten_is_written_again(cx: Context) {
    let (member, watching) = (cx.mortal_node("member").await, cx.node("watching").await);
    let membership = join(&member).await;
    cx.inject(Fault::Record).await;
    membership.update(|profile| profile.weight(5)).await.unwrap();
    let before = membership.incarnation();
    cx.inject(Fault::Forget(cx.ttl())).await;
    let written = |view: &View| view.get("member").is_some_and(|member| member.weight == 5);
    cx.until("the store has it again", 20, async || {
        group(&watching).view().await.is_ok_and(|view| written(&view) && view.is_current())
    })
    .await;
    assert_eq!(membership.incarnation(), before, "the incarnation was not forgotten");
}

async fn a_member_that_was_forgotten_joins_again_after_the_hold(cx: Context) {
    let (member, watching) = (cx.mortal_node("member").await, cx.node("watching").await);
    cx.inject(Fault::Record).await;
    let membership = join(&member).await;
    let before = membership.incarnation();
    let forgotten = Stopwatch::start();
    cx.inject(Fault::Forget(cx.ttl() * 2)).await;
    let again = |view: &View| view.get("member").is_some_and(|member| Some(member.incarnation) > before);
    cx.within("it is there again", 20, group(&watching).wait_until(again)).await.unwrap();
    assert!(forgotten.elapsed() >= cx.ttl() * 2, "it joined again after {:?}", forgotten.elapsed());
    // Others may hear of it before the member has its answer.
    cx.until("the member knows it, too", 20, async || membership.incarnation() > before).await;
}

async fn a_membership_that_comes_back_is_given_up(cx: Context) {
    let (member, judge) = (cx.mortal_node("member").await, cx.session().await);
    let membership = join(&member).await;
    cx.inject(Fault::Record).await;
    membership.leave().await.unwrap();
    cx.inject(Fault::Forget(cx.ttl())).await;
    assert_eq!(entries(&*judge).await.len(), 1, "the store has it again");
    cx.until("it is given up", 5, async || entries(&*judge).await.is_empty()).await;
    let again = cx.within("it can join", 20, join(&member)).await;
    assert!(again.incarnation().is_some());
}

/// The most polls after which a future is dropped. What it asked for takes fewer, yields included.
const POLLS: usize = 20;

/// Nobody of the node is a member, and the node can be one.
async fn assert_free(cx: &Context, node: &Coordinator, judge: &dyn Session, polls: usize) {
    let membership = cx.within("it can join", 10, join(node)).await;
    assert!(membership.incarnation().is_some(), "after {polls} polls");
    membership.leave().await.unwrap();
    let ids = Collection::parse(&["group", GROUP, "ids", node.node()]).unwrap();
    cx.until("nothing is left", 10, async || {
        entries(judge).await.is_empty() && judge.all(&ids).await.is_empty()
    })
    .await;
}

async fn slow(cx: &Context) -> Coordinator {
    cx.inject(Fault::YieldAlways(name("slow"))).await;
    cx.node("slow").await
}

/// Joins once the membership before, which was dropped, is gone.
async fn join_again(cx: &Context, node: &Coordinator) -> Membership {
    cx.within("it joins", 10, join(node)).await
}

async fn a_join_dropped_at_any_point_leaves_no_ghost(cx: Context) {
    let (node, judge) = (slow(&cx).await, cx.session().await);
    let mut joined = 0;
    for polls in 0..POLLS {
        let group = group(&node);
        joined +=
            usize::from(abandon_after(polls_of(polls, POLLS), group.join(Profile::new())).await.is_some());
        assert_free(&cx, &node, &*judge, polls).await;
    }
    assert!((1..POLLS).contains(&joined), "{joined} of {POLLS} joined before they were dropped");
}

async fn an_update_dropped_at_any_point_is_made(cx: Context) {
    let (node, watching, judge) = (slow(&cx).await, cx.node("watching").await, cx.session().await);
    let membership = join_again(&cx, &node).await;
    for polls in 1..POLLS {
        let weight = u32::try_from(polls).unwrap() + 1;
        let _made = abandon_after(polls, membership.update(|profile| profile.weight(weight))).await;
        let written = |view: &View| view.get("slow").is_some_and(|member| member.weight == weight);
        cx.within("it is made", 10, group(&watching).wait_until(written)).await.unwrap();
    }
    drop(membership);
    assert_free(&cx, &node, &*judge, POLLS).await;
}

async fn leaving_dropped_at_any_point_is_done(cx: Context) {
    let (node, judge) = (slow(&cx).await, cx.session().await);
    for polls in 0..POLLS {
        let membership = join_again(&cx, &node).await;
        let _left = abandon_after(polls, membership.leave()).await;
        assert_free(&cx, &node, &*judge, polls).await;
    }
}

async fn a_join_whose_reply_is_lost_and_that_is_dropped_leaves_no_ghost(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    for polls in 1..POLLS {
        let fault = [CommitFault::LoseReply, CommitFault::Delay(cx.ttl() / 30)][polls % 2];
        cx.inject(Fault::Commits(name("node"), vec![fault])).await;
        let group = group(&node);
        drop(abandon_after(polls, group.join(Profile::new())).await);
        assert_free(&cx, &node, &*judge, polls).await;
    }
}
