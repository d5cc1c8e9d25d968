//! TLS with real certificates: who is accepted, who is refused, and in which words.

use http::Method;
use serde_json::json;
use windlass::plugin::endpoint::{Endpoint, EndpointError, ErrorKind};

use crate::server::{Server, answer};
use crate::stage::{Authority, config, endpoint, get, request, send, tls_config};

async fn refused(text: serde_json::Value) -> EndpointError {
    let error = send(&endpoint(text), get("/x")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Certificate | ErrorKind::Tls), "{error}");
    error
}

#[tokio::test]
async fn both_sides_show_who_they_are() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let identity = servers.sign("localhost", 2100);
    let server = Server::tls(servers.server(&identity, Some(&clients), &[]), |_| answer(200, "hello")).await;
    let client = clients.sign("windlass", 2100);
    let endpoint = endpoint(tls_config(server.port, &servers.file(), Some(&client), json!({})));
    for _ in 0..3 {
        assert_eq!(send(&endpoint, get("/x")).await.unwrap().body(), "hello");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn another_authority_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let identity = authority.sign("localhost", 2100);
    let server = Server::tls(authority.server(&identity, None, &[]), |_| answer(200, "")).await;
    let error = refused(tls_config(server.port, &other.file(), None, json!({}))).await;
    assert_eq!(error.kind(), ErrorKind::Certificate);
    assert!(error.to_string().contains("signed by an authority that is not accepted"), "{error}");
    // Nor is it one of the system's.
    let error = refused(json!({ "address": format!("https://localhost:{}", server.port) })).await;
    assert!(error.to_string().contains("signed by an authority that is not accepted"), "{error}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn another_name_is_refused_unless_it_is_the_expected_one() {
    let authority = Authority::new();
    let identity = authority.sign("platform.example", 2100);
    let server = Server::tls(authority.server(&identity, None, &[]), |_| answer(200, "hello")).await;
    let error = refused(tls_config(server.port, &authority.file(), None, json!({}))).await;
    assert!(error.to_string().contains("for another name"), "{error}");
    let text = tls_config(server.port, &authority.file(), None, json!({ "server_name": "platform.example" }));
    assert_eq!(send(&endpoint(text), get("/x")).await.unwrap().body(), "hello");
    assert_eq!(server.only().header("host").unwrap(), format!("localhost:{}", server.port));
}

#[tokio::test]
async fn an_address_in_numbers_is_a_name_in_a_certificate() {
    let authority = Authority::new();
    let identity = authority.sign("127.0.0.1", 2100);
    let server = Server::tls(authority.server(&identity, None, &[]), |_| answer(200, "hello")).await;
    let text = json!({ "address": format!("https://127.0.0.1:{}", server.port), "ca": authority.file() });
    assert_eq!(send(&endpoint(text), get("/x")).await.unwrap().body(), "hello");
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let identity = authority.sign("localhost", 2001);
    let server = Server::tls(authority.server(&identity, None, &[]), |_| answer(200, "")).await;
    let error = refused(tls_config(server.port, &authority.file(), None, json!({}))).await;
    assert!(error.to_string().contains("has expired"), "{error}");
}

#[tokio::test]
async fn a_missing_a_foreign_and_an_expired_client_certificate_are_told_apart() {
    let (servers, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    let identity = servers.sign("localhost", 2100);
    let server = Server::tls(servers.server(&identity, Some(&clients), &[]), |_| answer(200, "")).await;
    let cases = [
        (None, "asks for a client certificate"),
        (Some(others.sign("windlass", 2100)), "refuses the client certificate"),
        (Some(clients.sign("windlass", 2001)), "client certificate has expired"),
    ];
    for (client, expected) in cases {
        // The refusal comes after the handshake and may meet the request on its way: more than once tells.
        for _ in 0..10 {
            let text = tls_config(server.port, &servers.file(), client.as_ref(), json!({}));
            let error = refused(text).await;
            assert_eq!(error.kind(), ErrorKind::Certificate, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
    assert!(server.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_that_meets_an_upload_is_told_too() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let identity = servers.sign("localhost", 2100);
    let server = Server::tls(servers.server(&identity, Some(&clients), &[]), |_| answer(200, "")).await;
    let endpoint = endpoint(tls_config(server.port, &servers.file(), None, json!({})));
    // Now and then the server has closed its side before all is written.
    for _ in 0..300 {
        let upload = request(Method::PUT, "/x", vec![b'x'; 8 << 20]);
        let error = send(&endpoint, upload).await.unwrap_err();
        assert!(error.to_string().contains("asks for a client certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_said() {
    let server = Server::plain(|_| answer(200, "")).await;
    let error = refused(json!({ "address": format!("https://localhost:{}", server.port) })).await;
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
}

#[tokio::test]
async fn a_renewed_client_certificate_is_used_for_the_next_connection() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let identity = servers.sign("localhost", 2100);
    let server = Server::tls(servers.server(&identity, Some(&clients), &[]), |_| answer(200, "hello")).await;
    let client = clients.sign("windlass", 2001);
    let endpoint =
        Endpoint::new("p", config(tls_config(server.port, &servers.file(), Some(&client), json!({})))).unwrap();
    assert_eq!(send(&endpoint, get("/x")).await.unwrap_err().kind(), ErrorKind::Certificate);
    let renewed = clients.sign("windlass", 2100);
    std::fs::rename(&renewed.cert, &client.cert).unwrap();
    std::fs::rename(&renewed.key, &client.key).unwrap();
    assert_eq!(send(&endpoint, get("/x")).await.unwrap().body(), "hello");
    std::fs::remove_file(&client.key).unwrap();
    // A connection that is there needs no file.
    assert_eq!(send(&endpoint, get("/x")).await.unwrap().body(), "hello");
}
