//! Times as the server has them.

use std::time::Duration;

/// As many microseconds as last for `ttl`, and not a part of one less.
pub(crate) fn micros(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX)
}
