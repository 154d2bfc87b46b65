//! Who works on claimed items: in time, too long, or not at all; and says so, once or several times, to an answer or to none.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use ha_core::Effect;
use ha_core::Error;
use ha_core::work_set::{Claim, InFlight, Settled, WorkSet};

use super::cluster::{Cluster, Life};
use super::counters::Counter;
use super::fate::{Fate, suffer};
use super::items::SET;
use super::work::{Manner, thing};
use crate::history::{EndReason, Recipe, Settlement, Verdict};

/// How often a completion is asked for that was not made.
const TRIES: usize = 3;

/// A claim, of a stream or not.
pub(super) trait Work: Deref<Target = Claim<u64>> {
    fn take(self) -> Claim<u64>;
}

/// A claim that came in a list.
pub(super) struct Listed(pub(super) Claim<u64>);

impl Deref for Listed {
    type Target = Claim<u64>;

    fn deref(&self) -> &Claim<u64> {
        &self.0
    }
}

impl Work for Listed {
    fn take(self) -> Claim<u64> {
        self.0
    }
}

impl Work for InFlight<u64> {
    fn take(self) -> Claim<u64> {
        self.into_claim()
    }
}

/// Works on what its process has claimed.
#[derive(Clone, Debug)]
pub(super) struct Handler {
    cluster: Arc<Cluster>,
    life: Life,
    manner: Manner,
}

impl Handler {
    pub(super) fn new(cluster: &Arc<Cluster>, life: &Life, manner: Manner) -> Self {
        Self { cluster: Arc::clone(cluster), life: life.clone(), manner }
    }

    /// Writes down that `call` got a claim. `None`: it was lost on the way.
    pub(super) fn record(&self, call: u64, claim: &Claim<u64>) -> Option<u64> {
        let (cluster, life) = (&self.cluster, &self.life);
        let name = thing(claim.id()).filter(|_| claim.is_valid());
        let Some(name) = name else {
            cluster.recorder.gave_up(life, call, "lost on the way");
            return None;
        };
        if claim.id() != claim.item().to_string() {
            cluster.recorder.mistake(format!("payload: item {:?} is {}", claim.id(), claim.item()));
        }
        let number = cluster.recorder.granted(life, call, Recipe::Claim, name, claim);
        cluster.recorder.attempt(life, number, claim.attempt().into());
        super::events::notice_loss(cluster, life, number, claim.grant());
        Some(number)
    }

    /// Works on claims one after the other, or completes them together.
    pub(super) async fn work_on_all(&self, work: &WorkSet<u64>, call: u64, claims: Vec<Claim<u64>>) {
        let (cluster, life) = (&self.cluster, &self.life);
        if claims.is_empty() {
            return cluster.recorder.gave_up(life, call, "nothing");
        }
        let mut call = Some(call);
        let mut begun = Vec::new();
        for claim in claims {
            let call = call.take().unwrap_or_else(|| cluster.recorder.asked(life, Recipe::Claim, SET));
            begun.extend(self.record(call, &claim).map(|number| (number, claim)));
        }
        if cluster.world.draw(|random| random.chance(250)) {
            return self.complete_together(work, &begun).await;
        }
        for (number, claim) in begun {
            self.work_on(Listed(claim), number).await;
        }
    }

    /// Works on an item, and ends the claim in one way or another.
    pub(super) async fn work_on(&self, claim: impl Work, number: u64) {
        let cluster = &self.cluster;
        let (acts, hangs, is_careless) =
            cluster.world.draw(|random| (random.below(3), random.chance(40), random.chance(300)));
        for _ in 0..acts {
            let is_lost = self.is_lost_after(&claim, cluster.pause()).await;
            if is_lost && !is_careless {
                break;
            }
            let name = thing(claim.id()).unwrap_or(SET);
            if !cluster.recorder.wrote(name, claim.token()) {
                cluster.counters.add(Counter::StaleWrite);
            }
            self.extend(&claim, number).await;
        }
        if hangs && !cluster.is_healed() {
            // Until its time is over, its session, or its patience.
            self.is_lost_after(&claim, cluster.plan.ttl * 2).await;
        }
        if !claim.is_valid() {
            cluster.counters.add(Counter::LostWhileHeld);
        }
        self.end(claim, number).await;
    }

    async fn is_lost_after(&self, claim: &Claim<u64>, span: Duration) -> bool {
        tokio::select! {
            biased;
            _ = claim.lost() => true,
            () = self.cluster.world.sleep(span) => false,
        }
    }

    /// Asks for more time, where there is a limit, and elsewhere now and then.
    async fn extend(&self, claim: &Claim<u64>, number: u64) {
        let (cluster, manner) = (&self.cluster, self.manner);
        let often = if manner.deadline.is_some() { 600 } else { 100 };
        let (wants, fate) = cluster.world.draw(|random| (random.chance(often), self.fate(random)));
        if !wants {
            return;
        }
        let span = manner.deadline.unwrap_or(cluster.plan.ttl);
        let extended = async { [claim.extend(span).await] };
        self.settle([number], Verdict::Extend, fate, extended).await;
    }

    async fn end(&self, claim: impl Work, number: u64) {
        let cluster = &self.cluster;
        let (how, fate) = cluster.world.draw(|random| (random.below(20), self.fate(random)));
        match how {
            0..=12 => self.complete(&claim, number, fate).await,
            13 | 14 => {
                self.let_go(number);
                let failing = async { [claim.take().fail("not now").await] };
                self.settle([number], Verdict::Fail, fate, failing).await;
            }
            15 => {
                self.let_go(number);
                let burying = async { [claim.take().bury("never").await] };
                self.settle([number], Verdict::Bury, fate, burying).await;
            }
            16 | 17 => {
                self.let_go(number);
                let releasing = async { [claim.take().release().await] };
                self.settle([number], Verdict::Release, fate, releasing).await;
            }
            _ => {
                self.let_go(number);
                drop(claim);
            }
        }
    }

    /// Completes an item, and tries again where nothing was done. What the result says is which claim it is of.
    async fn complete(&self, claim: &Claim<u64>, number: u64, fate: Fate) {
        self.let_go(number);
        for _ in 0..TRIES {
            let completed = async { [claim.complete(&claim.token().as_u64()).await] };
            let answer = self.settle([number], Verdict::Complete, fate, completed).await;
            if answer != Some(Settlement::Failed) {
                return;
            }
            self.cluster.world.sleep(self.cluster.pause()).await;
        }
    }

    async fn complete_together(&self, work: &WorkSet<u64>, begun: &[(u64, Claim<u64>)]) {
        let cluster = &self.cluster;
        cluster.world.sleep(cluster.pause()).await;
        begun.iter().for_each(|(number, _)| self.let_go(*number));
        let fate = cluster.world.draw(|random| self.fate(random));
        let numbers: Vec<u64> = begun.iter().map(|(number, _)| *number).collect();
        let completed = work.complete_all(begun.iter().map(|(_, claim)| (claim, claim.token().as_u64())));
        self.settle(numbers, Verdict::Complete, fate, completed).await;
    }

    /// From now on nobody works on it here.
    fn let_go(&self, number: u64) {
        self.cluster.recorder.ended(number, EndReason::Released);
    }

    fn fate(&self, random: &mut super::random::Random) -> Fate {
        Fate::draw(random, self.cluster.plan.drop_calls, Duration::from_millis(50))
    }

    /// Asks for an end of claims, or for more time, and writes down what is answered. `None`: nobody waited for it.
    async fn settle<N, A>(
        &self,
        numbers: N,
        verdict: Verdict,
        fate: Fate,
        asked: impl Future<Output = A>,
    ) -> Option<Settlement>
    where
        N: IntoIterator<Item = u64>,
        A: IntoIterator<Item = Result<Settled, Error>>,
    {
        let (cluster, life) = (&self.cluster, &self.life);
        let questions: Vec<_> =
            numbers.into_iter().map(|number| cluster.recorder.settling(life, number, verdict)).collect();
        let answers = suffer(cluster, fate, asked).await?;
        let mut last = None;
        for (question, answer) in questions.into_iter().zip(answers) {
            let answer = what_was_said(answer);
            if matches!(answer, Settlement::Stale | Settlement::Done { .. }) {
                cluster.counters.add(Counter::StaleClaim);
            }
            cluster.recorder.settled(life, question, answer);
            last = Some(answer);
        }
        last
    }
}

fn what_was_said(answer: Result<Settled, Error>) -> Settlement {
    match answer {
        Ok(Settled::Applied) => Settlement::Applied,
        Ok(Settled::AlreadyDone(result)) => Settlement::Done { token: result.decode().unwrap_or(0) },
        Ok(_) => Settlement::Stale,
        Err(error) if error.effect() == Effect::NotApplied => Settlement::Failed,
        Err(_) => Settlement::Unknown,
    }
}
