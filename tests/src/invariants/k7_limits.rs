//! K7: what is beyond a limit is refused before it is sent.
//!
//! A history tells of the length of values only; the limits of names and of operations per transaction are cases of the suite.

use super::Invariant;
use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use crate::history::{Action, Outcome};

/// The length of a value that every backend stores.
const EVERYBODY_STORES: u64 = 64 * 1024;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "K7",
    sentence: "a value beyond the limit is refused, one within the contract's is not, and what was refused has no effect",
    guarantees: "G10, G11",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    for request in &index.requests.list {
        let refused = request.outcome == Outcome::Refused;
        let what = match request.outcome {
            Outcome::Refused if request.bytes <= EVERYBODY_STORES => {
                "which every backend stores, was refused"
            }
            Outcome::Applied { .. } | Outcome::Conflict if request.bytes > bounds.value_bytes => {
                "which is beyond the limit, was sent"
            }
            _ => "was refused and had an effect nevertheless",
        };
        let effect = if refused { effect(index, request.op) } else { None };
        if !what.starts_with("was") || effect.is_some() {
            let message = format!("request {} with a value of {} bytes, {what}", request.op, request.bytes);
            return Err(Broken::new(
                message,
                [request.invoked].into_iter().chain(request.answered).chain(effect),
            ));
        }
    }
    Ok(())
}

/// Where a refused request shows nevertheless: in the log, or by its value.
fn effect(index: &Index<'_>, op: u64) -> Option<super::index::Mark> {
    let refused = index.requests.find(op)?;
    let commit = index.log.commits.iter().find(|commit| commit.op == Some(op)).map(|commit| commit.mark);
    let (Action::Create { value } | Action::Update { value, .. }) = refused.action else { return commit };
    commit.or_else(|| {
        let mut others = index.requests.list.iter().filter(|other| other.key == refused.key);
        others.find_map(|other| match other.outcome {
            Outcome::Seen(Some(seen)) if seen.value == value => other.answered,
            _ => None,
        })
    })
}
