//! What the store shows of the own record and of the own acknowledgement.

use super::advance::granted;
use super::{Delivery, Outputs, Own, Owner};
use crate::coordinator::Output;
use crate::partition::records::Assigned;
use crate::spi::{Entry, Revision};
use crate::zoo::{Bug, planted};

impl Owner {
    /// Takes what the watch shows of the record.
    pub(super) fn read_view(&mut self, out: &mut Outputs) {
        let Some(life) = self.life.as_ref().filter(|_| self.view.is_known()) else { return };
        let entry = self.view.get(&self.keys.assigned.key(life.key().name().clone())).cloned();
        self.found(entry.as_ref(), self.view.revision(), out);
    }

    /// Looks again when the watch does not show the acknowledgement any more: an administrator deleted it, and nobody is assigned anything without one.
    pub(super) fn read_ack_view(&mut self) {
        let Own::There(_, stamp) = &self.own else { return };
        let gone =
            self.ack_view.get(stamp.key()).is_none_or(|entry| !entry.stamp().is_same_incarnation(stamp));
        let newer = self.ack_view.is_known() && self.ack_view.revision() >= stamp.modified();
        self.look_again |= newer && gone && !planted(Bug::DeletedAckUnseen);
    }

    /// Takes the record as it was at `reached`, unless that is older than what was seen.
    pub(super) fn found(&mut self, entry: Option<&Entry>, reached: Revision, out: &mut Outputs) {
        let Some(mid) = self.life.as_ref().map(|life| life.key().name()) else { return };
        let seen =
            self.seen.as_ref().filter(|(of, _)| of == mid).map_or(Revision::default(), |(_, seen)| *seen);
        let written = entry.map_or(reached, |entry| entry.stamp().modified());
        if written < seen {
            return;
        }
        match entry.map(Assigned::decode).transpose() {
            Ok(None) if !self.renew && self.record.seq > 0 => self.lose_record(),
            Ok(record) => {
                self.seen = entry.map(|_| (mid.clone(), written)).or(self.seen.take());
                self.take(record.unwrap_or_default(), out);
            }
            Err(error) => out.push(Output::Deliver(Delivery::Corrupt(error))),
        }
    }

    /// An administrator deleted the record: others may be given all that it granted. None of that may go on, or be started by an older record that is shown late, and a new grant is asked for.
    fn lose_record(&mut self) {
        for granted in std::mem::take(&mut self.record.granted) {
            self.void.extend(granted.set.into_iter().map(|partition| (partition, granted.token)));
        }
        self.record.revoked.clear();
        self.rested.clear();
        self.compare = true;
    }

    fn take(&mut self, record: Assigned, out: &mut Outputs) {
        if record.seq < self.record.seq && !self.renew {
            return;
        }
        self.known = true;
        if std::mem::take(&mut self.renew) {
            // What was granted in the history that is over, and is not run, could be older than what somebody else was granted since.
            let running = |partition: &u32, token: u64| {
                self.running.get(partition).is_some_and(|run| run.token == token)
            };
            let grants =
                record.granted.iter().flat_map(|granted| granted.set.iter().map(|at| (*at, granted.token)));
            self.void = grants.filter(|(partition, token)| !running(partition, *token)).collect();
        }
        if record.standby != self.standby {
            self.standby.clone_from(&record.standby);
            out.push(Output::Deliver(Delivery::Standby(record.standby.clone())));
        }
        self.record = record;
        let record = &self.record;
        let still = |partition: &u32, token: &mut u64| granted(record, *partition) == Some(*token);
        self.void.retain(still);
        self.rested.retain(still);
    }
}
