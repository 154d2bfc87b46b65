//! How claims end, and what their items are afterwards.

use bytes::Bytes;

use super::adding::millis_of;
use super::settling::Settle;
use crate::work_set::records::{Record, Stage};

/// How a claim is to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::work_set) enum Verdict {
    /// It is done, with this result.
    Complete(Bytes),
    /// It failed for this reason: later again, or too often.
    Fail(String),
    /// It failed for this reason, and would again.
    Bury(String),
    /// Somebody else may have it.
    Release,
    /// It was not settled in time.
    Overdue,
}

impl Verdict {
    /// What the item is afterwards.
    pub(super) fn apply<'a>(
        &'a self,
        before: &'a Record,
        token: u64,
        settle: &Settle,
        now: u64,
    ) -> Record<&'a [u8]> {
        let retry = settle.policy.retry;
        let before = before.borrowed();
        match self {
            Self::Complete(result) => {
                Record { stage: Stage::Done { at: now, token }, payload: result, ..before }
            }
            Self::Fail(reason) => {
                let failures = before.failures.saturating_add(1);
                let wait = retry.wait(settle.id.as_str(), failures);
                let stage = match failures >= retry.max_failures.max(1) {
                    true => Stage::Dead { at: now },
                    false => {
                        Stage::Ready { due: now.saturating_add(millis_of(wait)).clamp(1, Record::DUE_MAX) }
                    }
                };
                Record { stage, failures, reason: reason.clone(), ..before }
            }
            Self::Bury(reason) => Record { stage: Stage::Dead { at: now }, reason: reason.clone(), ..before },
            Self::Release => Record { stage: Stage::Ready { due: 0 }, ..before },
            Self::Overdue => before.abandoned(retry.max_abandons, now, "its claims were not settled in time"),
        }
    }
}
