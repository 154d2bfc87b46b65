//! Critical sections do not overlap, and the counter that they share has lost none of them.

use super::Check;
use super::outputs::Outputs;

/// Checks the critical sections and their counter.
pub(super) fn check(outputs: &Outputs) -> Check {
    let mut problems = Vec::new();
    let sections = &outputs.sections;
    let count = u64::try_from(sections.len()).unwrap_or(u64::MAX);
    if outputs.counter != count {
        problems
            .push(format!("the counter says {}, and there were {count} critical sections", outputs.counter));
    }
    for (number, record) in (1_u64..).zip(sections) {
        if record.section.value != number {
            problems
                .push(format!("critical section {number} has set the counter to {}", record.section.value));
        }
    }
    for pair in sections.windows(2) {
        let [before, after] = pair else { continue };
        if after.section.start < before.end {
            problems.push(format!(
                "{} entered at {}, and {} left at {}",
                after.node, after.section.start, before.node, before.end
            ));
        }
        if after.token <= before.token {
            problems.push(format!("{} has token {}, after {}", after.node, after.token, before.token));
        }
    }
    for node in &outputs.run.nodes {
        if !sections.iter().any(|record| record.node == *node) {
            problems.push(format!("{node} never had its turn"));
        }
    }
    let seen = format!("{count} critical sections, counter {}", outputs.counter);
    Check::new("critical sections exclude each other", seen, problems)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::platform::verify::sample::{complains, sample};

    #[test]
    fn a_lost_update_is_found() {
        let mut outputs = sample();
        outputs.counter -= 1;
        complains(&check(&outputs), "the counter says 2, and there were 3");
        outputs.sections[2].section.value = 2;
        complains(&check(&outputs), "critical section 3 has set the counter to 2");
    }

    #[test]
    fn an_overlap_is_found() {
        let mut outputs = sample();
        outputs.sections[1].section.start = outputs.sections[0].section.start;
        complains(&check(&outputs), "b entered at");
    }

    #[test]
    fn a_token_that_does_not_grow_is_found() {
        let mut outputs = sample();
        outputs.sections[1].token = outputs.sections[0].token;
        complains(&check(&outputs), "b has token 11, after 11");
    }

    #[test]
    fn a_node_that_starves_is_found() {
        let mut outputs = sample();
        outputs.sections.pop();
        complains(&check(&outputs), "c never had its turn");
    }
}
