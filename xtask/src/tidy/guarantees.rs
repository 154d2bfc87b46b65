//! A guarantee that no case checks is a wish, and a case for no guarantee is a promise that nobody can read.
//!
//! The guide marks each guarantee as `**G12**`; a case names the ones it checks in texts of their own: `"G12"`.

use std::collections::BTreeMap;

use super::{Problem, Tree};

const GUIDE: &str = "ha-core/src/guide/guarantees.md";
const CASES: &str = "tests/src/cases/";

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let checked = checked(tree);
    let Some(guide) = tree.file(GUIDE) else {
        let first = checked.values().next().into_iter();
        return first
            .map(|(path, line)| {
                let message =
                    format!("guide not written yet: cases name guarantees, and {GUIDE} does not exist");
                Problem { path: path.clone(), line: Some(*line), message }
            })
            .collect();
    };
    let mut problems = Vec::new();
    let mut promised: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, line) in guide.text.lines().enumerate() {
        for id in marked_ids(line) {
            if promised.insert(id, number + 1).is_some() {
                problems.push(
                    guide.problem(
                        number + 1,
                        format!("{id} is here a second time; give it a number of its own"),
                    ),
                );
            }
        }
    }
    if promised.is_empty() {
        problems.push(guide.problem_as_a_whole("marks no guarantee as `**G1**`"));
    }
    for (id, line) in promised.iter().filter(|(id, _)| !checked.contains_key(**id)) {
        problems.push(guide.problem(*line, format!("no case in {CASES} names {id}")));
    }
    for (id, (path, line)) in checked.iter().filter(|(id, _)| !promised.contains_key(id.as_str())) {
        let message = format!("the case names {id}, which is not in {GUIDE}");
        problems.push(Problem { path: path.clone(), line: Some(*line), message });
    }
    problems
}

/// The ids that cases name, each with one place where.
fn checked(tree: &Tree) -> BTreeMap<String, (String, usize)> {
    let mut checked = BTreeMap::new();
    for (file, source) in tree.rust(CASES) {
        for literal in source.literals().iter().filter(|literal| is_id(&literal.text)) {
            checked.entry(literal.text.clone()).or_insert_with(|| (file.path.clone(), literal.line));
        }
    }
    checked
}

/// The ids in `line` that are set in bold, with or without a full stop or colon.
fn marked_ids(line: &str) -> impl Iterator<Item = &str> {
    let bold = line.split("**").skip(1).step_by(2);
    bold.map(|text| text.trim_end_matches(['.', ':'])).filter(|text| is_id(text))
}

fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix('G').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: &str = "tests/src/cases/session.rs";

    fn messages(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_guarantee_with_a_case_passes() {
        let guide =
            "* **G1** Tokens grow, see G2's proof.\n* **G2.** A watch starts with a snapshot. **Bold** G3.\n";
        let case =
            "Case { guarantee: \"G1\" } // \"G9\"\nCase { guarantees: &[\"G2\"], why: \"G8 is another\" }";
        assert_eq!(messages(&[(GUIDE, guide), (CASE, case)]), [] as [&str; 0]);
    }

    #[test]
    fn a_guarantee_without_a_case_is_reported_where_it_is_promised() {
        let messages = messages(&[(GUIDE, "# Guide\n\n**G1** a\n**G2** b\n"), (CASE, "\"G1\"")]);
        assert_eq!(messages, [format!("{GUIDE}:4: no case in {CASES} names G2")]);
    }

    #[test]
    fn a_case_for_an_unknown_guarantee_is_reported_at_the_case() {
        let messages = messages(&[(GUIDE, "**G1** a\n"), (CASE, "\"G1\"\n\"G7\"")]);
        assert_eq!(messages, [format!("{CASE}:2: the case names G7, which is not in {GUIDE}")]);
    }

    #[test]
    fn a_number_given_twice_is_reported() {
        let messages = messages(&[(GUIDE, "**G1** a\n**G1** b\n"), (CASE, "\"G1\"")]);
        assert_eq!(messages.len(), 1);
        assert!(messages[0].contains("second time"), "{messages:?}");
    }

    #[test]
    fn a_guide_without_any_mark_is_reported() {
        assert_eq!(messages(&[(GUIDE, "G1: a\n")]).len(), 1);
    }

    #[test]
    fn a_missing_guide_is_a_problem_once_cases_name_guarantees() {
        assert_eq!(messages(&[(CASE, "fn case() {}")]), [] as [&str; 0]);
        let messages = messages(&[(CASE, "\n\"G1\"")]);
        assert_eq!(messages.len(), 1);
        assert!(
            messages[0].starts_with("tests/src/cases/session.rs:2: guide not written yet"),
            "{messages:?}"
        );
    }
}
