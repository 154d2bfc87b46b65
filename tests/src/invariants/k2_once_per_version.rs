//! K2: a condition on a version is satisfied once.

use std::collections::BTreeMap;

use super::Invariant;
use super::bounds::Bounds;
use super::index::{Index, Request};
use super::violation::Broken;
use crate::history::{Action, Outcome};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "K2",
    sentence: "no two updates of one state and no two deletions of one incarnation succeed, and each write has a revision of its own, larger than what it replaced",
    guarantees: "G1, G5, G6",
    judge,
};

fn judge(index: &Index<'_>, _: &Bounds) -> Result<(), Broken> {
    let mut replaced: BTreeMap<(usize, u64, Option<u64>), &Request<'_>> = BTreeMap::new();
    let mut revisions: BTreeMap<u64, &Request<'_>> = BTreeMap::new();
    for request in &index.requests.list {
        let Outcome::Applied { revision } = request.outcome else { continue };
        let (created, modified) = match request.action {
            Action::Update { created, modified, .. } => (created, Some(modified)),
            Action::Delete { created } => (created, None),
            Action::Create { .. } => (0, Some(0)),
            Action::Get => continue,
        };
        if revision <= created.max(modified.unwrap_or(0)) {
            let message = format!(
                "request {} was applied in revision {revision}, which is not newer than what it replaced",
                request.op
            );
            return Err(Broken::new(message, [request.invoked].into_iter().chain(request.answered)));
        }
        // What begins at nothing can begin again after a deletion; the order is K1's.
        let is_creation = matches!(request.action, Action::Create { .. });
        let twin =
            if is_creation { None } else { replaced.insert((request.key, created, modified), request) };
        let twin = twin.map(|other| (other, "replaced the same state of")).or_else(|| {
            let other = revisions.insert(revision, request).filter(|other| other.key == request.key)?;
            Some((other, "were applied in one revision to"))
        });
        if let Some((other, what)) = twin {
            let message =
                format!("requests {} and {} both {what} {:?}", other.op, request.op, request.key_name);
            return Err(Broken::new(
                message,
                [other.invoked, request.invoked].into_iter().chain(other.answered).chain(request.answered),
            ));
        }
    }
    Ok(())
}
