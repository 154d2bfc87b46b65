//! A group under simulation: every node joins, says what it is doing, leaves and joins again, and follows who is there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ha_core::ErrorKind;
use ha_core::group::{Change, Group, Member, Membership, Profile};

use super::cluster::{Cluster, Life, Program};
use super::counters::Counter;
use super::fate::{Fate, suffer};
use crate::history::{Event, Shown};

/// The group.
pub(super) const NAME: &str = "fleet";
/// How often a member looks as which incarnation it is in the group.
const LOOK: Duration = Duration::from_millis(100);

/// The program of every node.
#[must_use]
pub(super) fn program() -> Program {
    Arc::new(|cluster, life| Box::pin(run(cluster, life)))
}

async fn run(cluster: Arc<Cluster>, life: Life) {
    let start = cluster.recorder.start();
    let coordinator = cluster.connect(&life).await;
    let group = match coordinator.group(NAME) {
        Ok(group) => group,
        Err(error) => {
            cluster.recorder.mistake(error.to_string());
            return;
        }
    };
    super::events::follow(&cluster, &life, coordinator.events());
    cluster.spawn(&life, follow(Arc::clone(&cluster), life.clone(), group.clone()));
    cluster.spawn(&life, look(Arc::clone(&cluster), life.clone(), group.clone()));
    let mut version = 0;
    loop {
        // In the end somebody is there, so that the views can be compared; some go on from long before.
        let forever = !cluster.goes_on(start) || cluster.world.draw(|random| random.chance(100));
        stay(&cluster, &life, &group, &mut version, forever).await;
    }
}

/// Applies every change.
async fn follow(cluster: Arc<Cluster>, life: Life, group: Group) {
    let watcher = cluster.recorder.observer();
    let mut changes = group.changes();
    let mut members: BTreeMap<String, Shown> = BTreeMap::new();
    let mut number = 0;
    while let Some(change) = changes.next().await {
        let whole = matches!(change, Change::Resynced(_));
        number += 1;
        match change {
            Change::Joined(member) | Change::Updated(member) | Change::Restarted { member, .. } => {
                members.insert(member.node.clone(), shown(&member));
            }
            Change::Left(member) => {
                if members.remove(&member.node).is_none() {
                    cluster.recorder.mistake(format!("{} left a view that it is not in", member.node));
                }
            }
            Change::Resynced(view) => {
                if number > 1 {
                    cluster.counters.add(Counter::Resynced);
                }
                number = view.number();
                members = view.members().map(|member| (member.node.clone(), shown(member))).collect();
            }
            other => cluster.recorder.mistake(format!("an unknown change: {other:?}")),
        }
        viewed(&cluster, &life, watcher, number, whole, members.values().cloned().collect());
    }
}

/// Waits for each newer view as a whole; now and then the wait is given up, and begun anew.
async fn look(cluster: Arc<Cluster>, life: Life, group: Group) {
    let watcher = cluster.recorder.observer();
    let mut last = 0;
    loop {
        let fate = cluster.world.draw(|random| Fate::draw(random, 300, Duration::from_secs(2)));
        match suffer(&cluster, fate, group.wait_until(move |view| view.number() > last)).await {
            None => {}
            Some(Err(_closed)) => return,
            Some(Ok(view)) => {
                last = view.number();
                viewed(&cluster, &life, watcher, last, true, view.members().map(shown).collect());
            }
        }
    }
}

fn viewed(cluster: &Cluster, life: &Life, watcher: u64, number: u64, whole: bool, members: Vec<Shown>) {
    for shown in &members {
        cluster.world.note(shown.incarnation ^ shown.version << 32);
    }
    cluster.recorder.event(life, Event::Viewed { watcher, group: NAME.into(), number, whole, members });
}

/// Which process a member is, and what it says, are in its state.
fn shown(member: &Member) -> Shown {
    let (process, version) = member.state.split_once(':').unwrap_or_default();
    let number = |text: &str| text.parse().unwrap_or(u64::MAX);
    Shown::new(&member.node, number(process), member.incarnation.as_u64(), number(version))
}

fn state(life: &Life, version: u64) -> String {
    format!("{}:{version}", life.incarnation)
}

/// Joins once, is a member for a while, and leaves; `forever` does not.
async fn stay(cluster: &Arc<Cluster>, life: &Life, group: &Group, version: &mut u64, forever: bool) {
    let group_name = || NAME.to_owned();
    let (think, fate, patience) = cluster.world.draw(|random| {
        let per_mille = if forever { 0 } else { cluster.plan.drop_calls };
        let longest = Duration::from_secs(4);
        (random.between(1, 800), Fate::draw(random, per_mille, longest), random.between(0, 10))
    });
    cluster.world.sleep(Duration::from_millis(think)).await;
    *version += 1;
    cluster.recorder.event(life, Event::Joining { group: group_name() });
    let profile = Profile::new().state(state(life, *version));
    let joined = suffer(cluster, fate, group.join(profile)).await;
    let Some(Ok(membership)) = joined else {
        if let Some(Err(error)) = joined {
            cluster.counters.add(Counter::Failed);
            if error.kind() == ErrorKind::InvalidInput {
                cluster.recorder.mistake(format!("what had been given up is still there: {error}"));
            }
        }
        cluster.recorder.event(life, Event::Leaving { group: group_name() });
        return;
    };
    cluster.counters.add(Counter::Joined);
    let mut member = Present { cluster, life, membership, known: None };
    member.notice();
    let acts = if forever { u64::MAX } else { patience };
    for act in 0..acts {
        // One that stays for ever says nothing new in the end: what it said last has to be seen.
        if !forever || act < patience {
            // Several at once, some of which nobody waits for.
            for _ in 0..cluster.world.draw(|random| random.between(1, 3)) {
                member.say(version).await;
            }
        }
        member.spend(cluster.pause()).await;
    }
    member.leave().await;
}

/// A member, which notices when it becomes another incarnation.
struct Present<'a> {
    cluster: &'a Arc<Cluster>,
    life: &'a Life,
    membership: Membership,
    known: Option<u64>,
}

impl Present<'_> {
    fn notice(&mut self) {
        let Some(incarnation) = self.membership.incarnation().map(|token| token.as_u64()) else { return };
        if let Some(known) = self.known.replace(incarnation) {
            if known == incarnation {
                return;
            }
            self.cluster.counters.add(Counter::Rejoined);
        }
        self.cluster.recorder.event(self.life, Event::Joined { group: NAME.into(), incarnation });
    }

    async fn spend(&mut self, span: Duration) {
        let end = self.cluster.world.now() + super::cluster::nanos(span);
        while self.cluster.world.now() < end {
            self.cluster.world.sleep(LOOK).await;
            self.notice();
        }
    }

    /// Says something new. Whoever does not wait for the answer has said it nevertheless.
    async fn say(&mut self, version: &mut u64) {
        *version += 1;
        let fate = self
            .cluster
            .world
            .draw(|random| Fate::draw(random, self.cluster.plan.drop_calls, Duration::from_millis(500)));
        let state = state(self.life, *version);
        if let Some(Ok(())) = suffer(self.cluster, fate, self.membership.set_state(&state)).await {
            self.cluster.recorder.event(self.life, Event::Updated { group: NAME.into(), version: *version });
        }
        self.notice();
    }

    async fn leave(self) {
        let (polite, fate) = self.cluster.world.draw(|random| {
            (random.chance(700), Fate::draw(random, self.cluster.plan.drop_calls, Duration::from_millis(50)))
        });
        self.cluster.recorder.event(self.life, Event::Leaving { group: NAME.into() });
        if polite && suffer(self.cluster, fate, self.membership.leave()).await.is_some() {
            self.cluster.recorder.event(self.life, Event::Left { group: NAME.into() });
        }
    }
}
