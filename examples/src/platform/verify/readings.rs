//! The sensors have seen the world as it is: the last reading of each agrees with it.

use super::Check;
use super::outputs::Outputs;

/// Checks the last readings.
pub(super) fn check(outputs: &Outputs) -> Check {
    let mut problems = Vec::new();
    for sensor in &outputs.run.inputs.sensors {
        let name = &sensor.name;
        let truth = outputs.world.iter().rfind(|change| change.sensor == *name);
        let polls = outputs.polls.iter().filter(|record| record.poll.sensor == *name);
        let last = polls.max_by_key(|record| record.poll.end);
        match (truth, last) {
            (Some(truth), Some(last)) if truth.reading == last.poll.reading => {}
            (Some(truth), Some(last)) => {
                problems.push(format!(
                    "{name} was last read as {:?}, and is {:?}",
                    last.poll.reading, truth.reading
                ));
            }
            (_, None) => problems.push(format!("{name} was never read")),
            (None, _) => problems.push(format!("nothing is known about what {name} watches")),
        }
    }
    let seen = format!("{} changes in the world", outputs.world.len());
    Check::new("sensors see the world as it is", seen, problems)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::platform::records::Reading;
    use crate::platform::verify::sample::{complains, sample};

    #[test]
    fn a_sensor_that_sees_what_is_not_there_is_found() {
        let mut outputs = sample();
        outputs.polls.last_mut().unwrap().poll.reading = Reading::Open(false);
        complains(&check(&outputs), "web was last read as Open(false), and is Open(true)");
    }

    #[test]
    fn a_sensor_that_sees_nothing_is_found() {
        let mut outputs = sample();
        outputs.polls.clear();
        complains(&check(&outputs), "web was never read");
    }
}
