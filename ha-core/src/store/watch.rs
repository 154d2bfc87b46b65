//! Following entries, through losses of the session.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{self, Poll, Waker};

use futures_core::Stream;

use super::feed::Feed;
use crate::coordinator::{Context, Driver, Engine, Hub, Input, Lifetime, Machine, Output};
use crate::runtime::Instant;
use crate::spi::{WatchEvent, WatchTarget};
use crate::sync::lock;

/// What the engine hands to the reader.
pub(super) enum Told {
    Event(WatchEvent),
    Interrupted,
    Ended,
}

/// Watches one target in each session.
struct Watching(WatchTarget);

impl Machine for Watching {
    type Request = ();
    type Delivery = Told;

    fn on_input(&mut self, input: Input<()>, _: &Context<'_>, out: &mut Vec<Output<Told>>) {
        match input {
            Input::SessionUp { .. } => out.push(Output::Watch { slot: 0, target: self.0.clone() }),
            Input::SessionDown => out.push(Output::Deliver(Told::Interrupted)),
            Input::Watched { event, .. } => out.push(Output::Deliver(Told::Event(event))),
            Input::Discontinuity { .. } => {
                // Somebody has heard of it; the watch will say so itself, and what is known until then may be wrong.
                out.extend([Output::Deliver(Told::Interrupted), Output::Reconciled]);
            }
            Input::Closing => out.push(Output::Deliver(Told::Ended)),
            Input::Committed { .. }
            | Input::Listed { .. }
            | Input::Voided { .. }
            | Input::Tick
            | Input::Request(()) => {}
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        None
    }

    fn is_idle(&self) -> bool {
        true
    }
}

/// Where the reader waits.
#[derive(Default)]
struct Post {
    feed: Feed,
    has_ended: bool,
    reader: Option<Waker>,
}

impl Driver for Watching {
    type Ports = Mutex<Post>;

    fn deliver(engine: &Arc<Engine<Self>>, told: Told, _: Option<&Arc<Lifetime>>) {
        let reader = {
            let mut post = lock(&engine.ports);
            match told {
                Told::Event(event) => post.feed.take(event),
                Told::Interrupted => post.feed.interrupt(),
                Told::Ended => post.has_ended = true,
            }
            post.reader.take()
        };
        reader.into_iter().for_each(Waker::wake);
    }
}

/// What happens to an entry or to a collection of the [store](super). Get one from [`Entries::watch`](super::Entries::watch).
///
/// # Guarantees
/// * The first item is a `Snapshot`, perhaps after `Interrupted`. It goes on through outages and losses of the session: then it says
///   `Interrupted`, and sends a new `Snapshot` once it knows again. After `Discontinuity` comes a `Snapshot` of the new history.
/// * Every committed state is delivered, or a later one of the same entry is; an entry that was deleted and created anew shows a greater
///   [`created`](crate::spi::Entry::created). Within one history of the store it never goes back.
/// * A reader that is late, or never reads, costs memory for the collection and a thousand changes, and gets a `Snapshot` in their place.
///
/// # Not promised
/// Each state in between, and why an entry vanished. It is news, not a right: guard what depends on it by its stamp.
pub struct Watch {
    engine: Arc<Engine<Watching>>,
}

impl Watch {
    pub(crate) fn open(hub: &Arc<Hub>, target: WatchTarget) -> Self {
        Self { engine: Engine::start(hub, Watching(target), Mutex::default()) }
    }

    /// The next item; `None` once the coordinator shuts down.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&self, cx: &task::Context<'_>) -> Poll<Option<WatchEvent>> {
        let mut post = lock(&self.engine.ports);
        if let Some(event) = post.feed.pop() {
            return Poll::Ready(Some(event));
        }
        if post.has_ended {
            return Poll::Ready(None);
        }
        let waiting = post.reader.replace(cx.waker().clone());
        drop(post);
        // Dropping a waker can run code of its executor.
        drop(waiting);
        Poll::Pending
    }
}

impl Stream for Watch {
    type Item = WatchEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<WatchEvent>> {
        self.poll(cx)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
