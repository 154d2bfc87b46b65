//! A node's connection to the resource: what was sent is on its way, whatever becomes of its sender.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::oneshot;

use super::clock::Clock;
use super::gate::Stale;
use super::records::Write;
use super::schedule::Emitted;
use super::timeline::{Event, EventRecord};
use super::wire::{Answer, FromNode, Question};

/// How long a write takes to arrive.
const ON_ITS_WAY: Duration = Duration::from_millis(15);

/// Sends writes to the resource, and events to the operator.
///
/// A sent write cannot be taken back: losing leadership ends the task that waits for the answer, not the bytes in the
/// connection. That is why checking a grant before sending is not enough, and the resource checks the token.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    clock: Clock,
    asked: Arc<Mutex<Asked>>,
}

/// The questions that wait for an answer, by number.
#[derive(Debug, Default)]
struct Asked {
    last: u64,
    waiting: BTreeMap<u64, oneshot::Sender<Answer>>,
}

impl Outbox {
    /// The connection of this process.
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, asked: Arc::default() }
    }

    /// Tells the operator that `event` happens now.
    pub(super) fn tell(&self, event: Event) {
        say(&FromNode::Event(EventRecord { at: self.clock.now(), event }));
    }

    /// Which ticks were emitted, for a new leader with this token.
    pub(super) async fn emitted(&self, token: u64) -> Result<Emitted, Stale> {
        match self.ask(token, Question::Emitted).await {
            Answer::Emitted(emitted) => Ok(emitted),
            Answer::Stale(highest) => Err(Stale { highest }),
            // The resource does not answer so, and nobody can go on with it.
            Answer::Counter(_) | Answer::Written => std::future::pending().await,
        }
    }

    /// How many critical sections there were, for a new holder of the maintenance mutex with this token.
    pub(super) async fn counter(&self, token: u64) -> Result<u64, Stale> {
        match self.ask(token, Question::Counter).await {
            Answer::Counter(counter) => Ok(counter),
            Answer::Stale(highest) => Err(Stale { highest }),
            Answer::Emitted(_) | Answer::Written => std::future::pending().await,
        }
    }

    /// Sends a write. Waiting for its answer is optional.
    pub(super) fn send(&self, token: u64, write: Write) -> Sent {
        let (answer, answered) = oneshot::channel();
        let outbox = self.clone();
        let delivery = async move {
            if matches!(write, Write::Ticks(_)) {
                // The worst moment for their sender to be stopped.
                say(&FromNode::TicksUnderWay);
            }
            outbox.clock.sleep(ON_ITS_WAY).await;
            // Whoever sent it may be gone.
            answer.send(outbox.ask(token, Question::Write(write)).await).ok();
        };
        tokio::spawn(delivery);
        Sent(answered)
    }

    /// The resource has answered the question with this number.
    pub(super) fn answered(&self, number: u64, answer: Answer) {
        if let Some(waiting) = self.lock().waiting.remove(&number) {
            // Whoever asked may be gone.
            waiting.send(answer).ok();
        }
    }

    async fn ask(&self, token: u64, question: Question) -> Answer {
        let (answer, answered) = oneshot::channel();
        let number = {
            let mut asked = self.lock();
            asked.last += 1;
            let number = asked.last;
            asked.waiting.insert(number, answer);
            number
        };
        say(&FromNode::Ask { number, token, question });
        arrived(answered).await
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write that was sent.
#[derive(Debug)]
pub(super) struct Sent(oneshot::Receiver<Answer>);

impl Sent {
    /// Waits for the answer.
    pub(super) async fn wait(self) -> Result<(), Stale> {
        match arrived(self.0).await {
            Answer::Stale(highest) => Err(Stale { highest }),
            _ => Ok(()),
        }
    }
}

async fn arrived(answered: oneshot::Receiver<Answer>) -> Answer {
    match answered.await {
        Ok(answer) => answer,
        // The connection is gone, and the process ends.
        Err(_) => std::future::pending().await,
    }
}

/// Says something to the operator. Without one, the process ends.
pub(super) fn say(message: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(message) {
        let mut output = std::io::stdout().lock();
        drop(writeln!(output, "{text}").and_then(|()| output.flush()));
    }
}
