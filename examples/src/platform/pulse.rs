//! The machine's own pulse: how long it kept every process waiting. A bound on the platform is no bound on what it runs on.

use std::fs::File;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::clock::{Clock, Moment};
use super::failure::Failure;
use super::timeline::{Event, Timeline};

/// The file that is written at every beat, beside those that the platform writes.
const PULSE: &str = "pulse";
/// How long the heart rests between two beats.
const REST: Duration = Duration::from_millis(50);
/// What a beat may take on a machine that is merely busy.
const BEAT: Duration = Duration::from_millis(100);

/// Writes down from now on whenever a thread that does nothing but sleep and write a byte to the disk was kept from it. No node is involved, so nothing that is
/// wrong with the platform shows here.
pub(super) fn watch(folder: &Path, clock: Clock, timeline: Timeline) -> Result<(), Failure> {
    let path = folder.join(PULSE);
    let file = File::create(&path).map_err(|error| Failure::at("create", &path, error))?;
    let watching = move || {
        let mut last = clock.now();
        loop {
            thread::sleep(REST);
            beat(&file);
            let now = clock.now();
            if let Some(since) = stood_still(last, now) {
                timeline.record(Event::Stalled { since });
            }
            last = now;
        }
    };
    let started = thread::Builder::new().name("pulse".into()).spawn(watching);
    started.map(drop).map_err(|error| Failure::new(format!("cannot start a thread: {error}")))
}

/// Reaches the disk as a store does. One that cannot be written is found by what the platform writes.
fn beat(mut file: &File) {
    use std::io::{Seek as _, Write as _};
    file.rewind().and_then(|()| file.write_all(b".")).and_then(|()| file.sync_data()).ok();
}

/// Since when the machine has stood still, if two beats are so far apart.
fn stood_still(last: Moment, now: Moment) -> Option<Moment> {
    let due = last + REST;
    (now.since(due) > BEAT).then_some(due)
}

#[cfg(test)]
mod tests {
    use super::{BEAT, REST, stood_still};
    use crate::platform::clock::Moment;
    use std::time::Duration;

    #[test]
    fn a_beat_that_comes_late_tells_since_when() {
        let last = Moment::from_start(Duration::from_secs(3));
        assert_eq!(stood_still(last, last + REST + BEAT), None);
        assert_eq!(stood_still(last, last + REST * 10), Some(last + REST));
    }
}
