//! Carries one call, a request or a stream of them, and what is said about it.

use std::future;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::sync::{mpsc, watch};

use super::Rule;
use super::fate::{Call, Fate};

/// In front of each message: whether it is compressed, and how long it is.
const PREFIX: usize = 5;

/// What the client says.
enum Said {
    /// A message with its prefix.
    Message(Bytes),
    /// There is no more.
    All,
    /// The client gave up.
    GaveUp,
}

/// What the client is to hear.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hearing {
    Everything,
    /// So much later.
    Late(Duration),
    Nothing,
    /// This status, and no more.
    Refused(u16, &'static str),
}

/// Carries the messages of a call to the server as the rule says, and the answer back.
///
/// The messages are read at once, so that a client that gives up afterwards takes none of them back.
pub(super) async fn carry(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    server: SendRequest<Bytes>,
    rule: Rule,
) {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let (said, to_say) = mpsc::unbounded_channel();
    let (hearing, to_hear) = watch::channel(Hearing::Everything);
    let Ok(mut server) = server.ready().await else { return };
    // Its head goes ahead: nothing happens to it before its first message.
    let Ok((answer, to_server)) = server.send_request(Request::from_parts(head, ()), false) else { return };
    drop(server);
    let listen = read(body, said);
    let speak = speak(path, to_say, to_server, hearing, rule);
    tokio::join!(listen, speak, reply(answer, respond, to_hear));
}

/// Reads what the client says, message by message.
async fn read(mut body: RecvStream, said: mpsc::UnboundedSender<Said>) {
    let mut buffer = BytesMut::new();
    let end = loop {
        match body.data().await {
            None => break Said::All,
            Some(Err(_)) => break Said::GaveUp,
            Some(Ok(data)) => {
                // It only says that more may be sent.
                body.flow_control().release_capacity(data.len()).ok();
                buffer.extend_from_slice(&data);
                while let Some(length) = first_message(&buffer) {
                    said.send(Said::Message(buffer.split_to(length).freeze())).ok();
                }
            }
        }
    };
    said.send(end).ok();
}

/// The length of the first message with its prefix, if it is complete.
fn first_message(buffer: &[u8]) -> Option<usize> {
    let mut length = buffer.get(1..PREFIX)?;
    let whole = PREFIX + length.get_u32() as usize;
    (buffer.len() >= whole).then_some(whole)
}

/// Says to the server what the rule lets through.
async fn speak(
    path: String,
    mut to_say: mpsc::UnboundedReceiver<Said>,
    mut server: SendStream<Bytes>,
    hearing: watch::Sender<Hearing>,
    rule: Rule,
) {
    let mut is_lost = false;
    while let Some(said) = to_say.recv().await {
        // A server that is gone hears nothing, and the client is told by the other direction.
        let sent = match said {
            Said::All if is_lost => Ok(()),
            Said::All => server.send_data(Bytes::new(), true),
            Said::GaveUp => {
                server.send_reset(Reason::CANCEL);
                return;
            }
            Said::Message(message) => {
                let fate = rule(&Call { path: &path, message: &message[PREFIX..] });
                match fate {
                    Fate::Pass => {}
                    Fate::LoseRequest => {
                        is_lost = true;
                        hearing.send_replace(Hearing::Nothing);
                        continue;
                    }
                    Fate::LoseReply => drop(hearing.send_replace(Hearing::Nothing)),
                    Fate::DelayReply(delay) => drop(hearing.send_replace(Hearing::Late(delay))),
                    Fate::Delay(delay) => tokio::time::sleep(delay).await,
                    Fate::Hold(gate) => gate.pass().await,
                    Fate::Refuse(status, why) => {
                        hearing.send_replace(Hearing::Refused(status, why));
                        server.send_reset(Reason::CANCEL);
                        return;
                    }
                }
                server.send_data(message, false)
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Lets the client hear what it is to hear of the answer.
async fn reply(
    answer: ResponseFuture,
    mut respond: SendResponse<Bytes>,
    mut hearing: watch::Receiver<Hearing>,
) {
    let answered = tokio::select! {
        biased;
        refused = refusal(&mut hearing) => {
            let mut response = Response::new(());
            *response.headers_mut() = trailers(refused);
            response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
            respond.send_response(response, true).map(drop).ok();
            return;
        }
        answered = answer => answered,
    };
    let is_heard = is_to_hear(&mut hearing).await;
    let Ok(answered) = answered else {
        if is_heard {
            respond.send_reset(Reason::CANCEL);
        }
        return wait_for_end(|cx| respond.poll_reset(cx)).await;
    };
    let (head, body) = answered.into_parts();
    if !is_heard {
        drain(body).await;
        return wait_for_end(|cx| respond.poll_reset(cx)).await;
    }
    let is_all = body.is_end_stream();
    if let Ok(client) = respond.send_response(Response::from_parts(head, ()), is_all)
        && !is_all
    {
        pass_on(body, client, hearing).await;
    }
}

/// Waits until the client has given up: until then it hears neither an answer nor an error.
async fn wait_for_end(mut poll_reset: impl FnMut(&mut Context<'_>) -> Poll<Result<Reason, h2::Error>>) {
    future::poll_fn(|cx| poll_reset(cx)).await.map(drop).ok();
}

/// Lets the server say all, to nobody: to drop it would tell the server that nobody wants the answer, and could overtake the request.
async fn drain(mut body: RecvStream) {
    while let Some(Ok(data)) = body.data().await {
        body.flow_control().release_capacity(data.len()).ok();
    }
}

/// How a call ends with a status of ours.
fn trailers((status, why): (u16, &'static str)) -> HeaderMap {
    let why = HeaderValue::from_static(why);
    HeaderMap::from_iter([
        (HeaderName::from_static("grpc-status"), HeaderValue::from(status)),
        (HeaderName::from_static("grpc-message"), why),
    ])
}

/// The status that the client is told instead of an answer; waits for ever if there is none.
async fn refusal(hearing: &mut watch::Receiver<Hearing>) -> (u16, &'static str) {
    loop {
        if let Hearing::Refused(status, why) = *hearing.borrow_and_update() {
            return (status, why);
        }
        if hearing.changed().await.is_err() {
            future::pending::<()>().await;
        }
    }
}

/// Passes on data and trailers.
async fn pass_on(mut body: RecvStream, mut client: SendStream<Bytes>, mut hearing: watch::Receiver<Hearing>) {
    loop {
        let data = tokio::select! {
            biased;
            _ = future::poll_fn(|cx| client.poll_reset(cx)) => return drain(body).await,
            refused = refusal(&mut hearing) => {
                client.send_trailers(trailers(refused)).ok();
                return;
            }
            data = body.data() => data,
        };
        if !is_to_hear(&mut hearing).await {
            drain(body).await;
            return wait_for_end(|cx| client.poll_reset(cx)).await;
        }
        match data {
            Some(Ok(data)) => {
                body.flow_control().release_capacity(data.len()).ok();
                if client.send_data(data, false).is_err() {
                    return drain(body).await;
                }
            }
            Some(Err(_)) => {
                client.send_reset(Reason::CANCEL);
                return;
            }
            None => break,
        }
    }
    let ended = match body.trailers().await {
        Ok(Some(trailers)) => client.send_trailers(trailers),
        Ok(None) => client.send_data(Bytes::new(), true),
        Err(error) => Err(error),
    };
    if ended.is_err() {
        client.send_reset(Reason::CANCEL);
    }
}

/// Whether the client is to hear what comes next, once it is time for that.
async fn is_to_hear(hearing: &mut watch::Receiver<Hearing>) -> bool {
    let now = *hearing.borrow_and_update();
    match now {
        Hearing::Everything => true,
        Hearing::Late(delay) => {
            tokio::time::sleep(delay).await;
            true
        }
        Hearing::Nothing | Hearing::Refused(..) => false,
    }
}
