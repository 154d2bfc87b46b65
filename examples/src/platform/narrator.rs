//! Tells events to a reader: one line each, with the time since the start.

use std::collections::BTreeMap;
use std::time::Duration;

use super::clock::Moment;
use super::records::{SENSOR, TIMERS};
use super::timeline::{Event, EventRecord, Fault};

/// How long sensors that change hands are kept back, to be told in one line.
pub(super) const TOGETHER: Duration = Duration::from_millis(50);

/// Turns events into lines. Remembers who holds what, to say from whom and after how long somebody takes over.
#[derive(Debug)]
pub(super) struct Narrator {
    colour: bool,
    terms: BTreeMap<String, Term>,
    kept_back: Vec<Moved>,
    ending: bool,
}

/// Who holds something, or did until something happened.
#[derive(Debug)]
struct Term {
    node: String,
    over: Option<(Moment, &'static str)>,
}

/// Sensors that a node takes over together.
#[derive(Debug)]
struct Moved {
    at: Moment,
    node: String,
    sensors: Vec<String>,
    /// From whom, and how long it took at most.
    from: Option<(String, Duration)>,
}

/// How a line looks on a terminal that knows colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paint {
    Plain,
    Dim,
    Bold,
    Bad,
    Good,
}

impl Narrator {
    /// A narrator for a terminal, or for a file.
    pub(super) fn new(colour: bool) -> Self {
        Self { colour, terms: BTreeMap::new(), kept_back: Vec::new(), ending: false }
    }

    /// The lines that an event brings about.
    pub(super) fn tell(&mut self, record: &EventRecord) -> Vec<String> {
        let EventRecord { at, event } = record;
        if self.ending && matches!(event, Event::Granted { .. } | Event::Ended { .. }) {
            // Nodes that stop one after the other pass everything on; nobody has to follow that.
            return Vec::new();
        }
        if let Event::Granted { node, thing, .. } = event {
            let from = self.new_term(*at, node, thing);
            if let Some(sensor) = thing.strip_prefix(SENSOR) {
                self.keep_back(*at, node, sensor, from);
                return Vec::new();
            }
            let text = format!("leads {thing}{}", after(from.as_ref()));
            let mut lines = self.flush();
            lines.push(self.line(*at, node, &text, Paint::Good));
            return lines;
        }
        let Some((node, text, paint)) = self.describe(*at, event) else { return Vec::new() };
        let mut lines = self.flush();
        lines.push(self.line(*at, node, &text, paint));
        lines
    }

    /// The lines that were kept back.
    pub(super) fn flush(&mut self) -> Vec<String> {
        let kept_back = std::mem::take(&mut self.kept_back);
        let line = |moved: &Moved| {
            let text = format!("polls {}{}", moved.sensors.join(", "), after(moved.from.as_ref()));
            self.line(moved.at, &moved.node, &text, Paint::Dim)
        };
        kept_back.iter().map(line).collect()
    }

    fn keep_back(&mut self, at: Moment, node: &str, sensor: &str, from: Option<(String, Duration)>) {
        let whom = |from: &Option<(String, Duration)>| from.as_ref().map(|(whom, _)| whom.clone());
        let same = |moved: &&mut Moved| moved.node == node && whom(&moved.from) == whom(&from);
        if let Some(moved) = self.kept_back.iter_mut().find(same) {
            moved.sensors.push(sensor.into());
            moved.from = moved.from.take().max(from);
        } else {
            self.kept_back.push(Moved { at, node: node.into(), sensors: vec![sensor.into()], from });
        }
    }

    fn line(&self, at: Moment, node: &str, text: &str, paint: Paint) -> String {
        let line = format!("{:>7.3}  {node:<10}{text}", at.since_start().as_secs_f64());
        if self.colour { paint.apply(&line) } else { line }
    }

    fn describe<'a>(&mut self, at: Moment, event: &'a Event) -> Option<(&'a str, String, Paint)> {
        Some(match event {
            Event::Act { text } => ("", text.clone(), Paint::Bold),
            Event::Started { node } => (node, "is up".into(), Paint::Plain),
            Event::Fault { node, fault } => {
                self.end_terms_of(node, at, *fault);
                (node, fault_text(*fault).into(), if is_loss(*fault) { Paint::Bad } else { Paint::Bold })
            }
            Event::Ended { node, thing, reason, .. } => {
                self.end_term(thing, node, at, "let go");
                let timers = (thing == TIMERS).then(|| format!("no longer leads timers: {reason}"));
                (node, timers?, Paint::Plain)
            }
            Event::CatchesUp { node, ticks, oldest_late_ms, predecessor } => {
                let late = format!("{ticks}, the oldest {oldest_late_ms} ms late");
                (node, format!("emits the ticks that {predecessor} missed: {late}"), Paint::Good)
            }
            Event::Suspect { node, remaining_ms } => {
                (node, format!("cannot renew its session; valid for another {remaining_ms} ms"), Paint::Plain)
            }
            Event::Recovered { node } => (node, "renewed its session in time".into(), Paint::Plain),
            Event::SessionLost { node, reason } => {
                (node, format!("gives up all that it held: {reason}"), Paint::Bad)
            }
            Event::Reconnected { node } => (node, "has a new session".into(), Paint::Plain),
            Event::Refused { node, thing, token, highest } => {
                let text = format!("write to {thing} refused: token {token} is older than {highest}");
                (node, text, Paint::Good)
            }
            Event::Here { node } => (node, "is seen by the operator".into(), Paint::Dim),
            Event::Gone { node } => (node, "is no longer seen by the operator".into(), Paint::Dim),
            Event::Stopped { node } => (node, "is down".into(), Paint::Plain),
            Event::TrackersStart { trackers, files } => (
                "",
                format!("{trackers} trackers begin at the same instant, with {files} files"),
                Paint::Bold,
            ),
            Event::Rescued { from, files, after_ms } => {
                let text =
                    format!("{files} files are begun by others, the last {after_ms} ms after the kill");
                (from, text, Paint::Good)
            }
            Event::Hashed { files } => {
                let of = files.iter().map(|(tracker, count)| format!("{count} by {tracker}"));
                let all = files.values().sum::<u64>();
                ("", format!("{all} files are hashed: {}", of.collect::<Vec<_>>().join(", ")), Paint::Good)
            }
            Event::Trouble { node, message } => {
                (node.as_deref().unwrap_or(""), format!("trouble: {message}"), Paint::Bad)
            }
            Event::Stalled { since } => {
                ("", format!("the machine stood still for {}", span(at.since(*since))), Paint::Dim)
            }
            Event::Stopping => {
                self.ending = true;
                ("", "The run ends.".into(), Paint::Bold)
            }
            Event::Granted { .. } => return None,
        })
    }

    /// Notes a new holder. From whom it takes over, and after how long.
    fn new_term(&mut self, at: Moment, node: &str, thing: &str) -> Option<(String, Duration)> {
        let old = self.terms.insert(thing.into(), Term { node: node.into(), over: None })?;
        let (since, how) = old.over?;
        Some((format!("{} {how}", old.node), at.since(since)))
    }

    fn end_term(&mut self, thing: &str, node: &str, at: Moment, how: &'static str) {
        if let Some(term) = self.terms.get_mut(thing).filter(|term| term.node == node) {
            term.over.get_or_insert((at, how));
        }
    }

    fn end_terms_of(&mut self, node: &str, at: Moment, fault: Fault) {
        let how = match fault {
            Fault::Killed => "was killed",
            Fault::Frozen => "was frozen",
            Fault::CutOff => "was cut off",
            Fault::ShutsDown => "was told to stop",
            Fault::HandsOver => {
                return self.end_term(TIMERS, node, at, "was asked to hand over");
            }
            Fault::Resumed | Fault::Healed | Fault::Restarted => return,
        };
        for term in self.terms.values_mut().filter(|term| term.node == node) {
            term.over.get_or_insert((at, how));
        }
    }
}

impl Paint {
    fn apply(self, line: &str) -> String {
        let code = match self {
            Self::Plain => return line.to_owned(),
            Self::Dim => 2,
            Self::Bold => 1,
            Self::Bad => 31,
            Self::Good => 32,
        };
        format!("\u{1b}[{code}m{line}\u{1b}[0m")
    }
}

/// How a line goes on that tells of a take-over.
fn after(from: Option<&(String, Duration)>) -> String {
    from.map(|(whom, after)| format!(", {} after {whom}", span(*after))).unwrap_or_default()
}

/// A duration as a reader likes it.
pub(super) fn span(duration: Duration) -> String {
    if duration >= Duration::from_secs(1) {
        format!("{:.2} s", duration.as_secs_f64())
    } else {
        format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
    }
}

fn is_loss(fault: Fault) -> bool {
    matches!(fault, Fault::Killed | Fault::Frozen | Fault::CutOff)
}

fn fault_text(fault: Fault) -> &'static str {
    match fault {
        Fault::Killed => "KILLED (SIGKILL): it has no chance to say good-bye",
        Fault::Frozen => "FROZEN (SIGSTOP): nothing of it runs, and it does not know",
        Fault::Resumed => "goes on (SIGCONT), as if nothing had happened",
        Fault::CutOff => "CUT OFF from the store; its work goes on",
        Fault::Healed => "reaches the store again",
        Fault::HandsOver => "is asked to hand over the timers",
        Fault::ShutsDown => "is asked to shut down",
        Fault::Restarted => "is started again, under the same name",
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, EventRecord, Fault, Moment, Narrator};
    use std::time::Duration;

    fn tell(narrator: &mut Narrator, millis: u64, event: Event) -> Vec<String> {
        let at = Moment::from_start(Duration::from_millis(millis));
        narrator.tell(&EventRecord { at, event })
    }

    fn granted(node: &str, thing: &str) -> Event {
        Event::Granted { node: node.into(), thing: thing.into(), token: 1 }
    }

    fn ended(node: &str, thing: &str) -> Event {
        let reason = "handed over".into();
        Event::Ended { node: node.into(), thing: thing.into(), token: 1, reason }
    }

    #[test]
    fn a_line_says_who_takes_over_from_whom_and_after_how_long() {
        let mut narrator = Narrator::new(false);
        assert_eq!(tell(&mut narrator, 5, granted("a", "timers")), ["  0.005  a         leads timers"]);
        tell(&mut narrator, 1_000, Event::Fault { node: "a".into(), fault: Fault::Killed });
        let lines = tell(&mut narrator, 2_990, granted("b", "timers"));
        assert_eq!(lines, ["  2.990  b         leads timers, 1.99 s after a was killed"]);
        tell(&mut narrator, 4_000, ended("b", "timers"));
        let lines = tell(&mut narrator, 4_002, granted("c", "timers"));
        assert_eq!(lines, ["  4.002  c         leads timers, 2.0 ms after b let go"]);
    }

    #[test]
    fn sensors_that_move_together_share_a_line_before_what_comes_next() {
        let mut narrator = Narrator::new(false);
        for sensor in ["sensor/x", "sensor/y", "sensor/z"] {
            assert_eq!(tell(&mut narrator, 5, granted("a", sensor)), [""; 0]);
        }
        assert_eq!(narrator.flush(), ["  0.005  a         polls x, y, z"]);
        tell(&mut narrator, 1_000, Event::Fault { node: "a".into(), fault: Fault::Frozen });
        for (millis, node, sensor) in [(2_900, "b", "x"), (2_901, "c", "y"), (2_910, "b", "z")] {
            tell(&mut narrator, millis, granted(node, &format!("sensor/{sensor}")));
        }
        let lines = tell(&mut narrator, 3_000, Event::Stopping);
        assert_eq!(
            lines,
            [
                "  2.900  b         polls x, z, 1.91 s after a was frozen",
                "  2.901  c         polls y, 1.90 s after a was frozen",
                "  3.000            The run ends.",
            ]
        );
        assert_eq!(tell(&mut narrator, 3_001, granted("c", "timers")), [""; 0]);
    }

    #[test]
    fn colour_is_for_terminals() {
        let event = || Event::Fault { node: "a".into(), fault: Fault::Frozen };
        assert!(!tell(&mut Narrator::new(false), 0, event())[0].contains('\u{1b}'));
        assert!(tell(&mut Narrator::new(true), 0, event())[0].starts_with("\u{1b}[31m"));
    }
}
