//! How fast the recipes are on ZooKeeper, beside the client library alone on the same server in the same run: see [`ha_conformance::figures`].

mod raw;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ha_backend_zk::{ZkBackend, ZkConfig};
use ha_conformance::figures::{self, Subject, Targets};
use ha_conformance::servers::zookeeper::ZooKeeper;
use ha_core::Error;
use ha_core::spi::Backend;

struct OnZooKeeper;

impl Subject for OnZooKeeper {
    const NAME: &'static str = "zk";
    const TARGETS: Targets = targets();
    type Raw = raw::Raw;

    fn backend(address: &str) -> Result<Arc<dyn Backend>, Error> {
        Ok(Arc::new(ZkBackend::new(ZkConfig::new([address])?)))
    }
}

const fn targets() -> Targets {
    let mut targets = Targets::NONE;
    targets.uncontended = Some("<= 1.10");
    targets.many = Some(">= 0.8");
    targets.hand_over = Some("<= 3");
    targets.contended = Some(">= 1300");
    targets.work_set = Some(">= 20000");
    targets.failover = Some("<= 1");
    targets
}

fn main() -> ExitCode {
    figures::main::<OnZooKeeper, _>(|| {
        // One server, in memory, with room for the items. A session ends up to a tick late, and it is a quarter of the default here.
        let builder = ZooKeeper::builder().tick(Duration::from_millis(500)).java("-Xmx1g");
        // What runs often is compiled as well as in production, which tests do not wait for.
        let zookeeper = builder.java("-XX:TieredStopAtLevel=4").start()?;
        let address = zookeeper.member(0).client_address().to_string();
        Ok((zookeeper, address))
    })
}
