//! Questions to a server, without a client library.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a server on this machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the server at `address` answers to one command: the texts and numbers of its answer, one after the other. Its errors are errors here.
pub(super) fn ask(address: SocketAddr, command: &[&str]) -> io::Result<Vec<String>> {
    let connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    let mut request = format!("*{}\r\n", command.len());
    for part in command {
        request.push_str(&format!("${}\r\n{part}\r\n", part.len()));
    }
    (&connection).write_all(request.as_bytes())?;
    answer(&mut BufReader::new(&connection))
}

/// Reads one answer, with what is in it.
fn answer(from: &mut impl BufRead) -> io::Result<Vec<String>> {
    let (mut texts, mut missing) = (Vec::new(), 1_usize);
    while missing > 0 {
        missing -= 1;
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let strange = || io::Error::other(format!("no answer of redis: {line:?}"));
        let (kind, rest) = line.trim_end().split_at_checked(1).ok_or_else(strange)?;
        match kind {
            "+" | ":" => texts.push(rest.to_owned()),
            "-" => return Err(io::Error::other(rest.to_owned())),
            "*" => missing += rest.parse::<usize>().unwrap_or(0),
            "$" => {
                // Nothing, where there is nothing.
                let Ok(length) = rest.parse::<usize>() else { continue };
                let mut text = vec![0; length + 2];
                from.read_exact(&mut text)?;
                texts.push(String::from_utf8_lossy(&text[..length]).into_owned());
            }
            _ => return Err(strange()),
        }
    }
    Ok(texts)
}

/// The value of `key` in lines such as `role:master`.
pub(super) fn value<'a>(info: &'a str, key: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_to_its_end_and_no_further() {
        let mut wire = &b"*3\r\n$4\r\na\r\nb\r\n:7\r\n*2\r\n$-1\r\n+OK\r\n-ERR no\r\n"[..];
        assert_eq!(answer(&mut wire).unwrap(), ["a\r\nb", "7", "OK"]);
        assert_eq!(answer(&mut wire).unwrap_err().to_string(), "ERR no");
        answer(&mut wire).unwrap_err();
    }

    #[test]
    fn a_value_is_found_by_its_whole_key() {
        let info = "# Replication\r\nrole:master\r\nmaster_replid2:00\r\nmaster_replid:ab\r\n";
        assert_eq!(value(info, "master_replid"), Some("ab"));
        assert_eq!(value(info, "slave"), None);
    }
}
