//! A watch at the end of a way.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use ha_core::runtime::{BoxFuture, Runtime};
use ha_core::spi::{Session, WatchEvent, WatchStream, WatchTarget};

use super::way::Way;

/// A watch as its node sees it: what happens while nothing gets through is missed, and shown by the snapshot of a new watch.
pub(super) struct Watch(Option<BoxFuture<'static, Option<(WatchEvent, Follower)>>>);

/// What follows the watch of the backend.
struct Follower {
    session: Arc<dyn Session>,
    way: Arc<Way>,
    runtime: Arc<dyn Runtime>,
    target: WatchTarget,
    /// The watch of the backend; `None` after its connection was broken.
    stream: Option<WatchStream>,
    /// The breaks that it has been told of.
    breaks: u64,
}

impl Watch {
    pub(super) fn open(
        session: Arc<dyn Session>,
        way: Arc<Way>,
        runtime: Arc<dyn Runtime>,
        target: WatchTarget,
    ) -> Self {
        let (stream, breaks) = (Some(session.watch(target.clone())), way.now().breaks);
        Self(Some(Box::pin(Follower { session, way, runtime, target, stream, breaks }.next())))
    }
}

impl Stream for Watch {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        let Some(next) = &mut self.0 else { return Poll::Ready(None) };
        let item = ready!(next.as_mut().poll(cx));
        let (item, follower) = item.unzip();
        self.0 = follower.map(|follower: Follower| -> BoxFuture<'static, _> { Box::pin(follower.next()) });
        Poll::Ready(item)
    }
}

impl Follower {
    /// The next item; `None` once the session is over, as far as the node can know.
    async fn next(mut self) -> Option<(WatchEvent, Self)> {
        let breaks = self.breaks;
        if let Some(stream) = &mut self.stream {
            tokio::select! {
                biased;
                () = self.way.until(|conduct| conduct.replies_stop || conduct.breaks != breaks) => {
                    self.stream = None;
                    return Some((WatchEvent::Interrupted, self));
                }
                item = stream.next() => {
                    self.way.take_time(&*self.runtime).await;
                    return item.map(|item| (item, self));
                }
            }
        }
        self.way.until(|conduct| !conduct.replies_stop).await;
        self.breaks = self.way.now().breaks;
        self.stream = Some(self.session.watch(self.target.clone()));
        Box::pin(self.next()).await
    }
}
