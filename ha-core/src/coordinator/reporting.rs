//! Telling a service's own observer what happened, on a thread of its own.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use super::events::Event;
use crate::error::{Error, ErrorKind};
use crate::sync::lock;

/// How many events wait for an observer that is slow.
const WAITING_MAX: usize = 4_096;

/// Is told everything that happens to a coordinator: for the logs, alarms and metrics of a service.
///
/// Give one to [`CoordinatorBuilder::report_to`](crate::CoordinatorBuilder::report_to). [`Events`](crate::Events) tell the same to whoever prefers to wait for them.
/// Not to be confused with the [observer of an election](crate::election::Observer), who is told who leads.
///
/// # Guarantees
/// * It is called for each [`Event`] in its order, from the first session on, one call after the other, on a thread of its own: taking its time holds up
///   nobody. [`Event::Closed`] is the last one.
/// * While 4,096 events wait, further ones are dropped, and [`Event::Missed`] says how many.
/// * A panic in it is logged, and the next event is told nevertheless.
///
/// # Not promised
/// That it is told in time to prevent anything: what has to end with a grant listens to [`Grant::lost`](crate::Grant::lost). That the last events are told when
/// the process ends right after a shutdown.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn on_event(&self, event: &Event);
}

/// An observer, as a setting.
#[derive(Clone)]
pub(super) struct ObservedBy(pub(super) Arc<dyn Observer>);

impl fmt::Debug for ObservedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ObservedBy")
    }
}

/// Where the coordinator puts events for its observer.
pub(super) struct Reporter {
    queue: Mutex<Queue>,
    waiting: Arc<AtomicUsize>,
}

struct Queue {
    /// None once the last event was put in.
    sender: Option<Sender<Event>>,
    missed: u64,
}

impl Reporter {
    /// Starts the thread of `observer`. It ends after the last event, or when the reporter is dropped.
    pub(super) fn start(ObservedBy(observer): ObservedBy) -> Result<Self, Error> {
        let (sender, events) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let taken = Arc::clone(&waiting);
        std::thread::Builder::new()
            .name("ha-observer".into())
            .spawn(move || {
                for event in events {
                    tell(&*observer, &event);
                    taken.fetch_sub(1, Ordering::AcqRel);
                }
            })
            .map_err(|error| {
                Error::new(ErrorKind::Unavailable, "start the thread of the observer")
                    .because("check the limit on threads")
                    .with_source(error)
            })?;
        Ok(Self { queue: Mutex::new(Queue { sender: Some(sender), missed: 0 }), waiting })
    }

    pub(super) fn report(&self, event: Event) {
        let mut queue = lock(&self.queue);
        let is_last = event == Event::Closed;
        if self.waiting.load(Ordering::Acquire) >= WAITING_MAX && !is_last {
            queue.missed += 1;
            return;
        }
        let missed = std::mem::take(&mut queue.missed);
        let Some(sender) = &queue.sender else { return };
        for event in (missed > 0).then_some(Event::Missed(missed)).into_iter().chain([event]) {
            self.waiting.fetch_add(1, Ordering::AcqRel);
            // Without its thread there is nobody to tell.
            drop(sender.send(event));
        }
        if is_last {
            queue.sender = None;
        }
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

fn tell(observer: &dyn Observer, event: &Event) {
    if catch_unwind(AssertUnwindSafe(|| observer.on_event(event))).is_err() {
        tracing::error!(?event, "the observer panicked; it is told the next event nevertheless");
    }
}

#[cfg(test)]
mod tests {
    use super::{ObservedBy, Observer, Reporter, WAITING_MAX};
    use crate::coordinator::events::Event;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};

    /// Hands on what it is told, when it is let.
    struct Gated {
        told: Sender<Event>,
        go_on: Mutex<Receiver<()>>,
    }

    impl Observer for Gated {
        fn on_event(&self, event: &Event) {
            self.told.send(event.clone()).unwrap();
            self.go_on.lock().unwrap().recv().ok();
        }
    }

    fn start() -> (Reporter, Receiver<Event>, Sender<()>) {
        let ((told, seen), (go, go_on)) = (channel(), channel());
        let observer = Arc::new(Gated { told, go_on: Mutex::new(go_on) });
        (Reporter::start(ObservedBy(observer)).unwrap(), seen, go)
    }

    fn failed(cause: usize) -> Event {
        Event::OpenFailed { cause: cause.to_string() }
    }

    #[test]
    fn events_are_told_in_order_and_the_last_one_ends_it() {
        let (reporter, seen, go) = start();
        drop(go);
        for cause in 0..100 {
            reporter.report(failed(cause));
        }
        reporter.report(Event::Closed);
        reporter.report(failed(100));
        let seen: Vec<Event> = seen.iter().collect();
        let expected: Vec<Event> = (0..100).map(failed).chain([Event::Closed]).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_slow_observer_holds_up_nobody_and_learns_how_many_it_missed() {
        let (reporter, seen, go) = start();
        for cause in 0..WAITING_MAX + 7 {
            reporter.report(failed(cause));
        }
        assert_eq!(seen.recv().unwrap(), failed(0), "it is still at the first one");
        drop(go);
        let told: Vec<Event> = seen.iter().take(WAITING_MAX - 1).collect();
        assert_eq!(told.last(), Some(&failed(WAITING_MAX - 1)));
        while reporter.waiting.load(std::sync::atomic::Ordering::Acquire) > 0 {
            std::thread::yield_now();
        }
        reporter.report(Event::Recovered);
        reporter.report(Event::Closed);
        let rest: Vec<Event> = seen.iter().collect();
        assert_eq!(rest, [Event::Missed(7), Event::Recovered, Event::Closed]);
    }

    struct Panicking(Sender<Event>);

    impl Observer for Panicking {
        fn on_event(&self, event: &Event) {
            self.0.send(event.clone()).unwrap();
            panic!("on purpose");
        }
    }

    #[test]
    fn an_observer_that_panics_is_told_the_next_event() {
        let (told, seen) = channel();
        let reporter = Reporter::start(ObservedBy(Arc::new(Panicking(told)))).unwrap();
        reporter.report(Event::Recovered);
        reporter.report(Event::Closed);
        assert_eq!(seen.iter().collect::<Vec<_>>(), [Event::Recovered, Event::Closed]);
    }
}
