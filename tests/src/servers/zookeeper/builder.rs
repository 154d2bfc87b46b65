//! What an ensemble is to be like.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use super::{Folder, Member, Missing, Program, ZooKeeper};
use crate::servers::Address;

/// The ports of each member, on an address of its own.
pub(super) const CLIENTS: u16 = 2181;
pub(super) const PEERS: u16 = 2888;
pub(super) const ELECTION: u16 = 3888;

/// The class that runs one server as well as a member of several.
const MAIN: &str = "org.apache.zookeeper.server.quorum.QuorumPeerMain";

/// What an ensemble is to be like.
#[derive(Clone, Debug)]
#[must_use = "call `start`"]
pub struct ZooKeeperBuilder {
    members: usize,
    tick: Duration,
    settings: Vec<(String, String)>,
    properties: Vec<String>,
}

impl ZooKeeperBuilder {
    pub(super) fn new() -> Self {
        // The shortest ttl is two ticks, and a session is ended up to one tick late.
        Self { members: 1, tick: Duration::from_millis(200), settings: Vec::new(), properties: Vec::new() }
    }

    /// How many members.
    pub fn members(mut self, members: usize) -> Self {
        self.members = members;
        self
    }

    /// The unit of all times of a server. The shortest ttl is two ticks; a follower that hears nothing of its leader goes on serving for ten.
    pub fn tick(mut self, tick: Duration) -> Self {
        self.tick = tick;
        self
    }

    /// One more line `key=value` in the settings of every member; it comes behind ours, and the last one counts.
    pub fn setting(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((key.into(), value.into()));
        self
    }

    /// One more argument of the Java runtime for every member, such as `-Djute.maxbuffer=4194304`.
    pub fn java(mut self, argument: impl Into<String>) -> Self {
        self.properties.push(argument.into());
        self
    }

    /// Starts the members and waits until all of them serve.
    ///
    /// # Errors
    /// [`Missing`], if ZooKeeper is not on this machine.
    ///
    /// # Panics
    /// If a member does not start, or is not ready within 60 s; the message ends with its log.
    pub fn start(self) -> Result<ZooKeeper, Missing> {
        let program = Program::find("zookeeper")?;
        let folder = Folder::new("zookeeper");
        let addresses: Vec<Address> =
            (0..self.members).map(|_| Address::free(&[CLIENTS, PEERS, ELECTION])).collect();
        let members = addresses.iter().enumerate().map(|(index, address)| {
            let name = format!("member-{index}");
            let data = folder.path().join(&name);
            let settings = folder.path().join(format!("{name}.cfg"));
            write(&data, &settings, index, &self.settings_of(*address, &data, &addresses));
            Member {
                arguments: self.arguments(&settings),
                program: program.path().to_path_buf(),
                log: folder.path().join(format!("{name}.log")),
                address: *address,
                name,
                data,
                process: Mutex::new(None),
            }
        });
        let zookeeper = ZooKeeper { members: members.collect(), folder };
        for member in zookeeper.members() {
            member.launch();
        }
        zookeeper.wait_until_ready();
        Ok(zookeeper)
    }

    fn arguments(&self, settings: &Path) -> Vec<String> {
        let mut arguments: Vec<String> = [
            // Small and soon up: several of them run beside several tests.
            "-Xmx128m",
            "-XX:+UseSerialGC",
            "-XX:-UsePerfData",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
        ]
        .map(str::to_owned)
        .into();
        arguments.extend(self.properties.iter().cloned());
        arguments.extend([MAIN.to_owned(), settings.display().to_string()]);
        arguments
    }

    fn settings_of(&self, address: Address, data: &Path, all: &[Address]) -> String {
        let mut lines = vec![
            format!("tickTime={}", self.tick.as_millis()),
            format!("dataDir={}", data.display()),
            format!("clientPortAddress={}", address.ip()),
            format!("clientPort={CLIENTS}"),
            "initLimit=50".to_owned(),
            "syncLimit=10".to_owned(),
            // By default 60 of one address, and 20 ticks: tests are many nodes on one machine, and have longer ttls.
            "maxClientCnxns=0".to_owned(),
            "maxSessionTimeout=86400000".to_owned(),
            "admin.enableServer=false".to_owned(),
            "4lw.commands.whitelist=*".to_owned(),
        ];
        if all.len() > 1 {
            let server = |(index, address): (usize, &Address)| {
                format!("server.{}={}:{PEERS}:{ELECTION}", index + 1, address.ip())
            };
            lines.extend(all.iter().enumerate().map(server));
        }
        lines.extend(self.settings.iter().map(|(key, value)| format!("{key}={value}")));
        lines.join("\n") + "\n"
    }
}

/// Puts down what a member reads when it starts.
fn write(data: &Path, settings: &Path, index: usize, text: &str) {
    let written = fs::create_dir_all(data)
        .and_then(|()| fs::write(data.join("myid"), format!("{}\n", index + 1)))
        .and_then(|()| fs::write(settings, text));
    if let Err(error) = written {
        panic!("write the settings of a member to {}: {error}", settings.display());
    }
}
