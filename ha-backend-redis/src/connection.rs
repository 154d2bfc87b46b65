//! One connection: requests of many tasks go out in one stream, and answers come back in the same order.
//!
//! Two tasks serve it. Whatever goes wrong ends it for good: nobody can know what becomes of what was written to a connection that is in doubt, so it
//! is never used again. A request whose task has stopped waiting is answered all the same, and the answer dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use ha_core::runtime::Runtime;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::failure::{Failure, FailureKind};
use crate::resp::{Decoder, Reply};
use crate::sync::lock;
use crate::wire::Duplex;

/// So many bytes are written at once, if they wait already.
const WRITE_BYTES: usize = 64 * 1024;
const READ_BYTES: usize = 16 * 1024;

type Answer = oneshot::Sender<Result<Reply, Failure>>;

/// A connection that was used once is used by everybody.
#[derive(Debug)]
pub(crate) struct Connection {
    requests: mpsc::UnboundedSender<Request>,
    broken: CancellationToken,
}

struct Request {
    command: Vec<u8>,
    answer: Answer,
}

/// Who waits, in the order of what was written; `None` once nothing will be answered any more.
type Waiting = Arc<Mutex<Option<VecDeque<Answer>>>>;

impl Connection {
    /// Serves `stream` with tasks of `runtime`.
    pub(crate) fn start(stream: Box<dyn Duplex>, runtime: &dyn Runtime) -> Self {
        let (requests, queue) = mpsc::unbounded_channel();
        let broken = CancellationToken::new();
        let waiting: Waiting = Arc::new(Mutex::new(Some(VecDeque::new())));
        let (input, output) = tokio::io::split(stream);
        let writing = write(output, queue, Arc::clone(&waiting), broken.clone());
        let reading = read(input, waiting, broken.clone());
        runtime.spawn("redis-write", Box::pin(writing));
        runtime.spawn("redis-read", Box::pin(reading));
        Self { requests, broken }
    }

    /// Sends a command. The future of the answer need not be waited for.
    pub(crate) fn send(
        &self,
        command: Vec<u8>,
    ) -> impl Future<Output = Result<Reply, Failure>> + Send + 'static {
        let (answer, answered) = oneshot::channel();
        let sent = self.requests.send(Request { command, answer });
        async move {
            if sent.is_err() {
                return Err(gone());
            }
            match answered.await {
                Ok(Ok(Reply::Error(text))) => Err(Failure::of_reply(&text)),
                Ok(result) => result,
                // The task that had it is gone with its runtime.
                Err(_) => Err(Failure::new(FailureKind::Unknown, "the connection ended before the answer")),
            }
        }
    }

    /// Whether it is of no use any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.is_cancelled()
    }

    /// Ends it: the answers that are not here yet never come.
    pub(crate) fn break_off(&self) {
        self.broken.cancel();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.broken.cancel();
    }
}

fn gone() -> Failure {
    Failure::new(FailureKind::NotSent, "the connection had ended")
}

async fn write(
    mut output: WriteHalf<Box<dyn Duplex>>,
    mut queue: mpsc::UnboundedReceiver<Request>,
    waiting: Waiting,
    broken: CancellationToken,
) {
    let mut bytes = Vec::with_capacity(WRITE_BYTES);
    loop {
        let first = tokio::select! {
            biased;
            () = broken.cancelled() => break,
            request = queue.recv() => request,
        };
        let Some(first) = first else { break };
        let mut next = Some(first);
        while let Some(request) = next {
            // Whoever waits is known before the first byte is out: from then on the answer may come.
            if !wait(&waiting, request.answer) {
                break;
            }
            bytes.extend_from_slice(&request.command);
            next = if bytes.len() < WRITE_BYTES { queue.try_recv().ok() } else { None };
        }
        let writing = async {
            output.write_all(&bytes).await?;
            output.flush().await
        };
        let written = tokio::select! {
            biased;
            () = broken.cancelled() => break,
            written = writing => written,
        };
        if written.is_err() {
            break;
        }
        // A large value is not worth keeping its memory for.
        bytes.clear();
        bytes.shrink_to(WRITE_BYTES);
    }
    broken.cancel();
    queue.close();
    while let Ok(request) = queue.try_recv() {
        // It may have stopped waiting.
        request.answer.send(Err(gone())).ok();
    }
}

/// Lets `answer` wait for its turn. False if nothing will be answered any more.
fn wait(waiting: &Waiting, answer: Answer) -> bool {
    let mut waiting = lock(waiting);
    waiting.as_mut().map(|answers| answers.push_back(answer)).is_some()
}

async fn read(mut input: ReadHalf<Box<dyn Duplex>>, waiting: Waiting, broken: CancellationToken) {
    let (mut decoder, mut bytes) = (Decoder::default(), BytesMut::with_capacity(READ_BYTES));
    let reason = 'connection: loop {
        loop {
            match decoder.next(&mut bytes) {
                Ok(None) => break,
                Ok(Some(reply)) => {
                    let answer = lock(&waiting).as_mut().and_then(VecDeque::pop_front);
                    let Some(answer) = answer else {
                        break 'connection "an answer that nobody asked for".to_owned();
                    };
                    // It may have stopped waiting.
                    answer.send(Ok(reply)).ok();
                }
                Err(_) => break 'connection "the answer is not of the protocol of redis".to_owned(),
            }
        }
        bytes.reserve(READ_BYTES);
        let read = tokio::select! {
            biased;
            () = broken.cancelled() => break "the connection was given up".to_owned(),
            read = input.read_buf(&mut bytes) => read,
        };
        match read {
            Ok(0) => break "the server closed the connection".to_owned(),
            Ok(_) => {}
            Err(error) => break format!("the connection broke: {error}"),
        }
    };
    broken.cancel();
    let left = lock(&waiting).take().unwrap_or_default();
    for answer in left {
        answer.send(Err(Failure::new(FailureKind::Unknown, &reason))).ok();
    }
}
