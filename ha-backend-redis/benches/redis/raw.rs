//! The client library alone, doing what a recipe at least has to do: in scripts, by their digests.

use ha_conformance::figures::{self, Failure, failed};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, Script};

/// Takes a place in a queue and says who is first.
const ACQUIRE: &str = "redis.call('ZADD', KEYS[1], redis.call('INCR', KEYS[2]), ARGV[1]) return redis.call('ZRANGE', KEYS[1], 0, 0)[1]";
const RELEASE: &str = "return redis.call('ZREM', KEYS[1], ARGV[1])";
const WRITE: &str = "if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SET', KEYS[2], '') end return 1";
/// Deletes what is handed over and wakes the next one.
const HAND_OVER: &str =
    "redis.call('DEL', KEYS[1]) redis.call('LPUSH', KEYS[2], '') return redis.call('INCR', KEYS[3])";
const ADD: &str =
    "for at = 2, #ARGV do redis.call('HSET', KEYS[1], ARGV[at], '0' .. ARGV[1]) end return #ARGV";
/// Writes items that are in a state, all or none.
const ADVANCE: &str = "local is, next = ARGV[2], ARGV[3]
for at = 4, #ARGV do if string.sub(redis.call('HGET', KEYS[1], ARGV[at]), 1, 1) ~= is then return 0 end end
for at = 4, #ARGV do redis.call('HSET', KEYS[1], ARGV[at], next .. ARGV[1]) end
return 1";
const ITEMS: &str = "raw:items";

pub(crate) struct Raw {
    connection: MultiplexedConnection,
    me: String,
}

impl figures::Raw for Raw {
    type Turn = ();

    async fn connect(address: &str) -> Result<Self, Failure> {
        let client = redis::Client::open(format!("redis://{address}"))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let me: u64 = connection.incr("raw:clients", 1).await?;
        Ok(Self { connection, me: me.to_string() })
    }

    async fn prepare(&self, queue: &str) -> Result<(), Failure> {
        let mut connection = self.connection.clone();
        let is_new: bool = connection.set_nx(format!("raw:{queue}:begun"), 1).await?;
        if is_new {
            let () = connection.lpush(format!("raw:{queue}:turn"), 1).await?;
        }
        Ok(())
    }

    /// Two scripts.
    async fn pair(&self, queue: &str) -> Result<(), Failure> {
        let mut connection = self.connection.clone();
        let (places, last) = (format!("raw:{queue}:places"), format!("raw:{queue}:last"));
        let first: String =
            Script::new(ACQUIRE).key(&places).key(last).arg(&self.me).invoke_async(&mut connection).await?;
        if first != self.me {
            return Err(failed("take a lock that nobody else wants"));
        }
        let () = Script::new(RELEASE).key(places).arg(&self.me).invoke_async(&mut connection).await?;
        Ok(())
    }

    /// Waits for the one token that there is, and puts it back. Whoever dies with it takes it along.
    async fn contended_pair(&self, queue: &str) -> Result<(), Failure> {
        let (mut connection, turn) = (self.connection.clone(), format!("raw:{queue}:turn"));
        let _: (String, String) = connection.blpop(&turn, 0.0).await?;
        let () = connection.rpush(turn, 1).await?;
        Ok(())
    }

    async fn round_trip(&self) -> Result<(), Failure> {
        let mut connection = self.connection.clone();
        let () = Script::new(WRITE).key("raw:never").key("raw:trip").invoke_async(&mut connection).await?;
        Ok(())
    }

    async fn await_turn(&self) -> Result<(), Failure> {
        Ok(self.connection.clone().set("raw:turn", "").await?)
    }

    async fn hand_over(&self, next: &Self, (): ()) -> Result<(), Failure> {
        let (mut here, mut there) = (self.connection.clone(), next.connection.clone());
        let created = async {
            let _: (String, String) = there.blpop("raw:wake", 0.0).await?;
            let () = Script::new(WRITE).key("raw:turn").key("raw:turn").invoke_async(&mut there).await?;
            Ok::<_, Failure>(())
        };
        let deleted = async {
            let () = Script::new(HAND_OVER)
                .key("raw:turn")
                .key("raw:wake")
                .key("raw:last")
                .invoke_async(&mut here)
                .await?;
            Ok::<_, Failure>(())
        };
        // Whoever is next waits before it is woken.
        tokio::try_join!(biased; created, deleted)?;
        Ok(())
    }

    async fn add(&self, names: &[String], value: &[u8]) -> Result<(), Failure> {
        let script = Script::new(ADD);
        let mut call = script.key(ITEMS);
        call.arg(value);
        for name in names {
            call.arg(name);
        }
        let () = call.invoke_async(&mut self.connection.clone()).await?;
        Ok(())
    }

    async fn claim_and_complete(&self, names: &[String], value: &[u8]) -> Result<(), Failure> {
        for (before, after) in [("0", "1"), ("1", "2")] {
            let script = Script::new(ADVANCE);
            let mut call = script.key(ITEMS);
            call.arg(value).arg(before).arg(after);
            for name in names {
                call.arg(name);
            }
            let written: u32 = call.invoke_async(&mut self.connection.clone()).await?;
            if written == 0 {
                return Err(failed("write items that nobody else writes"));
            }
        }
        Ok(())
    }
}
