//! Whether the store still knows everything that it ever acknowledged.

use crate::runtime::Instant;

/// Which unbroken history of the store an answer belongs to.
///
/// The generation grows whenever the store may have forgotten acknowledged commits: after a failover that lost writes,
/// or from a restored backup. An answer of an older generation is void for whoever has seen a newer one. Until
/// `hold_until` nobody is granted anything, because a forgotten holder may still believe in its grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    generation: u64,
    hold_until: Option<Instant>,
}

impl Lineage {
    /// Generation `generation`, with no hold.
    #[must_use]
    pub fn new(generation: u64) -> Self {
        Self { generation, hold_until: None }
    }

    /// The same generation, with new grants held back until `hold_until` on the local clock.
    #[must_use]
    pub fn held_until(mut self, hold_until: Instant) -> Self {
        self.hold_until = Some(hold_until);
        self
    }

    /// The generation; larger is newer.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Until when new grants are held back, on the local clock, counted from the receipt of the answer.
    #[must_use]
    pub fn hold_until(&self) -> Option<Instant> {
        self.hold_until
    }
}
