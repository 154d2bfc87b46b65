//! What must hold in every run, judged from its [`History`] alone.
//!
//! One file per invariant; the ids are those of the test programme. [`check_all`] judges a history by all of them, [`ALL`] lists them, and
//! this table says where each comes from: G numbers are guarantees of the guide of `ha-core`, R numbers the safety rules of the design.
//!
//! | id | what must hold | from |
//! |---|---|---|
//! | H1 | every record names calls, grants, watches, requests and faults that the history knows, and no number is used twice | the recorder's |
//! | L1 | each grant of a lock carries a larger token than every earlier one | R3, G6 |
//! | L2 | a fenced resource accepts no write with a smaller token than one that it has accepted, and a counter under the lock loses no increment | R3 |
//! | L3 | the spans in which two grants of a lock are believed in do not overlap | R1, R2, G22, G25 |
//! | L4 | the loss of a lock is noticed within the bound after the instant up to which it was valid, or after the thaw of its process | R1, R2 |
//! | L5 | after the last disturbance a healthy waiter gets a free lock within the bound; callers of one process are served in order, and nobody is overtaken again and again | R5, R9, R10 |
//! | L6 | a caller that gave up is granted nothing, no caller is granted twice, and nothing of either stays in the queue for longer than its session can live on | R4, R5, G22 |
//! | L7 | a release or renewal with a stale token changes nothing: no ended grant becomes valid again, no entry of another node is touched, no holder's entry is deleted before it let go | R3, G5, G23, G27 |
//! | L8 | the grants and releases of a lock could have happened one after the other on a mutex with growing tokens | R1, R3, G1 |
//! | L9 | the shares of a read-write lock or semaphore that are believed in at one instant are together not more than there is: a writer is alone | R1, R2, G140, G146 |
//! | L10 | each grant of a read-write lock or semaphore has a token of its own, larger than those of earlier grants that cannot be held beside it; a writer that goes on as a reader keeps its token | R3, G140, G143, G146 |
//! | L11 | once the run is calm, no process is granted a share more often while a healthy caller of another one waits than it had callers waiting when that one queued | R10, G141, G147 |
//! | E1 | at every instant at most one node believes that it leads an election | R1, R2, G22, G25 |
//! | E2 | each leader of an election has a larger term than every earlier one | R3, G6 |
//! | E3 | leadership that was resigned or lost does not return: its belief ends before the resignation is answered, no later renewal extends it, and no campaign is won twice | R4, R7 |
//! | E4 | an observer is told growing terms, each with the one node that has it, and in the end the newest | R9, G31, G32, G34 |
//! | E5 | the loss of leadership is noticed within the bound after the instant up to which it was valid, or after the thaw of its process | R1, R2 |
//! | E6 | after the last disturbance a healthy candidate leads within the bound if nobody does, and while the store answers nobody no campaign that began meanwhile is won | R7, R9, R10 |
//! | E7 | a campaign that was given up is not won, and no candidate or leader entry of a node that does not stand stays for longer than its session can live on | R4, R5, G22, G27 |
//! | E8 | once the run is calm and the bound has passed, no healthy leader loses leadership unless it gives it up itself | R1, R6, G25 |
//! | M1 | the numbers of the views of a watcher grow, by one for each change, which is about one member; what is told first, and after a gap, is the whole view | G126 |
//! | M2 | a member that died, left, or never joined is out of every healthy watcher's view within a ttl and the slack | G27, G120, G122, G138 |
//! | M3 | once the run is calm and the bound has passed, no healthy member that does not leave disappears from a view or changes its incarnation | G25, G122 |
//! | M4 | once the run is calm and the bound has passed, all healthy watchers have the same view, unless something has just changed | G120, G126 |
//! | M5 | each life of a node is a larger incarnation than all before it, one incarnation is one life, and no watcher is shown an earlier one after a later one | R3, G6, G121 |
//! | M6 | once the run is calm, every healthy watcher sees a healthy member within a second of its joining, and as long as it stays; a healthy process that wants to join has joined within the bound | R9, G120, G123 |
//! | M7 | no watcher is shown an older state of a member after a newer one, and once the run is calm every healthy watcher sees within a second what a member was told is stored | R9, G120, G124 |
//! | P1 | at every instant at most one member believes that it owns a partition that is not moved by force, with a larger token than every earlier one; and nobody gets a token that somebody else has got | R1, R2, R3, G170 |
//! | P2 | after the last disturbance every partition has an owner within the bound, if a healthy member would own it | R7, R9, G170, G173, G174 |
//! | P3 | a grant of a partition that was given up or lost is not believed in again, none is given after its member had gone, and a loss is noticed within the bound | R1, R2, R4, G172, G182 |
//! | P4 | when nothing has been disturbed for twice the bound, the numbers of partitions that two healthy members of a group own differ by at most one | G171 |
//! | P5 | one member that comes or goes moves at most one partition more than its share, and none between two others | G171, G175 |
//! | P6 | when nothing has been disturbed for twice the bound, no healthy member loses a partition or is given one that another healthy member had | G171, G175 |
//! | P7 | whatever changes what members are assigned is committed by the one who is elected to assign at that instant, and a number that it gives the plan is larger than every one before it | R11, G174 |
//! | W1 | an item is completed only under the claim that it is in, what is done is not claimed, changed or completed again until it is forgotten, and of its completions one is accepted | G190, G194, G202 |
//! | W2 | an item that is new to whoever added it was begun once for it, and it is there, done within the retention or not done, until it has been done for that long or somebody asked to forget it | G191, G202 |
//! | W3 | at every instant at most one worker believes in its claim of an item, with a larger token and a later attempt than every earlier one; an item is claimed only when it is ready and its time has come, and nobody takes it back while its holder believes in it | R1, R2, R3, G192, G193, G196 |
//! | W4 | a settlement that was applied changed the item from the very claim to what it says, one that is stale or failed did not complete it, and a result that somebody else stored is that of the claim it names | G190, G193, G194 |
//! | W5 | a claim that was settled or lost is not believed in again, none is given to a caller that had gone or twice to one, and a loss is noticed within the bound | R1, R2, R4, G199 |
//! | W6 | after the last disturbance an item whose time has come, or whose claim nobody believes in any more, is taken up within the bound, if a healthy worker wants items | R7, R9, G192, G195, G196, G200 |
//! | S1 | at every instant at most one process believes that it holds a slot, with a larger token than every earlier one; what was given up or lost is not believed in again, and a loss is noticed within the bound | R1, R2, R3, R4, G210, G212 |
//! | S2 | after the last disturbance a slot that nobody holds is given within the bound to a healthy process that wants one, if it was ever held | R7, R9, R10, G210, G212 |
//! | V1 | a watch shows committed states only and misses none silently: what its revision covers was told, or a later state was, and a gap ends with a snapshot | G30, G31, G32, G33 |
//! | V3 | a watch never goes back, neither in its revision nor in the state of an entry, and does not begin before what its session had seen | G33, G34 |
//! | K1 | the requests on each entry could have happened one after the other, each between its call and its answer | G1, G2, G3, G14 |
//! | K2 | no two updates of one state and no two deletions of one incarnation succeed, and each write has a revision of its own, larger than what it replaced | G1, G5, G6 |
//! | K3 | a session expires neither before a ttl since its last successful renewal was sent nor later than a ttl and the slack after the last one that can have counted, and what it owned vanishes with it for good | G21, G22, G25, G26, G27 |
//! | K4 | no renewal that was sent after the end of its session succeeds, and no commit of the session is applied any more | G23, G24, G27 |
//! | K5 | a request that was reported as not applied has no effect, not even later, and one that was reported as applied has its effect in the reported revision | G1 |
//! | K6 | no request is applied twice: not in the store's log, and no value is read with two different revisions | G1 |
//! | K7 | a value beyond the limit is refused, one within the contract's is not, and what was refused has no effect | G10, G11 |
//!
//! Not judged: how late a watch is without faults (V6), whether an item of it is atomic (V2) and truthful about where it is (V4), and how much a slow
//! consumer costs (V5), because the cases of the suite see them directly. Of E6 "no quorum" is judged for faults of the kind [`Event::OUTAGE`].
//!
//! Liveness (L5, E4's end, E6, E8, P2, P4, P6, W6, S2, V1's end) is judged once the run is calm: in [`Phase::Liveness`], after the last record of a fault, a
//! crash, a freeze or a start, on nodes on which no fault is left. A run without that phase is judged by its safety alone.
//!
//! [`Event::OUTAGE`]: crate::history::Event::OUTAGE
//! [`Phase::Liveness`]: crate::history::Phase::Liveness

mod bounds;
mod e1_one_leader;
mod e2_terms_grow;
mod e3_no_return;
mod e4_observers_go_forward;
mod e5_leader_steps_down;
mod e6_somebody_leads;
mod e7_no_ghost_leader;
mod e8_no_flapping;
mod h1_well_formed;
mod index;
mod k1_linearizable;
mod k2_once_per_version;
mod k3_expiry;
mod k4_loss_reported;
mod k5_unknown_surfaces;
mod k6_applied_once;
mod k7_limits;
mod l10_shared_tokens;
mod l11_nobody_starves;
mod l1_tokens_grow;
mod l2_fenced_exclusion;
mod l3_lease_exclusion;
mod l4_loss_noticed;
mod l5_waiters_served;
mod l6_no_ghost_holder;
mod l7_stale_changes_nothing;
mod l8_lock_linearizable;
mod l9_shares_fit;
pub mod linearizability;
mod m1_views_numbered;
mod m2_dead_are_gone;
mod m3_nobody_removed;
mod m4_views_agree;
mod m5_incarnations_grow;
mod m6_joins_are_seen;
mod m7_updates_last;
mod p1_one_owner;
mod p2_every_partition_is_owned;
mod p3_given_up_for_good;
mod p4_balanced;
mod p5_moves_are_few;
mod p6_nothing_moves_for_nothing;
mod p7_only_the_elected_assigns;
mod replay;
mod rules;
mod s1_one_holder;
mod s2_free_slots_are_taken;
mod v1_nothing_missed;
mod v3_never_back;
mod violation;
mod w1_completed_once;
mod w2_nothing_is_lost;
mod w3_one_claimer;
mod w4_answers_are_true;
mod w5_given_up_for_good;
mod w6_taken_up_again;

pub use bounds::Bounds;
pub use violation::Violation;

use std::fmt;

use crate::history::History;
use index::Index;
use violation::Broken;

/// Something that must hold in every run.
#[non_exhaustive]
pub struct Invariant {
    /// Its id, such as `"L3"`.
    pub id: &'static str,
    /// What must hold, in one sentence.
    pub sentence: &'static str,
    /// Which guarantees of the guide and rules of the design it comes from.
    pub guarantees: &'static str,
    judge: fn(&Index<'_>, &Bounds) -> Result<(), Broken>,
}

impl Invariant {
    /// Judges a history by this invariant alone.
    ///
    /// # Errors
    /// The first violation that it finds, or that it could not decide.
    pub fn check(&self, history: &History, bounds: &Bounds) -> Result<(), Violation> {
        self.judge(&Index::new(history), bounds)
    }

    fn judge(&self, index: &Index<'_>, bounds: &Bounds) -> Result<(), Violation> {
        (self.judge)(index, bounds).map_err(|broken| broken.named(self.id, index.records))
    }
}

impl fmt::Debug for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.sentence)
    }
}

/// All invariants. A history that is not well formed fails by the first.
pub const ALL: &[Invariant] = &[
    h1_well_formed::INVARIANT,
    l1_tokens_grow::INVARIANT,
    l2_fenced_exclusion::INVARIANT,
    l3_lease_exclusion::INVARIANT,
    l4_loss_noticed::INVARIANT,
    l5_waiters_served::INVARIANT,
    l6_no_ghost_holder::INVARIANT,
    l7_stale_changes_nothing::INVARIANT,
    l8_lock_linearizable::INVARIANT,
    l9_shares_fit::INVARIANT,
    l10_shared_tokens::INVARIANT,
    l11_nobody_starves::INVARIANT,
    e1_one_leader::INVARIANT,
    e2_terms_grow::INVARIANT,
    e3_no_return::INVARIANT,
    e4_observers_go_forward::INVARIANT,
    e5_leader_steps_down::INVARIANT,
    e6_somebody_leads::INVARIANT,
    e7_no_ghost_leader::INVARIANT,
    e8_no_flapping::INVARIANT,
    m1_views_numbered::INVARIANT,
    m2_dead_are_gone::INVARIANT,
    m3_nobody_removed::INVARIANT,
    m4_views_agree::INVARIANT,
    m5_incarnations_grow::INVARIANT,
    m6_joins_are_seen::INVARIANT,
    m7_updates_last::INVARIANT,
    p1_one_owner::INVARIANT,
    p2_every_partition_is_owned::INVARIANT,
    p3_given_up_for_good::INVARIANT,
    p4_balanced::INVARIANT,
    p5_moves_are_few::INVARIANT,
    p6_nothing_moves_for_nothing::INVARIANT,
    p7_only_the_elected_assigns::INVARIANT,
    w1_completed_once::INVARIANT,
    w2_nothing_is_lost::INVARIANT,
    w3_one_claimer::INVARIANT,
    w4_answers_are_true::INVARIANT,
    w5_given_up_for_good::INVARIANT,
    w6_taken_up_again::INVARIANT,
    s1_one_holder::INVARIANT,
    s2_free_slots_are_taken::INVARIANT,
    v1_nothing_missed::INVARIANT,
    v3_never_back::INVARIANT,
    k1_linearizable::INVARIANT,
    k2_once_per_version::INVARIANT,
    k3_expiry::INVARIANT,
    k4_loss_reported::INVARIANT,
    k5_unknown_surfaces::INVARIANT,
    k6_applied_once::INVARIANT,
    k7_limits::INVARIANT,
];

/// Judges a history by all invariants.
///
/// # Errors
/// What is violated or undecided, at most one finding per invariant, in the order of [`ALL`].
pub fn check_all(history: &History, bounds: &Bounds) -> Result<(), Vec<Violation>> {
    let index = Index::new(history);
    let found: Vec<_> = ALL.iter().filter_map(|invariant| invariant.judge(&index, bounds).err()).collect();
    if found.is_empty() { Ok(()) } else { Err(found) }
}
