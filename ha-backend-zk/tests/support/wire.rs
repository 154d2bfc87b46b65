//! Tells a commit from everything else that the backend says to ZooKeeper, by the bytes of its requests.

/// The kind of request that is a transaction.
const MULTI: i32 = 14;

/// Whether a request, without its length, is a commit of the contract: a transaction that writes to a slot. Renewals and barriers only check the marker of their
/// session, and what kills copies is a write of its own.
pub(crate) fn is_commit(request: &[u8]) -> bool {
    kind(request) == Some(MULTI) && request.windows(3).any(|part| part == b"/o/")
}

fn kind(request: &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(request.get(4..8)?.try_into().ok()?))
}
