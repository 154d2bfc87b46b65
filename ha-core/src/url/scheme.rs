//! What each scheme takes, as a table.

use std::fmt;

/// What kind of store a URL names, and how it is reached. The letter `s` at the end means TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `memory:`, within one process.
    Memory,
    /// `local:`, a file shared by the processes of one machine.
    Local,
    /// `etcd:`
    Etcd,
    /// `etcds:`, etcd over TLS.
    Etcds,
    /// `zk:`, ZooKeeper.
    Zk,
    /// `zks:`, ZooKeeper over TLS.
    Zks,
    /// `redis:`, one Redis or Valkey server.
    Redis,
    /// `rediss:`, one Redis or Valkey server over TLS.
    Rediss,
    /// `redis+sentinel:`, a Redis master that sentinels know.
    RedisSentinel,
    /// `redis+cluster:`, a Redis Cluster.
    RedisCluster,
    /// `redis+unix:`, one Redis server behind a socket of this machine.
    RedisUnix,
}

/// What may stand in the place of the hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authority {
    /// There is no `//` at all.
    Absent,
    /// `//` is followed by the path.
    Empty,
    One,
    Many,
}

/// Which credentials the store can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    Never,
    /// A user, with or without a password.
    User,
    /// A user, a password, or both.
    UserOrPassword,
}

/// What stands behind the hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathKind {
    Nothing,
    /// Optional: the name of a store in memory.
    Name,
    File,
    /// A file whose path the operating system limits to a few bytes.
    Socket,
    /// Optional: a path in ZooKeeper's tree.
    Chroot,
    /// Optional: the number of a Redis database.
    Database,
    Master,
}

/// One row of the table.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) example: &'static str,
    pub(super) port: Option<u16>,
    pub(super) authority: Authority,
    pub(super) credentials: Credentials,
    pub(super) path: PathKind,
}

impl Scheme {
    pub(super) const ALL: [Self; 11] = [
        Self::Memory,
        Self::Local,
        Self::Etcd,
        Self::Etcds,
        Self::Zk,
        Self::Zks,
        Self::Redis,
        Self::Rediss,
        Self::RedisSentinel,
        Self::RedisCluster,
        Self::RedisUnix,
    ];

    /// The scheme as it is written, without the colon.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.rule().name
    }

    /// The port of a host that names none; `None` where there are no hosts.
    #[must_use]
    pub fn default_port(self) -> Option<u16> {
        self.rule().port
    }

    /// Whether the scheme asks for TLS.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Etcds | Self::Zks | Self::Rediss)
    }

    pub(super) fn has_authority(self) -> bool {
        self.rule().authority != Authority::Absent
    }

    #[rustfmt::skip]
    pub(super) fn rule(self) -> &'static Rule {
        use Authority::{Absent, Empty, Many, One};
        use Credentials::{Never, User, UserOrPassword};
        use PathKind::{Chroot, Database, File, Master, Name, Nothing, Socket};
        const fn rule(
            name: &'static str, port: Option<u16>, authority: Authority, credentials: Credentials, path: PathKind,
            example: &'static str,
        ) -> Rule {
            Rule { name, example, port, authority, credentials, path }
        }
        match self {
            Self::Memory => const { &rule("memory", None, Absent, Never, Name, "memory:name") },
            Self::Local => const { &rule("local", None, Empty, Never, File, "local:///var/lib/ha.db") },
            Self::Etcd => const { &rule("etcd", Some(2379), Many, User, Nothing, "etcd://10.0.0.1:2379,10.0.0.2:2379") },
            Self::Etcds => const { &rule("etcds", Some(2379), Many, User, Nothing, "etcds://user:password@etcd1:2379,etcd2:2379") },
            Self::Zk => const { &rule("zk", Some(2181), Many, User, Chroot, "zk://10.0.0.1:2181,10.0.0.2:2181/chroot") },
            Self::Zks => const { &rule("zks", Some(2281), Many, User, Chroot, "zks://user:password@zk1:2281,zk2:2281/chroot") },
            Self::Redis => const { &rule("redis", Some(6379), One, UserOrPassword, Database, "redis://user:password@10.0.0.1:6379/0") },
            Self::Rediss => const { &rule("rediss", Some(6379), One, UserOrPassword, Database, "rediss://user:password@redis1:6379/0") },
            Self::RedisSentinel => const { &rule("redis+sentinel", Some(26379), Many, UserOrPassword, Master, "redis+sentinel://10.0.0.1:26379,10.0.0.2:26379/master") },
            Self::RedisCluster => const { &rule("redis+cluster", Some(6379), Many, UserOrPassword, Nothing, "redis+cluster://10.0.0.1:6379,10.0.0.2:6379") },
            Self::RedisUnix => const { &rule("redis+unix", None, Empty, UserOrPassword, Socket, "redis+unix:///run/redis/redis.sock") },
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
