//! Ending the session of another process, which the client library cannot: it takes the session's password.
//!
//! A server makes the password of a session from its id, in a way that has not changed since the first release, so it can be made here as well. A connection that
//! goes on with the session and closes it at once ends it: all that it owns goes in one transaction.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a server mixes into passwords.
const SALT: i64 = 0xB341_5C00;

/// What `java.util.Random` calculates with.
const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const INCREMENT: u64 = 0xB;
const MASK: u64 = (1 << 48) - 1;

const PASSWORD_BYTES: usize = 16;
const CLOSE: i32 = -11;
/// An answer of a server is this long at most, here.
const ANSWER_BYTES_MAX: usize = 1_024;

/// What became of an attempt to end a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// The server took the request.
    Said,
    /// The server does not know the session, or not by this password.
    Refused,
    /// No server answered.
    Unheard,
}

/// Ends `session`, on the first of `servers` (`host:port,host:port`) that answers.
pub(crate) async fn say(servers: &str, session: i64) -> Farewell {
    for server in servers.split(',') {
        match say_to(server, session).await {
            Ok(true) => return Farewell::Said,
            Ok(false) => return Farewell::Refused,
            Err(error) => tracing::debug!(server, %error, "cannot end a session there"),
        }
    }
    Farewell::Unheard
}

/// True if the server let us go on with the session, and was told to close it.
async fn say_to(server: &str, session: i64) -> io::Result<bool> {
    let mut stream = TcpStream::connect(server).await?;
    // Both at once: the server hangs up on whoever has the session now, and that one comes back to take it from us.
    stream.write_all(&[connect(session), close()].concat()).await?;
    let answer = frame(&mut stream).await?;
    // Version, ttl, session: 0 for one that the server refuses.
    let granted = answer.get(8..16).and_then(|bytes| bytes.try_into().ok()).map_or(0, i64::from_be_bytes);
    if granted != session {
        return Ok(false);
    }
    // The answer comes when it is done. A server may also just hang up.
    drop(frame(&mut stream).await);
    Ok(true)
}

async fn frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = usize::try_from(stream.read_i32().await?).unwrap_or(usize::MAX);
    if length > ANSWER_BYTES_MAX {
        return Err(io::Error::other("the answer is not one of ZooKeeper"));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// The request to go on with `session`.
fn connect(session: i64) -> Vec<u8> {
    const TTL_MS: i32 = 4_000;
    let mut body = Vec::new();
    // The version of the protocol, and the latest transaction seen: none, so that no server is too far behind for us.
    body.extend(0_i32.to_be_bytes());
    body.extend(0_i64.to_be_bytes());
    body.extend(TTL_MS.to_be_bytes());
    body.extend(session.to_be_bytes());
    body.extend(16_i32.to_be_bytes());
    body.extend(password(session));
    // A server that can only read is of no use.
    body.push(0);
    framed(&body)
}

fn close() -> Vec<u8> {
    framed(&[1_i32.to_be_bytes(), CLOSE.to_be_bytes()].concat())
}

fn framed(body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len()).unwrap_or(i32::MAX);
    [&length.to_be_bytes()[..], body].concat()
}

/// The password of a session: 16 bytes of Java's generator of random numbers, with the id and the salt as its seed.
fn password(session: i64) -> [u8; PASSWORD_BYTES] {
    let mut state = ((session ^ SALT).cast_unsigned() ^ MULTIPLIER) & MASK;
    let mut password = [0; PASSWORD_BYTES];
    for word in password.chunks_exact_mut(4) {
        state = (state.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT)) & MASK;
        let [.., a, b, c, d] = (state >> 16).to_be_bytes();
        // Java takes the lowest byte first.
        word.copy_from_slice(&[d, c, b, a]);
    }
    password
}

#[cfg(test)]
mod tests {
    use super::{close, connect, password};

    #[test]
    fn the_password_is_the_one_that_java_makes() {
        // From `new java.util.Random(id ^ 0xB3415C00L).nextBytes(new byte[16])`.
        assert_eq!(password(0x0100_037c_1e0a_0004), JAVA);
    }

    const JAVA: [u8; 16] = [176, 214, 242, 78, 161, 76, 173, 121, 183, 81, 152, 119, 33, 57, 18, 243];

    #[test]
    fn frames_begin_with_their_length() {
        assert_eq!(close(), [0, 0, 0, 8, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xf5]);
        assert_eq!((connect(7).len(), connect(7)[3]), (4 + 45, 45));
    }
}
