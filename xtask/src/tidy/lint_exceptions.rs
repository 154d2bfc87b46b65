//! An exception to a lint is expected, with a reason: one that nothing needs any more is then an error by itself.

use super::source::{behind_word, bracketed};
use super::{Problem, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (file, source) in tree.rust("") {
        let code = source.code();
        for (start, _) in code.match_indices('#') {
            let behind = code[start + 1..].trim_start();
            let bracket = behind.strip_prefix('!').unwrap_or(behind).trim_start();
            if !bracket.starts_with('[') {
                continue;
            }
            let attribute = bracketed(bracket);
            if calls(attribute, "allow").next().is_some() {
                let message = "an `allow` outlives its need; write `expect(.., reason = \"..\")`";
                problems.push(file.problem(source.line(start), message));
            }
            if calls(attribute, "expect").any(|arguments| behind_word(arguments, "reason").is_empty()) {
                problems.push(file.problem(source.line(start), "an `expect` without a `reason`"));
            }
        }
    }
    problems
}

/// The arguments of each `name(..)` in `attribute`.
fn calls<'a>(attribute: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let behind = behind_word(attribute, name).into_iter().map(|at| attribute[at..].trim_start());
    behind.filter(|rest| rest.starts_with('(')).map(bracketed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Option<usize>> {
        check(&Tree::of(&[("a/src/lib.rs", text)])).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn an_expectation_with_a_reason_passes() {
        assert_eq!(
            lines("#![expect(clippy::print_stdout, reason = \"a tool\")]\n#[must_use]\nfn a() {}"),
            []
        );
        assert_eq!(lines("#[cfg_attr(test, expect(dead_code, reason = \"x (y)\"))]"), []);
    }

    #[test]
    fn an_allowance_is_reported_wherever_it_stands() {
        assert_eq!(lines("\n#[allow(dead_code)]"), [Some(2)]);
        assert_eq!(lines("#![allow(dead_code, reason = \"r\")]"), [Some(1)]);
        assert_eq!(lines("#[cfg_attr(test, allow(dead_code))]"), [Some(1)]);
        assert_eq!(lines("#[\n    allow(\n        dead_code\n    )\n]"), [Some(1)]);
    }

    #[test]
    fn an_expectation_without_a_reason_is_reported() {
        assert_eq!(lines("#[expect(dead_code)]"), [Some(1)]);
        assert_eq!(lines("#[cfg_attr(x, expect(a, reason = \"r\"), expect(b))]"), [Some(1)]);
    }

    #[test]
    fn calls_texts_and_comments_are_no_attributes() {
        assert_eq!(lines("// #[allow(x)]\nlet a = \"#[allow(x)]\"; b.expect(\"c\"); [allow(1)];"), []);
    }
}
