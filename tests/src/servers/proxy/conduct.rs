//! How a way behaves.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two directions")]
pub enum Direction {
    /// Requests.
    ToServer,
    /// Replies.
    ToClient,
}

/// What the connections of a proxy obey.
#[derive(Clone, Debug)]
pub(super) struct Conduct {
    pub(super) server: SocketAddr,
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
    /// What a new connection is told instead of being connected.
    pub(super) greeting: Option<Bytes>,
    /// How often all connections were ended, and how the last time.
    pub(super) endings: u64,
    pub(super) ending: Ending,
    /// How many more bytes of one direction pass, and how often this was decided.
    pub(super) allowance: Option<(Direction, u64)>,
    pub(super) allowances: u64,
    flows: [Flow; 2],
}

/// What happens to the bytes of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Open,
    /// They wait.
    Held,
    /// They are dropped.
    Swallowed,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Closed,
    Reset,
}

impl Conduct {
    pub(super) fn to(server: SocketAddr) -> Self {
        Self {
            server,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            greeting: None,
            endings: 0,
            ending: Ending::Closed,
            allowance: None,
            allowances: 0,
            flows: [Flow::Open; 2],
        }
    }

    pub(super) fn flow(&self, direction: Direction) -> Flow {
        self.flows[direction as usize]
    }

    pub(super) fn flow_mut(&mut self, direction: Direction) -> &mut Flow {
        &mut self.flows[direction as usize]
    }

    /// Lets everything pass; returns whether the connections that are open are of no use any more.
    pub(super) fn heal(&mut self) -> bool {
        let is_spoiled = self.greeting.is_some() || self.flows.contains(&Flow::Swallowed);
        let ended = (self.endings, self.ending, self.allowances);
        *self = Self::to(self.server);
        (self.endings, self.ending, self.allowances) = ended;
        is_spoiled
    }
}
