//! What the store says to the request under way.

use super::{Asked, Me, Outputs, PAUSE, State, answered};
use crate::coordinator::Context;
use crate::error::Error;
use crate::spi::{Committed, Conflict, Outcome};
use crate::work_set::records::Tally;

impl State {
    pub(super) fn committed(
        &mut self,
        tag: u64,
        outcome: Result<Outcome, Error>,
        context: &Context<'_>,
        out: &mut Outputs,
    ) {
        let Some((_, asked)) = self.asked.take_if(|(asked, _)| *asked == tag) else { return };
        match outcome {
            Ok(Outcome::Committed(committed)) => self.done(asked, committed, context, out),
            Ok(Outcome::Conflict(conflict)) => self.conflicted(asked, &conflict, context, out),
            Err(error) => self.failed(asked, &error, context, out),
        }
    }

    fn done(&mut self, asked: Asked, committed: Committed, context: &Context<'_>, out: &mut Outputs) {
        match asked {
            Asked::Enlist { name, record } => {
                if let Some(stamp) = committed.stamps.into_iter().next().flatten() {
                    self.me = Some(Me { name, stamp, record, tally: Tally::default(), tally_stamp: None });
                }
            }
            Asked::Add(sending) => self.added(sending, &committed, context, out),
            Asked::AddRead => self.add_read(committed, context, out),
            Asked::Look => self.looked(&committed, context, out),
            Asked::Choose => self.chosen(committed, context, out),
            Asked::Read(candidates, ids) => self.read(candidates, &ids, committed, context, out),
            Asked::Take(taking) => self.took(taking, committed, context, out),
            Asked::Settle(sending) => self.settle_done(sending, &committed, context, out),
            Asked::Autopsy(settles) => self.autopsied(settles, committed, out),
            Asked::Check(extend) => self.extended(&extend, context.now, out),
            Asked::EditRead => self.edit_read(committed, context, out),
            Asked::EditWrite(sending) => self.edited(sending, &committed),
            Asked::Rescue(step) => self.rescued(step, committed, context, out),
            Asked::Sweep(step) => self.swept(step, committed, context, out),
            Asked::Letter(id) => self.letter_read(&id, committed, out),
            Asked::LetterGone => {}
            Asked::Reconcile(step) => self.reconciled(step, committed, out),
        }
    }

    fn conflicted(&mut self, asked: Asked, conflict: &Conflict, context: &Context<'_>, out: &mut Outputs) {
        if let Some(me) = &self.me
            && conflict
                .keys
                .iter()
                .any(|key| *key.collection() == self.keys.tallies && *key.name() == me.name)
        {
            // Somebody else wrote what only this process writes. It begins again under another name.
            self.me = None;
            self.doubt_lists();
        }
        self.letters_found(conflict);
        match asked {
            Asked::Add(_) => self.add_conflicted(),
            Asked::Take(taking) => self.take_conflicted(taking.chosen, conflict, out),
            Asked::Choose => self.take_conflicted(Vec::new(), conflict, out),
            Asked::Settle(sending) => self.settle_conflicted(sending, conflict),
            Asked::Check(extend) => self.check_failed(extend, conflict, out),
            Asked::EditWrite(_) | Asked::LetterGone => {}
            Asked::Rescue(step) => self.rescue_conflicted(step, conflict),
            // Others do the same: what is left is looked at again.
            Asked::Sweep(_) => self.sweep.again(context.now),
            _ => self.retry_at = Some(context.now + PAUSE),
        }
    }

    /// The request was not applied, and never will be.
    fn failed(&mut self, asked: Asked, error: &Error, context: &Context<'_>, out: &mut Outputs) {
        tracing::debug!(work_set = %self.name, %error, "a request of a work-set failed; trying again");
        match error.until().filter(|until| *until > context.now) {
            Some(until) => self.hold_until = self.hold_until.max(Some(until)),
            None => self.retry_at = Some(context.now + PAUSE),
        }
        match asked {
            Asked::Add(sending) => self.add_failed(&sending, error, out),
            Asked::AddRead => self.fail_adds(error, |_| true, out),
            Asked::Settle(sending) => self.settle_failed(sending, error, out),
            Asked::Autopsy(settles) => self.autopsy_failed(settles, error, out),
            Asked::Check(extend) => out.push(answered(extend.caller, Err(error.duplicate()))),
            Asked::EditRead | Asked::EditWrite(_) => self.edit_failed(error, out),
            Asked::Look | Asked::Choose | Asked::Read(..) | Asked::Take(_) => {
                self.hunt.forget();
                self.refuse_impatient(error, out);
            }
            Asked::Enlist { .. } => {
                self.fail_adds(error, |_| true, out);
                self.refuse_impatient(error, out);
            }
            // Whatever it is in the way of meets it again.
            Asked::Letter(_) | Asked::LetterGone => {}
            Asked::Rescue(_) => self.rescue.begin(),
            Asked::Sweep(_) => self.sweep.again(context.now),
            Asked::Reconcile(_) => self.look_again(),
        }
    }

    /// The answer belongs to a history that is over. What is written is looked for, what was read is read again.
    pub(super) fn voided(&mut self, tag: u64) {
        match self.asked.take_if(|(asked, _)| *asked == tag).map(|(_, asked)| asked) {
            Some(Asked::Settle(sending)) => self.settle_voided(sending),
            Some(Asked::Autopsy(settles)) => self.requeue(settles),
            Some(Asked::Check(extend)) => self.extends.push_front(extend),
            _ => {}
        }
    }
}
