//! The tree says nothing about the machine that somebody worked on, and works without a certain registry or mirror.

use super::{Problem, Tree};

/// Where people and build machines keep their checkouts. Put together here, so that this file contains none of them.
const DIRECTORIES: &[&str] = &[
    concat!("/", "home", "/"),
    concat!("/", "root", "/"),
    concat!("/", "work", "/"),
    concat!("/", "workspace", "/"),
    concat!("/", "builds", "/"),
    concat!("/", "Users", "/"),
];

/// Hosts that packages come from: everybody's own configuration names theirs.
const HOSTS: &[&str] = &[
    concat!("crates", ".io"),
    concat!("static.rust", "-lang.org"),
    concat!("deb.", "debian.org"),
    concat!("archive.", "ubuntu.com"),
    concat!("py", "pi.org"),
    concat!("registry.", "npmjs"),
    concat!("registry.", "yarnpkg"),
    concat!("proxy.", "golang.org"),
    concat!("repo1.", "maven.org"),
];

/// Written by cargo, which names the source of each package.
const GENERATED: &[&str] = &["Cargo.lock"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree.files.iter().filter(|file| !GENERATED.contains(&&*file.path)) {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(directory) = DIRECTORIES.iter().find(|directory| has_absolute(line, directory)) {
                let message = format!("a path below `{directory}` exists on one machine only");
                problems.push(file.problem(number + 1, message));
            }
            if let Some(host) = HOSTS.iter().find(|host| line.contains(**host)) {
                problems.push(file.problem(number + 1, format!("names the registry host `{host}`")));
            }
        }
    }
    problems
}

/// Whether `directory` stands in `line` as the start of a path, not as a part of one such as `src/..`.
fn has_absolute(line: &str, directory: &str) -> bool {
    let inside_a_path = |c: char| c.is_alphanumeric() || "_-.~*)}]>".contains(c);
    line.match_indices(directory).any(|(at, _)| !line[..at].ends_with(inside_a_path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn paths_that_every_machine_has_pass() {
        assert_eq!(problems("a.md", "local:///var/lib/ha.db in /tmp/x and /etc/hosts"), 0);
    }

    #[test]
    fn a_checkout_or_a_home_is_reported() {
        for directory in DIRECTORIES {
            assert_eq!(problems("a.md", &format!("see {directory}x")), 1, "{directory}");
            assert_eq!(problems("a.rs", &format!("open(\"{directory}x\")")), 1, "{directory}");
            assert_eq!(problems("a.toml", &format!("url = \"file://{directory}x\"")), 1, "{directory}");
        }
    }

    #[test]
    fn the_same_name_inside_a_relative_path_passes() {
        for directory in DIRECTORIES {
            assert_eq!(
                problems("a.md", &format!("src{directory}x and ${{ROOT}}{directory}x")),
                0,
                "{directory}"
            );
        }
    }

    #[test]
    fn a_registry_host_is_reported_everywhere_but_in_the_lock_file() {
        for host in HOSTS {
            assert_eq!(problems("docs/a.md", &format!("from https://{host}/x")), 1, "{host}");
        }
        assert_eq!(problems("Cargo.lock", &format!("source = \"registry+https://{}\"", HOSTS[0])), 0);
    }
}
