//! Gets what `ci` needs and Rust does not bring: programs from Debian packages, unpacked under the target directory.
//!
//! Nothing is installed but a Java runtime where there is none, no service is started, and otherwise no right is needed; `rm -r target/tools` undoes the rest of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt::{Apt, create_directory};
use crate::command;
use crate::failure::Failure;
use crate::protoc;
use crate::stage::Verdict;
use crate::workspace::Workspace;

/// A program that comes out of a package.
#[derive(Debug)]
struct Tool {
    /// What it is called under `tools/bin`, where tests look for it.
    name: &'static str,
    package: &'static str,
    /// The beginnings of the names of those dependencies that come with it.
    libraries: &'static [&'static str],
    /// The release that the package comes from; `None`: that of the machine.
    release: Option<&'static str>,
    program: Program,
    /// What makes it say its version.
    version: &'static [&'static str],
}

/// What the launcher of a tool runs.
#[derive(Clone, Copy, Debug)]
enum Program {
    /// This file of the package, with the unpacked libraries.
    Binary(&'static str),
    /// A Java runtime with these archives of `usr/share/java`; the class to run is an argument.
    Java(&'static [&'static str]),
    /// This file of the package, under another name beside it: what it does, depends on its name.
    Renamed { file: &'static str, name: &'static str },
}

/// One program is the server, the sentinel, and the tool that looks at files. It comes with the administrator's tools, which bring no service.
const REDIS: &str = "usr/bin/redis-check-rdb";
const REDIS_LIBRARIES: &[&str] = &["libatomic", "libjemalloc", "liblzf", "libssl"];

/// The package of a Java runtime.
const JAVA: &str = "default-jre-headless";

/// What a server in Java needs, and only one of the bindings of its log that come with the packages.
const ZOOKEEPER: &[&str] = &[
    "zookeeper",
    "zookeeper-jute",
    "metrics-core",
    "netty-buffer",
    "netty-codec",
    "netty-common",
    "netty-handler",
    "netty-resolver",
    "netty-transport",
    "netty-transport-native-epoll",
    "netty-transport-native-unix-common",
    "slf4j-api",
    "slf4j-simple",
    "snappy-java",
];

/// Needed to build the crates that need it, wherever it comes from.
const PROTOC: Tool = Tool {
    name: "protoc",
    package: "protobuf-compiler",
    libraries: &["libproto"],
    release: None,
    program: Program::Binary("usr/bin/protoc"),
    version: &["--version"],
};

/// The servers that tests start, and their administrators' tools.
const SERVERS: &[Tool] = &[
    Tool {
        name: "etcd",
        package: "etcd-server",
        libraries: &[],
        release: None,
        program: Program::Binary("usr/bin/etcd"),
        version: &["--version"],
    },
    Tool {
        name: "etcdctl",
        package: "etcd-client",
        libraries: &[],
        release: None,
        program: Program::Binary("usr/bin/etcdctl"),
        version: &["version"],
    },
    Tool {
        name: "etcd-3.5",
        package: "etcd-server",
        libraries: &[],
        release: Some("trixie"),
        program: Program::Binary("usr/bin/etcd"),
        version: &["--version"],
    },
    Tool {
        name: "openssl",
        package: "openssl",
        libraries: &["libssl"],
        release: None,
        program: Program::Binary("usr/bin/openssl"),
        version: &["version"],
    },
    Tool {
        name: "redis-server",
        package: "redis-tools",
        libraries: REDIS_LIBRARIES,
        release: None,
        program: Program::Renamed { file: REDIS, name: "redis-server" },
        version: &["--version"],
    },
    Tool {
        name: "redis-sentinel",
        package: "redis-tools",
        libraries: REDIS_LIBRARIES,
        release: None,
        program: Program::Renamed { file: REDIS, name: "redis-sentinel" },
        version: &["--version"],
    },
    Tool {
        name: "zookeeper",
        package: "libzookeeper-java",
        libraries: &["libdropwizard-metrics", "libnetty-java", "libslf4j", "libsnappy-java"],
        release: None,
        program: Program::Java(ZOOKEEPER),
        version: &["org.apache.zookeeper.Version", "--full"],
    },
];

pub(crate) fn run(workspace: &Workspace) -> Result<Verdict, Failure> {
    let mut is_new = false;
    if protoc::is_needed(workspace.manifests()) {
        match protoc::find(workspace) {
            Some(found) => println!("protoc is here: {}", found.display()),
            None => {
                is_new = true;
                get(workspace, &PROTOC).map_err(Failure::because(
                    "unpack protoc (or install it by hand: Debian's protobuf-compiler, or set PROTOC)",
                ))?;
            }
        }
    }
    let has_java = java_is_here(&workspace.target().join("tools"));
    for tool in SERVERS.iter().filter(|tool| has_java || !matches!(tool.program, Program::Java(_))) {
        let places = [tool.launcher(workspace), PathBuf::from(tool.name)];
        if let Some(found) = places.iter().find(|place| tool.runs_from(place)) {
            println!("{} is here: {}", tool.name, found.display());
            continue;
        }
        is_new = true;
        get(workspace, tool).map_err(Failure::because(format!(
            "unpack {} (or install Debian's {} by hand)",
            tool.name, tool.package
        )))?;
    }
    Ok(if is_new { Verdict::Passed } else { Verdict::Skipped("everything is here".to_owned()) })
}

impl Tool {
    fn launcher(&self, workspace: &Workspace) -> PathBuf {
        workspace.target().join("tools/bin").join(self.name)
    }

    fn runs_from(&self, launcher: &Path) -> bool {
        command::succeeds(Command::new(launcher).args(self.version))
    }
}

/// Whether a Java runtime is here, which cannot be unpacked anywhere: it is installed, where we have the rights to. Who has not is told, and again by the
/// tests that need it.
fn java_is_here(tools: &Path) -> bool {
    let runs = || command::succeeds(Command::new("java").arg("-version"));
    if runs() {
        return true;
    }
    let installed = Apt::of_the_machine()
        .install(JAVA)
        .or_else(|_| Apt::with_own_lists(tools).and_then(|apt| apt.install(JAVA)));
    if let Err(failure) = installed {
        println!("no Java runtime, so no ZooKeeper; install Debian's {JAVA} by hand: {failure}");
    }
    runs()
}

/// Unpacks the package of `tool` and writes its launcher.
fn get(workspace: &Workspace, tool: &Tool) -> Result<(), Failure> {
    let tools = workspace.target().join("tools");
    let root = tools.join("packages").join(tool.name);
    if let Some(release) = tool.release {
        Apt::of_release(release, &tools)?.unpack(&root, tool.package, tool.libraries)?;
    } else if let Err(failure) = Apt::of_the_machine().unpack(&root, tool.package, tool.libraries) {
        // A fresh container has no package lists, and old ones name archives that the mirrors have dropped.
        println!("with the package lists of this machine: {failure}");
        Apt::with_own_lists(&tools)?.unpack(&root, tool.package, tool.libraries)?;
    }
    if let Program::Renamed { file, name } = tool.program {
        let (file, renamed) = (root.join(file), root.join(file).with_file_name(name));
        fs::copy(&file, &renamed).map_err(Failure::because(format!("copy {}", file.display())))?;
    }
    let launcher = tool.launcher(workspace);
    write_launcher(&launcher, &root, tool.program)?;
    if !tool.runs_from(&launcher) {
        return Err(Failure::new(format!("it was unpacked under {} and does not run", root.display())));
    }
    println!("{}: {}", tool.name, launcher.display());
    Ok(())
}

/// Writes a launcher of the unpacked `program` that finds the unpacked libraries, and nobody else does.
fn write_launcher(launcher: &Path, root: &Path, program: Program) -> Result<(), Failure> {
    if let Some(directory) = launcher.parent() {
        create_directory(directory)?;
    }
    let attempt = format!("write {}", launcher.display());
    fs::write(launcher, script(root, program)).map_err(Failure::because(&attempt))?;
    fs::set_permissions(launcher, fs::Permissions::from_mode(0o755)).map_err(Failure::because(&attempt))
}

fn script(root: &Path, program: Program) -> String {
    match program {
        Program::Binary(program) => binary(root, Path::new(program)),
        Program::Renamed { file, name } => binary(root, &Path::new(file).with_file_name(name)),
        Program::Java(archives) => {
            let root = root.display();
            let archives: Vec<String> =
                archives.iter().map(|archive| format!("{root}/usr/share/java/{archive}.jar")).collect();
            format!("#!/bin/sh\nexec java -cp '{}' \"$@\"\n", archives.join(":"))
        }
    }
}

/// Debian's directory of libraries carries the name of the architecture.
fn binary(root: &Path, program: &Path) -> String {
    let (root, program) = (root.display(), program.display());
    format!(
        "#!/bin/sh\nfor libraries in '{root}'/usr/lib/*-linux-*; do\n  \
         LD_LIBRARY_PATH=\"$libraries${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\"\ndone\n\
         export LD_LIBRARY_PATH\nexec '{root}/{program}' \"$@\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launcher_runs_its_program_with_the_unpacked_libraries_first() {
        let directory = std::env::temp_dir().join(format!("xtask-launcher-{}", std::process::id()));
        let root = directory.join("root");
        fs::create_dir_all(root.join("usr/lib/any-linux-gnu")).unwrap();
        fs::write(root.join("tool"), "#!/bin/sh\necho \"$1 $LD_LIBRARY_PATH\"\n").unwrap();
        fs::set_permissions(root.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
        let launcher = directory.join("bin/tool");
        write_launcher(&launcher, &root, Program::Binary("tool")).unwrap();

        let said = command::capture(Command::new(&launcher).arg("hello")).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        let expected = format!("hello {}", root.join("usr/lib/any-linux-gnu").display());
        assert!(said.starts_with(&expected), "{said}");
    }

    #[test]
    fn a_launcher_of_java_names_the_unpacked_archives_and_leaves_the_class_to_its_caller() {
        let script = script(Path::new("/tools/zookeeper"), Program::Java(&["one", "other"]));
        let archives = "/tools/zookeeper/usr/share/java/one.jar:/tools/zookeeper/usr/share/java/other.jar";
        assert_eq!(script, format!("#!/bin/sh\nexec java -cp '{archives}' \"$@\"\n"));
    }

    #[test]
    fn protoc_is_put_where_the_build_looks_for_it() {
        let workspace = Workspace::load().unwrap();
        assert_eq!(PROTOC.launcher(&workspace), protoc::unpacked(&workspace));
    }
}
