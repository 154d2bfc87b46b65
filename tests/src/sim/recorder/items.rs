//! What becomes of the items of a work-set, as the store has it and as their workers are told.

use super::Recorder;
use crate::history::{Event, Settlement, Stage, Verdict};
use crate::sim::cluster::Life;

impl Recorder {
    /// The store has committed a change of an item.
    pub(in super::super) fn filed(&self, item: String, session: Option<String>, stage: Stage, revision: u64) {
        self.lapse();
        let event = Event::Filed { item, session, stage, revision };
        self.push(&mut self.state(), "store", 1, event);
    }

    /// Which attempt a claim is.
    pub(in super::super) fn attempt(&self, life: &Life, grant: u64, attempt: u64) {
        if self.is_known(grant) {
            self.record(life, Event::Attempt { grant, attempt });
        }
    }

    /// The holder of a claim asks for an end of it, or for more time; the number is for [`settled`](Self::settled).
    pub(in super::super) fn settling(&self, life: &Life, grant: u64, verdict: Verdict) -> Option<u64> {
        let settlement = self.number();
        self.is_known(grant).then(|| {
            self.record(life, Event::Settling { grant, settlement, verdict });
            settlement
        })
    }

    /// The holder is answered.
    pub(in super::super) fn settled(&self, life: &Life, settlement: Option<u64>, answer: Settlement) {
        if let Some(settlement) = settlement {
            self.record(life, Event::Settled { settlement, answer });
        }
    }
}
