//! The registry: every case, by file. A backend lists none of them.

mod cancellation;
mod connecting;
mod coordinator;
mod crashes;
mod discontinuity;
mod downgrade;
mod election;
mod exactly_once;
mod expiry;
mod forgetting;
mod grants;
mod guards;
mod incarnations;
mod leadership;
mod lock_all;
mod members_in_trouble;
mod membership;
mod mutex;
mod names;
mod partitions;
mod partitions_in_trouble;
mod partitions_moving;
mod probe;
mod reads;
mod rw_lock;
mod schedulers;
mod semaphore;
mod sessions;
mod sharing;
mod slots;
mod store;
mod store_doubt;
mod store_fence;
mod store_watch;
mod takeover;
mod txn;
mod views;
mod watch;
mod work_set;
mod work_set_forgetting;
mod work_set_in_trouble;
mod work_set_input;
mod work_set_settling;
mod work_set_takes;
mod work_set_waiting;

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
    connecting::CASES,
    coordinator::CASES,
    grants::CASES,
    mutex::CASES,
    rw_lock::CASES,
    downgrade::CASES,
    semaphore::CASES,
    sharing::CASES,
    schedulers::CASES,
    lock_all::CASES,
    election::CASES,
    leadership::CASES,
    takeover::CASES,
    membership::CASES,
    views::CASES,
    members_in_trouble::CASES,
    partitions::CASES,
    partitions_moving::CASES,
    partitions_in_trouble::CASES,
    cancellation::CASES,
    crashes::CASES,
    forgetting::CASES,
    store::CASES,
    store_doubt::CASES,
    store_fence::CASES,
    store_watch::CASES,
    probe::CASES,
    work_set::CASES,
    slots::CASES,
    work_set_settling::CASES,
    work_set_waiting::CASES,
    work_set_in_trouble::CASES,
    work_set_input::CASES,
    work_set_forgetting::CASES,
    work_set_takes::CASES,
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
