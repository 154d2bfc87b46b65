//! Who writes a backend reads the contract and nothing else, so every method of it says what it must keep.

use super::source::{Source, bracketed};
use super::{File, Problem, Tree};

const CONTRACT: &str = "ha-core/src/spi/";
const TRAITS: &[&str] = &["Backend", "Session"];

/// The sections of a method's docs, in this order, none of them empty.
const SECTIONS: &[&str] = &["# Guarantees", "# Errors", "# Cancel safety"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for name in TRAITS {
        let mut found = false;
        for (file, source) in tree.rust(CONTRACT) {
            for body in bodies(source, name) {
                found = true;
                problems.extend(check_methods(file, source, body));
            }
        }
        if !found {
            let message =
                format!("there is no `pub trait {name}` here; if it moved, this rule has to follow it");
            problems.push(Problem { path: CONTRACT.to_owned(), line: None, message });
        }
    }
    problems
}

/// Where the bodies of `pub trait <name>` start and end.
fn bodies(source: &Source, name: &str) -> Vec<(usize, usize)> {
    let mut bodies = Vec::new();
    for behind in source.behind_word(name) {
        let before = source.code()[..behind - name.len()].split_whitespace().rev();
        if before.take(2).eq(["trait", "pub"]) {
            let rest = &source.code()[behind..];
            let start = behind + rest.find('{').unwrap_or(rest.len());
            bodies.push((start, start + bracketed(&source.code()[start..]).len()));
        }
    }
    bodies
}

fn check_methods(file: &File, source: &Source, (start, end): (usize, usize)) -> Vec<Problem> {
    let mut problems = Vec::new();
    let lines: Vec<&str> = file.text.lines().collect();
    for behind in source.behind_word("fn").into_iter().filter(|behind| (start..end).contains(behind)) {
        let line = source.line(behind);
        let docs = docs_above(&lines[..line - 1]);
        let name = source.code()[behind..].split('(').next().unwrap_or_default().trim();
        let mut from = 0;
        for section in SECTIONS {
            let found = docs[from..].iter().position(|line| line == section).map(|at| from + at);
            let Some(at) = found else {
                problems.push(
                    file.problem(
                        line,
                        format!("the docs of `{name}` have no section `{section}` in its place"),
                    ),
                );
                continue;
            };
            if docs.get(at + 1).is_none_or(|next| next.is_empty() || next.starts_with("# ")) {
                problems
                    .push(file.problem(line, format!("the section `{section}` of `{name}` says nothing")));
            }
            from = at + 1;
        }
    }
    problems
}

/// The doc lines directly above an item, its attributes passed over.
fn docs_above<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let trimmed = lines.iter().rev().map(|line| line.trim());
    let above = trimmed.take_while(|line| line.starts_with("///") || line.starts_with("#["));
    let mut docs: Vec<&str> = above.filter_map(|line| line.strip_prefix("///")).map(str::trim).collect();
    docs.reverse();
    docs
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "pub trait Session {}";

    /// A contract whose only method has these docs.
    fn messages(docs: &[&str]) -> Vec<String> {
        let docs: String = docs.iter().map(|line| format!("    /// {line}\n")).collect();
        let text = format!(
            "pub trait Backend: Send {{\n{docs}    #[must_use]\n    async fn open(&self) -> R;\n}}\n{SESSION}"
        );
        check(&Tree::of(&[("ha-core/src/spi/backend.rs", &text)]))
            .iter()
            .map(|problem| problem.message.clone())
            .collect()
    }

    #[test]
    fn a_method_with_all_sections_passes() {
        let docs = ["Opens.", "", "# Guarantees", "A.", "", "# Errors", "B.", "", "# Cancel safety", "C."];
        assert_eq!(messages(&docs), [] as [&str; 0]);
    }

    #[test]
    fn a_missing_section_is_reported() {
        let docs = ["Opens.", "# Guarantees", "A.", "# Errors", "B."];
        assert_eq!(messages(&docs), ["the docs of `open` have no section `# Cancel safety` in its place"]);
    }

    #[test]
    fn a_section_out_of_its_order_is_reported() {
        let docs = ["Opens.", "# Errors", "B.", "# Guarantees", "A.", "# Cancel safety", "C."];
        assert_eq!(messages(&docs), ["the docs of `open` have no section `# Errors` in its place"]);
    }

    #[test]
    fn an_empty_section_is_reported() {
        let docs = ["Opens.", "# Guarantees", "A.", "# Errors", "", "# Cancel safety"];
        assert_eq!(messages(&docs).len(), 2);
    }

    #[test]
    fn a_method_without_docs_lacks_every_section() {
        assert_eq!(messages(&[]).len(), SECTIONS.len());
    }

    #[test]
    fn methods_outside_the_contract_are_free() {
        let text = "pub trait Backend {}\npub trait Session {}\npub trait Other { fn a(&self); }\nfn b() {}";
        assert_eq!(check(&Tree::of(&[("ha-core/src/spi/mod.rs", text)])), []);
    }

    #[test]
    fn a_trait_that_is_gone_is_reported() {
        let problems = check(&Tree::of(&[("ha-core/src/spi/mod.rs", SESSION)]));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.contains("`pub trait Backend`"), "{}", problems[0]);
    }
}
