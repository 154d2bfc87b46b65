//! What may become of a request.

use std::fmt;
use std::time::Duration;

use tokio::sync::watch;

/// A message that a client sends: all there is to a unary request, one of many on a stream.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Call<'a> {
    /// What is called, such as `/etcdserverpb.KV/Txn`.
    pub path: &'a str,
    /// The encoded message.
    pub message: &'a [u8],
}

/// What becomes of a message, and of the answer to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fate {
    /// Nothing happens to it.
    Pass,
    /// It never arrives, and its client hears nothing.
    LoseRequest,
    /// It arrives; from now on its client hears nothing more on this stream.
    LoseReply,
    /// It arrives so much later, whatever its client thinks by then.
    Delay(Duration),
    /// Its answer is so much late.
    DelayReply(Duration),
    /// It arrives once the gate is open, whatever its client thinks by then.
    Hold(Gate),
    /// It does not arrive; the client is told this gRPC status.
    Refuse(u16, &'static str),
}

/// Holds requests back until it is opened, for good.
#[derive(Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed one.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Lets everything through that waits, and all that comes.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// How many requests wait in front of it.
    #[must_use]
    pub fn waiting(&self) -> usize {
        if *self.0.borrow() { 0 } else { self.0.receiver_count() }
    }

    pub(super) async fn pass(&self) {
        let mut is_open = self.0.subscribe();
        // It cannot be gone: we have a part in it.
        is_open.wait_for(|is_open| *is_open).await.map(drop).ok();
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self.0.borrow() { "open gate" } else { "closed gate" })
    }
}
