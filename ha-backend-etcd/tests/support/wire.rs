//! Tells a commit from everything else that the backend says to etcd, by the bytes of its transactions.

/// The path of a transaction.
pub(crate) const TXN: &str = "/etcdserverpb.KV/Txn";

/// How etcd numbers what a condition compares: the revision of the last change.
const MODIFIED: u64 = 2;

/// Whether an encoded `TxnRequest` is a commit of the contract. Its first condition is the fence: that the record of its session was
/// modified at some revision. So is that of the transaction which kills copies, but that one writes the record and nothing else.
pub(crate) fn is_commit(request: &[u8]) -> bool {
    let Some(fence) = messages(request, 1).next() else { return false };
    let key = messages(fence, 3).next().unwrap_or_default();
    let is_fence = number(fence, 2) == MODIFIED && is_record(key);
    let kills = || {
        let mut steps = messages(request, 2);
        let put = steps.next().and_then(|step| messages(step, 2).next());
        steps.next().is_none() && put.is_some_and(|put| messages(put, 1).next() == Some(key))
    };
    is_fence && !kills()
}

/// Whether this is the key of a session's record.
fn is_record(key: &[u8]) -> bool {
    key.windows(3).any(|part| part == b"/s/") && !key.windows(3).any(|part| part == b"/e/")
}

/// The embedded messages, texts and bytes of a field, in order.
fn messages(message: &[u8], wanted: u64) -> impl Iterator<Item = &[u8]> {
    fields(message).filter_map(move |(field, value)| match value {
        Value::Bytes(bytes) if field == wanted => Some(bytes),
        _ => None,
    })
}

/// The last number of a field, which is 0 where it is left out.
fn number(message: &[u8], wanted: u64) -> u64 {
    let numbers = fields(message).filter_map(|(field, value)| match value {
        Value::Number(number) if field == wanted => Some(number),
        _ => None,
    });
    numbers.last().unwrap_or(0)
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a protobuf message. What is not one ends them.
fn fields(mut rest: &[u8]) -> impl Iterator<Item = (u64, Value<'_>)> {
    std::iter::from_fn(move || {
        let tag = varint(&mut rest)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut rest)?),
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                let (bytes, behind) = rest.split_at_checked(length)?;
                rest = behind;
                Value::Bytes(bytes)
            }
            _ => return None,
        };
        Some((tag >> 3, value))
    })
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}
