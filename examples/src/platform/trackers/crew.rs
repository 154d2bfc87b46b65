//! The trackers as the operator sees them: processes, and what they say.

use std::io::{BufRead as _, BufReader};
use std::process::ChildStdout;

use tokio::sync::mpsc;

use super::wire::{Errand, FromTracker, Heard, ToTracker};
use crate::platform::clock::Moment;
use crate::platform::failure::Failure;
use crate::platform::options::TRACKER;
use crate::platform::process::Process;
use crate::platform::records::FILES;
use crate::platform::site::{Site, TRACKERS};
use crate::platform::timeline::{Event, Fault, Timeline};

/// All trackers. Their processes are killed when this is dropped.
#[derive(Debug)]
pub(super) struct Crew {
    trackers: Vec<Tracker>,
    said: mpsc::UnboundedReceiver<(usize, Heard)>,
}

#[derive(Debug)]
struct Tracker {
    process: Process,
    is_ready: bool,
    has_ended: bool,
}

impl Crew {
    /// Starts the trackers, which wait until they are told to [begin](Self::begin).
    pub(super) fn start(site: &Site) -> Result<Self, Failure> {
        let (say, said) = mpsc::unbounded_channel();
        let mut trackers = Vec::new();
        for (place, name) in TRACKERS.into_iter().enumerate() {
            let (process, output) = Process::start(TRACKER)?;
            process.say(&ToTracker::Track(Box::new(errand(site, name))));
            let (timeline, say, child) = (site.timeline.clone(), say.clone(), process.clone());
            std::thread::spawn(move || {
                listen(name, output, &timeline, |heard| say.send((place, heard)).is_ok());
                child.wait();
                // Nobody may listen any more.
                say.send((place, Heard::Ended)).ok();
            });
            trackers.push(Tracker { process, is_ready: false, has_ended: false });
        }
        Ok(Self { trackers, said })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.trackers.len()
    }

    /// What is said next, and by which of them.
    pub(super) async fn hear(&mut self) -> Option<(usize, Heard)> {
        self.said.recv().await
    }

    /// Notes that one can begin.
    pub(super) fn is_ready(&mut self, tracker: usize) {
        self.trackers[tracker].is_ready = true;
    }

    /// Notes that one is gone.
    pub(super) fn has_ended(&mut self, tracker: usize) {
        self.trackers[tracker].has_ended = true;
    }

    /// Whether nobody has to be waited for any more before the others can begin.
    pub(super) fn is_complete(&self) -> bool {
        self.trackers.iter().all(|tracker| tracker.is_ready || tracker.has_ended)
    }

    /// Whether all are gone.
    pub(super) fn is_over(&self) -> bool {
        self.trackers.iter().all(|tracker| tracker.has_ended)
    }

    /// Opens the gate in front of which they all stand.
    pub(super) fn begin(&self) {
        self.trackers.iter().for_each(|tracker| tracker.process.say(&ToTracker::Begin));
    }

    /// Asks them to shut down.
    pub(super) fn end(&self) {
        self.trackers.iter().for_each(|tracker| tracker.process.say(&ToTracker::ShutDown));
    }

    /// Tells one that its step is in the book.
    pub(super) fn written(&self, tracker: usize, number: u64) {
        self.trackers[tracker].process.say(&ToTracker::Written(number));
    }

    /// Kills one; when that was.
    pub(super) fn kill(&self, site: &Site, tracker: usize) -> Moment {
        // First the note: a store that sees the death of a process gives its claims to others in no time.
        let at = site.clock.now();
        site.timeline.record(Event::Fault { node: TRACKERS[tracker].into(), fault: Fault::Killed });
        self.trackers[tracker].process.kill();
        at
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.trackers.iter().for_each(|tracker| tracker.process.kill());
    }
}

fn errand(site: &Site, name: &str) -> Errand {
    Errand {
        tracker: name.to_owned(),
        url: site.store.url(name),
        namespace: site.namespace.clone(),
        ttl: site.ttl,
        start: site.clock.beginning().since_start(),
        files: site.folder.join(FILES),
    }
}

/// Hears all that a process says, for as long as somebody wants to know. What it was saying when it was killed is lost.
fn listen(name: &str, output: ChildStdout, timeline: &Timeline, hear: impl Fn(Heard) -> bool) {
    let (mut output, mut line) = (BufReader::new(output), String::new());
    while output.read_line(&mut line).is_ok() && line.ends_with('\n') {
        let goes_on = match serde_json::from_str(&line) {
            Ok(FromTracker::Event(record)) => {
                timeline.note(&record);
                true
            }
            Ok(FromTracker::Ready) => hear(Heard::Ready),
            Ok(FromTracker::Step { number, record }) => hear(Heard::Step { number, record }),
            Err(error) => {
                let message = format!("it said what nobody understands: {error}");
                timeline.record(Event::Trouble { node: Some(name.into()), message });
                true
            }
        };
        if !goes_on {
            return;
        }
        line.clear();
    }
}
