use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::clock::Stopwatch;

/// Longer than anything here takes that is not held back.
const LONG: Duration = Duration::from_secs(10);

/// Shows that nothing comes.
const SHORT: Duration = Duration::from_millis(100);

/// A server that says everything twice, and a way to it.
async fn echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                while let Ok(read @ 1..) = client.read(&mut buffer).await {
                    client.write_all(&buffer[..read]).await?;
                }
                client.shutdown().await
            });
        }
    });
    Proxy::start(address)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn say(client: &mut TcpStream, what: &str) {
    client.write_all(what.as_bytes()).await.unwrap();
}

/// What comes back, of this length.
async fn hear(client: &mut TcpStream, length: usize) -> io::Result<String> {
    let mut heard = vec![0; length];
    timeout(LONG, client.read_exact(&mut heard)).await.expect("nothing came back")?;
    Ok(String::from_utf8(heard).unwrap())
}

async fn assert_silent(client: &mut TcpStream) {
    let mut heard = [0; 1];
    assert!(timeout(SHORT, client.read(&mut heard)).await.is_err(), "something came back");
}

#[tokio::test]
async fn everything_passes_until_told_otherwise() {
    let proxy = echo().await;
    let mut client = connect(&proxy).await;
    say(&mut client, "hello").await;
    assert_eq!(hear(&mut client, 5).await.unwrap(), "hello");
    client.shutdown().await.unwrap();
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(
        (proxy.connections(), proxy.passed(Direction::ToServer), proxy.passed(Direction::ToClient)),
        (1, 5, 5)
    );
}

#[tokio::test]
async fn a_cut_way_closes_its_connections_and_refuses_new_ones_until_it_is_healed() {
    let proxy = echo().await;
    let mut client = connect(&proxy).await;
    say(&mut client, "hello").await;
    hear(&mut client, 5).await.unwrap();
    proxy.cut();
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    proxy.heal();
    let mut client = connect(&proxy).await;
    say(&mut client, "again").await;
    assert_eq!(hear(&mut client, 5).await.unwrap(), "again");
}

#[tokio::test]
async fn a_way_that_refuses_keeps_the_connections_that_it_has() {
    let proxy = echo().await;
    let mut client = connect(&proxy).await;
    say(&mut client, "1").await;
    hear(&mut client, 1).await.unwrap();
    proxy.refuse();
    assert!(TcpStream::connect(proxy.address()).await.is_err());
    say(&mut client, "2").await;
    assert_eq!(hear(&mut client, 1).await.unwrap(), "2");
}

#[tokio::test]
async fn a_reset_reaches_the_client_as_one() {
    let proxy = echo().await;
    let mut client = connect(&proxy).await;
    say(&mut client, "hello").await;
    hear(&mut client, 5).await.unwrap();
    proxy.reset();
    let error = timeout(LONG, client.read(&mut [0; 1])).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    say(&mut connect(&proxy).await, "welcome").await;
}

#[tokio::test]
async fn what_is_held_arrives_once_the_way_is_healed() {
    for direction in [Direction::ToServer, Direction::ToClient] {
        let proxy = echo().await;
        let mut client = connect(&proxy).await;
        say(&mut client, "before").await;
        hear(&mut client, 6).await.unwrap();
        proxy.hold(direction);
        say(&mut client, "late").await;
        assert_silent(&mut client).await;
        let has_passed = proxy.passed(Direction::ToServer);
        assert_eq!(has_passed, if direction == Direction::ToServer { 6 } else { 10 }, "{direction:?}");
        proxy.heal();
        assert_eq!(hear(&mut client, 4).await.unwrap(), "late");
    }
}

#[tokio::test]
async fn swallowed_replies_never_arrive_though_their_requests_do() {
    let proxy = echo().await;
    let mut client = connect(&proxy).await;
    say(&mut client, "1").await;
    hear(&mut client, 1).await.unwrap();
    proxy.swallow_replies();
    say(&mut client, "lost").await;
    assert_silent(&mut client).await;
    assert_eq!((proxy.passed(Direction::ToServer), proxy.passed(Direction::ToClient)), (5, 1));
    proxy.heal();
    let error = client.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn each_direction_is_delayed_and_the_order_stays() {
    let proxy = echo().await;
    let mut client = connect(&proxy).await;
    proxy.delay(SHORT / 2, SHORT / 10);
    let watch = Stopwatch::start();
    for part in ["one ", "two ", "three"] {
        say(&mut client, part).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(hear(&mut client, 13).await.unwrap(), "one two three");
    assert!(watch.elapsed() >= SHORT, "{:?}", watch.elapsed());
}

#[tokio::test]
async fn a_connection_is_cut_after_so_many_bytes_in_the_middle_of_what_was_said() {
    let proxy = echo().await;
    let mut client = connect(&proxy).await;
    say(&mut client, "whole").await;
    hear(&mut client, 5).await.unwrap();
    proxy.reset_after(Direction::ToClient, 3);
    say(&mut client, "frame").await;
    assert_eq!(hear(&mut client, 3).await.unwrap(), "fra");
    let error = timeout(LONG, client.read(&mut [0; 1])).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    proxy.heal();
    let mut client = connect(&proxy).await;
    say(&mut client, "whole").await;
    assert_eq!(hear(&mut client, 5).await.unwrap(), "whole");
}

#[tokio::test]
async fn garbage_is_all_that_is_told() {
    let proxy = echo().await;
    proxy.answer("HTTP/1.1 400 no\r\n\r\n");
    let mut client = connect(&proxy).await;
    assert_eq!(hear(&mut client, 19).await.unwrap(), "HTTP/1.1 400 no\r\n\r\n");
    say(&mut client, "hello").await;
    assert_silent(&mut client).await;
    assert_eq!(proxy.passed(Direction::ToServer), 0);
    proxy.heal();
    let mut client = connect(&proxy).await;
    say(&mut client, "hello").await;
    assert_eq!(hear(&mut client, 5).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_way_can_lead_to_another_server() {
    let (proxy, other) = (echo().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
    proxy.lead_to(other.local_addr().unwrap());
    let _client = connect(&proxy).await;
    timeout(LONG, other.accept()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_to_a_server_that_is_down_is_reset() {
    let proxy = Proxy::start(Address::free(&[PORT]).port(PORT));
    let ended = async {
        // The reset may come before the connection is known to be there.
        let mut client = TcpStream::connect(proxy.address()).await?;
        client.read(&mut [0; 1]).await
    };
    let ended = timeout(LONG, ended).await.unwrap();
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}
