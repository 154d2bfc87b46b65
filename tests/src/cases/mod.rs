//! The registry: every case, by file. A backend lists none of them.

mod discontinuity;
mod election;
mod exactly_once;
mod expiry;
mod guards;
mod incarnations;
mod leadership;
mod mutex;
mod names;
mod reads;
mod sessions;
mod txn;
mod watch;

use crate::case::Case;

/// The cases of each file.
const REGISTRY: &[&[Case]] = &[
    guards::CASES,
    incarnations::CASES,
    txn::CASES,
    reads::CASES,
    names::CASES,
    sessions::CASES,
    expiry::CASES,
    watch::CASES,
    exactly_once::CASES,
    discontinuity::CASES,
    mutex::CASES,
    election::CASES,
    leadership::CASES,
];

/// All cases.
pub fn all() -> impl Iterator<Item = &'static Case> {
    REGISTRY.iter().copied().flatten()
}

/// The case called `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Case> {
    all().find(|case| case.name == name)
}
