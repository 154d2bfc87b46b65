//! Opening a session, or an observer.

use std::sync::Arc;
use std::time::Duration;

use ha_core::runtime::Backoff;
use ha_core::spi::{SessionId, SessionRequest};
use ha_core::{Error, ErrorKind};

use crate::alarm;
use crate::answer::Status;
use crate::clock::micros;
use crate::config::RedisConfig;
use crate::failure::{Failure, FailureKind};
use crate::follow;
use crate::history::History;
use crate::keys::Layout;
use crate::link::Link;
use crate::resp::Reply;
use crate::scripts::{Call, Script};
use crate::server::Server;

const OPERATION: &str = "open a session";

/// Opens what `request` asks for.
pub(crate) async fn open(
    config: &Arc<RedisConfig>,
    history: Arc<History>,
    request: SessionRequest,
) -> Result<Arc<Link>, Error> {
    let give_up = request.runtime.now() + Duration::from_secs(5).max(config.timeout * 3);
    let mut backoff = Backoff::urgent();
    loop {
        let layout = Layout::new(&config.prefix, &request.namespace);
        let server = Server::new(Arc::clone(config), layout, Arc::clone(&request.runtime))?;
        // Each attempt has an id of its own: what became of an earlier one can never be mistaken for this one. It owns nothing, and ends by its ttl.
        let link = Link::new(server, Arc::clone(&history), id(&request)?, request.ttl);
        let failure = match attempt(&link, &request).await? {
            Ok(()) => {
                let link = Arc::new(link);
                link.spawn("redis-follow", follow::follow(Arc::clone(&link)));
                link.spawn("redis-alarm", alarm::watch(Arc::clone(&link)));
                return Ok(link);
            }
            Err(failure) => failure,
        };
        if !failure.is_transient() || request.runtime.now() >= give_up {
            return Err(failure.into_error(OPERATION));
        }
        backoff.wait(&*request.runtime).await;
    }
}

async fn attempt(link: &Link, request: &SessionRequest) -> Result<Result<(), Failure>, Error> {
    match refuse_eviction(link).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => return Ok(Err(failure)),
        Err(error) => return Err(error),
    }
    let ttl = request.ttl.map_or(0, micros);
    let call = Call::new(Script::Open).of(link.session());
    let call = call.with(ttl.to_string()).with(request.node.as_str());
    Ok(match link.call(&link.requests, &call).await {
        Ok(answer) if answer.status == Status::Taken => {
            Err(Failure::new(FailureKind::Refused, "a session has the same id by chance"))
        }
        Ok(_) => may_follow(link).await,
        Err(failure) => Err(failure),
    })
}

/// Finds out now whether this user may read the log: a watch could not say so later.
async fn may_follow(link: &Link) -> Result<(), Failure> {
    let live = link.requests.live(&link.server).await?;
    let log = link.server.layout.log().as_bytes();
    link.server
        .send(&live, &[b"XREAD", b"COUNT", b"1", b"STREAMS", log, b"$"], link.server.config.timeout)
        .await?;
    Ok(())
}

/// A server that evicts any key when its memory is full forgets sessions and grants at any time.
async fn refuse_eviction(link: &Link) -> Result<Result<(), Failure>, Error> {
    if link.server.config.accepts_eviction {
        return Ok(Ok(()));
    }
    let live = match link.requests.live(&link.server).await {
        Ok(live) => live,
        Err(failure) => return Ok(Err(failure)),
    };
    let memory = match link.server.send(&live, &[b"INFO", b"memory"], link.server.config.timeout).await {
        Ok(Reply::Text(memory)) => String::from_utf8_lossy(&memory).into_owned(),
        Ok(_) => return Ok(Err(crate::answer::strange("the memory of the server is no text"))),
        Err(failure) => return Ok(Err(failure)),
    };
    match policy(&memory).filter(|policy| policy.starts_with("allkeys-")) {
        None => Ok(Ok(())),
        Some(policy) => Err(Error::new(ErrorKind::Unsupported, OPERATION)
            .on(format_args!("at {}", link.server.config.address))
            .because(format_args!(
                "its maxmemory-policy is {policy}, by which it forgets grants when its memory is full; \
                 set it to noeviction, or say eviction=accept"
            ))),
    }
}

/// The policy that `INFO memory` tells.
fn policy(memory: &str) -> Option<&str> {
    memory.lines().find_map(|line| line.trim().strip_prefix("maxmemory_policy:"))
}

/// An id that was hardly ever used before. The server refuses one that a session has now.
fn id(request: &SessionRequest) -> Result<SessionId, Error> {
    let (one, other) = (request.runtime.random(), request.runtime.random() >> 32);
    SessionId::parse(&format!("{one:016x}{other:08x}"))
}

#[cfg(test)]
mod tests {
    use super::policy;

    #[test]
    fn the_policy_is_found_among_the_rest() {
        let memory = "# Memory\r\nused_memory:1\r\nmaxmemory_policy:allkeys-lru\r\nallocator:x\r\n";
        assert_eq!(policy(memory), Some("allkeys-lru"));
        assert_eq!(policy("# Memory\r\n"), None);
    }
}
