//! Being an owner: joining, taking partitions, announcing a restart, leaving.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio_util::sync::CancellationToken;

use super::owned::OwnedPartition;
use super::owner::{Owner, Request};
use super::records::{Keys, decode_plan};
use super::{Partitions, check_count, preside};
use crate::coordinator::{Engine, closed};
use crate::error::{Error, ErrorKind};
use crate::group::{Membership, Presence};
use crate::names::Name;
use crate::runtime::BoxFuture;
use crate::spi::Page;

impl Partitions {
    /// Joins the members, and takes partitions from the returned stream until it is left or dropped: in new sessions as well.
    ///
    /// [`run`](Self::run) and [`each`](Self::each) do that for most services. The same process joins once.
    ///
    /// # Errors
    /// `Unsupported` on an observer; `InvalidInput` for options that contradict each other, for fewer partitions than there are, or when this coordinator has joined already;
    /// `DuplicateNode` when another process is a member as the same node; `TooLarge` for the profile; `Closed` after a shutdown; `Denied` from the backend.
    ///
    /// # Cancel safety
    /// Dropping the future leaves no member behind.
    pub async fn join(&self) -> Result<Ownership, Error> {
        self.check()?;
        self.refuse_to_shrink().await?;
        let weak = Arc::downgrade(&self.engine);
        self.group.follow(move |presence| {
            let Some(engine) = weak.upgrade() else { return };
            engine.request(match presence {
                Presence::Entered(stamp) => Request::Entered(stamp),
                Presence::Gone(stamp) => Request::Gone(stamp),
            });
        });
        self.engine.ports.when_ceased(self.group.tell_ceased());
        let membership = self.group.join(self.profile.clone()).await?;
        let (count, replaces) = (self.count, self.replaces.clone());
        self.engine.request(Request::Begin { count, replaces });
        let stop = CancellationToken::new();
        preside::start(&self.hub, &self.name, self.policy.clone(), stop.clone());
        let (engine, name) = (Arc::clone(&self.engine), self.name.clone());
        Ok(Ownership { engine, name, membership: Some(membership), stop, waiting: Mutex::default() })
    }

    /// Announces that this process is about to be restarted: what it has is kept for the next life of its node, for so long from when it is gone. Returns once that is written down; shut down
    /// after that. For services that own partitions by [`run`](Self::run) or [`each`](Self::each), as [`Ownership::announce_restart`] is for others.
    ///
    /// # Guarantees
    /// A node that is back in time has again what it had, and nothing has moved: so a rolling restart of all members, one after the other, moves nothing.
    ///
    /// # Errors
    /// `InvalidInput` for no time; `Closed` after a shutdown. While this process has not joined, or nobody assigns, it waits.
    ///
    /// # Cancel safety
    /// The announcement stands.
    pub async fn announce_restart(&self, within: Duration) -> Result<(), Error> {
        announce(&self.engine, &self.name, within).await
    }

    /// Fewer partitions than there are would leave some without anybody who knows of them. Where the store cannot be asked now, the larger number stands all the same.
    async fn refuse_to_shrink(&self) -> Result<(), Error> {
        let Some(life) = self.hub.life() else { return Ok(()) };
        let plan = Keys::new(&self.name).plan;
        let (sender, answer) = tokio::sync::oneshot::channel();
        let task = async move {
            let listing = life.session().list(plan.collection(), Page::only(plan.name().clone())).await;
            drop(sender.send(listing.ok().and_then(|listing| listing.into_entries().into_iter().next())));
        };
        self.hub.runtime().spawn("count of partitions", Box::pin(task));
        let Ok(Some(entry)) = answer.await else { return Ok(()) };
        let there = decode_plan(&entry)?.count;
        if there > self.count {
            return Err(Error::new(ErrorKind::InvalidInput, "join partitions")
                .on(format_args!("\"{}\"", self.name))
                .because(format_args!(
                    "there are {there} partitions, and {} are asked for; their number only grows",
                    self.count
                )));
        }
        Ok(())
    }
}

/// The partitions of this process, one after the other, as they are assigned.
///
/// A stream of [`OwnedPartition`]s. Dropping it leaves: every partition is revoked, and moves once its holder has dropped it.
#[must_use = "dropping an ownership leaves the group"]
pub struct Ownership {
    engine: Arc<Engine<Owner>>,
    name: Name,
    membership: Option<Membership>,
    stop: CancellationToken,
    /// In a mutex, so that the ownership can be shared; it is never locked.
    waiting: Mutex<Option<BoxFuture<'static, Option<OwnedPartition>>>>,
}

impl Ownership {
    /// The next partition that this process owns; `None` once the coordinator is shut down.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<OwnedPartition> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// What this process is the standby for: it could take over at any time, and may warm up.
    #[must_use]
    pub fn standbys(&self) -> Vec<u32> {
        self.engine.ports.standby()
    }

    /// The membership that it stands on: what this member says of itself can be changed there. There is one until it is left.
    #[must_use]
    pub fn membership(&self) -> Option<&Membership> {
        self.membership.as_ref()
    }

    /// Announces that this process is about to be restarted: see [`Partitions::announce_restart`].
    ///
    /// # Errors
    /// `InvalidInput` for no time; `Closed` after a shutdown. While nobody assigns, it waits.
    ///
    /// # Cancel safety
    /// The announcement stands.
    pub async fn announce_restart(&self, within: Duration) -> Result<(), Error> {
        announce(&self.engine, &self.name, within).await
    }

    /// Asks for more partitions. They are there once the assignor has heard of it.
    ///
    /// # Errors
    /// `InvalidInput` beyond [`Partitions::MAX_COUNT`], or for none.
    pub fn grow(&self, count: u32) -> Result<(), Error> {
        check_count("grow partitions", &self.name, count)?;
        self.engine.request(Request::Grow { count });
        Ok(())
    }

    /// Leaves: every partition is revoked, and this returns once all have ended, which they have to by themselves.
    ///
    /// # Errors
    /// `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// Leaving goes on in the background.
    pub async fn leave(mut self) -> Result<(), Error> {
        let (caller, done) = self.engine.ports.wait();
        self.let_go(caller);
        answered(&self.engine, done, "leave partitions", &self.name).await
    }

    fn let_go(&mut self, caller: u64) {
        self.stop.cancel();
        let membership = self.membership.take();
        if membership.is_some() {
            // First, so that the end of the membership is known to be wanted.
            self.engine.request(Request::Leave { caller });
            self.engine.ports.discard();
        }
        drop(membership);
    }
}

/// Announces a restart, and waits until that is written down.
async fn announce(engine: &Arc<Engine<Owner>>, name: &Name, within: Duration) -> Result<(), Error> {
    if within.is_zero() {
        return Err(Error::new(ErrorKind::InvalidInput, "announce restart")
            .on(format_args!("\"{name}\""))
            .because("say how long the restart may take"));
    }
    let (caller, done) = engine.ports.wait();
    engine.request(Request::Announce { caller, within });
    answered(engine, done, "announce restart", name).await
}

/// Waits for the answer to a request, or for a shutdown.
async fn answered(
    engine: &Engine<Owner>,
    done: tokio::sync::oneshot::Receiver<()>,
    operation: &'static str,
    name: &Name,
) -> Result<(), Error> {
    tokio::select! {
        biased;
        answer = done => answer.map_err(|_gone| closed(operation, name.as_str())),
        () = engine.hub().until_closed() => Err(closed(operation, name.as_str())),
    }
}

impl Stream for Ownership {
    type Item = OwnedPartition;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<OwnedPartition>> {
        let engine = Arc::clone(&self.engine);
        let slot = self.waiting.get_mut().unwrap_or_else(PoisonError::into_inner);
        let waiting = slot.get_or_insert_with(|| Box::pin(taken(engine)));
        let taken = std::task::ready!(waiting.as_mut().poll(cx));
        *slot = None;
        Poll::Ready(taken)
    }
}

async fn taken(engine: Arc<Engine<Owner>>) -> Option<OwnedPartition> {
    loop {
        let changed = engine.ports.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        if let Some(owned) = engine.ports.take() {
            return Some(owned);
        }
        tokio::select! {
            biased;
            () = changed => {}
            () = engine.hub().until_closed() => return None,
        }
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        // Nobody waits for this one's answer.
        self.let_go(0);
    }
}

impl fmt::Debug for Ownership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ownership").field("name", &self.name).finish_non_exhaustive()
    }
}
