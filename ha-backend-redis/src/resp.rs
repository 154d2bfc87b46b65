//! The protocol of Redis, version 2: what we send, and replies as they arrive.

use bytes::{Buf, Bytes, BytesMut};

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Nil,
    Number(i64),
    /// A short answer such as `OK`, or bytes of any kind.
    Text(Bytes),
    Error(String),
    List(Vec<Self>),
}

/// The bytes are not of this protocol. The connection is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Garbled;

/// Longer replies than any of ours: a server that sends them is none that we know.
const BYTES_MAX: usize = 512 * 1024 * 1024;
/// A list in a list in a list is the most that a server answers to us.
const DEPTH_MAX: usize = 8;

/// Appends a command.
pub(crate) fn encode(command: &mut Vec<u8>, parts: &[&[u8]]) {
    number(command, b'*', parts.len());
    for part in parts {
        number(command, b'$', part.len());
        command.extend_from_slice(part);
        command.extend_from_slice(b"\r\n");
    }
}

fn number(command: &mut Vec<u8>, kind: u8, number: usize) {
    command.push(kind);
    command.extend_from_slice(number.to_string().as_bytes());
    command.extend_from_slice(b"\r\n");
}

/// Takes replies out of bytes that arrive in pieces.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// Lists that are not complete yet, the outermost first: what is there, and how much is to come.
    open: Vec<(Vec<Reply>, usize)>,
}

impl Decoder {
    /// The next reply; `None` until more bytes are there. What was taken is gone from `bytes`.
    pub(crate) fn next(&mut self, bytes: &mut BytesMut) -> Result<Option<Reply>, Garbled> {
        loop {
            let Some(item) = self.item(bytes)? else { return Ok(None) };
            let mut done = match item {
                Item::Reply(reply) => reply,
                Item::List(0) => Reply::List(Vec::new()),
                Item::List(count) => {
                    if self.open.len() == DEPTH_MAX {
                        return Err(Garbled);
                    }
                    // Not as large as the server says, before it has sent anything.
                    self.open.push((Vec::with_capacity(count.min(1_024)), count));
                    continue;
                }
            };
            loop {
                let Some((replies, missing)) = self.open.last_mut() else { return Ok(Some(done)) };
                replies.push(done);
                *missing -= 1;
                if *missing > 0 {
                    break;
                }
                done = Reply::List(self.open.pop().map(|(replies, _)| replies).unwrap_or_default());
            }
        }
    }

    fn item(&self, bytes: &mut BytesMut) -> Result<Option<Item>, Garbled> {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            return if bytes.len() > BYTES_MAX { Err(Garbled) } else { Ok(None) };
        };
        let [kind, text @ .., b'\r'] = &bytes[..end] else { return Err(Garbled) };
        let item = match kind {
            b'+' => Item::Reply(Reply::Text(Bytes::copy_from_slice(text))),
            b'-' => Item::Reply(Reply::Error(String::from_utf8_lossy(text).into_owned())),
            b':' => Item::Reply(Reply::Number(parse(text)?)),
            b'*' => match parse(text)? {
                -1 => Item::Reply(Reply::Nil),
                count => Item::List(usize::try_from(count).ok().filter(|c| *c <= BYTES_MAX).ok_or(Garbled)?),
            },
            b'$' => {
                let length = parse(text)?;
                if length == -1 {
                    bytes.advance(end + 1);
                    return Ok(Some(Item::Reply(Reply::Nil)));
                }
                let length = usize::try_from(length).ok().filter(|l| *l <= BYTES_MAX).ok_or(Garbled)?;
                let whole = end + 1 + length + 2;
                if bytes.len() < whole {
                    bytes.reserve(whole - bytes.len());
                    return Ok(None);
                }
                if &bytes[whole - 2..whole] != b"\r\n" {
                    return Err(Garbled);
                }
                bytes.advance(end + 1);
                let text = bytes.split_to(length).freeze();
                bytes.advance(2);
                return Ok(Some(Item::Reply(Reply::Text(text))));
            }
            _ => return Err(Garbled),
        };
        bytes.advance(end + 1);
        Ok(Some(item))
    }
}

/// A reply without what is in it.
enum Item {
    Reply(Reply),
    List(usize),
}

fn parse(text: &[u8]) -> Result<i64, Garbled> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Garbled)
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Garbled, Reply, encode};
    use bytes::{Bytes, BytesMut};

    const WIRE: &[u8] = b"*3\r\n$2\r\nO\n\r\n:-17\r\n*2\r\n$-1\r\n*0\r\n-ERR no\r\n+OK\r\n$0\r\n\r\n*-1\r\n";

    fn expected() -> Vec<Reply> {
        let text = |text: &'static [u8]| Reply::Text(Bytes::from_static(text));
        vec![
            Reply::List(vec![
                text(b"O\n"),
                Reply::Number(-17),
                Reply::List(vec![Reply::Nil, Reply::List(Vec::new())]),
            ]),
            Reply::Error("ERR no".to_owned()),
            text(b"OK"),
            text(b""),
            Reply::Nil,
        ]
    }

    #[test]
    fn replies_are_the_same_in_whatever_pieces_they_arrive() {
        for size in 1..=WIRE.len() {
            let (mut decoder, mut bytes, mut replies) = (Decoder::default(), BytesMut::new(), Vec::new());
            for piece in WIRE.chunks(size) {
                bytes.extend_from_slice(piece);
                while let Some(reply) = decoder.next(&mut bytes).unwrap() {
                    replies.push(reply);
                }
            }
            assert_eq!(replies, expected(), "in pieces of {size}");
            assert!(bytes.is_empty());
        }
    }

    #[test]
    fn what_is_no_reply_is_refused_before_memory_is_taken_for_it() {
        for wire in [
            &b"!x\r\n"[..],
            b":x\r\n",
            b"$-2\r\n",
            b"$999999999999\r\n",
            b"*999999999999\r\n",
            b"+x\n",
            b"$1\r\nabc",
        ] {
            let mut bytes = BytesMut::from(wire);
            assert_eq!(Decoder::default().next(&mut bytes), Err(Garbled), "{wire:?}");
        }
        let mut deep = BytesMut::from(&b"*1\r\n".repeat(9)[..]);
        assert_eq!(Decoder::default().next(&mut deep), Err(Garbled));
    }

    #[test]
    fn a_command_is_a_list_of_texts() {
        let mut command = Vec::new();
        encode(&mut command, &[b"GET", b"a\r\n"]);
        assert_eq!(command, b"*2\r\n$3\r\nGET\r\n$3\r\na\r\n\r\n");
    }
}
