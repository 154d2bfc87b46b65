//! What the nemesis does to the nodes, to their connections and to the store.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::cluster::{Cluster, Life, NAMESPACE, nanos};
use super::counters::Counter;
use super::network::Weather;
use super::plan::FaultKind;

impl Cluster {
    /// Lets faults happen until the end of the safety phase, then heals what is to be healed.
    pub(super) fn unleash(self: &Arc<Self>) {
        let cluster = Arc::clone(self);
        let end = self.world.now() + nanos(self.plan.safety);
        let nemesis = async move {
            while cluster.world.now() < end {
                let pause = cluster.world.draw(|random| random.between(1, 2 * nanos(cluster.plan.pause)));
                cluster.world.sleep_until((cluster.world.now() + pause).min(end)).await;
                if cluster.world.now() < end {
                    cluster.strike();
                }
            }
            cluster.heal();
        };
        self.world.spawn(self.nemesis, Box::pin(nemesis));
    }

    fn strike(self: &Arc<Self>) {
        let total: u64 = self.plan.faults.iter().map(|(_, weight)| weight).sum();
        if total == 0 {
            return;
        }
        let (mut at, index, span) = self.world.draw(|random| {
            let longest = 3 * nanos(self.plan.ttl);
            (random.below(total), random.below(self.plan.nodes as u64), random.between(1_000_000, longest))
        });
        let index = usize::try_from(index).unwrap_or(0);
        for (kind, weight) in &self.plan.faults {
            if at < *weight {
                self.inflict(*kind, index, Duration::from_nanos(span));
                return;
            }
            at -= weight;
        }
    }

    fn inflict(self: &Arc<Self>, kind: FaultKind, index: usize, span: Duration) {
        let life = self.lives()[index].clone();
        self.world.note(0xF000 + index as u64);
        match kind {
            FaultKind::Cut => self.cut(&life, span),
            FaultKind::Freeze => self.freeze(&life, span),
            FaultKind::Crash => self.crash(&life, Some(span)),
            FaultKind::Suspend => self.suspend(&life, span),
            FaultKind::Restart => life.stop.cancel(),
            FaultKind::Replace => self.replace(&life, span),
            FaultKind::Delete => self.delete(),
            FaultKind::Expire => {
                self.counters.add(Counter::Expired);
                let fault = self.recorder.fault("expire", Some(&life.name));
                self.recorder.healed(fault);
                self.server.memory().faults().expire(&life.name);
                self.recorder.excuse(&life);
            }
            FaultKind::Forget => {
                let commits = self.world.draw(|random| random.between(1, 6));
                self.counters.add(Counter::Forgotten);
                let commits = usize::try_from(commits).unwrap_or(1);
                let fault = self.recorder.fault("forget", None);
                let faults = self.server.memory().faults();
                let revision = faults.revision(NAMESPACE);
                faults.forget(NAMESPACE, commits, self.plan.ttl);
                self.recorder.forgot(self.counters.get(Counter::Forgotten), revision);
                self.file_anew();
                let hold = self.plan.ttl;
                self.later(hold, move |cluster| cluster.recorder.healed(fault));
            }
        }
    }

    fn is_broken(&self, index: usize) -> bool {
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) == Some(index)
    }

    fn later(self: &Arc<Self>, span: Duration, act: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let cluster = Arc::clone(self);
        let task = async move {
            cluster.world.sleep(span).await;
            act(&cluster);
        };
        self.world.spawn(self.nemesis, Box::pin(task));
    }

    fn cut(self: &Arc<Self>, life: &Life, span: Duration) {
        let (counter, requests, replies) = match self.world.draw(|random| random.below(4)) {
            0 => (Counter::CutBoth, true, true),
            1 => (Counter::CutRequests, true, false),
            2 => (Counter::CutReplies, false, true),
            _ => (Counter::CutData, false, false),
        };
        self.counters.add(counter);
        life.link.cut(requests, replies);
        if counter == Counter::CutData {
            life.link.cut_data();
        }
        let fault = self.recorder.fault("cut", Some(&life.name));
        let life = life.clone();
        self.later(span, move |cluster| {
            if !cluster.is_broken(life.index) {
                life.link.heal();
                cluster.recorder.healed(fault);
            }
        });
    }

    fn freeze(self: &Arc<Self>, life: &Life, span: Duration) {
        self.counters.add(Counter::Frozen);
        if span > self.plan.ttl {
            self.counters.add(Counter::FrozenLong);
        }
        self.world.freeze(life.node);
        self.recorder.frozen(life, true);
        let life = life.clone();
        self.later(span, move |cluster| {
            if !cluster.is_broken(life.index) {
                cluster.world.thaw(life.node);
                cluster.recorder.frozen(&life, false);
            }
        });
    }

    fn suspend(self: &Arc<Self>, life: &Life, span: Duration) {
        self.counters.add(Counter::Suspended);
        self.world.suspend(life.node, self.clock_stops);
        life.link.cut(true, true);
        self.recorder.frozen(life, true);
        let fault = self.recorder.fault("suspend", Some(&life.name));
        let life = life.clone();
        self.later(span, move |cluster| {
            if !cluster.is_broken(life.index) {
                cluster.world.thaw(life.node);
                life.link.heal();
                cluster.recorder.frozen(&life, false);
                cluster.recorder.healed(fault);
            }
        });
    }

    /// An administrator deletes an entry of the recipe, whichever comes to hand.
    fn delete(self: &Arc<Self>) {
        let entries: Vec<_> = self
            .collections
            .iter()
            .flat_map(|collection| self.server.memory().entries(NAMESPACE, collection))
            .collect();
        let at = self.world.draw(|random| random.below(entries.len() as u64));
        let Some(entry) = usize::try_from(at).ok().and_then(|at| entries.get(at)) else { return };
        self.counters.add(Counter::Deleted);
        let fault = self.recorder.fault(&format!("delete {}", entry.key()), None);
        self.recorder.healed(fault);
        let key = entry.key().to_string();
        if key.starts_with("work/") {
            return self.delete_of_work(entry);
        }
        if key.starts_with("partition/") {
            // A token of partitions is no revision of an entry.
            let upto = self.step_reached();
            self.server.memory().faults().delete(NAMESPACE, entry.key());
            return self.rob_owner(entry, upto);
        }
        self.recorder.excuse_token(entry.created().as_u64());
        let is_place = key.starts_with("lock/");
        let owner = entry.owner().filter(|_| is_place);
        let trouble = owner.and_then(|owner| self.recorder.deleted_of(owner.as_str()));
        if let Some(trouble) = trouble {
            // Whoever has not noticed well after all is calm never will.
            let late = self.plan.safety + self.plan.ttl * 4;
            self.later(late, move |cluster| cluster.recorder.recovered(trouble));
        }
        self.server.memory().faults().delete(NAMESPACE, entry.key());
    }

    /// Starts another process under the name of one that is alive. That one may be frozen; it goes on later, and ends in the end.
    fn replace(self: &Arc<Self>, life: &Life, span: Duration) {
        if self.world.is_crashed(life.node) {
            return;
        }
        self.counters.add(Counter::Replaced);
        let fault = self.recorder.fault("replaced", Some(&life.name));
        let frozen = self.world.draw(|random| random.chance(500));
        if frozen {
            self.world.freeze(life.node);
            self.recorder.frozen(life, true);
        }
        self.come_back(life.index, life.incarnation + 1);
        let life = life.clone();
        let span = span.min(self.plan.ttl * 3 / 2);
        self.later(span, move |cluster| {
            if frozen && !cluster.world.is_crashed(life.node) {
                cluster.world.thaw(life.node);
                cluster.recorder.frozen(&life, false);
            }
            cluster.later(span, move |cluster| {
                cluster.crash(&life, None);
                // Its session may outlive it, and its name with it.
                cluster.later(cluster.plan.ttl * 2, move |cluster| cluster.recorder.healed(fault));
            });
        });
    }

    /// Starts the node of `life`, which has ended in good order, again.
    pub(super) fn restart(self: &Arc<Self>, life: &Life) {
        life.link.cut(true, true);
        self.recorder.stopped(life);
        self.world.crash(life.node);
        self.ended.add(life);
        let (index, incarnation) = (life.index, life.incarnation + 1);
        let pause = self.world.draw(|random| random.between(1_000_000, nanos(self.plan.ttl)));
        self.later(Duration::from_nanos(pause), move |cluster| cluster.come_back(index, incarnation));
    }

    fn come_back(self: &Arc<Self>, index: usize, incarnation: u64) {
        if self.is_broken(index) || self.lives()[index].incarnation >= incarnation {
            return;
        }
        self.counters.add(Counter::Restarted);
        let life = self.birth(index, incarnation);
        self.lives()[index] = life.clone();
        self.boot(life);
    }

    pub(super) fn crash(self: &Arc<Self>, life: &Life, restart_after: Option<Duration>) {
        if self.world.is_crashed(life.node) {
            return;
        }
        self.counters.add(Counter::Crashed);
        // Nothing that its destructors send may leave the machine.
        life.link.cut(true, true);
        self.recorder.crashed(life);
        self.world.crash(life.node);
        self.ended.add(life);
        let Some(span) = restart_after else { return };
        let (index, incarnation) = (life.index, life.incarnation + 1);
        self.later(span, move |cluster| cluster.come_back(index, incarnation));
    }

    /// Ends all faults, but may leave one node broken for ever.
    fn heal(self: &Arc<Self>) {
        self.network.set_weather(Weather::calm());
        let lives = self.lives().clone();
        let broken = if self.plan.leave_one_broken { Some(lives.len() - 1) } else { None };
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = broken;
        for life in &lives {
            if Some(life.index) == broken {
                self.recorder.fault("broken for ever", Some(&life.name));
                match self.world.draw(|random| random.below(3)) {
                    0 => self.crash(life, None),
                    1 => {
                        self.world.freeze(life.node);
                        self.recorder.frozen(life, true);
                    }
                    _ => life.link.cut(true, true),
                }
            } else {
                life.link.heal();
                self.world.thaw(life.node);
                self.recorder.frozen(life, false);
            }
        }
        // Messages that were sent in bad weather are still under way, and the store may still hold back grants.
        let broken = broken.map(|index| lives[index].name.clone());
        let late = self.plan.weather.slow_max.max(self.plan.ttl * 2);
        self.later(late, move |cluster| cluster.recorder.liveness(broken.as_deref()));
    }
}
