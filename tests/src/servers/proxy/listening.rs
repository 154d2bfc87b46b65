//! Accepts connections until told to end.

use std::io;
use std::net::TcpListener;
use std::sync::mpsc;

use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::runtime;

/// A listener that is open.
#[derive(Debug)]
pub(in crate::servers) struct Listening {
    end: oneshot::Sender<()>,
    ended: mpsc::Receiver<()>,
}

impl Listening {
    /// Runs `serve` for each connection to `listener`, which does not block.
    pub(in crate::servers) fn start<F>(
        listener: TcpListener,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let _inside = runtime().enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (end, mut is_to_end) = oneshot::channel();
        let (has_ended, ended) = mpsc::channel();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    _ = &mut is_to_end => break,
                    accepted = listener.accept() => {
                        if let Ok((client, _)) = accepted {
                            tokio::spawn(serve(client));
                        }
                    }
                }
            }
            drop(listener);
            // Nobody waits when the process is about to end.
            has_ended.send(()).ok();
        });
        Ok(Self { end, ended })
    }

    /// Closes the listener: when this returns, nobody gets connected any more.
    pub(in crate::servers) fn end(self) {
        drop(self.end);
        self.ended.recv().ok();
    }
}
