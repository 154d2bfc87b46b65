//! Planted defects, which the simulation has to catch: those of the core, and those of the store and its client.

use std::fmt;

use ha_core::zoo::{Bug, plant};

use super::run::Subject;

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
    /// A relaxed page may be older than what its session committed.
    RelaxedPageForgets,
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
        Self::RelaxedPageForgets,
    ];
}

/// A planted defect, wherever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Defect {
    /// In the recipes or the coordinator.
    Core(Bug),
    /// In the store, or in the client of the store.
    Store(StoreBug),
    /// In the clock of the nodes: it stands still while a node is suspended.
    ClockStopsInSuspend,
}

impl Defect {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let core = Bug::ALL.iter().copied().map(Self::Core);
        let store = StoreBug::ALL.iter().copied().map(Self::Store);
        core.chain(store).chain([Self::ClockStopsInSuspend])
    }

    /// The defect of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|defect| defect.to_string() == name)
    }

    /// Whether it can show in what `subject` does. Trying it elsewhere would only take time.
    pub(super) fn concerns(self, subject: Subject) -> bool {
        let Self::Core(bug) = self else { return true };
        match bug {
            Bug::RejoinForgotten
            | Bug::DeletedMemberStaysOut
            | Bug::UpdateOvertaken
            | Bug::DroppedJoinStays
            | Bug::MemberStraysKept => subject == Subject::Group,
            Bug::SilenceIsRelease
            | Bug::LateStepAssumedLost
            | Bug::OldTableKept
            | Bug::LeaderNotCompared
            | Bug::EvictedAtOnce
            | Bug::EvictedUnheard
            | Bug::BareAck
            | Bug::OwnersForgotten
            | Bug::DeletedAckUnseen => subject == Subject::Partitions,
            Bug::CompletedUntokened
            | Bug::AttemptAsToken
            | Bug::TakenFromTheLiving
            | Bug::SweptUnseen
            | Bug::ClaimedBeforeItsTime
            | Bug::ForgottenAtCompletion
            | Bug::DoneBegunAnew
            | Bug::OverdueUntold
            | Bug::DroppedClaimKept
            | Bug::DeadWorkersKept
            | Bug::StaleIsApplied
            | Bug::ForgottenClaimsKept
            | Bug::PutOffUnlisted
            | Bug::ForgottenSlotsKept
            | Bug::DroppedSlotKept => subject == Subject::Work,
            Bug::WeightsIgnored | Bug::ReadersPassWriters => subject == Subject::Shared,
            Bug::WithdrawnWhileGranted
            | Bug::SessionsRecordIsMine
            | Bug::NodesRecordIsMine
            | Bug::HintObeyed
            | Bug::ResignsWhatItSees
            | Bug::UnwantedLeadershipKept
            | Bug::StraysKept
            | Bug::TermOfTenure => subject == Subject::Election,
            _ => [Subject::Mutex, Subject::Shared, Subject::Election].contains(&subject),
        }
    }

    /// What catches it, if it shows in few seeds. Found by a search through all of them; a change of the recipes or of the simulator can make another one the first, which a
    /// search finds again.
    pub(super) fn caught_before(self) -> Option<(Subject, u64)> {
        let Self::Core(bug) = self else { return None };
        match bug {
            Bug::WithdrawnWhileGranted | Bug::UnwantedLeadershipKept => Some((Subject::Election, 677)),
            Bug::ResignsWhatItSees => Some((Subject::Election, 2_952)),
            Bug::EvictedUnheard => Some((Subject::Partitions, 466)),
            Bug::OwnersForgotten => Some((Subject::Partitions, 283)),
            Bug::ExpiredGrantHandedOut => Some((Subject::Mutex, 1_007)),
            Bug::DeadlineFromReply => Some((Subject::Shared, 416)),
            Bug::WatchEndIgnored => Some((Subject::Election, 190)),
            _ => None,
        }
    }

    pub(super) fn of_store(self) -> Option<StoreBug> {
        if let Self::Store(bug) = self { Some(bug) } else { None }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Core(bug) => write!(f, "{bug:?}"),
            Self::Store(bug) => write!(f, "{bug:?}"),
            Self::ClockStopsInSuspend => f.write_str("ClockStopsInSuspend"),
        }
    }
}

/// Plants a defect of the core in this thread until it is dropped.
#[derive(Debug)]
pub(super) struct Planted;

impl Planted {
    pub(super) fn new(defect: Option<Defect>) -> Self {
        plant(if let Some(Defect::Core(bug)) = defect { Some(bug) } else { None });
        Self
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        plant(None);
    }
}
