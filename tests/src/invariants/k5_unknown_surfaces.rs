//! K5: what is unknown is called unknown.

use std::collections::BTreeMap;

use super::Invariant;
use super::bounds::Bounds;
use super::index::{Index, Request};
use super::violation::Broken;
use crate::history::{Action, Outcome};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "K5",
    sentence: "a request that was reported as not applied has no effect, not even later, and one that was reported as applied has its effect in the reported revision",
    guarantees: "G1",
    judge,
};

fn judge(index: &Index<'_>, _: &Bounds) -> Result<(), Broken> {
    commits_match(index)?;
    // Each value is written once per key, so that it names its writer.
    let mut writers: BTreeMap<(usize, u64), Vec<&Request<'_>>> = BTreeMap::new();
    for request in &index.requests.list {
        if let Action::Create { value } | Action::Update { value, .. } = request.action {
            writers.entry((request.key, value)).or_default().push(request);
        }
    }
    for request in &index.requests.list {
        let Outcome::Seen(Some(seen)) = request.outcome else { continue };
        let Some(writers) = writers.get(&(request.key, seen.value)) else { continue };
        let denied = |writer: &&Request<'_>| matches!(writer.outcome, Outcome::Failed | Outcome::Conflict);
        if writers.iter().all(denied) {
            let writer = writers[0];
            let message = format!(
                "request {} was answered with {:?}, but its value {} was read by request {}",
                writer.op, writer.outcome, seen.value, request.op
            );
            let marks = [Some(writer.invoked), writer.answered, request.answered];
            return Err(Broken::new(message, marks.into_iter().flatten()));
        }
    }
    Ok(())
}

/// What the store's log says of the requests that it names.
fn commits_match(index: &Index<'_>) -> Result<(), Broken> {
    let mut applied: BTreeMap<u64, u64> = BTreeMap::new();
    for commit in &index.log.commits {
        let Some(request) = commit.op.and_then(|op| index.requests.find(op)) else { continue };
        applied.insert(request.op, commit.revision);
        let wrong = match request.outcome {
            Outcome::Failed | Outcome::Conflict => true,
            Outcome::Applied { revision } => revision != commit.revision,
            Outcome::Seen(_) | Outcome::Refused | Outcome::Unknown => false,
        };
        if wrong {
            let message = format!(
                "request {} was answered with {:?}, but was applied in revision {}",
                request.op, request.outcome, commit.revision
            );
            return Err(Broken::new(
                message,
                [request.invoked, commit.mark].into_iter().chain(request.answered),
            ));
        }
    }
    // A log that names no request at all cannot tell.
    if applied.is_empty() {
        return Ok(());
    }
    for request in &index.requests.list {
        if matches!(request.outcome, Outcome::Applied { .. }) && !applied.contains_key(&request.op) {
            let message = format!("request {} was reported as applied, but never was", request.op);
            return Err(Broken::new(message, [request.invoked].into_iter().chain(request.answered)));
        }
    }
    Ok(())
}
