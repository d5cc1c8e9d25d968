//! Connections are used again, a stale one costs nothing, HTTP/2 is spoken where it may be.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Version};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use windlass::plugin::endpoint::ErrorKind;

use crate::bodies::pieces;
use crate::server::{Server, answer};
use crate::stage::{Authority, call, endpoint, get, request, send, tls_config};

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = Server::plain(|_| answer(200, "ok")).await;
    let endpoint = endpoint(json!({ "address": format!("http://{}", server.address()) }));
    for _ in 0..20 {
        send(&endpoint, request(Method::POST, "/x", "body")).await.unwrap();
    }
    assert_eq!((server.seen().len(), server.connections()), (20, 1));
}

#[tokio::test]
async fn an_unused_connection_is_closed() {
    let server = Server::plain(|_| answer(200, "ok")).await;
    let endpoint = endpoint(json!({ "address": format!("http://{}", server.address()), "idle_ms": 1 }));
    for _ in 0..2 {
        send(&endpoint, get("/x")).await.unwrap();
        // Longer than the connection may be idle: it must not be taken again.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_unix_socket_is_a_platform() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("platform.sock");
    let server = Server::unix(&path, |_| answer(200, "ok")).await;
    let endpoint = endpoint(json!({ "address": format!("unix:{}", path.display()) }));
    for _ in 0..3 {
        let answer = send(&endpoint, get("/v1.41/info?a=b")).await.unwrap();
        assert_eq!(answer.body(), "ok");
    }
    let seen = server.seen().pop().unwrap();
    assert_eq!((seen.target.as_str(), seen.header("host")), ("/v1.41/info?a=b", Some("localhost")));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_prefix_comes_first_and_the_host_is_the_platform() {
    let server = Server::plain(|_| answer(200, "ok")).await;
    let endpoint = endpoint(json!({ "address": format!("http://localhost:{}/base/", server.port) }));
    send(&endpoint, get("/a%20b/?q=1")).await.unwrap();
    let seen = server.only();
    assert_eq!(seen.target, "/base/a%20b/?q=1");
    assert_eq!(seen.header("host").unwrap(), format!("localhost:{}", server.port));
}

#[tokio::test]
async fn redirects_are_answers() {
    let server = Server::plain(|_| {
        let mut answer = answer(302, "");
        answer.headers_mut().insert("location", "http://169.254.169.254/".parse().unwrap());
        answer
    })
    .await;
    let endpoint = endpoint(json!({ "address": format!("http://{}", server.address()) }));
    let answer = send(&endpoint, get("/x")).await.unwrap();
    assert_eq!((answer.status().as_u16(), server.connections()), (302, 1));
}

#[tokio::test]
async fn http2_is_spoken_where_the_handshake_says_so() {
    let authority = Authority::new();
    let identity = authority.sign("localhost", 2100);
    for (offered, wanted, version) in [
        (&[b"h2".as_slice(), b"http/1.1"][..], "auto", Version::HTTP_2),
        (&[b"h2", b"http/1.1"], "off", Version::HTTP_11),
        (&[b"http/1.1"], "auto", Version::HTTP_11),
        (&[], "auto", Version::HTTP_11),
    ] {
        let server = Server::tls(authority.server(&identity, None, offered), |_| answer(200, "ok")).await;
        let text = tls_config(server.port, &authority.file(), None, json!({ "http2": wanted }));
        let endpoint = Arc::new(endpoint(text));
        send(&endpoint, get("/first")).await.unwrap();
        let mut at_once = JoinSet::new();
        for _ in 0..20 {
            let endpoint = endpoint.clone();
            at_once.spawn(async move { send(&endpoint, get("/x")).await.unwrap() });
        }
        at_once.join_all().await;
        assert!(server.seen().iter().all(|seen| seen.version == version), "{wanted}");
        if version == Version::HTTP_2 {
            assert_eq!(server.connections(), 1);
        }
        let authority = server.seen()[0].authority.clone().unwrap_or_default();
        if version == Version::HTTP_2 {
            assert_eq!(authority, format!("localhost:{}", server.port));
        }
    }
}

#[tokio::test]
async fn http2_without_tls_is_spoken_when_asked_for() {
    let server = Server::plain_http2(|_| answer(200, "ok")).await;
    let address = format!("http://{}", server.address());
    let endpoint = endpoint(json!({ "address": address, "http2": "prior_knowledge" }));
    let mut post = request(Method::POST, "/x", "");
    *post.body_mut() = pieces(&["some", "thing"]);
    send(&endpoint, post).await.unwrap();
    let seen = server.only();
    assert_eq!((seen.version, seen.body.as_ref()), (Version::HTTP_2, &b"something"[..]));
}

/// Answers the first request of each connection; what it does with the second one the test decides.
async fn closing_server(reads_second: bool) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heads, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let heads = heads.clone();
            tokio::spawn(async move {
                let _ = heads.send(head(&mut stream).await);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                if reads_second {
                    let _ = heads.send(head(&mut stream).await);
                }
            });
        }
    });
    (port, seen)
}

async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4096];
    let read = stream.read(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes[..read]).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_connection_closed_while_idle_costs_nothing() {
    let (port, mut seen) = closing_server(false).await;
    let endpoint = endpoint(json!({ "address": format!("http://127.0.0.1:{port}") }));
    for _ in 0..5 {
        send(&endpoint, request(Method::POST, "/x", "body")).await.unwrap();
        seen.recv().await.unwrap();
        // The close is on its way; whether it is seen before the next request or not, that one arrives once.
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(seen.try_recv().is_err());
}

#[tokio::test]
async fn only_what_may_be_repeated_is_sent_again() {
    let cases = [(Method::GET, "", true), (Method::PUT, "short", true), (Method::POST, "short", false)];
    for (method, body, is_repeated) in cases {
        let (port, mut seen) = closing_server(true).await;
        let endpoint = endpoint(json!({ "address": format!("http://127.0.0.1:{port}") }));
        send(&endpoint, get("/first")).await.unwrap();
        // Read by the server on the same connection, which then closes it without an answer.
        let second = send(&endpoint, request(method.clone(), "/second", body)).await;
        if is_repeated {
            assert_eq!(second.unwrap().body(), "ok", "{method}");
        } else {
            assert_eq!(second.unwrap_err().kind(), ErrorKind::Closed, "{method}");
        }
        seen.close();
        let mut heads = Vec::new();
        while let Some(head) = seen.recv().await {
            heads.push(head);
        }
        let seconds = heads.iter().filter(|head| head.contains("/second")).count();
        assert_eq!(seconds, if is_repeated { 2 } else { 1 }, "{heads:?}");
    }
}

#[tokio::test]
async fn a_fresh_connection_that_breaks_is_no_reason_to_repeat() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let mut accepted = 0;
        while let Ok(Ok((mut stream, _))) = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await {
            accepted += 1;
            head(&mut stream).await;
        }
        accepted
    });
    let endpoint = endpoint(json!({ "address": format!("http://127.0.0.1:{port}") }));
    let error = send(&endpoint, get("/x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    assert_eq!(serving.await.unwrap(), 1);
}

#[tokio::test]
async fn an_answer_that_is_dropped_ends_its_connection_and_no_other() {
    let server = Server::plain(|seen| answer(200, "x".repeat(if seen.target == "/long" { 8 << 20 } else { 2 }))).await;
    let endpoint = endpoint(json!({ "address": format!("http://{}", server.address()) }));
    drop(endpoint.send(get("/long"), &call()).await.unwrap());
    for _ in 0..3 {
        assert_eq!(send(&endpoint, get("/short")).await.unwrap().body(), "xx");
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn another_protocol_is_not_switched_to() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        let text = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: tcp\r\nconnection: upgrade\r\n\r\nraw";
        stream.write_all(text).await.unwrap();
    });
    let endpoint = endpoint(json!({ "address": format!("http://127.0.0.1:{port}") }));
    let error = send(&endpoint, get("/attach")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_before_the_request_is_whole_is_an_answer() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            // What was sent stays unread, so the close resets the connection.
            let (mut stream, _) = listener.accept().await.unwrap();
            head(&mut stream).await;
            let text = b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno";
            stream.write_all(text).await.unwrap();
        }
    });
    let endpoint = endpoint(json!({ "address": format!("http://127.0.0.1:{port}") }));
    for _ in 0..50 {
        let upload = request(Method::PUT, "/x", vec![b'x'; 8 << 20]);
        let answer = endpoint.send(upload, &call()).await.unwrap();
        assert_eq!(answer.status(), 413);
    }
}
