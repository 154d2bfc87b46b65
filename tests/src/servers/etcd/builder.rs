//! What a cluster is to be like.

use std::path::Path;
use std::time::Duration;

use super::{Etcd, Folder, Member, Missing, Program};
use crate::servers::{Address, Host};

/// The ports of each member, on an address of its own.
pub(super) const CLIENTS: u16 = 2379;
pub(super) const PEERS: u16 = 2380;
pub(super) const METRICS: u16 = 2381;

/// What a cluster is to be like.
#[derive(Clone, Debug)]
#[must_use = "call `start`"]
pub struct EtcdBuilder {
    program: String,
    members: usize,
    heartbeat: Duration,
    election: Duration,
    scheme: &'static str,
    arguments: Vec<String>,
}

impl EtcdBuilder {
    pub(super) fn new() -> Self {
        Self {
            program: "etcd".into(),
            members: 1,
            // An election timeout of more than 2/3 s raises the shortest ttl from one second to two; a much shorter one makes a busy machine
            // elect again and again.
            heartbeat: Duration::from_millis(50),
            election: Duration::from_millis(500),
            scheme: "http",
            arguments: Vec::new(),
        }
    }

    /// The name of the program: `etcd`, Debian 12's 3.4, unless another release is to be tested, such as `etcd-3.5`.
    pub fn program(mut self, program: impl Into<String>) -> Self {
        self.program = program.into();
        self
    }

    /// How many members.
    pub fn members(mut self, members: usize) -> Self {
        self.members = members;
        self
    }

    /// How often the leader shows that it is there, and after which silence the others elect another one. The shortest ttl is one and a half
    /// times `election`, in full seconds.
    pub fn timing(mut self, heartbeat: Duration, election: Duration) -> Self {
        (self.heartbeat, self.election) = (heartbeat, election);
        self
    }

    /// Clients speak TLS. The certificates are [arguments](Self::argument).
    pub fn tls(mut self) -> Self {
        self.scheme = "https";
        self
    }

    /// One more argument for every member, such as `--quota-backend-bytes=16777216`.
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Starts the members and waits until all of them are ready.
    ///
    /// # Errors
    /// [`Missing`], if etcd is not on this machine.
    ///
    /// # Panics
    /// If a member does not start, or is not ready within 30 s; the message ends with its log.
    pub fn start(self) -> Result<Etcd, Missing> {
        let etcd = self.prepare()?;
        for member in etcd.members() {
            member.launch();
        }
        etcd.wait_until_ready();
        Ok(etcd)
    }

    /// The cluster, with no member running yet: for data that has to be put into its folders first.
    ///
    /// # Errors
    /// [`Missing`], if etcd is not on this machine.
    pub fn prepare(self) -> Result<Etcd, Missing> {
        let program = Program::find(&self.program)?;
        let folder = Folder::new("etcd");
        let addresses: Vec<Address> =
            (0..self.members).map(|_| Address::free(&[CLIENTS, PEERS, METRICS])).collect();
        let cluster = Cluster::of(&addresses);
        let members = addresses.iter().enumerate().map(|(index, address)| {
            let name = format!("member-{index}");
            let arguments = self.arguments_of(&name, *address, &Host::data_of(&folder, &name), &cluster);
            Member {
                host: Host::new(&folder, name, &program, arguments),
                url: format!("{}://{}", self.scheme, address.port(CLIENTS)),
                cluster: cluster.members.clone(),
                address: *address,
            }
        });
        Ok(Etcd { members: members.collect(), folder })
    }

    fn arguments_of(&self, name: &str, address: Address, data: &Path, cluster: &Cluster) -> Vec<String> {
        let clients = format!("{}://{}", self.scheme, address.port(CLIENTS));
        let peers = format!("http://{}", address.port(PEERS));
        let mut arguments = vec![
            format!("--name={name}"),
            format!("--data-dir={}", data.display()),
            format!("--listen-client-urls={clients}"),
            format!("--advertise-client-urls={clients}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--listen-metrics-urls=http://{}", address.port(METRICS)),
            format!("--initial-cluster={}", cluster.members),
            format!("--initial-cluster-token={}", cluster.token),
            format!("--heartbeat-interval={}", self.heartbeat.as_millis()),
            format!("--election-timeout={}", self.election.as_millis()),
            "--logger=zap".to_owned(),
            "--log-level=warn".to_owned(),
        ];
        arguments.extend(self.arguments.iter().cloned());
        arguments
    }
}

/// What every member is told about all of them.
struct Cluster {
    members: String,
    /// Keeps clusters that were started with the same members apart.
    token: String,
}

impl Cluster {
    fn of(addresses: &[Address]) -> Self {
        let member =
            |(index, address): (usize, &Address)| format!("member-{index}=http://{}", address.port(PEERS));
        let members: Vec<String> = addresses.iter().enumerate().map(member).collect();
        let token = addresses.first().map(Address::to_string).unwrap_or_default();
        Self { members: members.join(","), token }
    }
}
