//! What an ensemble is to be like.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::ways::Ways;
use super::{Folder, Member, Missing, Program, ZooKeeper};
use crate::servers::{Address, Host};

/// The ports of each member, on an address of its own.
pub(super) const CLIENTS: u16 = 2181;
pub(super) const PEERS: u16 = 2888;
pub(super) const ELECTION: u16 = 3888;
/// For clients that use TLS, where it is on.
pub(super) const SECURE: u16 = 2281;

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
    are_separable: bool,
    is_secure: bool,
}

impl ZooKeeperBuilder {
    pub(super) fn new() -> Self {
        // The shortest ttl is two ticks, and a session is ended up to one tick late.
        Self {
            members: 1,
            tick: Duration::from_millis(200),
            settings: Vec::new(),
            properties: Vec::new(),
            are_separable: false,
            is_secure: false,
        }
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

    /// Also serves clients that use TLS, at their [secure addresses](Member::secure_address): with the certificate and key in the file `identity`, and for
    /// clients with certificates of the authorities in `authorities`, all in PEM.
    pub fn tls(mut self, identity: &Path, authorities: &Path) -> Self {
        self.is_secure = true;
        self.setting("serverCnxnFactory", "org.apache.zookeeper.server.NettyServerCnxnFactory")
            .setting("ssl.keyStore.type", "PEM")
            .setting("ssl.keyStore.location", identity.display().to_string())
            .setting("ssl.trustStore.type", "PEM")
            .setting("ssl.trustStore.location", authorities.display().to_string())
    }

    /// Puts proxies between the members, so that one can be [cut off](ZooKeeper::cut_off) from the others while clients still reach it.
    pub fn separable(mut self) -> Self {
        self.are_separable = true;
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
        let zookeeper = self.prepare()?;
        zookeeper.members().iter().for_each(|member| member.launch());
        zookeeper.wait_until_ready();
        Ok(zookeeper)
    }

    /// Prepares the members without starting them: their addresses are known then, and certificates can be made for them.
    ///
    /// # Errors
    /// [`Missing`], if ZooKeeper is not on this machine.
    ///
    /// # Panics
    /// If there is no place for their files.
    pub fn prepare(self) -> Result<ZooKeeper, Missing> {
        let program = Program::find("zookeeper")?;
        let folder = Folder::new("zookeeper");
        let addresses: Vec<Address> =
            (0..self.members).map(|_| Address::free(&[CLIENTS, PEERS, ELECTION, SECURE])).collect();
        let ways = if self.are_separable { Ways::between(&addresses) } else { Ways::default() };
        let members = addresses.iter().enumerate().map(|(index, address)| {
            let name = format!("member-{index}");
            let data = Host::data_of(&folder, &name);
            let settings = folder.path().join(format!("{name}.cfg"));
            write(
                &data,
                &settings,
                index,
                &self.settings_of(*address, &data, &ways.seen_from(index, &addresses)),
            );
            let host = Host::new(&folder, name, &program, self.arguments(&settings));
            Member { host, address: *address }
        });
        Ok(ZooKeeper { members: members.collect(), ways, folder })
    }

    fn arguments(&self, settings: &Path) -> Vec<String> {
        let mut arguments: Vec<String> = [
            // Small and soon up: several of them run beside several tests.
            "-Xmx128m",
            "-XX:+UseSerialGC",
            "-XX:-UsePerfData",
            // None lives for so long that the compiler for what runs often would be worth what it takes from the tests beside it.
            "-XX:TieredStopAtLevel=1",
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
        if self.is_secure {
            lines.extend([
                format!("secureClientPortAddress={}", address.ip()),
                format!("secureClientPort={SECURE}"),
            ]);
        }
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
