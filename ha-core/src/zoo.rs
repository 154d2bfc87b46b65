//! Planted defects, for tests of the tests: the simulation has to catch each of them.
//!
//! Private: the feature `zoo` is for `ha-conformance` alone. Without it `planted` is a constant, and nothing of this is left in a program.

/// A defect of the core that can be planted. Those of elections, mutexes and discontinuities are the failing variants of models of their protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Bug {
    // The mutex.
    /// A place whose waiter is gone is forgotten while its creation is under way.
    CreationForgotten,
    /// Whoever sees its predecessor vanish believes that it is the oldest.
    VanishedMeansTurn,
    /// A place that is released goes to the next waiter of the process, with the same token.
    PlaceServedTwice,
    /// The place that is created in the same step as a release is granted at once.
    HandOverIsGrant,
    /// The oldest place is kept though nobody waits for it any more.
    OldestPlaceKept,
    /// A view decides that does not show the own place.
    ForeignViewDecides,
    /// The first snapshot of a watch is not compared with what is waited for.
    FirstSnapshotIgnored,
    /// Places that a discontinuity brought back stay.
    ResurrectedPlacesKept,
    /// A guard that is dropped does not release.
    DropKeepsLock,
    // Read-write locks and semaphores.
    /// Every share of a semaphore counts as one permit.
    WeightsIgnored,
    /// A reader passes writers.
    ReadersPassWriters,
    // The election.
    /// A candidate withdraws while its grant is under way, and forgets the grant.
    WithdrawnWhileGranted,
    /// A leader's entry of the own session is taken for the own leadership.
    SessionsRecordIsMine,
    /// A leader's entry with the own node's name is taken for the own leadership.
    NodesRecordIsMine,
    /// Only the candidate that leadership was handed to tries to lead.
    HintObeyed,
    /// The entry that a resignation deletes is the one that is seen, whoever's it is.
    ResignsWhatItSees,
    /// Leadership that is granted when nobody waits any more is kept.
    UnwantedLeadershipKept,
    /// Entries that a discontinuity brought back stay.
    StraysKept,
    /// The term is taken from an entry that outlives it.
    TermOfTenure,
    // The group.
    /// A member does not join again in a new session.
    RejoinForgotten,
    /// A member does not notice that its entry was deleted.
    DeletedMemberStaysOut,
    /// What is written counts as all that was said meanwhile.
    UpdateOvertaken,
    /// A join goes on when nobody waits for it any more.
    DroppedJoinStays,
    /// Entries of members that a discontinuity brought back stay.
    MemberStraysKept,
    // The name of the node.
    /// The session that has the name is ended for the name alone.
    NameProvesDeath,
    // Partitions.
    /// A member that has not said that it runs a partition is taken not to run it (N1 of the protocol's models).
    SilenceIsRelease,
    /// A step of the assignor that takes long is believed not to have happened, and the next one does not compare the plan (N4).
    LateStepAssumedLost,
    /// Whoever leads again goes on from what it knew, and its steps do not compare the plan (X1).
    OldTableKept,
    /// Steps compare neither the leader nor the plan, and a deposed leader goes on (X2).
    LeaderNotCompared,
    /// What an evicted member has is given away at once (X3).
    EvictedAtOnce,
    /// A member is evicted though its acknowledgement was deleted: then nothing says that it may still run something.
    EvictedUnheard,
    /// An acknowledgement counts for whatever is revoked later, too (X4).
    BareAck,
    /// Each plan is made as if nobody owned anything yet.
    OwnersForgotten,
    /// A member does not notice that its acknowledgement was deleted.
    DeletedAckUnseen,
    // Work-sets.
    /// A completion is written whoever has claimed the item by then, and whatever has become of it.
    CompletedUntokened,
    /// The attempt is the token of a claim.
    AttemptAsToken,
    /// A claim is taken back without comparing that its worker is gone.
    TakenFromTheLiving,
    /// What a list of done items names is deleted, whatever has become of it.
    SweptUnseen,
    /// An item that a list names is claimed though it was put off since.
    ClaimedBeforeItsTime,
    /// An item is forgotten when it is completed.
    ForgottenAtCompletion,
    /// An item that is done is begun anew when it is added again.
    DoneBegunAnew,
    /// A claim that takes too long is given back, and its holder is not told.
    OverdueUntold,
    /// A claim that is dropped is not given back.
    DroppedClaimKept,
    /// Nobody looks for the claims of workers that are gone.
    DeadWorkersKept,
    /// A stale settlement is answered as applied.
    StaleIsApplied,
    /// A claim that a discontinuity forgot is held on to.
    ForgottenClaimsKept,
    /// No list says of an item that is put off when it comes.
    PutOffUnlisted,
    // Slots.
    /// A slot that was forgotten or deleted is held on to.
    ForgottenSlotsKept,
    /// A slot that is dropped is not given back.
    DroppedSlotKept,
    // Locks and elections.
    /// What a discontinuity forgot is held on to.
    ForgottenGrantsKept,
    /// A grant that ran out before its caller woke is handed out.
    ExpiredGrantHandedOut,
    // The coordinator.
    /// Validity is counted from when a renewal was answered.
    DeadlineFromReply,
    /// Grants have no local deadline.
    NoLocalDeadline,
    /// Nothing is kept back for the difference between two clocks.
    NoMargin,
    /// A renewal of a newer history extends grants before anybody has looked which of them still exist.
    RenewalBeforeReconciled,
    /// Answers of a history that is over are believed.
    OldHistoryBelieved,
    /// The end of a session is not told to those who hold grants.
    LossNotAnnounced,
    /// A lost session is not replaced.
    SessionNotReplaced,
    /// The end of a watch is taken for nothing.
    WatchEndIgnored,
}

impl Bug {
    /// All of them.
    #[cfg(feature = "zoo")]
    pub const ALL: &'static [Self] = &[
        Self::CreationForgotten,
        Self::VanishedMeansTurn,
        Self::PlaceServedTwice,
        Self::HandOverIsGrant,
        Self::OldestPlaceKept,
        Self::ForeignViewDecides,
        Self::FirstSnapshotIgnored,
        Self::ResurrectedPlacesKept,
        Self::DropKeepsLock,
        Self::WeightsIgnored,
        Self::ReadersPassWriters,
        Self::WithdrawnWhileGranted,
        Self::SessionsRecordIsMine,
        Self::NodesRecordIsMine,
        Self::HintObeyed,
        Self::ResignsWhatItSees,
        Self::UnwantedLeadershipKept,
        Self::StraysKept,
        Self::TermOfTenure,
        Self::RejoinForgotten,
        Self::DeletedMemberStaysOut,
        Self::UpdateOvertaken,
        Self::DroppedJoinStays,
        Self::MemberStraysKept,
        Self::NameProvesDeath,
        Self::SilenceIsRelease,
        Self::LateStepAssumedLost,
        Self::OldTableKept,
        Self::LeaderNotCompared,
        Self::EvictedAtOnce,
        Self::EvictedUnheard,
        Self::BareAck,
        Self::OwnersForgotten,
        Self::DeletedAckUnseen,
        Self::CompletedUntokened,
        Self::AttemptAsToken,
        Self::TakenFromTheLiving,
        Self::SweptUnseen,
        Self::ClaimedBeforeItsTime,
        Self::ForgottenAtCompletion,
        Self::DoneBegunAnew,
        Self::OverdueUntold,
        Self::DroppedClaimKept,
        Self::DeadWorkersKept,
        Self::StaleIsApplied,
        Self::ForgottenClaimsKept,
        Self::PutOffUnlisted,
        Self::ForgottenSlotsKept,
        Self::DroppedSlotKept,
        Self::ForgottenGrantsKept,
        Self::ExpiredGrantHandedOut,
        Self::DeadlineFromReply,
        Self::NoLocalDeadline,
        Self::NoMargin,
        Self::RenewalBeforeReconciled,
        Self::OldHistoryBelieved,
        Self::LossNotAnnounced,
        Self::SessionNotReplaced,
        Self::WatchEndIgnored,
    ];
}

#[cfg(feature = "zoo")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a defect in everything that this thread runs, or removes it.
#[cfg(feature = "zoo")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether `bug` is planted.
#[cfg(feature = "zoo")]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether `bug` is planted: never.
#[cfg(not(feature = "zoo"))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}
