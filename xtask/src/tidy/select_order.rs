//! In the core a `select!` polls its branches in the order they are written, because a random order cannot be replayed.

use super::{Problem, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (file, source) in tree.rust("ha-core/") {
        for (line, body) in source.macro_calls("select") {
            let body: String = body.split_whitespace().collect();
            if !body.starts_with("biased;") {
                problems.push(file.problem(line, "`select!` picks at random; start it with `biased;`"));
            }
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
    fn a_biased_select_passes() {
        let text = "tokio::select! {\n    biased;\n    () = a => {}\n}\nselect! { biased ; x = y => {} }";
        assert_eq!(lines("ha-core/src/a.rs", text), []);
    }

    #[test]
    fn a_select_that_picks_at_random_is_reported() {
        assert_eq!(lines("ha-core/src/a.rs", "\ntokio::select! { () = a => {} }"), [Some(2)]);
        assert_eq!(lines("ha-core/src/a.rs", "select!(x = biased => {})"), [Some(1)]);
    }

    #[test]
    fn a_comment_does_not_make_it_biased() {
        assert_eq!(lines("ha-core/src/a.rs", "select! { // biased;\n x = y => {} }"), [Some(1)]);
    }

    #[test]
    fn other_crates_and_other_macros_are_free() {
        assert_eq!(lines("examples/src/a.rs", "select! { x = y => {} }"), []);
        assert_eq!(
            lines("ha-core/src/a.rs", "// select! {}\nlet select = 1; select != 2; my_select! {}"),
            []
        );
    }
}
