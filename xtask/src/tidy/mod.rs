//! Rules of this workspace that neither rustc nor clippy knows: one file per rule, one line in [`CHECKS`].
//!
//! A rule reads text and reports [`Problem`]s; it opens no file, so its tests give it good and bad texts.

use std::fmt;
use std::fs;

use crate::failure::Failure;
use crate::stage::Verdict;
use crate::tidy::source::Source;
use crate::workspace::Workspace;

mod file_size;
mod guarantees;
mod lint_exceptions;
mod machine_names;
mod manifests;
mod select_order;
mod source;
mod spi_docs;
mod unfinished;

type Check = fn(&Tree) -> Vec<Problem>;

const CHECKS: &[(&str, Check)] = &[
    ("file size", file_size::check),
    ("manifests", manifests::check),
    ("select order", select_order::check),
    ("lint exceptions", lint_exceptions::check),
    ("unfinished work", unfinished::check),
    ("machine names", machine_names::check),
    ("guarantees", guarantees::check),
    ("docs of the contract", spi_docs::check),
];

pub(crate) fn run(workspace: &Workspace) -> Result<Verdict, Failure> {
    let tree = Tree::load(workspace)?;
    let mut count = 0;
    for (name, check) in CHECKS {
        for problem in check(&tree) {
            println!("{problem} [{name}]");
            count += 1;
        }
    }
    if count > 0 {
        return Err(Failure::new(format!("problems in the sources, listed above: {count}")));
    }
    println!("{} files, {} rules", tree.files.len(), CHECKS.len());
    Ok(Verdict::Passed)
}

/// The text files of the project.
#[derive(Debug)]
struct Tree {
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    /// Relative to the root, with `/` between the parts.
    path: String,
    text: String,
    /// For Rust files.
    source: Option<Source>,
}

impl Tree {
    fn load(workspace: &Workspace) -> Result<Self, Failure> {
        let mut files = Vec::new();
        for path in workspace.files()? {
            let bytes = fs::read(workspace.root().join(&path))
                .map_err(Failure::because(format!("read {}", path.display())))?;
            // What is not UTF-8 is no text, and no rule of ours speaks of it.
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(File::new(path.to_string_lossy().into_owned(), text));
            }
        }
        Ok(Self { files })
    }

    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Self {
        Self {
            files: files
                .iter()
                .map(|(path, text)| File::new((*path).to_owned(), (*text).to_owned()))
                .collect(),
        }
    }

    fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The Rust files below `directory` (with a `/` at its end; "" is everywhere).
    fn rust<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = (&'a File, &'a Source)> {
        let below = self.files.iter().filter(move |file| file.path.starts_with(directory));
        below.filter_map(|file| Some((file, file.source.as_ref()?)))
    }
}

impl File {
    fn new(path: String, text: String) -> Self {
        let source = path.ends_with(".rs").then(|| Source::parse(&text));
        Self { path, text, source }
    }

    fn problem(&self, line: usize, message: impl Into<String>) -> Problem {
        Problem { path: self.path.clone(), line: Some(line), message: message.into() }
    }

    fn problem_as_a_whole(&self, message: impl Into<String>) -> Problem {
        Problem { path: self.path.clone(), line: None, message: message.into() }
    }
}

/// One thing to mend, shown as `path:line: message`.
#[derive(Debug, PartialEq)]
struct Problem {
    path: String,
    line: Option<usize>,
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.message),
            None => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_shown_with_its_place() {
        let file = File::new("a/b.rs".to_owned(), String::new());
        assert_eq!(file.problem(3, "is bad").to_string(), "a/b.rs:3: is bad");
        assert_eq!(file.problem_as_a_whole("is bad").to_string(), "a/b.rs: is bad");
    }

    #[test]
    fn every_rule_is_in_the_list() {
        let tree = Tree::load(&Workspace::load().unwrap()).unwrap();
        let rules = tree.rust("xtask/src/tidy/").filter(|(_, source)| source.code().contains("fn check("));
        assert_eq!(rules.count(), CHECKS.len());
    }
}
