use super::Redis;
use crate::servers::or_skip;

#[test]
fn one_server_keeps_its_data_across_a_restart() {
    let Some(redis) = or_skip(Redis::builder().start()) else { return };
    let server = redis.server(0);
    server.tell(&["SET", "a", "1"]);
    server.end();
    assert!(!server.is_healthy());
    server.start();
    assert_eq!(server.tell(&["GET", "a"]), ["1"]);
    assert_eq!(redis.primary(), 0);
}

#[test]
fn one_without_persistence_is_empty_after_a_restart() {
    let Some(redis) = or_skip(Redis::builder().without_persistence().start()) else { return };
    let server = redis.server(0);
    server.tell(&["SET", "a", "1"]);
    server.kill();
    server.start();
    assert_eq!(server.tell(&["DBSIZE"]), ["0"]);
}

#[test]
fn sentinels_replace_a_primary_that_is_killed_and_it_comes_back_as_a_replica() {
    let Some(redis) = or_skip(Redis::builder().replicas(2).sentinels(3).start()) else { return };
    assert_eq!(redis.primary(), 0);
    redis.server(0).kill();
    let next = redis.primary();
    assert_ne!(next, 0);
    redis.server(next).tell(&["SET", "a", "1"]);
    redis.server(0).start();
    redis.wait_until_ready();
    assert!(!redis.server(0).is_primary());
    assert_eq!(redis.server(0).tell(&["GET", "a"]), ["1"]);
}
