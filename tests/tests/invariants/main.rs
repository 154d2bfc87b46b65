//! Tests of the checkers: each accepts what is legal, however odd, and rejects what is not, under its own name.

mod balance;
mod claiming;
mod contract;
mod dsl;
mod effects;
mod electing;
mod election;
mod fenced;
mod files;
mod ghosts;
mod items;
mod lock;
mod members;
mod owning;
mod queue;
mod registry;
mod search;
mod sessions;
mod settling;
mod shared;
mod slots;
mod views;
mod watch;

use std::time::Duration;

use ha_conformance::history::History;
use ha_conformance::invariants::{ALL, Bounds, Invariant, check_all};

/// A name, and a history in the words of [`dsl`].
type Case = (&'static str, &'static str);

/// The cases of one checker.
pub(crate) struct Table {
    /// Whose.
    pub(crate) id: &'static str,
    /// What it must accept, and all other checkers as well.
    pub(crate) good: &'static [Case],
    /// What it must reject.
    pub(crate) bad: &'static [Case],
}

/// The bounds of all cases: a ttl of 1 s, so that a second of slack, and 5 s for recovery; what is done is remembered for 10 s.
pub(crate) fn bounds() -> Bounds {
    let mut bounds = Bounds::new(Duration::from_secs(1));
    bounds.retention = 10_000_000_000;
    bounds
}

fn invariant(id: &str) -> &'static Invariant {
    ALL.iter().find(|invariant| invariant.id == id).unwrap_or_else(|| panic!("no invariant {id}"))
}

/// Judges every case of a table.
pub(crate) fn judge(table: &Table) {
    let bounds = bounds();
    for (name, text) in table.good {
        let history = dsl::history(text);
        if let Err(violations) = check_all(&history, &bounds) {
            panic!("{}: {name:?} is legal, but: {}", table.id, violations[0]);
        }
    }
    for (name, text) in table.bad {
        let history = dsl::history(text);
        is_well_formed(table, name, &history);
        let Err(violation) = invariant(table.id).check(&history, &bounds) else {
            panic!("{}: {name:?} passed", table.id);
        };
        assert_eq!(violation.id, table.id);
        assert!(violation.to_string().starts_with(&format!("{}: ", table.id)), "{violation}");
        assert!(!violation.undecided && !violation.records.is_empty(), "{name:?} is not proven: {violation}");
    }
    assert!(table.good.len() >= 10, "{}: {} good histories", table.id, table.good.len());
    assert!(table.bad.len() >= 10, "{}: {} bad histories", table.id, table.bad.len());
}

/// A history that contradicts itself in form proves nothing about the checker.
fn is_well_formed(table: &Table, name: &str, history: &History) {
    if table.id != "H1"
        && let Err(flaw) = invariant("H1").check(history, &bounds())
    {
        panic!("{}: {name:?} is no history: {flaw}", table.id);
    }
}
