//! L2: fenced exclusion, unconditional: whatever clocks, pauses and the network do.

use super::Invariant;
use super::bounds::Bounds;
use super::index::{Index, Write};
use super::violation::Broken;
use crate::history::Answer;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "L2",
    sentence: "a fenced resource accepts no write with a smaller token than one that it has accepted, and a counter under the lock loses no increment",
    guarantees: "R3",
    judge,
};

fn judge(index: &Index<'_>, _: &Bounds) -> Result<(), Broken> {
    for resource in &index.sightings.resources {
        let mut counter = Counter::default();
        let mut newest: Option<&Write> = None;
        for write in &resource.writes {
            if write.answer == Answer::Accepted {
                if let Some(newest) = newest.filter(|newest| newest.token > write.token) {
                    let message = format!(
                        "resource {:?} accepted a write with token {} after one with token {}",
                        resource.name, write.token, newest.token
                    );
                    return Err(Broken::new(message, [newest.mark, write.mark]));
                }
                newest = Some(write);
            }
            if let Some(what) = counter.count(write) {
                let message = format!("counter {:?} {what}", resource.name);
                return Err(Broken::new(
                    message,
                    counter.last.map(|(_, mark)| mark).into_iter().chain([write.mark]),
                ));
            }
        }
    }
    Ok(())
}

/// Follows the increments of one counter.
#[derive(Default)]
struct Counter {
    last: Option<(u64, super::index::Mark)>,
    /// Increments since the last accepted one whose fate nobody knows: each may have counted.
    unknown: u64,
}

impl Counter {
    /// Counts one increment, and says what is wrong with it.
    fn count(&mut self, write: &Write) -> Option<String> {
        let value = write.value?;
        let before = self.last.map_or(0, |(value, _)| value);
        match write.answer {
            Answer::Refused => None,
            Answer::Unknown => {
                self.unknown += 1;
                None
            }
            Answer::Accepted if value <= before => {
                Some(format!("went from {before} to {value}: an increment is lost"))
            }
            Answer::Accepted if value > before + 1 + self.unknown => Some(format!(
                "went from {before} to {value}, which is more than the increments that may have counted"
            )),
            Answer::Accepted => {
                self.last = Some((value, write.mark));
                self.unknown = 0;
                None
            }
        }
    }
}
