//! One connection through a proxy.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Shared;
use super::conduct::{Conduct, Direction, Ending, Flow};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// How many chunks may be on their way: enough for a long delay, little enough to slow a sender down.
const CHUNKS: usize = 1024;

/// Why a connection ended before both sides had said all.
enum End {
    Told(Ending),
    Broken,
}

impl End {
    /// The proxy is gone: nobody can change its conduct any more.
    fn unwatched(_gone: watch::error::RecvError) -> Self {
        Self::Told(Ending::Closed)
    }
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

/// Passes on what `client` and the server say, as told, until both have finished or the connection is ended.
///
/// `endings` is how often connections had been ended when this one was accepted.
pub(super) async fn serve(mut client: TcpStream, shared: Arc<Shared>, endings: u64) {
    shared.connections.fetch_add(1, Ordering::SeqCst);
    let conduct = shared.conduct.subscribe();
    let (server, greeting) = {
        let conduct = conduct.borrow();
        (conduct.server, conduct.greeting.clone())
    };
    if let Some(greeting) = greeting {
        // However it ends, it was garbage.
        drop(greet(client, &greeting, conduct, endings).await);
        return;
    }
    let Ok(mut server) = TcpStream::connect(server).await else {
        drop(client.set_zero_linger());
        return;
    };
    // A proxy that waits for more to send would add delays that nobody asked for.
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    let end = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let requests = Pump::new(Direction::ToServer, &shared, endings).run(from_client, to_server);
        let replies = Pump::new(Direction::ToClient, &shared, endings).run(from_server, to_client);
        tokio::try_join!(requests, replies).err()
    };
    if let Some(End::Told(Ending::Reset) | End::Broken) = end {
        // What is under way is lost as well.
        drop((client.set_zero_linger(), server.set_zero_linger()));
    }
}

async fn greet(
    mut client: TcpStream,
    greeting: &[u8],
    mut conduct: watch::Receiver<Conduct>,
    endings: u64,
) -> io::Result<()> {
    client.write_all(greeting).await?;
    let mut ignored = [0; 1024];
    loop {
        tokio::select! {
            biased;
            changed = conduct.changed() => {
                if changed.is_err() || conduct.borrow().endings != endings {
                    return Ok(());
                }
            }
            read = client.read(&mut ignored) => {
                if read? == 0 {
                    return Ok(());
                }
            }
        }
    }
}

/// One direction of a connection.
struct Pump<'a> {
    direction: Direction,
    shared: &'a Shared,
    conduct: watch::Receiver<Conduct>,
    /// How often connections had been ended when this one began.
    endings: u64,
    /// Which allowance is counted, and what is left of it.
    allowances: u64,
    left: Option<u64>,
}

impl<'a> Pump<'a> {
    fn new(direction: Direction, shared: &'a Shared, endings: u64) -> Self {
        let conduct = shared.conduct.subscribe();
        Self { direction, shared, conduct, endings, allowances: 0, left: None }
    }

    async fn run(self, from: ReadHalf<'_>, to: WriteHalf<'_>) -> Result<(), End> {
        let (sender, receiver) = mpsc::channel(CHUNKS);
        let conduct = self.conduct.clone();
        tokio::try_join!(receive(from, sender, conduct), self.send(receiver, to)).map(drop)
    }

    /// Sends each chunk when it is due and the way is open.
    async fn send(
        mut self,
        mut chunks: mpsc::Receiver<(Instant, Bytes)>,
        mut to: WriteHalf<'_>,
    ) -> Result<(), End> {
        loop {
            let Some((due, chunk)) = self.unless_ended(chunks.recv()).await? else {
                // The other side still has to be told that there is no more, but not past a way that is held.
                self.open().await?;
                return Ok(to.shutdown().await?);
            };
            self.unless_ended(tokio::time::sleep_until(due)).await?;
            if self.open().await? == Flow::Swallowed {
                continue;
            }
            let allowed = self.allowed(chunk.len());
            to.write_all(&chunk[..allowed]).await?;
            self.shared.passed[self.direction as usize].fetch_add(allowed as u64, Ordering::SeqCst);
            if self.left == Some(0) {
                // What was allowed has to arrive: a reset overtakes what the other side has not read yet.
                to.flush().await?;
                tokio::time::sleep(Duration::from_millis(5)).await;
                return Err(End::Told(Ending::Reset));
            }
        }
    }

    /// Waits until the way is not held.
    async fn open(&mut self) -> Result<Flow, End> {
        loop {
            self.not_ended()?;
            let flow = self.conduct.borrow_and_update().flow(self.direction);
            if flow != Flow::Held {
                return Ok(flow);
            }
            self.changed().await?;
        }
    }

    /// How many of `bytes` may pass.
    fn allowed(&mut self, bytes: usize) -> usize {
        let conduct = self.conduct.borrow();
        if conduct.allowances != self.allowances {
            self.allowances = conduct.allowances;
            self.left = conduct
                .allowance
                .filter(|(direction, _)| *direction == self.direction)
                .map(|(_, bytes)| bytes);
        }
        if conduct.allowance.is_none() {
            self.left = None;
        }
        let Some(left) = self.left.as_mut() else { return bytes };
        let allowed = bytes.min(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= allowed as u64;
        allowed
    }

    /// The result of `future`, unless the connection is to end before.
    async fn unless_ended<T>(&mut self, future: impl Future<Output = T>) -> Result<T, End> {
        let mut future = std::pin::pin!(future);
        loop {
            self.not_ended()?;
            tokio::select! {
                biased;
                changed = self.conduct.changed() => changed.map_err(End::unwatched)?,
                value = &mut future => return Ok(value),
            }
        }
    }

    async fn changed(&mut self) -> Result<(), End> {
        self.conduct.changed().await.map_err(End::unwatched)
    }

    fn not_ended(&self) -> Result<(), End> {
        let conduct = self.conduct.borrow();
        if conduct.endings == self.endings { Ok(()) } else { Err(End::Told(conduct.ending)) }
    }
}

/// Reads chunks and says when each is due.
async fn receive(
    mut from: ReadHalf<'_>,
    chunks: mpsc::Sender<(Instant, Bytes)>,
    conduct: watch::Receiver<Conduct>,
) -> Result<(), End> {
    let mut last = Instant::now();
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        if from.read_buf(&mut chunk).await? == 0 {
            return Ok(());
        }
        let (delay, jitter) = {
            let conduct = conduct.borrow();
            (conduct.delay, conduct.jitter)
        };
        // Bytes do not overtake each other.
        last = last.max(Instant::now() + delay + part_of(jitter));
        if chunks.send((last, chunk.freeze())).await.is_err() {
            return Ok(());
        }
    }
}

/// A random part of `whole`.
fn part_of(whole: Duration) -> Duration {
    if whole.is_zero() {
        return whole;
    }
    let random = RandomState::new().build_hasher().finish() >> 32;
    whole.mul_f64(random as f64 / f64::from(u32::MAX))
}
