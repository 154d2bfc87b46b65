//! How fast the recipes are on Redis, beside scripts of the client library alone on the same server in the same run: see [`ha_conformance::figures`].

mod raw;

use std::process::ExitCode;
use std::sync::Arc;

use ha_backend_redis::{RedisBackend, RedisConfig};
use ha_conformance::figures::{self, Subject, Targets};
use ha_conformance::servers::redis::Redis;
use ha_core::spi::Backend;
use ha_core::{Error, ErrorKind};

struct OnRedis;

impl Subject for OnRedis {
    const NAME: &'static str = "redis";
    const TARGETS: Targets = targets();
    type Raw = raw::Raw;

    fn backend(address: &str) -> Result<Arc<dyn Backend>, Error> {
        let address: std::net::SocketAddr = address
            .parse()
            .map_err(|error| Error::new(ErrorKind::InvalidInput, "read address").with_source(error))?;
        Ok(Arc::new(RedisBackend::new(RedisConfig::new(address.ip().to_string(), address.port()))))
    }
}

const fn targets() -> Targets {
    let mut targets = Targets::NONE;
    targets.uncontended = Some("<= 1.3");
    targets.many = Some(">= 0.6");
    targets.hand_over = Some("<= 3");
    targets.work_set = Some(">= 100000");
    targets.failover = Some("<= 1");
    targets
}

fn main() -> ExitCode {
    figures::main::<OnRedis, _>(|| {
        let redis = Redis::builder().without_persistence().start()?;
        let address = redis.server(0).address().to_string();
        Ok((redis, address))
    })
}
