//! Every package is a member and inherits what the workspace decides; nothing is excluded, so nothing is forgotten.

use super::{File, Problem, Tree};
use crate::manifest::Manifest;

/// Decided once for all packages.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let Some(root_file) = tree.file("Cargo.toml") else { return Vec::new() };
    let root = Manifest::parse(&root_file.text);
    let mut problems = Vec::new();
    if root.value("workspace", "exclude").is_some() {
        problems.push(
            root_file.problem_as_a_whole("excludes a package; make it a member, so that all checks see it"),
        );
    }
    let members = root.strings("workspace", "members");
    for file in &tree.files {
        if let Some(directory) = file.path.strip_suffix("/Cargo.toml") {
            if !members.iter().any(|member| covers(member, directory)) {
                problems.push(
                    file.problem_as_a_whole("is not in `members` of the workspace, so no check sees it"),
                );
            }
            problems.extend(check_member(file));
        }
    }
    problems
}

fn covers(member: &str, directory: &str) -> bool {
    match member.strip_suffix('*') {
        Some(prefix) => directory.strip_prefix(prefix).is_some_and(|rest| !rest.contains('/')),
        None => member == directory,
    }
}

fn check_member(file: &File) -> Vec<Problem> {
    let manifest = Manifest::parse(&file.text);
    let mut problems = Vec::new();
    if manifest.package_name().is_none() {
        problems.push(file.problem_as_a_whole("names no package"));
    }
    if manifest.value("lints", "workspace") != Some("true") {
        problems.push(file.problem_as_a_whole("does not inherit the lints; add `[lints] workspace = true`"));
    }
    for field in INHERITED {
        if !inherits(&manifest, field) {
            problems.push(
                file.problem_as_a_whole(format!(
                    "does not inherit `{field}`; write `{field}.workspace = true`"
                )),
            );
        }
    }
    problems
}

fn inherits(manifest: &Manifest, field: &str) -> bool {
    manifest.value("package", &format!("{field}.workspace")) == Some("true")
        || manifest.value("package", field).is_some_and(|value| value.replace(' ', "") == "{workspace=true}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "[workspace]\nmembers = [\"ha-core\", \"ha-backend-*\"]\n";
    const GOOD: &str = "[package]\nname = \"x\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense = { workspace = true }\npublish.workspace = true\n[lints]\nworkspace = true\n";

    fn messages(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn members_that_inherit_everything_pass() {
        let files = [("Cargo.toml", ROOT), ("ha-core/Cargo.toml", GOOD), ("ha-backend-zk/Cargo.toml", GOOD)];
        assert_eq!(messages(&files), [] as [&str; 0]);
    }

    #[test]
    fn lints_of_its_own_are_reported() {
        let own = GOOD.replace(
            "workspace = true\n[lints]\nworkspace = true",
            "workspace = true\n[lints.rust]\nx = \"warn\"",
        );
        let messages = messages(&[("Cargo.toml", ROOT), ("ha-core/Cargo.toml", &own)]);
        assert_eq!(messages.len(), 1);
        assert!(messages[0].contains("inherit the lints"), "{messages:?}");
    }

    #[test]
    fn a_version_of_its_own_is_reported() {
        let own = GOOD.replace("version.workspace = true\nedition", "version = \"2.0.0\"\nedition");
        let messages = messages(&[("Cargo.toml", ROOT), ("ha-core/Cargo.toml", &own)]);
        assert_eq!(
            messages,
            ["ha-core/Cargo.toml: does not inherit `version`; write `version.workspace = true`"]
        );
    }

    #[test]
    fn a_package_that_is_no_member_is_reported() {
        let messages = messages(&[("Cargo.toml", ROOT), ("ha-backend-zk/fuzz/Cargo.toml", GOOD)]);
        assert_eq!(messages.len(), 1);
        assert!(messages[0].contains("`members`"), "{messages:?}");
    }

    #[test]
    fn an_excluded_package_is_reported() {
        let root = format!("{ROOT}exclude = [\"fuzz\"]\n");
        assert_eq!(messages(&[("Cargo.toml", &root)]).len(), 1);
    }
}
