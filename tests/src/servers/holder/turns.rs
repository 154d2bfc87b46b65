//! Callers that want something, again and again.

use std::collections::hash_map::RandomState;
use std::future::{Future as _, poll_fn};
use std::hash::{BuildHasher, Hasher};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use ha_core::election::{Election, Leadership};
use ha_core::lock::{Mutex, MutexGuard, Semaphore, SemaphoreGuard};
use ha_core::{Coordinator, Error, ErrorKind, Grant, LossReason};
use tokio::sync::watch;

use super::Work;
use crate::history::{EndReason, Event, Recipe};
use crate::servers::Recorder;

/// How often a holder looks until when its grant is valid.
const LOOK: Duration = Duration::from_millis(2);

/// Deadlines that differ by less are the same, read twice.
const SAME_DEADLINE: u64 = 500_000;

/// How many hold a share at once.
const PERMITS: u32 = 2;

/// The callers of one process.
pub(super) struct Turns {
    wanted: Wanted,
    work: Work,
    recorder: Arc<Recorder>,
    /// Whose call is being recorded and made.
    asking: StdMutex<()>,
    numbers: AtomicU64,
    is_over: watch::Sender<bool>,
}

enum Wanted {
    Mutex(Mutex),
    Election(Election),
    Shared(Semaphore),
}

/// What a caller got.
enum Held {
    Mutex(MutexGuard),
    Election(Leadership),
    Shared(SemaphoreGuard),
}

impl Deref for Held {
    type Target = Grant;

    fn deref(&self) -> &Grant {
        match self {
            Self::Mutex(guard) => guard,
            Self::Election(leadership) => leadership,
            Self::Shared(guard) => guard,
        }
    }
}

impl Held {
    async fn release(self) -> Result<(), Error> {
        match self {
            Self::Mutex(guard) => guard.release().await,
            Self::Election(leadership) => leadership.resign().await,
            Self::Shared(guard) => guard.release().await,
        }
    }
}

impl Turns {
    pub(super) fn new(
        work: &Work,
        coordinator: &Coordinator,
        recorder: Arc<Recorder>,
    ) -> Result<Self, Error> {
        let wanted = match work.recipe {
            Recipe::Mutex => Wanted::Mutex(coordinator.mutex(&work.name)?),
            Recipe::Election => Wanted::Election(coordinator.election(&work.name)?),
            Recipe::Shared => Wanted::Shared(coordinator.semaphore(&work.name, PERMITS)?),
            Recipe::Partition | Recipe::Claim | Recipe::Slot => {
                return Err(Error::new(ErrorKind::Unsupported, "take turns")
                    .on(&work.name)
                    .because("a holder takes turns at locks and elections only"));
            }
        };
        let (numbers, is_over) = (AtomicU64::new(0), watch::Sender::new(false));
        Ok(Self { wanted, work: work.clone(), recorder, asking: StdMutex::new(()), numbers, is_over })
    }

    /// Lets every caller finish.
    pub(super) fn end(&self) {
        self.is_over.send_replace(true);
    }

    /// Takes turns until the end.
    pub(super) async fn take(&self) {
        while !*self.is_over.borrow() {
            let call = self.number();
            let got = tokio::select! {
                biased;
                got = self.ask_in_order(call) => got.map_err(|error| error.to_string()),
                () = self.over() => Err("asked to end".to_owned()),
            };
            match got {
                Ok(held) => self.hold(call, held).await,
                Err(reason) => self.recorder.record(Event::GaveUp { call, reason }),
            }
            tokio::select! {
                biased;
                () = self.over() => {}
                () = tokio::time::sleep(part_of(self.work.pause)) => {}
            }
        }
    }

    /// Asks in the order of the records: on a busy machine another thread could otherwise overtake this one between the record and the call, which begins when it is polled first.
    async fn ask_in_order(&self, call: u64) -> Result<Held, Error> {
        let mut asked = std::pin::pin!(self.ask());
        let at_once = poll_fn(|cx| {
            let _order = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
            let (recipe, name) = (self.work.recipe, self.work.name.clone());
            self.recorder.record(Event::Asked { recipe, name, call });
            Poll::Ready(asked.as_mut().poll(cx))
        });
        match at_once.await {
            Poll::Ready(held) => held,
            Poll::Pending => asked.await,
        }
    }

    async fn ask(&self) -> Result<Held, Error> {
        Ok(match &self.wanted {
            Wanted::Mutex(mutex) => Held::Mutex(mutex.acquire().await?),
            Wanted::Election(election) => Held::Election(election.campaign().await?),
            Wanted::Shared(semaphore) => Held::Shared(semaphore.acquire().await?),
        })
    }

    /// Holds what was granted, and records for how long it is believed in.
    async fn hold(&self, call: u64, held: Held) {
        let (recipe, name) = (self.work.recipe, self.work.name.clone());
        let (grant, token) = (self.number(), held.token().as_u64());
        let mut until = deadline(&held);
        self.recorder.record(Event::Granted { recipe, name, call, grant, token });
        if let Held::Shared(guard) = &held {
            let (weight, permits) = (guard.weight().into(), PERMITS.into());
            self.recorder.record(Event::Shares { grant, weight, permits });
        }
        self.recorder.record(Event::ValidUntil { grant, until });
        let enough = async {
            match self.work.hold {
                Some(hold) => tokio::time::sleep(part_of(hold)).await,
                None => std::future::pending().await,
            }
        };
        let mut enough = std::pin::pin!(enough);
        let lost = loop {
            tokio::select! {
                biased;
                reason = held.lost() => break Some(reason),
                () = self.over() => break None,
                () = &mut enough => break None,
                () = tokio::time::sleep(LOOK) => {}
            }
            let now = deadline(&held);
            if held.is_valid() && now.abs_diff(until) > SAME_DEADLINE {
                until = now;
                self.recorder.record(Event::ValidUntil { grant, until });
            }
        };
        match lost {
            Some(reason) => {
                // A deadline that has passed, perhaps while the process was frozen, ended the belief before it was noticed.
                let at = Recorder::now().min(until);
                self.recorder.record_at(at, Event::Ended { grant, reason: ended_by(reason) });
                self.recorder.record(Event::LossNoticed { grant });
                drop(held);
            }
            None => {
                self.recorder.record(Event::Ended { grant, reason: EndReason::Released });
                if held.release().await.is_ok() {
                    self.recorder.record(Event::Released { grant });
                }
            }
        }
    }

    async fn over(&self) {
        // The sender is ours.
        self.is_over.subscribe().wait_for(|is_over| *is_over).await.map(drop).ok();
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

/// Until when the holder may believe, if no further renewal succeeds. Not too early: a belief must not be recorded as shorter than it is.
fn deadline(grant: &Grant) -> u64 {
    let remaining = u64::try_from(grant.remaining().as_nanos()).unwrap_or(u64::MAX);
    Recorder::now().saturating_add(remaining)
}

fn ended_by(reason: LossReason) -> EndReason {
    match reason {
        LossReason::Expired => EndReason::Expired,
        LossReason::Released | LossReason::Transferred => EndReason::Released,
        LossReason::Shutdown | LossReason::Unhealthy => EndReason::Yielded,
        _ => EndReason::Lost,
    }
}

/// A random part of `whole`.
fn part_of(whole: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() >> 32;
    whole.mul_f64(random as f64 / f64::from(u32::MAX))
}
