//! Who waits, and what is granted meanwhile.

use super::super::index::{Call, Index, Thing};

/// The grants between two instants, without these.
pub(in super::super) fn granted_between<'i>(
    index: &Index<'_>,
    thing: &'i Thing<'_>,
    from: u64,
    to: u64,
) -> &'i [usize] {
    let granted = |number: &usize| index.holding.grants[*number].granted.at;
    let first = thing.grants.partition_point(|number| granted(number) <= from);
    let behind = thing.grants.partition_point(|number| granted(number) < to);
    thing.grants.get(first..behind).unwrap_or_default()
}

/// From when on the process of `call` waited for nobody but this caller, in its present session.
pub(in super::super) fn queued_from(index: &Index<'_>, thing: &Thing<'_>, call: &Call) -> u64 {
    let calls = thing.calls.iter().map(|number| &index.holding.calls[*number]);
    let elder = calls
        .take_while(|other| other.asked.record < call.asked.record)
        .filter(|other| other.process == call.process)
        .map(|other| other.concerned_until.min(call.until))
        .max();
    let sessions = index.log.sessions.iter().filter_map(|session| session.opened);
    let opened = sessions
        .filter(|(process, mark, _)| *process == call.process && mark.at < call.until)
        .map(|(_, mark, _)| mark.at)
        .max();
    call.asked.at.max(elder.unwrap_or(0)).max(opened.unwrap_or(0))
}
