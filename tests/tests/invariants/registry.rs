//! The registry is complete, documented, and tested case by case.

use ha_conformance::invariants::ALL;

use crate::{
    Table, balance, claiming, contract, effects, electing, election, fenced, files, ghosts, items, lock,
    members, owning, queue, sessions, settling, shared, slots, views, watch,
};

/// The tables of all checkers.
const TABLES: &[&[&Table]] = &[
    files::TABLES,
    lock::TABLES,
    queue::TABLES,
    fenced::TABLES,
    ghosts::TABLES,
    election::TABLES,
    electing::TABLES,
    watch::TABLES,
    contract::TABLES,
    effects::TABLES,
    sessions::TABLES,
    shared::TABLES,
    owning::TABLES,
    balance::TABLES,
    settling::TABLES,
    items::TABLES,
    claiming::TABLES,
    slots::TABLES,
    views::TABLES,
    members::TABLES,
];

#[test]
fn every_checker_has_good_and_bad_histories() {
    let mut tested: Vec<&str> =
        TABLES.iter().flat_map(|tables| tables.iter().map(|table| table.id)).collect();
    let mut known: Vec<&str> = ALL.iter().map(|invariant| invariant.id).collect();
    tested.sort_unstable();
    known.sort_unstable();
    assert_eq!(tested, known);
}

#[test]
fn the_table_in_the_docs_says_what_the_registry_says() {
    let docs = include_str!("../../src/invariants/mod.rs");
    for invariant in ALL {
        let row = format!("//! | {} | {} | {} |", invariant.id, invariant.sentence, invariant.guarantees);
        assert!(docs.lines().any(|line| line == row), "the docs lack this row:\n{row}");
    }
    assert_eq!(docs.lines().filter(|line| line.starts_with("//! | ")).count(), ALL.len() + 1);
}
