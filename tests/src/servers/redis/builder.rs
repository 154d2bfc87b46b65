//! What servers are to be like.

use std::fs;
use std::time::Duration;

use super::{Folder, Member, Missing, Program, Redis};
use crate::servers::{Address, Host};

/// The ports, each on an address of its own.
const SERVER: u16 = 6379;
const SENTINEL: u16 = 26379;

/// What servers are to be like.
#[derive(Clone, Debug)]
#[must_use = "call `start`"]
pub struct RedisBuilder {
    replicas: usize,
    sentinels: usize,
    down_after: Duration,
    persists: bool,
    settings: Vec<String>,
}

impl RedisBuilder {
    pub(super) fn new() -> Self {
        // A shorter time makes a busy machine replace primaries that are well.
        let down_after = Duration::from_secs(1);
        Self { replicas: 0, sentinels: 0, down_after, persists: true, settings: Vec::new() }
    }

    /// How many replicas the primary has.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// How many sentinels watch over them; more than half of them have to agree.
    pub fn sentinels(mut self, sentinels: usize) -> Self {
        self.sentinels = sentinels;
        self
    }

    /// After how long a silent primary is replaced.
    pub fn down_after(mut self, down_after: Duration) -> Self {
        self.down_after = down_after;
        self
    }

    /// The servers keep nothing: who is restarted is empty.
    pub fn without_persistence(mut self) -> Self {
        self.persists = false;
        self
    }

    /// One more line in the settings of every server, such as `maxmemory 10mb`; it comes behind ours, and the last one counts.
    pub fn setting(mut self, line: impl Into<String>) -> Self {
        self.settings.push(line.into());
        self
    }

    /// Starts them and waits until all serve and know each other.
    ///
    /// # Errors
    /// [`Missing`], if Redis is not on this machine.
    ///
    /// # Panics
    /// If one does not start, or they are not ready within 60 s; the message ends with their logs.
    pub fn start(self) -> Result<Redis, Missing> {
        let (server, sentinel) = (Program::find("redis-server")?, Program::find("redis-sentinel")?);
        let folder = Folder::new("redis");
        let addresses: Vec<Address> = (0..=self.replicas).map(|_| Address::free(&[SERVER])).collect();
        let primary = addresses[0];
        let servers = addresses.iter().enumerate().map(|(index, address)| {
            member(
                &folder,
                &server,
                format!("server-{index}"),
                *address,
                SERVER,
                self.server_settings(*address, primary),
            )
        });
        let servers = servers.collect();
        let sentinels = (0..self.sentinels).map(|index| {
            let address = Address::free(&[SENTINEL]);
            let settings = self.sentinel_settings(address, primary);
            member(&folder, &sentinel, format!("sentinel-{index}"), address, SENTINEL, settings)
        });
        let redis = Redis { servers, sentinels: sentinels.collect(), folder };
        redis.all().for_each(|member| member.launch());
        redis.wait_until_ready();
        Ok(redis)
    }

    fn server_settings(&self, address: Address, primary: Address) -> Vec<String> {
        let mut lines = vec![
            format!("bind {}", address.ip()),
            format!("port {SERVER}"),
            // Its neighbours see it at its own address, from which it also connects to them.
            format!("bind-source-addr {}", address.ip()),
            format!("replica-announce-ip {}", address.ip()),
            "protected-mode no".to_owned(),
            "save \"\"".to_owned(),
            format!("appendonly {}", if self.persists { "yes" } else { "no" }),
            "repl-diskless-sync-delay 0".to_owned(),
        ];
        if address != primary {
            lines.push(format!("replicaof {} {SERVER}", primary.ip()));
        }
        lines.extend(self.settings.iter().cloned());
        lines
    }

    fn sentinel_settings(&self, address: Address, primary: Address) -> Vec<String> {
        let name = Redis::MASTER;
        vec![
            format!("bind {}", address.ip()),
            format!("port {SENTINEL}"),
            format!("sentinel announce-ip {}", address.ip()),
            "protected-mode no".to_owned(),
            format!("sentinel monitor {name} {} {SERVER} {}", primary.ip(), self.sentinels / 2 + 1),
            format!("sentinel down-after-milliseconds {name} {}", self.down_after.as_millis()),
            format!("sentinel failover-timeout {name} {}", self.down_after.as_millis() * 3),
            format!("sentinel parallel-syncs {name} {}", self.replicas.max(1)),
        ]
    }
}

/// Writes down what one of them reads when it starts. A sentinel, and a server that sentinels command, write there as well.
fn member(
    folder: &Folder,
    program: &Program,
    name: String,
    address: Address,
    port: u16,
    mut settings: Vec<String>,
) -> Member {
    let data = Host::data_of(folder, &name);
    let file = folder.path().join(format!("{name}.conf"));
    settings.push(format!("dir {}", data.display()));
    let written = fs::create_dir_all(&data).and_then(|()| fs::write(&file, settings.join("\n") + "\n"));
    if let Err(error) = written {
        panic!("write the settings of {name} to {}: {error}", file.display());
    }
    let arguments = vec![file.display().to_string()];
    Member { host: Host::new(folder, name, program, arguments), address: address.port(port) }
}
