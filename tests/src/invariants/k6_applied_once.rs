//! K6: a request is applied at most once, however often it is sent.

use std::collections::BTreeMap;

use super::Invariant;
use super::bounds::Bounds;
use super::index::{Index, Request};
use super::violation::Broken;
use crate::history::{Action, Outcome, Version};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "K6",
    sentence: "no request is applied twice: not in the store's log, and no value is read with two different revisions",
    guarantees: "G1",
    judge,
};

fn judge(index: &Index<'_>, _: &Bounds) -> Result<(), Broken> {
    let mut commits = BTreeMap::new();
    for commit in &index.log.commits {
        let Some(op) = commit.op else { continue };
        if let Some(first) = commits.insert(op, commit.mark) {
            let message = format!("request {op} was applied twice");
            return Err(Broken::new(message, [first, commit.mark]));
        }
    }
    // Each value is written by one request per key.
    let mut written: BTreeMap<(usize, u64), (Version, &Request<'_>)> = BTreeMap::new();
    for request in &index.requests.list {
        let version = match (request.action, request.outcome) {
            (Action::Get, Outcome::Seen(Some(version))) => version,
            (Action::Create { value }, Outcome::Applied { revision }) => {
                Version::new(revision, revision, value)
            }
            (Action::Update { created, value, .. }, Outcome::Applied { revision }) => {
                Version::new(created, revision, value)
            }
            _ => continue,
        };
        let first = written.entry((request.key, version.value)).or_insert((version, request));
        if first.0 != version {
            let message = format!(
                "value {} of {:?} was written by one request and has two stamps: {:?} and {version:?}",
                version.value, request.key_name, first.0
            );
            let marks = [Some(first.1.invoked), first.1.answered, request.answered];
            return Err(Broken::new(message, marks.into_iter().flatten()));
        }
    }
    Ok(())
}
