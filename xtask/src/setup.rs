//! Gets what `ci` needs and Rust does not bring: Debian packages, unpacked under the target directory.
//!
//! Nothing is installed, no service is started and no right is needed; `rm -r target/tools` undoes all of it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::failure::Failure;
use crate::protoc;
use crate::stage::Verdict;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> Result<Verdict, Failure> {
    if !protoc::is_needed(workspace.manifests()) {
        return Ok(Verdict::Skipped("nothing to set up".to_owned()));
    }
    if let Some(found) = protoc::find(workspace) {
        return Ok(Verdict::Skipped(format!("protoc is here: {}", found.display())));
    }
    let tools = workspace.target().join("tools");
    let root = unpack(&tools, "protobuf-compiler", &["libproto"]).map_err(Failure::because(
        "unpack protoc (or install it by hand: Debian's protobuf-compiler, or set PROTOC)",
    ))?;
    write_launcher(&protoc::unpacked(workspace), &root, "usr/bin/protoc")?;
    match protoc::find(workspace) {
        Some(found) => {
            println!("protoc: {}", found.display());
            Ok(Verdict::Passed)
        }
        None => Err(Failure::new(format!("protoc was unpacked under {} and does not run", root.display()))),
    }
}

/// Unpacks `package` and those of its dependencies whose names start so, into `<tools>/<package>`; returns that path.
fn unpack(tools: &Path, package: &str, libraries: &[&str]) -> Result<PathBuf, Failure> {
    let root = tools.join(package);
    if let Err(failure) = unpack_with(&Apt::of_the_machine(), &root, package, libraries) {
        // A fresh container has no package lists, and old ones name archives that the mirrors have dropped.
        println!("with the package lists of this machine: {failure}");
        unpack_with(&Apt::with_own_lists(tools)?, &root, package, libraries)?;
    }
    Ok(root)
}

fn unpack_with(apt: &Apt, root: &Path, package: &str, libraries: &[&str]) -> Result<(), Failure> {
    let archives = root.join("archives");
    if root.exists() {
        // What an interrupted attempt left, perhaps of another version.
        fs::remove_dir_all(root).map_err(Failure::because(format!("remove {}", root.display())))?;
    }
    create_directory(&archives)?;
    for name in with_dependencies(package, libraries, |name| apt.dependencies(name))? {
        let archive = apt.download(&name, &archives)?;
        command::run(Command::new("dpkg").arg("-x").arg(archive).arg(root))?;
    }
    Ok(())
}

/// `package` and what it needs, directly or not, among the packages whose names start with one of `prefixes`.
fn with_dependencies(
    package: &str,
    prefixes: &[&str],
    dependencies: impl Fn(&str) -> Result<Vec<String>, Failure>,
) -> Result<BTreeSet<String>, Failure> {
    let mut wanted = BTreeSet::new();
    let mut open = vec![package.to_owned()];
    while let Some(name) = open.pop() {
        if wanted.contains(&name) {
            continue;
        }
        let needed = dependencies(&name)?;
        open.extend(needed.into_iter().filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix))));
        wanted.insert(name);
    }
    Ok(wanted)
}

/// apt as a user without rights may use it.
#[derive(Debug)]
struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn of_the_machine() -> Self {
        Self { options: Vec::new() }
    }

    /// With package lists of our own, from the sources that the machine is configured with.
    fn with_own_lists(tools: &Path) -> Result<Self, Failure> {
        let (lists, cache) = (tools.join("apt/lists"), tools.join("apt/cache"));
        create_directory(&lists.join("partial"))?;
        create_directory(&cache.join("archives/partial"))?;
        let apt = Self {
            options: vec![
                format!("--option=Dir::State::Lists={}", lists.display()),
                format!("--option=Dir::Cache={}", cache.display()),
            ],
        };
        command::run(&mut apt.command("apt-get", &["update"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        // The output is read, so it has to be in one language.
        command.env("LC_ALL", "C").args(&self.options).args(arguments);
        command
    }

    fn dependencies(&self, package: &str) -> Result<Vec<String>, Failure> {
        command::capture(&mut self.command("apt-cache", &["depends", package]))
            .map(|text| depends_lines(&text))
    }

    /// Downloads the archive of `package` into `directory`; returns its path.
    fn download(&self, package: &str, directory: &Path) -> Result<PathBuf, Failure> {
        command::run(self.command("apt-get", &["download", package]).current_dir(directory))?;
        let attempt = || format!("look for the archive of {package} in {}", directory.display());
        for entry in fs::read_dir(directory).map_err(Failure::because(attempt()))? {
            let entry = entry.map_err(Failure::because(attempt()))?;
            if entry.file_name().to_string_lossy().starts_with(&format!("{package}_")) {
                return Ok(entry.path());
            }
        }
        Err(Failure::new(format!("{}: there is none", attempt())))
    }
}

/// The names in the `Depends:` lines of `apt-cache depends`.
fn depends_lines(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.trim().strip_prefix("Depends: ")).map(str::to_owned).collect()
}

/// Writes a launcher of the unpacked `program` that finds the unpacked libraries, and nobody else does.
fn write_launcher(launcher: &Path, root: &Path, program: &str) -> Result<(), Failure> {
    if let Some(directory) = launcher.parent() {
        create_directory(directory)?;
    }
    let root = root.display();
    // Debian's directory of libraries carries the name of the architecture.
    let script = format!(
        "#!/bin/sh\nfor libraries in '{root}'/usr/lib/*-linux-*; do\n  \
         LD_LIBRARY_PATH=\"$libraries${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\"\ndone\n\
         export LD_LIBRARY_PATH\nexec '{root}/{program}' \"$@\"\n"
    );
    let attempt = format!("write {}", launcher.display());
    fs::write(launcher, script).map_err(Failure::because(&attempt))?;
    fs::set_permissions(launcher, fs::Permissions::from_mode(0o755)).map_err(Failure::because(&attempt))
}

fn create_directory(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(Failure::because(format!("create {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dependencies_of_a_package_are_its_depends_lines() {
        let text =
            "protobuf-compiler\n  Depends: libc6\n  Depends: libprotoc32\n  Recommends: libprotobuf-dev\n";
        assert_eq!(depends_lines(text), ["libc6", "libprotoc32"]);
    }

    #[test]
    fn only_libraries_of_the_package_itself_come_with_it_each_once() {
        let dependencies = |name: &str| {
            Ok(match name {
                "protobuf-compiler" => vec!["libc6".to_owned(), "libprotoc32".to_owned()],
                "libprotoc32" => vec!["libprotobuf32".to_owned(), "libstdc++6".to_owned()],
                "libprotobuf32" => vec!["libprotoc32".to_owned(), "zlib1g".to_owned()],
                other => return Err(Failure::new(format!("asked about {other}"))),
            })
        };
        let wanted = with_dependencies("protobuf-compiler", &["libproto"], dependencies).unwrap();
        assert_eq!(
            wanted.into_iter().collect::<Vec<_>>(),
            ["libprotobuf32", "libprotoc32", "protobuf-compiler"]
        );
    }

    #[test]
    fn a_launcher_runs_its_program_with_the_unpacked_libraries_first() {
        let directory = std::env::temp_dir().join(format!("xtask-launcher-{}", std::process::id()));
        let root = directory.join("root");
        fs::create_dir_all(root.join("usr/lib/any-linux-gnu")).unwrap();
        fs::write(root.join("tool"), "#!/bin/sh\necho \"$1 $LD_LIBRARY_PATH\"\n").unwrap();
        fs::set_permissions(root.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
        let launcher = directory.join("bin/tool");
        write_launcher(&launcher, &root, "tool").unwrap();

        let said = command::capture(Command::new(&launcher).arg("hello")).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        let expected = format!("hello {}", root.join("usr/lib/any-linux-gnu").display());
        assert!(said.starts_with(&expected), "{said}");
    }
}
