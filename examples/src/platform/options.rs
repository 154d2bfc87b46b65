//! The command line.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// The argument of the processes that the platform starts as its nodes.
pub(super) const NODE: &str = "--node";
/// The argument of those that it starts as its trackers.
pub(super) const TRACKER: &str = "--tracker";

/// What `--help` says.
pub const HELP: &str = "\
A small automation platform whose nodes are lost in front of your eyes.

Four processes, the nodes, share timers and sensors: one emits ticks, each sensor is polled by one of them.
Nodes are killed (SIGKILL), frozen (SIGSTOP), cut off from the store, asked to hand over and shut down; the
others go on. Meanwhile three trackers hash a list of files, each once; one of them is killed in the middle.
At the end the output files alone are verified. Exit code: 0 passed, 1 verification failed, 2 could not run.

Usage: platform [OPTIONS]

  --json            show events as JSON lines, then the verdict as a JSON object
  --url URL         the store: local:///folder/ha.db, etcd://127.0.0.1:2379 (build with --features etcd), or
                    zk://127.0.0.1:2181/platform (build with --features zk); default: a temporary file
  --ttl SECONDS     how long the others wait for a dead node: 0.5 to 10, default 2
  --patience SECONDS
                    how much later than usual a take-over may be, since servers of the store are lost meanwhile: 0 to 60, default 0
  --data FOLDER     where timers.json and sensors.json are; default: the shipped ones
  --output FOLDER   where to write the output files; default: a new folder for temporary files
  --verify FOLDER   run nothing: verify the output files of an earlier run
  --sabotage KIND   plant a defect, to see the verification fail:
                      open-gate     the resource ignores fencing tokens
                      skip-missed   a new leader forgets the ticks that were missed
                      ignore-loss   a node goes on polling after it has lost a sensor
  --help            show this
";

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Run the platform, then verify its output.
    Run(Options),
    /// Verify the output of an earlier run.
    Verify {
        /// Where its files are.
        folder: PathBuf,
        /// Whether to show the verdict as JSON.
        json: bool,
    },
    /// [Live](super::live) as a node that the platform has started.
    Node,
    /// [Track](super::track) as a tracker that the platform has started.
    Tracker,
    /// Show [`HELP`].
    Help,
}

/// How to run the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Whether to show events and the verdict as JSON.
    pub json: bool,
    /// Where the store is; `None` for a temporary file.
    pub url: Option<String>,
    /// How long the others wait for a dead node.
    pub ttl: Duration,
    /// How much later than usual a take-over may be: a store that loses servers of its own ends sessions late.
    pub patience: Duration,
    /// Where the input files are.
    pub data: PathBuf,
    /// Where to write the output files.
    pub output: Option<PathBuf>,
    /// The defect to plant.
    pub sabotage: Option<Sabotage>,
}

/// A defect that the verification has to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Sabotage {
    /// The resource ignores fencing tokens.
    OpenGate,
    /// A new leader forgets the ticks that were missed.
    SkipMissed,
    /// A node goes on polling after it has lost a sensor.
    IgnoreLoss,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            json: false,
            url: None,
            ttl: Duration::from_secs(2),
            patience: Duration::ZERO,
            data: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/data")),
            output: None,
            sabotage: None,
        }
    }
}

/// Parses the command line, without the name of the program.
///
/// # Errors
/// An unknown option, or a value that is missing or not acceptable.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, Failure> {
    let mut options = Options::default();
    let mut verify = None;
    let mut arguments = arguments.into_iter();
    while let Some(option) = arguments.next() {
        let mut value = || {
            let missing = || Failure::new(format!("{option} needs a value; see --help"));
            arguments.next().ok_or_else(missing)
        };
        match option.as_str() {
            "--json" => options.json = true,
            "--url" => options.url = Some(value()?),
            "--ttl" => options.ttl = seconds("--ttl", &value()?, 0.5..=10.0)?,
            "--patience" => options.patience = seconds("--patience", &value()?, 0.0..=60.0)?,
            "--data" => options.data = value()?.into(),
            "--output" => options.output = Some(value()?.into()),
            "--verify" => verify = Some(value()?.into()),
            "--sabotage" => options.sabotage = Some(sabotage(&value()?)?),
            NODE => return Ok(Command::Node),
            TRACKER => return Ok(Command::Tracker),
            "--help" | "-h" => return Ok(Command::Help),
            other => return Err(Failure::new(format!("unknown option {other:?}; see --help"))),
        }
    }
    Ok(match verify {
        Some(folder) => Command::Verify { folder, json: options.json },
        None => Command::Run(options),
    })
}

fn seconds(option: &str, text: &str, range: RangeInclusive<f64>) -> Result<Duration, Failure> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| range.contains(seconds));
    let (least, most) = range.into_inner();
    let refused =
        || Failure::new(format!("{option} {text:?}: give a number of seconds from {least} to {most}"));
    seconds.map(Duration::from_secs_f64).ok_or_else(refused)
}

fn sabotage(text: &str) -> Result<Sabotage, Failure> {
    match text {
        "open-gate" => Ok(Sabotage::OpenGate),
        "skip-missed" => Ok(Sabotage::SkipMissed),
        "ignore-loss" => Ok(Sabotage::IgnoreLoss),
        _ => Err(Failure::new(format!(
            "--sabotage {text:?}: there are open-gate, skip-missed and ignore-loss"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, Options, Sabotage, parse};
    use std::time::Duration;

    fn parse_words(words: &str) -> Result<Command, String> {
        parse(words.split_whitespace().map(str::to_owned)).map_err(|failure| failure.to_string())
    }

    #[test]
    fn without_options_the_shipped_inputs_are_used() {
        let Ok(Command::Run(options)) = parse_words("") else { panic!("not a run") };
        assert_eq!(options, Options::default());
        assert!(options.data.join("timers.json").is_file());
    }

    #[test]
    fn options_are_taken_in_any_order() {
        let Ok(Command::Run(options)) = parse_words("--sabotage open-gate --ttl 0.5 --json") else {
            panic!("not a run")
        };
        assert!(options.json);
        assert_eq!(options.ttl, Duration::from_millis(500));
        assert_eq!(options.sabotage, Some(Sabotage::OpenGate));
        let verify = Command::Verify { folder: "x".into(), json: true };
        assert_eq!(parse_words("--json --verify x"), Ok(verify));
        assert_eq!(parse_words("--ttl 1 --help"), Ok(Command::Help));
    }

    #[test]
    fn bad_options_are_refused_with_what_is_wrong() {
        for (words, problem) in [
            ("--frobnicate", "unknown option"),
            ("--ttl", "needs a value"),
            ("--ttl 0", "0.5 to 10"),
            ("--ttl NaN", "0.5 to 10"),
            ("--patience -1", "0 to 60"),
            ("--sabotage everything", "open-gate"),
        ] {
            let refused = parse_words(words).unwrap_err();
            assert!(refused.contains(problem), "{refused}");
        }
    }
}
