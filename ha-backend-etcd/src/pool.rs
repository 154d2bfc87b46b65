//! The members of the cluster: which one to ask, and what to think of one that failed.
//!
//! One member is asked as long as it answers. The client library's own balancer picks any member that accepts
//! connections, and goes on sending to one that is silent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ha_core::runtime::Instant;

use crate::client::{Connection, Endpoint, Failure};
use crate::sync::lock;

/// How long a member is avoided after its first failure; twice as long after each further one.
const AVOIDED_FIRST: Duration = Duration::from_millis(200);
const AVOIDED_MOST: Duration = Duration::from_secs(5);

/// What a connection is for. Renewals have their own, so that they never wait behind other requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Requests,
    Renewals,
}

/// One member.
#[derive(Debug)]
pub(crate) struct Member {
    endpoint: Endpoint,
    requests: Mutex<Line>,
    renewals: Mutex<Line>,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Line {
    /// How many connections there were.
    number: u64,
    /// Shared, because a client is costly to copy.
    connection: Option<Arc<Connection>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Health {
    failures: u32,
    avoided_until: Option<Instant>,
}

impl Member {
    fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, requests: Mutex::default(), renewals: Mutex::default(), health: Mutex::default() }
    }

    /// Its address, for people.
    pub(crate) fn address(&self) -> &str {
        &self.endpoint.address
    }

    /// The connection for `lane`, with its number. Nothing is sent to make it.
    pub(crate) async fn connection(&self, lane: Lane) -> Result<(u64, Arc<Connection>), Failure> {
        let open = |line: &Line| Some((line.number, line.connection.clone()?));
        if let Some(open) = open(&lock(self.line(lane))) {
            return Ok(open);
        }
        let connection = Arc::new(Connection::open(&self.endpoint).await?);
        let mut line = lock(self.line(lane));
        // Somebody else may have been quicker.
        if let Some(open) = open(&line) {
            return Ok(open);
        }
        line.number += 1;
        line.connection = Some(Arc::clone(&connection));
        Ok((line.number, connection))
    }

    /// Uses another connection from now on than the one with this number. Requests on it go on.
    pub(crate) fn leave(&self, lane: Lane, number: u64) {
        let mut line = lock(self.line(lane));
        if line.number == number {
            line.connection = None;
        }
    }

    fn line(&self, lane: Lane) -> &Mutex<Line> {
        match lane {
            Lane::Requests => &self.requests,
            Lane::Renewals => &self.renewals,
        }
    }
}

/// All members.
#[derive(Debug)]
pub(crate) struct Pool {
    members: Vec<Arc<Member>>,
    current: AtomicUsize,
}

impl Pool {
    /// Begins with the member that chance picks, so that the processes of a site spread. There has to be one.
    pub(crate) fn new(endpoints: Vec<Endpoint>, random: u64) -> Self {
        let count = u64::try_from(endpoints.len().max(1)).unwrap_or(1);
        Self {
            current: AtomicUsize::new(usize::try_from(random % count).unwrap_or(0)),
            members: endpoints.into_iter().map(|endpoint| Arc::new(Member::new(endpoint))).collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The member to ask: the same as before, unless it failed lately and another one did not.
    pub(crate) fn pick(&self, now: Instant) -> Arc<Member> {
        let current = self.current.load(Ordering::Relaxed) % self.members.len();
        let best = (0..self.members.len())
            .map(|step| (current + step) % self.members.len())
            .min_by_key(|at| self.avoided_until(*at).filter(|until| *until > now))
            .unwrap_or(current);
        self.current.store(best, Ordering::Relaxed);
        Arc::clone(&self.members[best])
    }

    /// The member to ask at the same time as, or instead of, `busy`.
    pub(crate) fn pick_beside(&self, busy: &Member, now: Instant) -> Arc<Member> {
        let others = self.members.iter().enumerate().filter(|(_, member)| !std::ptr::eq(&***member, busy));
        others
            .min_by_key(|(at, _)| self.avoided_until(*at).filter(|until| *until > now))
            .map_or_else(|| self.pick(now), |(_, member)| Arc::clone(member))
    }

    /// The member failed: others are asked for a while.
    pub(crate) fn failed(&self, member: &Member, now: Instant) {
        let mut health = lock(&member.health);
        let avoided = AVOIDED_FIRST.saturating_mul(1 << health.failures.min(10)).min(AVOIDED_MOST);
        health.failures = health.failures.saturating_add(1);
        health.avoided_until = Some(now + avoided);
    }

    /// The member answered.
    pub(crate) fn answered(&self, member: &Member) {
        let mut health = lock(&member.health);
        if health.failures > 0 {
            *health = Health::default();
        }
    }

    fn avoided_until(&self, at: usize) -> Option<Instant> {
        lock(&self.members[at].health).avoided_until
    }
}

#[cfg(test)]
mod tests {
    use super::{AVOIDED_MOST, Pool};
    use crate::client::Endpoint;
    use ha_core::runtime::Instant;
    use std::time::Duration;

    fn pool(random: u64) -> Pool {
        let endpoint = |name: &str| Endpoint { address: name.into(), tls: None, credentials: None };
        Pool::new(["a", "b", "c"].map(endpoint).into(), random)
    }

    fn at(millis: u64) -> Instant {
        Instant::from_start(Duration::from_millis(millis))
    }

    #[test]
    fn the_same_member_is_asked_as_long_as_it_answers() {
        for (random, name) in [(0, "a"), (1, "b"), (5, "c")] {
            let pool = pool(random);
            for now in 0..5 {
                assert_eq!(pool.pick(at(now)).address(), name);
            }
        }
    }

    #[test]
    fn after_a_failure_another_one_is_asked_and_stays() {
        let pool = pool(0);
        pool.failed(&pool.pick(at(0)), at(0));
        assert_eq!(pool.pick(at(1)).address(), "b");
        assert_eq!(pool.pick(at(60_000)).address(), "b", "it answers, so there is no reason to go back");
    }

    #[test]
    fn when_all_failed_the_one_is_asked_whose_time_is_over_first() {
        let pool = pool(0);
        for now in [0, 10, 20] {
            pool.failed(&pool.pick(at(now)), at(now));
        }
        assert_eq!(pool.pick(at(30)).address(), "a");
    }

    #[test]
    fn a_member_that_goes_on_failing_is_avoided_longer_and_an_answer_forgives() {
        let pool = pool(0);
        let member = pool.pick(at(0));
        for _ in 0..20 {
            pool.failed(&member, at(0));
        }
        let until = pool.avoided_until(0).unwrap();
        assert_eq!(until, at(0) + AVOIDED_MOST);
        pool.answered(&member);
        assert_eq!(pool.avoided_until(0), None);
    }

    #[test]
    fn the_member_beside_a_busy_one_is_another_one() {
        let pool = pool(0);
        let busy = pool.pick(at(0));
        assert_ne!(pool.pick_beside(&busy, at(0)).address(), busy.address());
    }
}
