//! What is in the tree is finished; what is not is an issue, where it can be found again.

use super::{Problem, Tree};

/// Macros that stand for missing code.
const MACROS: &[&str] = &["todo", "unimplemented"];

/// A note to come back, in any file. In two parts, so that this file has none.
const NOTE: &str = concat!("FIX", "ME");

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (file, source) in tree.rust("") {
        for name in MACROS {
            for (line, _) in source.macro_calls(name) {
                problems.push(file.problem(line, format!("`{name}!` stands for code that is missing")));
            }
        }
    }
    for file in &tree.files {
        for (number, _) in file.text.lines().enumerate().filter(|(_, line)| line.contains(NOTE)) {
            problems.push(file.problem(number + 1, format!("`{NOTE}`: mend it, or open an issue")));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<Option<usize>> {
        check(&Tree::of(&[(path, text)])).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn finished_code_passes() {
        assert_eq!(
            lines("a.rs", "// a todo!() in words\nlet todo = \"todo!()\"; assert!(todo != b); todo_list!()"),
            []
        );
    }

    #[test]
    fn macros_for_missing_code_are_reported() {
        assert_eq!(lines("a.rs", "fn a() {\n    todo!()\n}"), [Some(2)]);
        assert_eq!(lines("a.rs", "std::unimplemented !(\"x\")"), [Some(1)]);
    }

    #[test]
    fn a_note_to_come_back_is_reported_in_any_file() {
        let text = format!("one\n// {NOTE} later\n");
        assert_eq!(lines("a.rs", &text), [Some(2)]);
        assert_eq!(lines("docs/a.md", &text), [Some(2)]);
    }
}
