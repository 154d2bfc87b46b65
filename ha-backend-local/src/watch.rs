//! The stream of one watch.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use ha_core::spi::{WatchEvent, WatchTarget};

use crate::hub::WatchId;
use crate::keys::Place;
use crate::session::LocalSession;
use crate::site::Site;

/// A watch of one session.
#[derive(Debug)]
pub(crate) struct Watch {
    site: Arc<Site>,
    id: WatchId,
}

impl Watch {
    /// Watches `target` for `session`.
    pub(crate) fn open(site: Arc<Site>, session: &LocalSession, target: WatchTarget) -> Self {
        let place = match &target {
            WatchTarget::Entry(key) => Place::of(&session.namespace, key.collection()),
            WatchTarget::Collection(collection) => Place::of(&session.namespace, collection),
            _ => Place::from_bytes(Vec::new()),
        };
        let id = site.shared.hub.open(session.holder, target, place);
        if session.is_over() {
            site.shared.hub.close(id);
        }
        site.shared.inbox.want();
        Self { site, id }
    }
}

impl Stream for Watch {
    type Item = WatchEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        let shared = &self.site.shared;
        let (item, wanted) = shared.hub.poll(self.id, cx.waker());
        if wanted {
            shared.inbox.want();
        }
        item
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.site.shared.hub.close(self.id);
    }
}
