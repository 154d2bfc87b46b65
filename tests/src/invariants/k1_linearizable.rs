//! K1: each entry is linearizable: get, create, update by stamp, delete by stamp.

use super::Invariant;
use super::bounds::Bounds;
use super::index::{Index, Mark, Request};
use super::linearizability::{EntryModel, EntryOperation, Timed, Verdict, check};
use super::violation::Broken;
use crate::history::{Action, Outcome};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "K1",
    sentence: "the requests on each entry could have happened one after the other, each between its call and its answer",
    guarantees: "G1, G2, G3, G14",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    let mut keys: Vec<Vec<(Mark, Timed<EntryOperation>)>> = Vec::new();
    keys.resize_with(index.requests.keys, Vec::new);
    let mut names = vec![None; keys.len()];
    for request in &index.requests.list {
        if let Some(timed) = timed(request, bounds) {
            keys[request.key].push((request.invoked, timed));
            names[request.key] = Some(request.key_name);
        }
    }
    for (key, name) in keys.into_iter().zip(names) {
        let (marks, operations): (Vec<Mark>, Vec<Timed<EntryOperation>>) = key.into_iter().unzip();
        match check(&EntryModel, &operations, bounds.search_steps) {
            Verdict::Linearizable => {}
            Verdict::Impossible { stuck_at } => {
                let message = format!(
                    "no order of the requests on {name:?} explains {:?}",
                    operations[stuck_at].operation
                );
                return Err(Broken::new(message, [marks[stuck_at]]));
            }
            Verdict::Undecided => {
                return Err(Broken::undecided(format!(
                    "whether the requests on {name:?} can be put in order was not decided in {} steps",
                    bounds.search_steps
                )));
            }
        }
    }
    Ok(())
}

/// The request as the search wants it; `None` if it had no effect and told nothing.
fn timed(request: &Request<'_>, bounds: &Bounds) -> Option<Timed<EntryOperation>> {
    let is_read = request.action == Action::Get;
    let operation = EntryOperation::new(request.action, request.outcome);
    match request.outcome {
        Outcome::Refused | Outcome::Failed => None,
        Outcome::Seen(_) if !bounds.linearizable_reads => None,
        Outcome::Unknown if is_read => None,
        Outcome::Unknown => Some(Timed::unknown(request.invoked.at, operation)),
        Outcome::Seen(_) | Outcome::Applied { .. } | Outcome::Conflict => {
            Some(Timed::new(request.invoked.at, request.answered?.at, operation))
        }
    }
}
