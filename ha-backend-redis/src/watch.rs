//! The stream of one watch.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use ha_core::spi::{WatchEvent, WatchTarget};

use crate::follow::read_target;
use crate::hub::WatchId;
use crate::link::Link;

/// A watch of one session.
#[derive(Debug)]
pub(crate) struct Watch {
    link: Arc<Link>,
    id: WatchId,
}

impl Watch {
    /// Watches `target`.
    pub(crate) fn open(link: Arc<Link>, target: WatchTarget) -> Self {
        let (id, to_read) = link.hub.open(target);
        let watch = Self { link, id };
        watch.read_if(to_read);
        watch
    }

    fn read_if(&self, to_read: bool) {
        if to_read {
            self.link.spawn("redis-target", read_target(Arc::clone(&self.link), self.id));
        }
    }
}

impl Stream for Watch {
    type Item = WatchEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        let (item, to_read) = self.link.hub.poll(self.id, cx.waker());
        self.read_if(to_read);
        item
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.link.hub.close(self.id);
    }
}
