//! Planted defects of the store and its client, which the simulation has to catch.

/// A defect between the core and the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum StoreBug {
    /// A commit in doubt is repeated without killing its first copy.
    NoKill,
    /// A commit in doubt that a read does not show is reported as not done, without killing it.
    ReadConcludes,
    /// A commit in doubt is repeated without looking whether it was applied.
    RepeatWithoutLook,
    /// A commit whose reply is lost is answered with an error, though it may be applied.
    LostReplyIsAnError,
    /// A renewal is answered by the client while the store cannot be reached.
    RenewalFromCache,
    /// No answer tells of a discontinuity.
    LineageHidden,
    /// An entry is created though there is one: the old one is replaced.
    CreateReplaces,
    /// Read-backs show the state before the commit.
    ReadBackBefore,
    /// Removals are now and then not delivered by a watch.
    WatchLosesRemovals,
    /// After a gap a watch goes on without a snapshot.
    NoSnapshotAfterGap,
    /// The client loses sight of a commit whose caller no longer waits: what it created stays.
    DroppedCommitLeavesGhost,
}

impl StoreBug {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::NoKill,
        Self::ReadConcludes,
        Self::RepeatWithoutLook,
        Self::LostReplyIsAnError,
        Self::RenewalFromCache,
        Self::LineageHidden,
        Self::CreateReplaces,
        Self::ReadBackBefore,
        Self::WatchLosesRemovals,
        Self::NoSnapshotAfterGap,
        Self::DroppedCommitLeavesGhost,
    ];
}
