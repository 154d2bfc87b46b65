//! Between our words and those of the library.

use etcd_client::proto::{PbKeyValue, PbRangeResponse, PbResponseHeader, PbTxnOpResponse, PbTxnResponse};
use etcd_client::{
    Compare as RawCompare, CompareOp, GetOptions, PutOptions, SortOrder, SortTarget, Txn, TxnOp,
};

use super::{Compare, Found, Header, Is, Kv, Lease, Read, Sort, Step, TxnAnswer, TxnRequest};

/// etcd's revisions are signed, and never negative.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn header(raw: Option<&PbResponseHeader>) -> Header {
    raw.map_or_else(Header::default, |raw| Header {
        cluster: raw.cluster_id,
        revision: unsigned(raw.revision),
        term: raw.raft_term,
    })
}

pub(super) fn kv(raw: PbKeyValue) -> Kv {
    Kv {
        key: raw.key,
        value: raw.value.into(),
        created: unsigned(raw.create_revision),
        modified: unsigned(raw.mod_revision),
        lease: raw.lease,
    }
}

pub(super) fn found(raw: PbRangeResponse) -> Found {
    Found { kvs: raw.kvs.into_iter().map(kv).collect(), more: raw.more }
}

pub(super) fn txn_answer(raw: PbTxnResponse) -> TxnAnswer {
    let header = header(raw.header.as_ref());
    let reads = raw.responses.into_iter().filter_map(|response| match response.response {
        Some(PbTxnOpResponse::ResponseRange(range)) => Some(found(range)),
        _ => None,
    });
    TxnAnswer { header, succeeded: raw.succeeded, found: reads.collect() }
}

/// The key of a read, and the rest of it.
pub(super) fn read(read: Read) -> (Vec<u8>, GetOptions) {
    let mut options = GetOptions::new();
    if !read.range.end.is_empty() {
        options = options.with_range(read.range.end);
    }
    options = match read.sort {
        Sort::Name => options,
        Sort::Oldest => options.with_sort(SortTarget::Create, SortOrder::Ascend),
        Sort::Newest => options.with_sort(SortTarget::Create, SortOrder::Descend),
    };
    if read.keys_only {
        options = options.with_keys_only();
    }
    if read.alone {
        options = options.with_serializable();
    }
    let options = options
        .with_limit(i64::try_from(read.limit).unwrap_or(i64::MAX))
        .with_min_create_revision(signed(read.created_from))
        .with_max_create_revision(signed(read.created_to))
        .with_revision(signed(read.revision));
    (read.range.key, options)
}

pub(super) fn txn(request: TxnRequest) -> Txn {
    let when: Vec<RawCompare> = request.when.into_iter().map(compare).collect();
    let then: Vec<TxnOp> = request.then.into_iter().map(step).collect();
    let otherwise: Vec<TxnOp> = request.otherwise.into_iter().map(step).collect();
    Txn::new().when(when).and_then(then).or_else(otherwise)
}

fn compare(compare: Compare) -> RawCompare {
    match compare.is {
        Is::CreatedAt(revision) => {
            RawCompare::create_revision(compare.key, CompareOp::Equal, signed(revision))
        }
        Is::ModifiedAt(revision) => RawCompare::mod_revision(compare.key, CompareOp::Equal, signed(revision)),
        Is::Present => RawCompare::create_revision(compare.key, CompareOp::Greater, 0),
    }
}

fn step(step: Step) -> TxnOp {
    match step {
        Step::Put { key, value, lease } => {
            let options = match lease {
                Lease::None => None,
                Lease::Of(lease) => Some(PutOptions::new().with_lease(lease)),
                Lease::Keep => Some(PutOptions::new().with_ignore_lease()),
            };
            TxnOp::put(key, value, options)
        }
        Step::Delete(key) => TxnOp::delete(key, None),
        Step::Read(wanted) => {
            let (key, options) = read(wanted);
            TxnOp::get(key, Some(options))
        }
    }
}
