//! Bodies: empty ones are empty, small pieces arrive joined and at once, lengths are held.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use windlass::plugin::endpoint::{Body, EndpointError, ErrorKind};

use crate::server::{Server, answer};
use crate::stage::{call, endpoint, get, request, send};

/// A body of unknown length, as one from a plugin is: pieces with pauses between them.
struct Pieces(VecDeque<Bytes>, bool);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = EndpointError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, EndpointError>>> {
        self.1 = !self.1;
        if self.1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

pub(crate) fn pieces(pieces: &[&'static str]) -> Body {
    Body::new(Pieces(pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect(), false))
}

#[tokio::test]
async fn an_empty_body_is_sent_as_none() {
    let server = Server::plain(|_| answer(200, "")).await;
    let endpoint = endpoint(json!({ "address": format!("http://{}", server.address()) }));
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::GET, Method::DELETE] {
        for empty in [&[][..], &[""], &["", ""]] {
            let mut request = request(method.clone(), "/start", "");
            *request.body_mut() = pieces(empty);
            send(&endpoint, request).await.unwrap();
            let seen = server.seen().pop().unwrap();
            assert_eq!(seen.header("transfer-encoding"), None, "{method}");
            let wants_length = matches!(method, Method::POST | Method::PUT | Method::PATCH);
            assert_eq!(seen.header("content-length"), wants_length.then_some("0"), "{method}");
        }
    }
}

#[tokio::test]
async fn a_body_arrives_whole_with_its_length_where_it_is_known() {
    let server = Server::plain(|_| answer(200, "")).await;
    let endpoint = endpoint(json!({ "address": format!("http://{}", server.address()) }));
    send(&endpoint, request(Method::POST, "/known", "known")).await.unwrap();
    let mut announced = request(Method::PUT, "/announced", "");
    announced.headers_mut().insert("content-length", 9.into());
    *announced.body_mut() = pieces(&["", "anno", "", "unced"]);
    send(&endpoint, announced).await.unwrap();
    let mut unknown = request(Method::POST, "/unknown", "");
    *unknown.body_mut() = pieces(&["un", "known"]);
    send(&endpoint, unknown).await.unwrap();
    let seen = server.seen();
    let facts: Vec<_> =
        seen.iter().map(|it| (it.body.as_ref(), it.header("content-length"), it.header("transfer-encoding"))).collect();
    let expected: [(&[u8], _, _); 3] =
        [(b"known", Some("5"), None), (b"announced", Some("9"), None), (b"unknown", None, Some("chunked"))];
    assert_eq!(facts, expected);
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_announced_is_an_error() {
    let server = Server::plain(|_| answer(200, "")).await;
    let endpoint = endpoint(json!({ "address": format!("http://{}", server.address()) }));
    for (length, body) in [(3, &["ab", "cd"][..]), (5, &["ab", "cd"]), (1, &[]), (0, &["a"])] {
        let mut request = request(Method::PUT, "/x", "");
        request.headers_mut().insert("content-length", length.into());
        *request.body_mut() = pieces(body);
        let error = send(&endpoint, request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Request, "{length}: {error}");
    }
    assert!(server.seen().is_empty());
}

/// A server that writes chunks as a test says.
async fn chunk_server() -> (u16, mpsc::Sender<&'static str>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (chunks, mut to_write) = mpsc::channel::<&'static str>(1);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        while let Some(chunk) = to_write.recv().await {
            let text = format!("{:x}\r\n{chunk}\r\n", chunk.len());
            stream.write_all(text.as_bytes()).await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    });
    (port, chunks)
}

#[tokio::test]
async fn a_line_that_comes_alone_is_handed_on_alone() {
    let (port, chunks) = chunk_server().await;
    let endpoint = endpoint(json!({ "address": format!("http://127.0.0.1:{port}") }));
    let mut body = endpoint.send(get("/logs"), &call()).await.unwrap().into_body();
    for line in ["one\n", "two\n", "three\n"] {
        chunks.send(line).await.unwrap();
        let frame = tokio::time::timeout(Duration::from_secs(10), body.frame()).await.unwrap();
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), line);
    }
    drop(chunks);
    assert!(body.frame().await.is_none());
}

/// Many chunks of 80 bytes: what comes out, in how many pieces.
async fn read_lines(lines: usize) -> (usize, usize) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        let some = format!("50\r\n{}\n\r\n", "x".repeat(79)).repeat(1_000);
        for _ in 0..lines / 1_000 {
            stream.write_all(some.as_bytes()).await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    });
    let endpoint = endpoint(json!({ "address": format!("http://127.0.0.1:{port}") }));
    let mut body = endpoint.send(get("/logs"), &call()).await.unwrap().into_body();
    let (mut bytes, mut pieces) = (0, 0);
    let began = std::time::Instant::now();
    while let Some(frame) = body.frame().await {
        bytes += frame.unwrap().into_data().unwrap().len();
        pieces += 1;
    }
    eprintln!("{lines} chunks, {bytes} bytes in {pieces} pieces in {:?}", began.elapsed());
    (bytes, pieces)
}

#[tokio::test]
async fn chunks_of_one_line_are_joined_on_one_thread() {
    let (bytes, pieces) = read_lines(20_000).await;
    assert_eq!(bytes, 20_000 * 80);
    // 25 at best; a busy machine hands on more often.
    assert!(pieces < 2_000, "{pieces} pieces");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_of_one_line_arrive_whole_on_many_threads() {
    let reading = tokio::spawn(read_lines(20_000));
    // How many pieces it makes depends on who runs where: 2,000 to 5,000 on two cores.
    let (bytes, _) = reading.await.unwrap();
    assert_eq!(bytes, 20_000 * 80);
}

#[tokio::test]
async fn trailers_come_after_what_was_joined() {
    let server = Server::plain(|_| {
        let frames = [Frame::data("a"), Frame::data("b")].map(|frame| frame.map_data(Bytes::from));
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-checksum", "1".parse().unwrap());
        let body = Frames(frames.into_iter().chain([Frame::trailers(trailers)]).collect());
        let mut answer = Response::new(UnsyncBoxBody::new(body));
        answer.headers_mut().insert("trailer", "x-checksum".parse().unwrap());
        answer
    })
    .await;
    let endpoint = endpoint(json!({ "address": format!("http://{}", server.address()), "http2": "off" }));
    let body = endpoint.send(get("/"), &call()).await.unwrap().into_body().collect().await.unwrap();
    // hyper's server writes trailers only to clients that say `TE: trailers`, which is not ours to say.
    assert_eq!(body.to_bytes(), "ab");
}

struct Frames(VecDeque<Frame<Bytes>>);

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}
