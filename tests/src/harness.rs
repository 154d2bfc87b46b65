//! What a backend brings to be judged: a store, and how to reach it as different processes do.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ha_core::spi::{Backend, Name};

use crate::faults::Faults;

/// How to get a store to run a case on.
pub trait Harness: Send + Sync + fmt::Debug + 'static {
    /// What is judged, such as `"memory"` or `"etcd, three members"`.
    fn name(&self) -> &str;

    /// A store for one case: a fresh one, or a shared one, since each case uses a namespace of its own.
    ///
    /// # Errors
    /// Says what is missing on this machine. The cases then show as ignored, and fail with `HA_TEST_REQUIRE=1`.
    fn store(&self) -> Result<Arc<dyn Store>, Missing>;

    /// The ttl of sessions that a case lets run out: as short as the backend and a busy machine allow.
    fn ttl(&self) -> Duration;

    /// How much later than promised something may be seen on a busy machine.
    fn margin(&self) -> Duration {
        Duration::from_secs(2)
    }

    /// How long one case may take before it counts as failed.
    fn bound(&self) -> Duration {
        self.ttl() * 40 + Duration::from_secs(20)
    }
}

/// A store that several processes share.
pub trait Store: Send + Sync + fmt::Debug + 'static {
    /// A backend as the process of `node` would build it. Sessions of all the backends of one store see each other.
    fn connect(&self, node: &Name) -> Arc<dyn Backend>;

    /// The faults that can be injected here; `None` for none at all.
    fn faults(&self) -> Option<Arc<dyn Faults>>;
}

/// What a harness did not find on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(String);

impl Missing {
    /// Says what is missing and how to get it.
    pub fn new(what: impl fmt::Display) -> Self {
        Self(what.to_string())
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether what is missing is a failure: with `HA_TEST_REQUIRE=1`, except where servers are left out on purpose.
pub(crate) fn missing_is_a_failure() -> bool {
    let is = |name: &str, wanted: &str| std::env::var_os(name).is_some_and(|value| value == wanted);
    is("HA_TEST_REQUIRE", "1") && !is("HA_TEST_SERVERS", "0")
}
