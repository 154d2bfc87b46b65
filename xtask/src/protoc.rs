//! Some crates can only be built where the protobuf compiler is; elsewhere they are left out, visibly.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use crate::command;
use crate::manifest::{self, Manifest};
use crate::workspace::Workspace;

/// The crates whose build runs `protoc`; one that does not exist is no error.
const CRATES: &[&str] = &["ha-backend-etcd"];

/// Whether the build of `package` runs `protoc`.
pub(crate) fn builds_with_it(package: &str) -> bool {
    CRATES.contains(&package)
}

/// `protoc` on this machine: the one that the build would use anyway, or the one that `setup` unpacked.
pub(crate) fn find(workspace: &Workspace) -> Option<PathBuf> {
    let named = std::env::var_os("PROTOC").map(PathBuf::from);
    let candidates = named.into_iter().chain([PathBuf::from("protoc"), unpacked(workspace)]);
    candidates.into_iter().find(|program| command::succeeds(Command::new(program).arg("--version")))
}

/// Where `setup` puts it.
pub(crate) fn unpacked(workspace: &Workspace) -> PathBuf {
    workspace.target().join("tools/bin/protoc")
}

/// Whether a member of the workspace cannot be built without it.
pub(crate) fn is_needed(manifests: &[Manifest]) -> bool {
    !crates_in(manifests).is_empty()
}

/// Which members and features a cargo command is to cover.
#[derive(Debug)]
pub(crate) struct Selection {
    left_out: BTreeSet<String>,
    features: Option<Vec<String>>,
    uses_protoc: bool,
}

impl Selection {
    pub(crate) fn new(manifests: &[Manifest], have_protoc: bool) -> Self {
        let crates = crates_in(manifests);
        if have_protoc || crates.is_empty() {
            return Self { left_out: BTreeSet::new(), features: None, uses_protoc: !crates.is_empty() };
        }
        let features = features_without(manifests, &crates);
        Self { left_out: crates, features: Some(features), uses_protoc: false }
    }

    pub(crate) fn uses_protoc(&self) -> bool {
        self.uses_protoc
    }

    /// A line about what is not covered, if anything is not.
    pub(crate) fn left_out(&self) -> Option<String> {
        if self.left_out.is_empty() {
            return None;
        }
        let names: Vec<&str> = self.left_out.iter().map(String::as_str).collect();
        Some(format!("left out, for want of `protoc` (Debian: protobuf-compiler): {}", names.join(", ")))
    }

    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--workspace".to_owned()];
        for name in &self.left_out {
            arguments.extend(["--exclude".to_owned(), name.clone()]);
        }
        match &self.features {
            None => arguments.push("--all-features".to_owned()),
            Some(features) if features.is_empty() => {}
            Some(features) => arguments.extend(["--features".to_owned(), features.join(",")]),
        }
        arguments
    }
}

fn crates_in(manifests: &[Manifest]) -> BTreeSet<String> {
    let names = manifests.iter().filter_map(Manifest::package_name);
    names.filter(|name| CRATES.contains(name)).map(str::to_owned).collect()
}

/// All features of the other members as `member/feature`, but those that would bring one of `crates` back.
fn features_without(manifests: &[Manifest], crates: &BTreeSet<String>) -> Vec<String> {
    let mut features: Vec<(String, Vec<String>)> = Vec::new();
    for manifest in manifests {
        let Some(package) = manifest.package_name().filter(|name| !crates.contains(*name)) else { continue };
        for (feature, value) in manifest.table("features") {
            let parts = manifest::strings(value).into_iter().map(|part| absolute(package, part)).collect();
            features.push((format!("{package}/{feature}"), parts));
        }
    }
    let mut dropped = crates.clone();
    loop {
        let before = dropped.len();
        for (feature, parts) in &features {
            let brings_one_back = |part: &String| {
                dropped.contains(part)
                    || part.split_once('/').is_some_and(|(package, _)| dropped.contains(package))
            };
            if parts.iter().any(brings_one_back) {
                dropped.insert(feature.clone());
            }
        }
        if dropped.len() == before {
            break;
        }
    }
    features.into_iter().map(|(feature, _)| feature).filter(|feature| !dropped.contains(feature)).collect()
}

/// A part of a feature's definition: a crate for `dep:crate`, `package/feature` for everything else.
fn absolute(package: &str, part: &str) -> String {
    match (part.strip_prefix("dep:"), part.contains('/')) {
        (Some(dependency), _) => dependency.to_owned(),
        (None, true) => part.replace('?', ""),
        (None, false) => format!("{package}/{part}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACADE: &str = r#"
[package]
name = "ha-toolkit"
[features]
etcd = ["dep:ha-backend-etcd"]
local = ["dep:ha-backend-local"]
tls = ["ha-backend-etcd?/tls"]
full = ["local", "etcd"]
"#;

    fn manifests(texts: &[&str]) -> Vec<Manifest> {
        texts.iter().map(|text| Manifest::parse(text)).collect()
    }

    #[test]
    fn without_protoc_the_crate_and_every_feature_that_brings_it_back_are_left_out() {
        let members = manifests(&[FACADE, "[package]\nname = \"ha-backend-etcd\"\n[features]\ntls = []"]);
        let selection = Selection::new(&members, false);
        let expected = ["--workspace", "--exclude", "ha-backend-etcd", "--features", "ha-toolkit/local"];
        assert_eq!(selection.arguments(), expected);
        assert!(selection.left_out().unwrap().ends_with("ha-backend-etcd"));
    }

    #[test]
    fn with_protoc_everything_is_covered() {
        let members = manifests(&[FACADE, "[package]\nname = \"ha-backend-etcd\""]);
        let selection = Selection::new(&members, true);
        assert_eq!(selection.arguments(), ["--workspace", "--all-features"]);
        assert!(selection.left_out().is_none() && selection.uses_protoc());
    }

    #[test]
    fn a_workspace_that_needs_no_protoc_is_covered_without_it() {
        let members = manifests(&["[package]\nname = \"ha-core\""]);
        let selection = Selection::new(&members, false);
        assert_eq!(selection.arguments(), ["--workspace", "--all-features"]);
        assert!(selection.left_out().is_none() && !selection.uses_protoc() && !is_needed(&members));
    }
}
