//! Times and sizes.

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use windlass::plugin::endpoint::{Call, EndpointError, ErrorKind, Part};

use crate::bodies::pieces;
use crate::server::{Server, answer};
use crate::stage::{call, endpoint, get, request, send};

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = Server::waiting(|_| Box::pin(pending())).await;
    let text = json!({ "address": format!("http://{}", server.address()), "response_ms": 50 });
    let error = send(&endpoint(text), get("/x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HeadTimeout);
    assert_eq!(error.to_string(), "waiting for the answer took longer than 50 ms");
}

#[tokio::test]
async fn a_call_may_shorten_the_wait_and_not_lengthen_it() {
    let server = Server::waiting(|_| Box::pin(pending())).await;
    let address = format!("http://{}", server.address());
    let short = Some(Duration::from_millis(30));
    for (response_ms, of_call) in [(60_000, short), (30, Some(Duration::MAX))] {
        let endpoint = endpoint(json!({ "address": address, "response_ms": response_ms }));
        let error = endpoint.send(get("/x"), &Call { response: of_call, ..call() }).await.unwrap_err();
        assert_eq!(error.to_string(), "waiting for the answer took longer than 30 ms");
    }
}

#[tokio::test]
async fn a_connection_that_is_never_accepted_is_given_up() {
    // The queue of this listener holds one or two; the rest of the handshakes stay unanswered.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    for _ in 0..4 {
        let connecting = tokio::net::TcpStream::connect(address);
        filling.push(tokio::time::timeout(Duration::from_millis(50), connecting).await);
    }
    let endpoint = endpoint(json!({ "address": format!("http://{address}"), "connect_ms": 50 }));
    let error = send(&endpoint, get("/x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectTimeout, "{error}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_given_up() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = endpoint(json!({ "address": format!("https://{address}"), "connect_ms": 50 }));
    let error = send(&endpoint, get("/x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectTimeout, "{error}");
}

#[tokio::test]
async fn nobody_there_is_said() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = send(&endpoint(json!({ "address": format!("http://{address}") })), get("/x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().starts_with(&format!("cannot connect to {address}: ")), "{error}");
    let error = send(&endpoint(json!({ "address": "unix:/no/such.sock" })), get("/x")).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot connect to /no/such.sock: "), "{error}");
}

/// Sends a head and one chunk, then the rest when told to.
async fn pausing_server() -> (u16, oneshot::Sender<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (go_on, told) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab").await.unwrap();
        let _ = told.await;
        let _ = stream.write_all(b"cd").await;
    });
    (port, go_on)
}

#[tokio::test]
async fn a_silent_answer_is_given_up() {
    let (port, _go_on) = pausing_server().await;
    let endpoint = endpoint(json!({ "address": format!("http://127.0.0.1:{port}"), "between_bytes_ms": 50 }));
    let mut body = endpoint.send(get("/x"), &call()).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BytesTimeout);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_answer_that_is_followed_may_be_silent() {
    let (port, go_on) = pausing_server().await;
    let endpoint = endpoint(json!({ "address": format!("http://127.0.0.1:{port}"), "between_bytes_ms": 1 }));
    let following = Call { may_be_silent: true, ..call() };
    let mut body = endpoint.send(get("/x"), &following).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
    let waiting = tokio::time::timeout(Duration::from_millis(50), body.frame()).await;
    assert!(waiting.is_err());
    go_on.send(()).unwrap();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "cd");
}

#[tokio::test]
async fn a_reader_who_takes_its_time_is_not_a_silent_server() {
    let server = Server::plain(|_| answer(200, "x".repeat(1 << 20))).await;
    let text = json!({ "address": format!("http://{}", server.address()), "between_bytes_ms": 20 });
    let mut body = endpoint(text).send(get("/x"), &call()).await.unwrap().into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(first + body.collect().await.unwrap().to_bytes().len(), 1 << 20);
}

#[tokio::test]
async fn an_answer_ends_where_it_is_too_long() {
    let server = Server::plain(|seen| answer(200, "x".repeat(seen.target.len()))).await;
    let endpoint = endpoint(json!({ "address": format!("http://{}", server.address()), "response_bytes": 5 }));
    assert_eq!(send(&endpoint, get("/1234")).await.unwrap().body(), "xxxxx");
    let error = send(&endpoint, get("/12345")).await.unwrap_err();
    assert_eq!(error, EndpointError::TooLarge { part: Part::Response, limit: 5 });
    // Nothing but a head.
    let answer = send(&endpoint, request(Method::HEAD, "/12345", "")).await.unwrap();
    assert_eq!(answer.headers()["content-length"], "6");
}

#[tokio::test]
async fn an_answer_of_unknown_length_is_cut_in_its_body() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(&[b'x'; 1000]).await.is_ok() {}
    });
    let endpoint = endpoint(json!({ "address": format!("http://127.0.0.1:{port}"), "response_bytes": 100_000 }));
    let answer = endpoint.send(get("/endless"), &call()).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap_err().kind(), ErrorKind::ResponseTooLarge);
}

#[tokio::test]
async fn a_request_that_is_too_long_is_an_error() {
    let server = Server::plain(|_| answer(200, "")).await;
    let endpoint = endpoint(json!({ "address": format!("http://{}", server.address()), "request_bytes": 4 }));
    send(&endpoint, request(Method::POST, "/fits", "four")).await.unwrap();
    let mut announced = request(Method::POST, "/announced", "");
    announced.headers_mut().insert("content-length", 5.into());
    let mut unknown = request(Method::POST, "/unknown", "");
    *unknown.body_mut() = pieces(&["fo", "ur", "+"]);
    for request in [announced, unknown, request(Method::POST, "/known", "five+")] {
        let target = request.uri().to_string();
        assert_eq!(send(&endpoint, request).await.unwrap_err().kind(), ErrorKind::RequestTooLarge, "{target}");
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn requests_wait_for_their_turn_until_answers_are_over() {
    let server = Server::plain(|_| answer(200, Bytes::from_static(b"ok"))).await;
    let address = format!("http://{}", server.address());
    let endpoint = endpoint(json!({ "address": address, "connections": 2, "wait_ms": 50 }));
    let first = endpoint.send(get("/1"), &call()).await.unwrap();
    let second = endpoint.send(get("/2"), &call()).await.unwrap();
    let error = endpoint.send(get("/3"), &call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TurnTimeout, "{error}");
    assert_eq!(first.into_body().collect().await.unwrap().to_bytes(), "ok");
    send(&endpoint, get("/4")).await.unwrap();
    drop(second);
    let call = call();
    let both = tokio::join!(endpoint.send(get("/5"), &call), endpoint.send(get("/6"), &call));
    assert!(both.0.is_ok() && both.1.is_ok());
}

#[tokio::test]
async fn a_slow_request_that_moves_is_not_given_up() {
    let server = Server::plain(|seen| answer(200, seen.body.clone())).await;
    let text = json!({ "address": format!("http://{}", server.address()), "response_ms": 200 });
    let (mut writer, reader) = tokio::io::duplex(64);
    tokio::spawn(async move {
        for _ in 0..6 {
            writer.write_all(b"piece;").await.unwrap();
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    });
    let mut slow = request(Method::PUT, "/x", "");
    *slow.body_mut() = crate::stage::body_of(reader);
    // It takes 360 ms, and is never still for 200.
    assert_eq!(send(&endpoint(text), slow).await.unwrap().body(), "piece;".repeat(6).as_str());
}
