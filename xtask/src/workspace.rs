use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::manifest::Manifest;
use crate::protoc::{self, Selection};

/// The workspace that xtask was started in.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    manifests: Vec<Manifest>,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self, Failure> {
        // Asked at run time: the binary may be older than the directory that it lies in.
        let Some(package) = std::env::var_os("CARGO_MANIFEST_DIR") else {
            return Err(Failure::new("the workspace is unknown; start this as `cargo xtask`"));
        };
        let root = Path::new(&package).parent().unwrap_or(Path::new(".")).to_path_buf();
        let root_manifest = Manifest::parse(&read(&root.join("Cargo.toml"))?);
        let mut manifests = Vec::new();
        for directory in member_directories(&root, &root_manifest)? {
            manifests.push(Manifest::parse(&read(&directory.join("Cargo.toml"))?));
        }
        Ok(Self { root, manifests })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The manifests of the members.
    pub(crate) fn manifests(&self) -> &[Manifest] {
        &self.manifests
    }

    /// Where cargo builds, and the only place that xtask writes to.
    pub(crate) fn target(&self) -> PathBuf {
        match std::env::var_os("CARGO_TARGET_DIR") {
            Some(directory) => self.root.join(directory),
            None => self.root.join("target"),
        }
    }

    /// `cargo` in the root of the workspace.
    pub(crate) fn cargo<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root).args(arguments);
        command
    }

    /// `cargo` on all members and features that can be built here, and with a lock file that it may not change.
    pub(crate) fn cargo_on_all(&self, subcommand: &[&str]) -> Result<Command, Failure> {
        let protoc = protoc::find(self);
        let selection = Selection::new(&self.manifests, protoc.is_some());
        if let Some(line) = selection.left_out() {
            if missing_is_a_failure() {
                return Err(Failure::new(line));
            }
            println!("{line}");
        }
        let mut command = self.cargo(subcommand);
        command.arg("--locked").args(selection.arguments());
        if let Some(protoc) = protoc.filter(|_| selection.uses_protoc()) {
            command.env("PROTOC", protoc);
        }
        Ok(command)
    }

    /// The files that belong to the project, relative to the root: what git tracks or would add; without git, all
    /// that is not build output.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut git = Command::new("git");
        git.current_dir(&self.root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let mut files: Vec<PathBuf> = match git.output() {
            Ok(output) if output.status.success() => {
                let names = String::from_utf8_lossy(&output.stdout).into_owned();
                names.split_terminator('\0').map(PathBuf::from).collect()
            }
            _ => {
                let mut found = Vec::new();
                walk(&self.root, Path::new(""), &mut found)?;
                found
            }
        };
        files.retain(|file| self.root.join(file).is_file());
        files.sort();
        files.dedup();
        Ok(files)
    }
}

/// Whether a missing tool or server is a failure (`HA_TEST_REQUIRE=1`) or only a line.
pub(crate) fn missing_is_a_failure() -> bool {
    std::env::var_os("HA_TEST_REQUIRE").is_some_and(|value| value == "1")
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(Failure::because(format!("read {}", path.display())))
}

fn member_directories(root: &Path, manifest: &Manifest) -> Result<Vec<PathBuf>, Failure> {
    let mut directories = Vec::new();
    for member in manifest.strings("workspace", "members") {
        let Some(prefix) = member.strip_suffix('*') else {
            directories.push(root.join(member));
            continue;
        };
        for name in names_in(root)? {
            if name.starts_with(prefix) && root.join(&name).join("Cargo.toml").is_file() {
                directories.push(root.join(name));
            }
        }
    }
    Ok(directories)
}

fn walk(root: &Path, below: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for name in names_in(&root.join(below))? {
        let path = below.join(&name);
        if root.join(&path).is_file() {
            found.push(path);
        } else if name != ".git" && !name.starts_with("target") {
            walk(root, &path, found)?;
        }
    }
    Ok(())
}

fn names_in(directory: &Path) -> Result<Vec<String>, Failure> {
    let attempt = || format!("list {}", directory.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(Failure::because(attempt()))? {
        let entry = entry.map_err(Failure::because(attempt()))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_crate_is_a_member_of_the_workspace_it_loads() {
        let workspace = Workspace::load().unwrap();
        let names: Vec<_> = workspace.manifests().iter().filter_map(Manifest::package_name).collect();
        assert!(names.contains(&"xtask") && names.contains(&"ha-core"), "{names:?}");
    }

    #[test]
    fn the_walk_without_git_finds_sources_and_no_build_output() {
        let workspace = Workspace::load().unwrap();
        let mut found = Vec::new();
        walk(workspace.root(), Path::new(""), &mut found).unwrap();
        assert!(found.contains(&PathBuf::from("xtask/src/workspace.rs")));
        assert!(!found.iter().any(|path| path.starts_with("target") || path.starts_with(".git/")));
    }
}
