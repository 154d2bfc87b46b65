//! Proxies between the members of an ensemble.

use super::builder::{ELECTION, PEERS};
use crate::servers::{Address, Direction, Proxy};

/// The ways from each member to each other one; none where nobody is going to break them.
#[derive(Debug, Default)]
pub(super) struct Ways(Vec<Way>);

/// The way of one member to another one.
#[derive(Debug)]
struct Way {
    from: usize,
    to: usize,
    /// Where it begins.
    address: Address,
    /// To the port on which a leader has its followers, and to the one on which leaders are elected.
    proxies: [Proxy; 2],
}

impl Ways {
    /// The ways between members at these addresses.
    pub(super) fn between(members: &[Address]) -> Self {
        let pairs = (0..members.len()).flat_map(|from| (0..members.len()).map(move |to| (from, to)));
        let way = |(from, to): (usize, usize)| {
            let address = Address::free(&[PEERS, ELECTION]);
            let proxies =
                [PEERS, ELECTION].map(|port| Proxy::start_at(address.port(port), members[to].port(port)));
            Way { from, to, address, proxies }
        };
        Self(pairs.filter(|(from, to)| from != to).map(way).collect())
    }

    /// The addresses of all members as one of them is told: its own one, and the ways to the others.
    pub(super) fn seen_from(&self, from: usize, members: &[Address]) -> Vec<Address> {
        let seen = |(to, address): (usize, &Address)| {
            let way = self.0.iter().find(|way| way.from == from && way.to == to);
            way.map_or(*address, |way| way.address)
        };
        members.iter().enumerate().map(seen).collect()
    }

    /// Lets nothing through between one member and the others.
    pub(super) fn cut_off(&self, member: usize) {
        let mut of_it = self.0.iter().filter(|way| way.from == member || way.to == member).peekable();
        assert!(of_it.peek().is_some(), "there are no proxies between the members: build it as separable");
        for proxy in of_it.flat_map(|way| &way.proxies) {
            proxy.hold(Direction::ToServer);
            proxy.hold(Direction::ToClient);
        }
    }

    /// Lets everything through, on new connections: what was held is not to arrive any more.
    pub(super) fn heal(&self) {
        for proxy in self.0.iter().flat_map(|way| &way.proxies) {
            proxy.reset();
            proxy.heal();
        }
    }
}
