//! What this process has in an election: a candidate, leadership, things to be cleaned up.

use super::{Asked, Candidacy, PAUSE, State};
use crate::names::Key;
use crate::runtime::Instant;
use crate::spi::{Revision, Stamp};

/// Our candidate's entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Candidate {
    /// There is none.
    None,
    /// Its creation is under way.
    Joining { key: Key, candidacy: Candidacy },
    /// It stands.
    Standing { stamp: Stamp, candidacy: Candidacy },
    /// To be deleted; `sent` while the deletion is under way.
    Leaving { stamp: Stamp, sent: bool },
}

/// Our leadership.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lead {
    /// We do not lead.
    None,
    /// Our grant is under way.
    Granting,
    /// We lead; a caller holds it as `id`.
    Leading {
        id: u64,
        stamp: Stamp,
        tenure: Stamp,
        /// The commit that made it: an older view does not show it.
        revision: Revision,
        preempt: bool,
        priority: i32,
    },
    /// To be given up; `sent` while that is under way.
    Resigning {
        id: u64,
        stamp: Stamp,
        tenure: Stamp,
        sent: bool,
        /// One step was not possible because something had vanished already: delete one by one.
        piecewise: bool,
        caller: Option<u64>,
    },
}

/// An entry of our session that we do not know: brought back by a discontinuity.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stray {
    pub(super) stamp: Stamp,
    pub(super) sent: bool,
}

impl State {
    /// Starts to give up the leadership `id`. False if it is not ours any more.
    pub(super) fn resign(&mut self, id: u64, by: Option<u64>) -> bool {
        match &mut self.lead {
            Lead::Leading { id: leading, stamp, tenure, .. } if *leading == id => {
                let (stamp, tenure) = (stamp.clone(), tenure.clone());
                self.lead = Lead::Resigning { id, stamp, tenure, sent: false, piecewise: false, caller: by };
                true
            }
            // It was given up for the service, which was not healthy; its holder lets go as well, and waits.
            Lead::Resigning { id: resigning, caller, .. } if *resigning == id => {
                *caller = caller.or(by);
                true
            }
            _ => false,
        }
    }

    /// Starts to withdraw our candidate.
    pub(super) fn withdraw(&mut self) {
        if let Candidate::Standing { stamp, .. } = &self.candidate {
            self.candidate = Candidate::Leaving { stamp: stamp.clone(), sent: false };
        }
    }

    pub(super) fn ask(&mut self, asked: Asked) -> u64 {
        self.next_tag += 1;
        self.asked.push((self.next_tag, asked));
        self.next_tag
    }

    pub(super) fn answered(&mut self, tag: u64) -> Option<Asked> {
        let at = self.asked.iter().position(|(other, _)| *other == tag)?;
        Some(self.asked.swap_remove(at).1)
    }

    pub(super) fn is_asked(&self, asked: &Asked) -> bool {
        self.asked.iter().any(|(_, other)| other == asked)
    }

    pub(super) fn pause(&mut self, now: Instant) {
        self.retry_at = Some(now + PAUSE);
    }
}
