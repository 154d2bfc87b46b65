//! Where the binaries of servers come from.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::harness::Missing;

/// A directory that is searched before all others.
const DIRECTORY: &str = "HA_TEST_TOOLS";

/// With the value `0`, nothing is found: the tests of real servers show as ignored.
const SWITCH: &str = "HA_TEST_SERVERS";

/// A program that a test starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(PathBuf);

impl Program {
    /// Finds `name`: in the directory that `HA_TEST_TOOLS` names, in `tools/bin` of the target directory, where `cargo xtask ci setup` puts
    /// it, and on the `PATH`, in this order. The machine's own comes last, so that everybody tests the same release.
    ///
    /// # Errors
    /// [`Missing`], with how to get it; always when `HA_TEST_SERVERS` is `0`.
    pub fn find(name: &str) -> Result<Self, Missing> {
        if servers_are_left_out() {
            return Err(Missing::new(format!("{name} is not looked for, since {SWITCH} is 0")));
        }
        let named = env::var_os(DIRECTORY).map(PathBuf::from);
        let unpacked = env::current_exe().ok().and_then(|program| tools_above(&program));
        let path = env::var_os("PATH").unwrap_or_default();
        let directories = named.into_iter().chain(unpacked).chain(env::split_paths(&path));
        directories.map(|directory| directory.join(name)).find(|file| file.is_file()).map(Self).ok_or_else(|| {
            Missing::new(format!(
                "{name} is not on this machine; `cargo xtask ci setup` unpacks it under target/tools, or set {DIRECTORY} to its directory"
            ))
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// Whether somebody asked for the tests that need no servers.
pub(crate) fn servers_are_left_out() -> bool {
    env::var_os(SWITCH).is_some_and(|value| value == "0")
}

/// `tools/bin` of the target directory that `program` was built in.
fn tools_above(program: &Path) -> Option<PathBuf> {
    program.ancestors().map(|directory| directory.join("tools/bin")).find(|directory| directory.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_the_machine_is_found_on_the_path() {
        assert!(Program::find("sh").unwrap().path().ends_with("sh"));
    }

    #[test]
    fn a_missing_program_is_named_with_the_way_to_get_it() {
        let missing = Program::find("no-such-server").unwrap_err().to_string();
        assert!(
            missing.starts_with("no-such-server is not on this machine; `cargo xtask ci setup`"),
            "{missing}"
        );
    }

    #[test]
    fn the_tools_of_the_target_directory_are_found_from_any_depth_of_it() {
        let target = env::temp_dir().join(format!("ha-program-{}", std::process::id()));
        let tools = target.join("tools/bin");
        std::fs::create_dir_all(&tools).unwrap();
        let found = tools_above(&target.join("debug/deps/a-test"));
        std::fs::remove_dir_all(&target).unwrap();
        assert_eq!(found, Some(tools));
    }
}
