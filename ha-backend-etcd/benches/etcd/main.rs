//! How fast the recipes are on etcd, beside the client library alone on the same server in the same run: see [`ha_conformance::figures`].
//!
//! # What they consist of
//!
//! Counted at the server and on the sockets of a process:
//!
//! * A mutex that nobody else wants: two transactions for a pair, as the client library sends. What lies between the two sides is a condition on the record of the session
//!   in each, and four ways between the thread of the caller and that for I/O.
//! * A planned hand-over of leadership: a transaction, its event at the next one, and a transaction of that one. The same from the client library alone is printed beside it: 2.4 round
//!   trips where it was measured, because an event has to wake another client. The rest is the way to the threads for I/O and back.
//! * A hand-over among processes: two transactions, two reads and one event. The deletion, its event and one of the reads come one after the other: whoever was ahead may have died in
//!   the middle of the queue, so the event alone makes nobody a holder. The other transaction and the other read are those of the place behind all others.

mod raw;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ha_backend_etcd::{EtcdBackend, EtcdConfig};
use ha_conformance::figures::{self, Subject, Targets};
use ha_conformance::servers::etcd::Etcd;
use ha_core::Error;
use ha_core::spi::Backend;

struct OnEtcd;

impl Subject for OnEtcd {
    const NAME: &'static str = "etcd";
    const TARGETS: Targets = targets();
    type Raw = raw::Raw;

    fn backend(address: &str) -> Result<Arc<dyn Backend>, Error> {
        Ok(Arc::new(EtcdBackend::new(EtcdConfig::new([address])?)))
    }
}

const fn targets() -> Targets {
    let mut targets = Targets::NONE;
    targets.uncontended = Some("<= 1.10");
    targets.many = Some(">= 0.8");
    targets.hand_over = Some("<= 3");
    targets.contended = Some(">= 1500");
    targets.work_set = Some(">= 20000");
    targets.failover = Some("<= 1");
    targets
}

fn main() -> ExitCode {
    figures::main::<OnEtcd, _>(|| {
        // One member, in memory and with the timing of a default installation.
        let etcd = Etcd::builder()
            .timing(Duration::from_millis(100), Duration::from_secs(1))
            .argument("--auto-compaction-mode=revision")
            .argument("--auto-compaction-retention=10000")
            .start()?;
        let address = etcd.member(0).client_address().to_string();
        Ok((etcd, address))
    })
}
