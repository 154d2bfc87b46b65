//! All watches of a session, on one stream.
//!
//! One stream, so that one probe shows that all of them are alive, and ten thousand waiters cost one. The record of the session is
//! watched with them, so that they end with it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ha_core::runtime::{Backoff, Instant};
use ha_core::spi::{WatchStream, WatchTarget};
use tokio::sync::mpsc;

use crate::client::{KeyRange, WatchAnswer, WatchOrder, WatchReader};
use crate::feed::{Feed, FeedStream, Notice};
use crate::learn::Learnt;
use crate::link::Link;
use crate::pool::{Lane, Member};
use crate::target::Target;
use crate::watches::Watches;

/// The watch of the session's own record.
pub(crate) const RECORD: i64 = 1;
/// How often the stream is asked to show that it is alive, and how long it may take. Independent of how much is watched.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
const PROBE_PATIENCE: Duration = Duration::from_secs(3);

/// What the consumers ask for.
#[derive(Debug)]
pub(crate) enum Command {
    Watch { id: i64, target: Target, feed: Arc<Feed> },
    Refresh(i64),
    Drop(i64),
}

/// The watches of a session. Its task starts with the first one.
#[derive(Debug)]
pub(crate) struct Hub {
    link: Arc<Link>,
    commands: OnceLock<mpsc::UnboundedSender<Command>>,
    next: AtomicI64,
}

impl Hub {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link, commands: OnceLock::new(), next: (RECORD + 1).into() }
    }

    /// Watches `target`.
    pub(crate) fn watch(&self, target: WatchTarget) -> WatchStream {
        let layout = &self.link.layout;
        let feed = Arc::new(Feed::default());
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let commands = self.commands.get_or_init(|| self.start());
        let target = match target {
            WatchTarget::Entry(key) => {
                let range = KeyRange::one(layout.entry(&key));
                Some(Target::new(key.collection().clone(), range))
            }
            WatchTarget::Collection(collection) => {
                let range = layout.entries(&collection, None);
                Some(Target::new(collection, range))
            }
            // The contract may grow; of what is not understood nothing can be shown.
            _ => None,
        };
        let watch = target.map(|target| Command::Watch { id, target, feed: Arc::clone(&feed) });
        if watch.is_none_or(|watch| commands.send(watch).is_err()) {
            feed.end(None);
        }
        let commands = commands.clone();
        WatchStream::new(FeedStream::new(feed, move |notice| {
            let command = match notice {
                Notice::Refresh => Command::Refresh(id),
                Notice::Dropped => Command::Drop(id),
            };
            // Once the session is over nobody needs to know.
            commands.send(command).ok();
        }))
    }

    fn start(&self) -> mpsc::UnboundedSender<Command> {
        let (commands, receiver) = mpsc::unbounded_channel();
        let link = Arc::clone(&self.link);
        self.link.spawn("etcd-watches", async move { Task::new(link, receiver).run().await });
        commands
    }
}

/// The connection of the stream.
struct Connected {
    member: Arc<Member>,
    orders: mpsc::UnboundedSender<WatchOrder>,
    reader: WatchReader,
    probe: Probe,
}

/// Whether the stream is alive and not behind.
#[derive(Clone, Copy, Debug)]
enum Probe {
    /// The next one is due then.
    Due(Instant),
    /// An answer of at least this revision is expected by then.
    Asked { revision: u64, until: Instant },
}

impl Probe {
    fn deadline(self) -> Instant {
        match self {
            Self::Due(at) | Self::Asked { until: at, .. } => at,
        }
    }
}

/// Why the stream is left.
enum Left {
    /// Nobody watches, or the session is over.
    Finished,
    /// It broke, or is behind.
    Broken,
}

struct Task {
    link: Arc<Link>,
    commands: mpsc::UnboundedReceiver<Command>,
    watches: Watches,
    learnt: mpsc::UnboundedReceiver<Learnt>,
}

impl Task {
    fn new(link: Arc<Link>, commands: mpsc::UnboundedReceiver<Command>) -> Self {
        let (sender, learnt) = mpsc::unbounded_channel();
        Self { watches: Watches::new(Arc::clone(&link), sender), link, commands, learnt }
    }

    /// Keeps a stream until the session is over or nobody can watch any more.
    async fn run(mut self) {
        let mut backoff = Backoff::urgent();
        loop {
            let left = match self.connect().await {
                Some(connected) => {
                    backoff = Backoff::urgent();
                    self.follow(connected).await
                }
                None => Left::Broken,
            };
            if matches!(left, Left::Finished) || self.link.over.why().is_some() {
                break;
            }
            self.watches.interrupt();
            let pause = backoff.pause(self.link.runtime().random());
            if self.pause(pause).await {
                break;
            }
        }
        self.watches.end();
    }

    /// Opens the stream with the watch of the record, and orders all others again.
    async fn connect(&mut self) -> Option<Connected> {
        let link = &self.link;
        let member = link.caller.pool.pick(link.caller.now());
        let range = KeyRange::one(link.record.clone());
        let opened =
            link.caller.attempt(&member, Lane::Requests, link.caller.timeout(), |connection| async move {
                connection.watch(RECORD, range).await
            });
        let (mut writer, reader) = match opened.await {
            Ok(opened) => opened,
            Err(failure) => {
                tracing::debug!(session = %link.id, member = member.address(), %failure, "cannot watch yet");
                return None;
            }
        };
        let (orders, mut waiting) = mpsc::unbounded_channel();
        link.spawn("etcd-watch-orders", async move {
            while let Some(order) = waiting.recv().await {
                if let Err(failure) = writer.send(order).await {
                    tracing::debug!(%failure, "cannot send on the stream of watches");
                    return;
                }
            }
        });
        self.watches.order_all(&orders);
        let probe = Probe::Due(link.caller.now() + PROBE_INTERVAL);
        Some(Connected { member, orders, reader, probe })
    }

    async fn follow(&mut self, mut on: Connected) -> Left {
        loop {
            let probe = self.link.runtime().sleep_until(on.probe.deadline());
            tokio::select! {
                biased;
                () = self.link.over.wait() => return Left::Finished,
                answer = on.reader.next() => match answer {
                    Ok(answer) => {
                        on.probe = self.answered(on.probe, &answer);
                        if !self.watches.answered(answer, &on.orders) {
                            return Left::Broken;
                        }
                    }
                    Err(failure) => {
                        tracing::debug!(session = %self.link.id, member = on.member.address(), %failure, "the stream of watches broke");
                        self.link.caller.pool.failed(&on.member, self.link.caller.now());
                        return Left::Broken;
                    }
                },
                learnt = self.learnt.recv() => {
                    if let Some(learnt) = learnt {
                        self.watches.learnt(learnt, &on.orders);
                    }
                }
                command = self.commands.recv() => match command {
                    Some(command) => self.watches.command(command, Some(&on.orders)),
                    None => return Left::Finished,
                },
                () = probe => match self.probe(&mut on) {
                    true => {}
                    false => return Left::Broken,
                },
            }
        }
    }

    /// Time has come to ask, or an answer has not come in time. False: the stream is of no use.
    fn probe(&mut self, on: &mut Connected) -> bool {
        let now = self.link.caller.now();
        match on.probe {
            Probe::Due(_) => {
                self.watches.refresh_due(now);
                self.watches.cancel_retained(0, &on.orders);
                self.link.learn_revision();
                let revision = self.link.caller.continuity.known().revision;
                on.probe = Probe::Asked { revision, until: now + PROBE_PATIENCE };
                on.orders.send(WatchOrder::Progress).is_ok()
            }
            Probe::Asked { .. } => {
                tracing::warn!(session = %self.link.id, member = on.member.address(), "the stream of watches is silent or behind");
                self.link.caller.pool.failed(&on.member, now);
                false
            }
        }
    }

    fn answered(&self, probe: Probe, answer: &WatchAnswer) -> Probe {
        match probe {
            Probe::Asked { revision, .. } if answer.header.revision >= revision => {
                Probe::Due(self.link.caller.now() + PROBE_INTERVAL)
            }
            probe => probe,
        }
    }

    /// Waits before the next attempt, listening. True: nobody can watch any more.
    async fn pause(&mut self, pause: Duration) -> bool {
        let until = self.link.caller.now() + pause;
        let over = async {
            tokio::select! {
                biased;
                () = self.link.over.wait() => true,
                () = self.link.runtime().sleep_until(until) => false,
            }
        };
        tokio::pin!(over);
        loop {
            tokio::select! {
                biased;
                over = &mut over => return over,
                command = self.commands.recv() => match command {
                    Some(command) => self.watches.command(command, None),
                    None => return true,
                },
            }
        }
    }
}
