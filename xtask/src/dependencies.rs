//! What may stand in a dependency tree: the core knows no server, and one binary gets one TLS provider.

use std::collections::BTreeSet;

use crate::command;
use crate::failure::Failure;
use crate::stage::Verdict;
use crate::workspace::Workspace;

/// A backend's business; the core is used without any of them.
const CLIENT_LIBRARIES: &[&str] = &["etcd-client", "redis", "rusqlite", "tonic", "zookeeper-client"];

/// With both in one binary rustls cannot choose, and panics when the first configuration is built.
const TLS_PROVIDERS: &[&str] = &["aws-lc-rs", "ring"];

pub(crate) fn run(workspace: &Workspace) -> Result<Verdict, Failure> {
    // All targets: what only one platform pulls in must not hide from the others.
    let core = tree(workspace, &["--package", "ha-core", "--edges", "normal", "--target", "all"])?;
    let core = packages(&core);
    no_client_library(&core)?;

    let everything = tree(workspace, &["--workspace"])?;
    let everything = packages(&everything);
    one_tls_provider(&everything)?;
    println!("ha-core: {} packages, no client library; workspace: {} packages", core.len(), everything.len());
    Ok(Verdict::Passed)
}

fn tree(workspace: &Workspace, what: &[&str]) -> Result<String, Failure> {
    let mut cargo = workspace.cargo(["tree", "--locked", "--all-features", "--prefix", "none"]);
    command::capture(cargo.args(what))
}

/// The names in the output of `cargo tree --prefix none`: the first word of each line.
fn packages(tree: &str) -> BTreeSet<&str> {
    tree.lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| !word.starts_with('['))
        .collect()
}

fn no_client_library(core: &BTreeSet<&str>) -> Result<(), Failure> {
    if !core.contains("ha-core") {
        return Err(Failure::new("the dependency tree of ha-core does not contain ha-core; was it renamed?"));
    }
    match CLIENT_LIBRARIES.iter().find(|library| core.contains(*library)) {
        None => Ok(()),
        Some(library) => Err(Failure::new(format!(
            "ha-core depends on the client library `{library}` (`cargo tree -p ha-core -i {library}` shows how); it belongs in a backend"
        ))),
    }
}

fn one_tls_provider(workspace: &BTreeSet<&str>) -> Result<(), Failure> {
    let found: Vec<&str> = TLS_PROVIDERS.iter().copied().filter(|name| workspace.contains(name)).collect();
    if found.len() <= 1 {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the workspace pulls in {} TLS providers ({}), which panics at run time; `cargo tree -i <name>` shows who asks for each",
        found.len(),
        found.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_without_clients_passes() {
        let tree = "ha-core v0.1.0 (/x/ha-core)\nasync-trait v0.1.92 (proc-macro)\nredis-protocol v6.0.0\n";
        assert!(no_client_library(&packages(tree)).is_ok());
    }

    #[test]
    fn a_client_library_in_the_core_is_found_however_deep_it_lies() {
        let tree = "ha-core v0.1.0 (/x/ha-core)\nglue v1.0.0\nrusqlite v0.39.0 (*)\n";
        let failure = no_client_library(&packages(tree)).unwrap_err().to_string();
        assert!(failure.contains("`rusqlite`"), "{failure}");
    }

    #[test]
    fn a_tree_of_something_else_does_not_pass_for_the_core() {
        assert!(no_client_library(&packages("other v0.1.0\n")).is_err());
    }

    #[test]
    fn one_tls_provider_passes_and_two_do_not() {
        assert!(one_tls_provider(&packages("rustls v0.23.0\naws-lc-rs v1.14.0\naws-lc-sys v0.31.0")).is_ok());
        assert!(one_tls_provider(&packages("ring v0.17.14\naws-lc-rs v1.14.0")).is_err());
    }
}
