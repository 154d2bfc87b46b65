//! The way to a member, on which the pieces of a request travel together.
//!
//! The HTTP/2 library flushes the head of a request, its body and its end one by one, as soon as it has each of them: three packets, and for each of
//! them the server wakes up and reads. Here a flush first lets those tasks run that are ready, among them the one that brings the next piece, and
//! then writes what has come together. It never waits: where no task is ready it writes at once.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use ha_core::runtime::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower_service::Service;

/// How many bytes are kept at most.
const KEPT_MAX: usize = 64 * 1024;

/// Connects to a member.
#[derive(Clone)]
pub(super) struct Connector(HttpConnector);

impl Connector {
    /// Connecting may take `timeout`; a silent connection is probed every `keepalive`.
    pub(super) fn new(timeout: Duration, keepalive: Duration) -> Self {
        let mut connector = HttpConnector::new();
        // What is spoken on the connection, TLS for example, is not its concern.
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_keepalive(Some(keepalive));
        connector.set_connect_timeout(Some(timeout));
        Self(connector)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Together<TcpStream>>;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { Ok(TokioIo::new(Together::new(connecting.await?.into_inner()))) })
    }
}

/// A stream of bytes that keeps what is written until it is flushed for the second time.
pub(super) struct Together<T> {
    inner: T,
    kept: BytesMut,
    /// Whether others had their turn since the flush began.
    yielded: bool,
}

impl<T: AsyncWrite + Unpin> Together<T> {
    fn new(inner: T) -> Self {
        Self { inner, kept: BytesMut::new(), yielded: false }
    }

    fn poll_pass_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.kept))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.kept.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Together<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, into)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Together<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.kept.len() >= KEPT_MAX {
            ready!(self.poll_pass_on(cx))?;
        }
        let taken = bytes.len().min(KEPT_MAX - self.kept.len());
        self.kept.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.kept.is_empty() && !self.yielded {
            self.yielded = true;
            // Behind all tasks that are ready now.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(self.poll_pass_on(cx))?;
        self.yielded = false;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pass_on(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT_MAX, Together};
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};
    use tokio::io::{AsyncWrite, AsyncWriteExt as _};

    /// Each write that reached it. It takes no more than `most` bytes at once.
    struct Writes {
        writes: Vec<Vec<u8>>,
        most: usize,
    }

    impl AsyncWrite for Writes {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.most);
            self.writes.push(bytes[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn together(most: usize) -> Together<Writes> {
        Together::new(Writes { writes: Vec::new(), most })
    }

    #[tokio::test]
    async fn what_is_written_while_a_flush_lets_others_run_goes_with_it() {
        let mut stream = together(usize::MAX);
        stream.write_all(b"head").await.unwrap();
        let mut once = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut stream).poll_flush(&mut once).is_pending());
        stream.write_all(b"body").await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(stream.inner.writes, [b"headbody"]);
    }

    #[tokio::test]
    async fn a_flush_ends_though_nobody_else_wakes_it_and_the_next_one_too() {
        let mut stream = together(usize::MAX);
        for piece in [b"one", b"two"] {
            stream.write_all(piece).await.unwrap();
            stream.flush().await.unwrap();
        }
        assert_eq!(stream.inner.writes, [b"one", b"two"]);
    }

    #[tokio::test]
    async fn more_than_is_kept_and_more_than_is_taken_at_once_arrives_whole() {
        let mut stream = together(1_000);
        let bytes: Vec<u8> = (0..3 * KEPT_MAX + 7).map(|at| (at % 251) as u8).collect();
        stream.write_all(&bytes).await.unwrap();
        assert!(stream.kept.len() <= KEPT_MAX);
        stream.shutdown().await.unwrap();
        assert_eq!(stream.inner.writes.concat(), bytes);
    }
}
