//! Runs the benchmarks and compares what they measured with the targets that they state.
//!
//! A benchmark prints one line per figure: `figure <name> <value> <unit> target <op> <target>`, where the operator
//! is one of `<=`, `<`, `>=`, `>`. Every other line is for people.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::command;
use crate::failure::Failure;
use crate::protoc;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<(), Failure> {
    let figures = measure(workspace)?;
    println!("\n{}", table(&figures));
    if check { compare(&figures) } else { Ok(()) }
}

/// The packages with benchmarks and the features that these need. Those that need `protoc` are left out where it is missing.
const PACKAGES: &[(&str, &str)] = &[
    ("ha-conformance", "sim"),
    ("ha-backend-local", ""),
    ("ha-backend-etcd", ""),
    ("ha-backend-zk", ""),
    ("ha-backend-redis", ""),
];

/// Runs the benchmarks, shows what they print as it comes, and picks the figures out of it.
fn measure(workspace: &Workspace) -> Result<Vec<Figure>, Failure> {
    let has_protoc = protoc::find(workspace).is_some();
    let mut figures = Vec::new();
    for (package, features) in PACKAGES {
        if protoc::builds_with_it(package) && !has_protoc {
            println!("without protoc there are no figures of {package}; `cargo xtask ci setup` gets it");
            continue;
        }
        figures.extend(measure_package(workspace, package, features)?);
    }
    Ok(figures)
}

fn measure_package(workspace: &Workspace, package: &str, features: &str) -> Result<Vec<Figure>, Failure> {
    // Benchmark targets only: `cargo bench` alone would start the library's unit tests as well.
    let mut cargo = workspace.cargo(["bench", "--locked", "--package", package, "--bench", "*"]);
    cargo.args(["--features", features]);
    println!("$ {}", command::line(&cargo));
    let attempt = command::line(&cargo);
    let mut child = cargo.stdout(Stdio::piped()).spawn().map_err(Failure::because(&attempt))?;
    let mut lines = Vec::new();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line.map_err(Failure::because(&attempt))?;
            println!("{line}");
            lines.push(line);
        }
    }
    command::check(&cargo, child.wait().map_err(Failure::because(&attempt))?)?;
    lines.iter().filter_map(|line| Figure::parse(line)).collect()
}

#[derive(Debug, Clone, PartialEq)]
struct Figure {
    name: String,
    value: f64,
    unit: String,
    operator: Operator,
    target: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    AtMost,
    Below,
    AtLeast,
    Above,
}

impl Figure {
    /// The figure in a line of output; `None` for a line that is none, a failure for one that is garbled.
    fn parse(line: &str) -> Option<Result<Self, Failure>> {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.first() != Some(&"figure") {
            return None;
        }
        Some(Self::from_words(&words).ok_or_else(|| {
            Failure::new(format!(
                "not of the form `figure <name> <value> <unit> target <op> <target>`: {line}"
            ))
        }))
    }

    fn from_words(words: &[&str]) -> Option<Self> {
        let ["figure", name, value, unit, "target", operator, target] = words else { return None };
        Some(Self {
            name: (*name).to_owned(),
            value: number(value)?,
            unit: (*unit).to_owned(),
            operator: Operator::parse(operator)?,
            target: number(target)?,
        })
    }

    fn is_met(&self) -> bool {
        match self.operator {
            Operator::AtMost => self.value <= self.target,
            Operator::Below => self.value < self.target,
            Operator::AtLeast => self.value >= self.target,
            Operator::Above => self.value > self.target,
        }
    }
}

impl Operator {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "<=" => Some(Self::AtMost),
            "<" => Some(Self::Below),
            ">=" => Some(Self::AtLeast),
            ">" => Some(Self::Above),
            _ => None,
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtMost => "<=",
            Self::Below => "<",
            Self::AtLeast => ">=",
            Self::Above => ">",
        })
    }
}

/// A finite number: a comparison with NaN would be false, or worse, true in a negation.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn table(figures: &[Figure]) -> String {
    let width = figures.iter().map(|figure| figure.name.len()).max().unwrap_or(0).max("figure".len());
    let mut table = format!("{:<width$} {:>14} {:<8} {:>17}\n", "figure", "value", "unit", "target");
    for figure in figures {
        let Figure { name, value, unit, operator, target } = figure;
        let verdict = if figure.is_met() { "met" } else { "MISSED" };
        table.push_str(&format!(
            "{name:<width$} {value:>14} {unit:<8} {operator:>2} {target:>14}  {verdict}\n"
        ));
    }
    table
}

fn compare(figures: &[Figure]) -> Result<(), Failure> {
    if figures.is_empty() {
        return Err(Failure::new(
            "the benchmarks printed no figure, so there is nothing to compare with a target",
        ));
    }
    let missed: Vec<&str> =
        figures.iter().filter(|figure| !figure.is_met()).map(|figure| &*figure.name).collect();
    if missed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} of {} figures missed their target: {}",
        missed.len(),
        figures.len(),
        missed.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(line: &str) -> Figure {
        Figure::parse(line).unwrap().unwrap()
    }

    #[test]
    fn a_figure_is_met_on_the_right_side_of_its_target_only() {
        for (line, met) in [
            ("figure plan 5 ms target <= 5", true),
            ("figure plan 5.1 ms target <= 5", false),
            ("figure plan 5 ms target < 5", false),
            ("figure claims 300000 per-s target >= 3e5", true),
            ("figure claims 299999 per-s target >= 300000", false),
            ("figure claims 300000 per-s target > 300000", false),
        ] {
            assert_eq!(figure(line).is_met(), met, "{line}");
        }
    }

    #[test]
    fn other_lines_are_no_figures() {
        assert!(Figure::parse("figures below are medians").is_none());
        assert!(Figure::parse("").is_none());
    }

    #[test]
    fn a_garbled_figure_is_a_failure_and_not_dropped() {
        for line in [
            "figure plan 5 ms target <=",
            "figure plan five ms target <= 5",
            "figure plan NaN ms target <= 5",
            "figure plan 5 ms target == 5",
            "figure plan 5 ms goal <= 5",
        ] {
            assert!(Figure::parse(line).unwrap().is_err(), "{line}");
        }
    }

    #[test]
    fn a_comparison_names_the_figures_that_missed() {
        let figures = [figure("figure a 1 ms target <= 2"), figure("figure b 3 ms target <= 2")];
        assert_eq!(compare(&figures).unwrap_err().to_string(), "1 of 2 figures missed their target: b");
        assert!(compare(&figures[..1]).is_ok());
    }

    #[test]
    fn a_comparison_of_nothing_is_a_failure() {
        assert!(compare(&[]).is_err());
    }

    #[test]
    fn the_table_shows_each_figure_with_its_verdict() {
        let text =
            table(&[figure("figure lock 1.25 us target <= 2"), figure("figure claims 5 per-s target > 9")]);
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["lock", "1.25", "us", "<=", "2", "met"]);
        assert_eq!(rows[2], ["claims", "5", "per-s", ">", "9", "MISSED"]);
    }
}
