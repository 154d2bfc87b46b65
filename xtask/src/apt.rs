//! Debian packages, unpacked by a user without rights: no service is started, and nothing is installed but what cannot be unpacked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::failure::Failure;

/// apt, mostly as a user without rights may use it.
#[derive(Debug)]
pub(crate) struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// With the package lists of this machine, which may be missing or old.
    pub(crate) fn of_the_machine() -> Self {
        Self { options: Vec::new() }
    }

    /// With package lists of our own, from the sources that the machine is configured with.
    pub(crate) fn with_own_lists(directory: &Path) -> Result<Self, Failure> {
        Self::with_state(&directory.join("apt"), Vec::new())
    }

    /// With package lists of our own for another release, such as `trixie`, from where this machine gets its own.
    pub(crate) fn of_release(release: &str, directory: &Path) -> Result<Self, Failure> {
        let targets = command::capture(Command::new("apt-get").env("LC_ALL", "C").args([
            "indextargets",
            "--format",
            "$(REPO_URI) $(CODENAME)",
            "Created-By: Packages",
        ]))?;
        let Some(repository) = repository_in(&targets) else {
            return Err(Failure::new("the sources of this machine name no Debian release"));
        };
        let state = directory.join(format!("apt-{release}"));
        create_directory(&state)?;
        let sources = state.join("release.list");
        let keys = Path::new("/usr/share/keyrings/debian-archive-keyring.gpg");
        let signed = if keys.is_file() { format!("[signed-by={}] ", keys.display()) } else { String::new() };
        fs::write(&sources, format!("deb {signed}{repository} {release} main\n"))
            .map_err(Failure::because(format!("write {}", sources.display())))?;
        let options = vec![
            format!("--option=Dir::Etc::SourceList={}", sources.display()),
            "--option=Dir::Etc::SourceParts=-".to_owned(),
        ];
        Self::with_state(&state, options)
    }

    fn with_state(state: &Path, mut options: Vec<String>) -> Result<Self, Failure> {
        let (lists, cache) = (state.join("lists"), state.join("cache"));
        create_directory(&lists.join("partial"))?;
        create_directory(&cache.join("archives/partial"))?;
        options.extend([
            format!("--option=Dir::State::Lists={}", lists.display()),
            format!("--option=Dir::Cache={}", cache.display()),
        ]);
        let apt = Self { options };
        command::run(&mut apt.command("apt-get", &["update"]))?;
        Ok(apt)
    }

    /// Unpacks `package` and those of its dependencies whose names start so, into `root`.
    pub(crate) fn unpack(&self, root: &Path, package: &str, libraries: &[&str]) -> Result<(), Failure> {
        let archives = root.join("archives");
        if root.exists() {
            // What an interrupted attempt left, perhaps of another version.
            fs::remove_dir_all(root).map_err(Failure::because(format!("remove {}", root.display())))?;
        }
        create_directory(&archives)?;
        for name in with_dependencies(package, libraries, |name| self.dependencies(name))? {
            let archive = self.download(&name, &archives)?;
            command::run(Command::new("dpkg").arg("-x").arg(archive).arg(root))?;
        }
        Ok(())
    }

    /// Installs `package` on this machine, which takes the rights to do so.
    pub(crate) fn install(&self, package: &str) -> Result<(), Failure> {
        let install = ["install", "--yes", "--no-install-recommends", package];
        command::run(self.command("apt-get", &install).env("DEBIAN_FRONTEND", "noninteractive"))
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

/// The names in the `Depends:` and `Recommends:` lines of `apt-cache depends`: protoc lacks, without what is only recommended,
/// the definitions that every schema imports.
fn depends_lines(text: &str) -> Vec<String> {
    let name = |line: &str| {
        let line = line.trim();
        line.strip_prefix("Depends: ").or_else(|| line.strip_prefix("Recommends: ")).map(str::to_owned)
    };
    text.lines().filter_map(name).collect()
}

/// Where the machine gets Debian itself from, among lines of a repository and the release that it is asked for.
fn repository_in(targets: &str) -> Option<&str> {
    let mut pairs = targets.lines().filter_map(|line| line.split_once(' '));
    pairs
        .find(|(repository, _)| repository.trim_end_matches('/').ends_with("/debian"))
        .map(|(found, _)| found)
}

pub(crate) fn create_directory(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(Failure::because(format!("create {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dependencies_of_a_package_are_what_it_depends_on_and_recommends() {
        let text = "protobuf-compiler\n  Depends: libc6\n  Depends: libprotoc32\n  Recommends: libprotobuf-dev\n  Suggests: other\n";
        assert_eq!(depends_lines(text), ["libc6", "libprotoc32", "libprotobuf-dev"]);
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
    fn another_release_comes_from_where_debian_itself_does() {
        let targets = "https://tools.example/apt/ stable\nhttp://mirror.example/debian-security/ bookworm-security\n\
                       http://mirror.example/debian/ bookworm\nhttp://mirror.example/debian/ bookworm-updates\n";
        assert_eq!(repository_in(targets), Some("http://mirror.example/debian/"));
        assert_eq!(repository_in("https://tools.example/apt/ stable\n"), None);
    }
}
