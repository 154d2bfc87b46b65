use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::workspace::Workspace;

/// One step of `verify` or `ci`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    /// What it may take from a cold clone on two cores.
    pub(crate) budget: Duration,
    pub(crate) run: fn(&Workspace) -> Result<Verdict, Failure>,
}

/// How a stage ended that did not fail.
#[derive(Debug)]
pub(crate) enum Verdict {
    Passed,
    /// There was nothing to do, and why.
    Skipped(String),
}

/// The stages of a run in their order, with what became of each.
#[derive(Debug)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    stage: Stage,
    end: End,
}

#[derive(Debug)]
enum End {
    Passed(Duration),
    Skipped(Duration),
    Failed(Duration, Failure),
    NotRun,
}

pub(crate) const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// The stages with these names, in their own order; all of them when no name is given.
pub(crate) fn select(stages: &[Stage], names: &[&str]) -> Result<Vec<Stage>, Failure> {
    if let Some(unknown) = names.iter().find(|name| stages.iter().all(|stage| stage.name != **name)) {
        let known: Vec<&str> = stages.iter().map(|stage| stage.name).collect();
        return Err(Failure::new(format!("unknown stage `{unknown}`; the stages are {}", known.join(", "))));
    }
    Ok(stages.iter().filter(|stage| names.is_empty() || names.contains(&stage.name)).copied().collect())
}

/// Runs the stages until one fails.
pub(crate) fn run(workspace: &Workspace, stages: &[Stage]) -> Report {
    let mut rows: Vec<Row> = Vec::new();
    for stage in stages {
        let failed = rows.iter().any(|row| matches!(row.end, End::Failed(..)));
        let end = if failed { End::NotRun } else { run_one(workspace, stage) };
        rows.push(Row { stage: *stage, end });
    }
    Report { rows }
}

fn run_one(workspace: &Workspace, stage: &Stage) -> End {
    println!("\n== {}", stage.name);
    let start = now();
    let result = (stage.run)(workspace);
    let took = now().duration_since(start);
    let seconds = took.as_secs_f64();
    match result {
        Ok(Verdict::Passed) => {
            println!("== {} passed in {seconds:.1} s", stage.name);
            End::Passed(took)
        }
        Ok(Verdict::Skipped(why)) => {
            println!("== {} skipped: {why}", stage.name);
            End::Skipped(took)
        }
        Err(failure) => {
            println!("== {} failed after {seconds:.1} s: {failure}", stage.name);
            End::Failed(took, failure)
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a stage took is shown and decides nothing")]
fn now() -> Instant {
    Instant::now()
}

impl Report {
    pub(crate) fn total(&self) -> Duration {
        self.rows.iter().map(|row| row.end.took()).sum()
    }

    /// Minutes per stage beside their budgets, one row each.
    pub(crate) fn table(&self) -> String {
        let mut table = format!("{:<10} {:>8} {:>8}  result\n", "stage", "minutes", "budget");
        for Row { stage, end } in &self.rows {
            let over = if end.took() > stage.budget { ", over its budget" } else { "" };
            let (minutes, budget) = (in_minutes(end.took()), in_minutes(stage.budget));
            table.push_str(&format!("{:<10} {minutes:>8} {budget:>8}  {}{over}\n", stage.name, end.word()));
        }
        let budget = self.rows.iter().map(|row| row.stage.budget).sum();
        table.push_str(&format!(
            "{:<10} {:>8} {:>8}\n",
            "total",
            in_minutes(self.total()),
            in_minutes(budget)
        ));
        table
    }

    /// The failure of the stage that failed, with the command that repeats it alone.
    pub(crate) fn into_result(self, command: &str) -> Result<(), Failure> {
        for Row { stage, end } in self.rows {
            if let End::Failed(_, failure) = end {
                let name = stage.name;
                return Err(Failure::new(format!(
                    "stage `{name}` failed: {failure}\nto repeat it alone: cargo xtask {command} {name}"
                )));
            }
        }
        Ok(())
    }
}

impl End {
    fn took(&self) -> Duration {
        match self {
            Self::Passed(took) | Self::Skipped(took) | Self::Failed(took, _) => *took,
            Self::NotRun => Duration::ZERO,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Passed(_) => "passed",
            Self::Skipped(_) => "skipped",
            Self::Failed(..) => "FAILED",
            Self::NotRun => "not run",
        }
    }
}

fn in_minutes(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() / 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: &[Stage] = &[
        Stage { name: "one", budget: minutes(1), run: |_| Ok(Verdict::Passed) },
        Stage { name: "two", budget: minutes(2), run: |_| Err(Failure::new("a reason")) },
        Stage {
            name: "three",
            budget: Duration::ZERO,
            run: |_| Ok(Verdict::Skipped("nothing to do".to_owned())),
        },
    ];

    fn words(report: &Report) -> Vec<&str> {
        report.rows.iter().map(|row| row.end.word()).collect()
    }

    #[test]
    fn stages_run_in_their_own_order_whatever_the_order_of_the_names() {
        let chosen = select(STAGES, &["three", "one"]).unwrap();
        assert_eq!(chosen.iter().map(|stage| stage.name).collect::<Vec<_>>(), ["one", "three"]);
    }

    #[test]
    fn an_unknown_stage_is_refused_with_the_known_ones() {
        let failure = select(STAGES, &["four"]).unwrap_err().to_string();
        assert_eq!(failure, "unknown stage `four`; the stages are one, two, three");
    }

    #[test]
    fn nothing_runs_after_a_failure_and_the_failure_is_the_result() {
        let report = run(&Workspace::load().unwrap(), STAGES);
        assert_eq!(words(&report), ["passed", "FAILED", "not run"]);
        let failure = report.into_result("verify").unwrap_err().to_string();
        assert_eq!(failure, "stage `two` failed: a reason\nto repeat it alone: cargo xtask verify two");
    }

    #[test]
    fn a_run_without_a_failure_succeeds_and_shows_what_was_skipped() {
        let report = run(&Workspace::load().unwrap(), &[STAGES[0], STAGES[2]]);
        assert_eq!(words(&report), ["passed", "skipped"]);
        assert!(report.into_result("verify").is_ok());
    }

    #[test]
    fn a_stage_over_its_budget_is_marked() {
        let row = |name| STAGES.iter().find(|stage| stage.name == name).unwrap();
        let report = Report {
            rows: vec![
                Row { stage: *row("one"), end: End::Passed(Duration::from_secs(61)) },
                Row { stage: *row("two"), end: End::Passed(Duration::from_secs(30)) },
            ],
        };
        let table = report.table();
        let lines: Vec<&str> = table.lines().skip(1).collect();
        assert_eq!(lines[0], "one             1.0      1.0  passed, over its budget");
        assert_eq!(lines[1], "two             0.5      2.0  passed");
        assert_eq!(lines[2], "total           1.5      3.0");
    }
}
