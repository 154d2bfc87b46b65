//! Counts and measures for feature `metrics`. Without it the same calls do nothing.

#[cfg(not(feature = "metrics"))]
mod absent;
#[cfg(feature = "metrics")]
mod recording;
#[cfg(feature = "metrics")]
mod session;

#[cfg(not(feature = "metrics"))]
pub(crate) use absent::Meters;
#[cfg(feature = "metrics")]
pub(crate) use recording::Meters;
