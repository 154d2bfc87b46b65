//! When the next session ends, unless it is renewed: whoever is first then ends it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ha_core::runtime::{Backoff, Instant};
use tokio::sync::Notify;

use crate::link::Link;
use crate::scripts::{Call, Script};
use crate::sync::lock;

/// So much later, by chance, so that not everybody comes at once; the first one does it for all.
const SPREAD: Duration = Duration::from_millis(8);

/// When to look next.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    due: Mutex<Option<Instant>>,
    is_earlier: Notify,
}

impl Alarm {
    /// The server says when.
    pub(crate) fn set(&self, due: Option<Instant>) {
        let before = std::mem::replace(&mut *lock(&self.due), due);
        if due.is_some_and(|due| before.is_none_or(|before| due < before)) {
            self.is_earlier.notify_one();
        }
    }

    /// Somebody else may end as early as that.
    pub(crate) fn not_after(&self, due: Instant) {
        let earliest = lock(&self.due).map_or(due, |before| before.min(due));
        self.set(Some(earliest));
    }

    fn due(&self) -> Option<Instant> {
        *lock(&self.due)
    }
}

/// Looks whenever a session may be over, until the own one is.
pub(crate) async fn watch(link: Arc<Link>) {
    let mut backoff = Backoff::patient();
    loop {
        let runtime = Arc::clone(link.runtime());
        let due = link.alarm.due();
        let spread = Duration::from_micros(runtime.random() % u64::try_from(SPREAD.as_micros()).unwrap_or(1));
        let asleep = async {
            match due {
                Some(due) => runtime.sleep_until(due + spread).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = link.over.wait() => return,
            () = link.alarm.is_earlier.notified() => continue,
            () = asleep => {}
        }
        if link.alarm.due().is_none_or(|due| due > link.now()) {
            // It was renewed meanwhile.
            continue;
        }
        let look = Call::new(Script::Look).of(None);
        match link.call(&link.requests, &look).await {
            Ok(_) => backoff = Backoff::patient(),
            Err(failure) => {
                tracing::debug!(session = %link.id, %failure, "cannot look whether a session is over");
                backoff.wait(&*runtime).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Alarm;
    use ha_core::runtime::Instant;
    use std::time::Duration;

    #[test]
    fn the_earliest_end_counts_until_the_server_says_otherwise() {
        let at = |seconds| Instant::from_start(Duration::from_secs(seconds));
        let alarm = Alarm::default();
        alarm.not_after(at(9));
        alarm.not_after(at(12));
        assert_eq!(alarm.due(), Some(at(9)));
        alarm.set(Some(at(20)));
        assert_eq!(alarm.due(), Some(at(20)));
        alarm.set(None);
        assert_eq!(alarm.due(), None);
    }
}
