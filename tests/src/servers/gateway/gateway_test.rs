use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::time::timeout;

use super::*;
use crate::clock::Stopwatch;

/// Longer than anything here takes that is not held back.
const LONG: Duration = Duration::from_secs(10);

/// Shows that nothing comes.
const SHORT: Duration = Duration::from_millis(100);

/// A server that answers each call with the bytes that it was sent.
#[derive(Clone, Debug, Default)]
struct Echo {
    calls: Arc<AtomicUsize>,
}

impl Echo {
    async fn start(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let echo = self.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(echo.clone().serve(client));
            }
        });
        address
    }

    async fn serve(self, client: TcpStream) {
        let mut connection = h2::server::handshake(client).await.unwrap();
        while let Some(Ok((request, respond))) = connection.accept().await {
            tokio::spawn(self.clone().answer(request, respond));
        }
    }

    async fn answer(
        self,
        request: Request<h2::RecvStream>,
        mut respond: h2::server::SendResponse<Bytes>,
    ) -> Result<(), h2::Error> {
        let mut client = respond.send_response(Response::new(()), false)?;
        let mut body = request.into_body();
        while let Some(data) = body.data().await {
            let data = data?;
            // The end of the call may come with no data.
            self.calls.fetch_add(usize::from(!data.is_empty()), Ordering::SeqCst);
            client.send_data(data, false)?;
        }
        client.send_trailers(HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        )]))
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// What the client of a call hears: the message, and the status at the end.
async fn call(gateway: &Gateway, message: &str) -> (String, Option<u16>) {
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut requests = requests.ready().await.unwrap();
    let request = Request::post("http://server/echo.Echo/Say").body(()).unwrap();
    let (answer, mut body) = requests.send_request(request, false).unwrap();
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put_slice(message.as_bytes());
    // In two pieces, so that the gateway has to put them together.
    let end = framed.split_off(3);
    body.send_data(framed.freeze(), false).unwrap();
    body.send_data(end.freeze(), true).unwrap();

    let answer = answer.await.unwrap();
    let refused = status(answer.headers());
    let mut body = answer.into_body();
    let mut heard = BytesMut::new();
    while let Some(data) = body.data().await {
        heard.extend_from_slice(&data.unwrap());
    }
    let ended = body.trailers().await.unwrap().and_then(|trailers| status(&trailers));
    (String::from_utf8_lossy(heard.get(5..).unwrap_or_default()).into_owned(), refused.or(ended))
}

fn status(headers: &HeaderMap) -> Option<u16> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

async fn assert_unanswered(gateway: &Gateway, message: &str) {
    assert!(timeout(SHORT, call(gateway, message)).await.is_err(), "{message} was answered");
}

/// A gateway on which a message that begins with `bad` meets `fate`.
async fn gateway(echo: &Echo, fate: Fate) -> Gateway {
    Gateway::start(echo.start().await, move |call| {
        assert_eq!(call.path, "/echo.Echo/Say");
        if call.message.starts_with(b"bad") { fate.clone() } else { Fate::Pass }
    })
}

#[tokio::test]
async fn what_the_rule_lets_pass_is_answered_in_full() {
    let echo = Echo::default();
    let gateway = gateway(&echo, Fate::LoseRequest).await;
    assert_eq!(call(&gateway, "good").await, ("good".into(), Some(0)));
}

#[tokio::test]
async fn a_lost_request_never_arrives_and_others_do() {
    let echo = Echo::default();
    let gateway = gateway(&echo, Fate::LoseRequest).await;
    assert_unanswered(&gateway, "bad").await;
    assert_eq!(echo.calls(), 0);
    assert_eq!(call(&gateway, "good").await, ("good".into(), Some(0)));
}

#[tokio::test]
async fn a_lost_reply_is_that_of_a_request_which_arrived() {
    let echo = Echo::default();
    let gateway = gateway(&echo, Fate::LoseReply).await;
    assert_unanswered(&gateway, "bad").await;
    assert_eq!(echo.calls(), 1);
}

#[tokio::test]
async fn a_request_that_is_held_arrives_though_its_client_is_gone() {
    let (echo, gate) = (Echo::default(), Gate::new());
    let gateway = gateway(&echo, Fate::Hold(gate.clone())).await;
    assert_unanswered(&gateway, "bad").await;
    assert_eq!((echo.calls(), gate.waiting()), (0, 1));
    gate.open();
    let watch = Stopwatch::start();
    while echo.calls() == 0 {
        assert!(watch.elapsed() < LONG, "it did not arrive");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(gate.waiting(), 0);
}

#[tokio::test]
async fn a_delayed_request_arrives_later_and_a_delayed_reply_is_heard_later() {
    for fate in [Fate::Delay(SHORT), Fate::DelayReply(SHORT)] {
        let echo = Echo::default();
        let gateway = gateway(&echo, fate.clone()).await;
        let watch = Stopwatch::start();
        let (early, answer) = tokio::join!(
            async {
                tokio::time::sleep(SHORT / 2).await;
                echo.calls()
            },
            call(&gateway, "bad"),
        );
        assert_eq!(answer, ("bad".into(), Some(0)));
        assert!(watch.elapsed() >= SHORT);
        assert_eq!(early, usize::from(matches!(fate, Fate::DelayReply(_))), "{fate:?}");
    }
}

#[tokio::test]
async fn a_refused_request_is_answered_with_its_status_and_does_not_arrive() {
    let echo = Echo::default();
    let gateway = gateway(&echo, Fate::Refuse(14, "no")).await;
    assert_eq!(call(&gateway, "bad").await, (String::new(), Some(14)));
    assert_eq!(echo.calls(), 0);
}

#[tokio::test]
async fn a_gateway_leads_to_another_server_and_its_connections_end() {
    let (one, other) = (Echo::default(), Echo::default());
    let gateway = gateway(&one, Fate::Pass).await;
    let mut open = TcpStream::connect(gateway.address()).await.unwrap();
    call(&gateway, "first").await;
    gateway.lead_to(other.start().await);
    // Whatever it is told first, in the end it is told that there is no more.
    timeout(LONG, tokio::io::copy(&mut open, &mut tokio::io::sink())).await.unwrap().ok();
    call(&gateway, "second").await;
    assert_eq!((one.calls(), other.calls()), (1, 1));
}
