//! How partitions are assigned.

/// What happens when a member does not give up a partition in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DrainPolicy {
    /// Nobody gets it until its owner has let go, or its session is over. The default: nothing is ever run twice, and one that hangs holds up its own partitions only.
    #[default]
    Wait,
    /// The member loses everything that it has here: its grants end at once, and it joins anew. A partition moves once the member has heard of that, or its session is over.
    Evict,
    /// The partition moves at once, whatever its owner does. For [fenced resources](super::Partitions::fenced) only: they refuse the smaller token of the owner before.
    Force,
}
