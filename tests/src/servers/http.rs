//! Just enough HTTP to ask a server how it is.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a server on this machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The body of the answer to `GET path`, if it was success.
pub(super) fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.split(' ').nth(1) == Some("200") => Ok(body.to_owned()),
        _ => Err(io::Error::other(format!(
            "GET http://{address}{path}: {}",
            answer.lines().next().unwrap_or("no answer")
        ))),
    }
}
