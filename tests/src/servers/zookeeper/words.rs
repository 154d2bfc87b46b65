//! The questions of four letters that a server answers without a session.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a server on this machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a server is in its ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Alone,
    Leader,
    Follower,
}

/// What the server at `address` answers to `word`, such as `mntr`.
pub(super) fn ask(address: SocketAddr, word: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(word.as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The role that the answer to `srvr` tells; `None` of a server that does not serve.
pub(super) fn role(answer: &str) -> Option<Role> {
    let mode = answer.lines().find_map(|line| line.strip_prefix("Mode: "))?;
    match mode.trim() {
        "standalone" => Some(Role::Alone),
        "leader" => Some(Role::Leader),
        "follower" => Some(Role::Follower),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_serves_once_it_tells_its_mode() {
        let answer = |mode| {
            format!("Zookeeper version: 3.8.0\nLatency min/avg/max: 0/0.0/0\nMode: {mode}\nNode count: 5\n")
        };
        assert_eq!(role(&answer("leader")), Some(Role::Leader));
        assert_eq!(role(&answer("follower")), Some(Role::Follower));
        assert_eq!(role(&answer("standalone")), Some(Role::Alone));
        assert_eq!(role(&answer("read-only")), None);
        assert_eq!(role("This ZooKeeper instance is not currently serving requests\n"), None);
    }
}
