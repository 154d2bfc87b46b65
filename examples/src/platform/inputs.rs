//! What the platform is asked to do: the timers and sensors of the input files.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// The shortest and the longest interval, in milliseconds: below, a run does nothing but write; above, too little happens
/// between two losses to show anything.
const INTERVALS: std::ops::RangeInclusive<u64> = 50..=2_000;

/// The contents of the input files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inputs {
    /// From `timers.json`.
    pub(super) timers: Vec<Timer>,
    /// From `sensors.json`.
    pub(super) sensors: Vec<Sensor>,
}

/// Something that happens at fixed times, counted from the start of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timer {
    pub(super) name: String,
    every_ms: u64,
}

/// Something in the world that has to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sensor {
    pub(super) name: String,
    every_ms: u64,
    pub(super) watch: Watched,
}

/// What a sensor looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Watched {
    /// A file that grows, by its name.
    File(String),
    /// A TCP port of this machine that is sometimes open.
    Port,
}

impl Inputs {
    /// Reads `timers.json` and `sensors.json` in `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let inputs = Self {
            timers: parse(&folder.join("timers.json"))?,
            sensors: parse(&folder.join("sensors.json"))?,
        };
        inputs.check().map_err(|problem| Failure::at("use the input files in", folder, problem))?;
        Ok(inputs)
    }

    fn check(&self) -> Result<(), String> {
        let timers = self.timers.iter().map(|timer| (&timer.name, timer.every_ms));
        check_list("timer", timers)?;
        let sensors = self.sensors.iter().map(|sensor| (&sensor.name, sensor.every_ms));
        check_list("sensor", sensors)?;
        let mut files = BTreeSet::new();
        for sensor in &self.sensors {
            if let Watched::File(file) = &sensor.watch {
                if !files.insert(file) {
                    return Err(format!("{file:?} is watched by two sensors"));
                }
                let plain = Path::new(file).file_name().is_some_and(|name| name == file.as_str());
                if !plain {
                    return Err(format!(
                        "sensor {:?} watches {file:?}; give the name of a file, without a folder",
                        sensor.name
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Timer {
    /// The time between two ticks.
    pub(super) fn interval(&self) -> Duration {
        Duration::from_millis(self.every_ms)
    }
}

impl Sensor {
    /// The time between two polls.
    pub(super) fn interval(&self) -> Duration {
        Duration::from_millis(self.every_ms)
    }
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::at("read", path, error))?;
    serde_json::from_str(&text).map_err(|error| Failure::at("read", path, error))
}

fn check_list<'a>(what: &str, list: impl Iterator<Item = (&'a String, u64)>) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for (name, every_ms) in list {
        if name.is_empty() || name.len() > 100 {
            return Err(format!("{what} {name:?} needs a name of 1 to 100 bytes"));
        }
        if !INTERVALS.contains(&every_ms) {
            return Err(format!("{what} {name:?}: every_ms is {every_ms}; allowed are {INTERVALS:?}"));
        }
        if !names.insert(name) {
            return Err(format!("{what} {name:?} is there twice"));
        }
    }
    if names.is_empty() { Err(format!("there is no {what}")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::Inputs;
    use std::path::Path;

    fn check(timers: &str, sensors: &str) -> Result<(), String> {
        let inputs = Inputs {
            timers: serde_json::from_str(timers).map_err(|error| error.to_string())?,
            sensors: serde_json::from_str(sensors).map_err(|error| error.to_string())?,
        };
        inputs.check()
    }

    const TIMERS: &str = r#"[{"name":"a","every_ms":100}]"#;
    const SENSORS: &str = r#"[{"name":"b","every_ms":100,"watch":{"file":"b.log"}}]"#;

    #[test]
    fn the_shipped_files_are_accepted() {
        let inputs = Inputs::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data")).unwrap();
        assert!(inputs.timers.len() >= 3 && inputs.sensors.len() >= 4);
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_its_name() {
        assert_eq!(check(TIMERS, SENSORS), Ok(()));
        for (timers, sensors, problem) in [
            ("[]", SENSORS, "no timer"),
            (r#"[{"name":"a","every_ms":0}]"#, SENSORS, "every_ms is 0"),
            (r#"[{"name":"a","every_ms":99},{"name":"a","every_ms":99}]"#, SENSORS, "twice"),
            (r#"[{"name":"","every_ms":99}]"#, SENSORS, "needs a name"),
            (r#"[{"name":"a","every":99}]"#, SENSORS, "unknown field"),
            (TIMERS, r#"[{"name":"b","every_ms":99,"watch":{"file":"../b"}}]"#, "without a folder"),
            (TIMERS, r#"[{"name":"b","every_ms":99,"watch":{"file":".."}}]"#, "without a folder"),
            (TIMERS, r#"[{"name":"b","every_ms":99,"watch":"moon"}]"#, "unknown variant"),
            (
                TIMERS,
                r#"[{"name":"b","every_ms":99,"watch":{"file":"x"}},{"name":"c","every_ms":99,"watch":{"file":"x"}}]"#,
                "two sensors",
            ),
        ] {
            let refused = check(timers, sensors).unwrap_err();
            assert!(refused.contains(problem), "{refused}");
        }
    }
}
