//! A file is one idea; one that grows beyond this has two.

use super::{Problem, Tree};

const MOST_LINES: usize = 400;

/// Files that may be longer, each with the reason why cutting it would make it worse to read.
const EXCEPTIONS: &[(&str, &str)] = &[];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    check_with(tree, EXCEPTIONS)
}

fn check_with(tree: &Tree, exceptions: &[(&str, &str)]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (file, _) in tree.rust("") {
        let lines = file.text.lines().count();
        let excepted = exceptions.iter().any(|(path, _)| *path == file.path);
        if lines > MOST_LINES && !excepted {
            problems.push(file.problem_as_a_whole(format!(
                "{lines} lines, at most {MOST_LINES}; give its second idea a file of its own"
            )));
        }
        if lines <= MOST_LINES && excepted {
            problems.push(
                file.problem_as_a_whole(format!("{lines} lines need no exception; remove it from the list")),
            );
        }
    }
    for (path, _) in exceptions.iter().filter(|(path, _)| tree.file(path).is_none()) {
        let message = "there is no such file; remove it from the list of exceptions".to_owned();
        problems.push(Problem { path: (*path).to_owned(), line: None, message });
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> String {
        "//\n".repeat(count)
    }

    #[test]
    fn a_file_of_exactly_the_limit_passes() {
        assert_eq!(check(&Tree::of(&[("a/src/lib.rs", &lines(MOST_LINES))])), []);
    }

    #[test]
    fn a_longer_file_is_reported() {
        let tree = Tree::of(&[("a/tests/memory.rs", &lines(MOST_LINES + 1)), ("a/README.md", &lines(1000))]);
        let problems = check(&tree);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].to_string().starts_with("a/tests/memory.rs: 401 lines"), "{}", problems[0]);
    }

    #[test]
    fn an_exception_covers_its_file_only() {
        let tree = Tree::of(&[("a.rs", &lines(500)), ("b.rs", &lines(500))]);
        let problems = check_with(&tree, &[("a.rs", "a table")]);
        assert_eq!(problems.iter().map(|problem| &*problem.path).collect::<Vec<_>>(), ["b.rs"]);
    }

    #[test]
    fn an_exception_that_nothing_needs_is_reported() {
        let tree = Tree::of(&[("a.rs", &lines(3))]);
        assert_eq!(check_with(&tree, &[("a.rs", "a table"), ("gone.rs", "a table")]).len(), 2);
    }
}
