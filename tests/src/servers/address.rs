//! A place in the network for each server.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// An address of this machine's loopback network that nobody else uses.
///
/// The network is 127.0.0.0/8, so that each server has an address of its own and its usual ports on it. A port that is picked on 127.0.0.1
/// does not stay free while its server is down: it can become the near end of any connection on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address(Ipv4Addr);

impl Address {
    /// An address on which all of `ports` are free.
    ///
    /// # Panics
    /// If there is none, because the machine has no such network.
    #[must_use]
    pub fn free(ports: &[u16]) -> Self {
        const ATTEMPTS: usize = 100;
        let found = (0..ATTEMPTS).map(|_| Self::random()).find(|address| address.is_free(ports));
        found.expect("an address of 127.0.0.0/8 with free ports")
    }

    /// It, without a port.
    #[must_use]
    pub fn ip(self) -> Ipv4Addr {
        self.0
    }

    /// `port` on it.
    #[must_use]
    pub fn port(self, port: u16) -> SocketAddr {
        SocketAddr::from((self.0, port))
    }

    fn random() -> Self {
        let [a, b, c, ..] =
            std::collections::hash_map::RandomState::new().build_hasher().finish().to_be_bytes();
        // Not in 127.0.0.0/16, where everybody else is, and not the first or last of its network.
        Self(Ipv4Addr::new(127, a.max(1), b, c.clamp(1, 254)))
    }

    fn is_free(self, ports: &[u16]) -> bool {
        ports.iter().all(|port| TcpListener::bind(self.port(*port)).is_ok())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_addresses_are_different_and_both_can_be_listened_on() {
        let (one, other) = (Address::free(&[2379]), Address::free(&[2379]));
        assert_ne!(one, other);
        let listen = |address: Address| {
            // A process that another test starts just now may have the probe's listener for a moment.
            let pause = std::time::Duration::from_millis(20);
            let attempts = (0..100).map(|_| TcpListener::bind(address.port(2379)));
            attempts
                .inspect(|bound| {
                    if bound.is_err() {
                        std::thread::sleep(pause)
                    }
                })
                .find_map(Result::ok)
                .unwrap()
        };
        let _listeners = [one, other].map(listen);
        assert!(!one.is_free(&[2379]) && !other.is_free(&[2380, 2379]));
    }
}
