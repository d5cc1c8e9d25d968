//! Connections whose bytes are spoken by others: where they may lead, TLS in the middle, limits.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use windlass::plugin::endpoint::{ConnectionConfig, ConnectionGrant, EndpointError, ErrorKind, Line, Verify};

use crate::stage::{Authority, Names};

fn config(text: Value) -> ConnectionConfig {
    serde_json::from_value(text).unwrap()
}

fn grant(text: Value) -> ConnectionGrant {
    ConnectionGrant::new("database", &config(text)).unwrap()
}

/// Answers `S` to the first byte and then sends back what it gets, over TLS when it has a certificate; its port.
async fn echo(tls: Option<Arc<rustls::ServerConfig>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let mut first = [0];
                stream.read_exact(&mut first).await.unwrap();
                stream.write_all(b"S").await.unwrap();
                let Some(tls) = tls else {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                    return;
                };
                let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await else { return };
                let (mut from, mut to) = tokio::io::split(stream);
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    port
}

async fn opened(grant: &ConnectionGrant, host: &str, port: u16) -> Line {
    let line = grant.open(host, port, None).await.unwrap();
    line.write(b"?").unwrap();
    assert_eq!(line.read().await.unwrap().unwrap(), "S");
    line
}

/// What comes back of what is said.
async fn said(line: &Line, text: &[u8]) -> Result<Vec<u8>, EndpointError> {
    line.write(text)?;
    let mut heard = Vec::new();
    while heard.len() < text.len() {
        let Some(bytes) = line.read().await? else { break };
        heard.extend_from_slice(&bytes);
    }
    Ok(heard)
}

#[tokio::test]
async fn only_machines_and_ports_that_are_granted_are_connected_to() {
    let port = echo(None).await;
    let granted = grant(json!({ "hosts": ["127.0.0.1", "db.example"], "ports": [port] }));
    opened(&granted, "127.0.0.1", port).await;
    for (host, port, says) in [
        ("127.0.0.2", port, "none of the machines that are granted: 127.0.0.1, db.example"),
        ("localhost", port, "none of the machines"),
        ("other.example", port, "none of the machines"),
        ("127.0.0.1", port.wrapping_add(1), "its port is none of those that are granted"),
    ] {
        let error = granted.open(host, port, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Address, "{error}");
        assert!(error.to_string().contains(says) && error.to_string().contains(host), "{error}");
    }
}

#[tokio::test]
async fn a_granted_name_that_leads_inside_is_refused_unless_its_network_is_listed() {
    let port = echo(None).await;
    let names = Names::new(&[("db.example", &["127.0.0.1"])]);
    let with = |hosts: Value| {
        let config = config(json!({ "hosts": hosts, "ports": [port] }));
        ConnectionGrant::with_resolver("database", &config, names.clone()).unwrap()
    };
    let error = with(json!(["db.example"])).open("db.example", port, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Address);
    assert!(error.to_string().contains("127.0.0.1 is loopback"), "{error}");
    opened(&with(json!(["db.example", "127.0.0.0/8"])), "db.example", port).await;
    // Each look-up is followed by a check of what it has found: there is no second one.
    assert_eq!(names.asked.load(std::sync::atomic::Ordering::Relaxed), 2);
}

#[tokio::test]
async fn tls_begins_in_place_and_shows_what_was_asked_for() {
    let (authority, other) = (Authority::new(), Authority::new());
    let identity = authority.sign("localhost", 2100);
    let port = echo(Some(authority.server(&identity, None, &[]).into())).await;
    let pem = std::fs::read_to_string(authority.file()).unwrap();
    let (ours, others) = (authority.file(), other.file());
    let cases = [
        (&ours, "localhost", Verify::Full, None, None),
        (&ours, "db.example", Verify::Full, None, Some("for another name")),
        (&others, "localhost", Verify::Full, None, Some("authority that is not accepted")),
        (&ours, "db.example", Verify::Authority, None, None),
        (&others, "localhost", Verify::Authority, None, Some("authority that is not accepted")),
        (&others, "db.example", Verify::Nothing, None, None),
        (&others, "localhost", Verify::Full, Some(pem.as_str()), None),
        (&ours, "localhost", Verify::Full, Some("no certificate"), Some("there is no certificate in it")),
    ];
    for (ca, name, verify, authorities, refused) in cases {
        let granted = grant(json!({ "hosts": ["127.0.0.1"], "ports": [port], "ca": ca }));
        let line = opened(&granted, "127.0.0.1", port).await;
        let secured = line.start_tls(name, verify, authorities).await;
        match refused {
            None => {
                secured.unwrap();
                let long = vec![b'x'; 300_000];
                assert_eq!(said(&line, &long).await.unwrap().len(), long.len());
                assert!(line.start_tls(name, verify, None).await.unwrap_err().to_string().contains("already"));
            }
            Some(says) => {
                let error = secured.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Certificate, "{error}");
                assert!(error.to_string().contains(says), "{error}");
                assert_eq!(line.failure(), Some(error));
                // Nothing goes over it in the clear after that.
                assert!(line.write(b"secret").is_err());
            }
        }
    }
}

#[tokio::test]
async fn each_limit_ends_what_goes_over_it() {
    let port = echo(None).await;
    let with = |more: Value| {
        let mut text = json!({ "hosts": ["127.0.0.1"], "ports": [port] });
        text.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        grant(text)
    };
    let line = opened(&with(json!({ "response_bytes": 10 })), "127.0.0.1", port).await;
    assert_eq!(said(&line, b"0123456789").await.unwrap_err().kind(), ErrorKind::ResponseTooLarge);
    let line = opened(&with(json!({ "request_bytes": 10 })), "127.0.0.1", port).await;
    assert_eq!(said(&line, b"0123456789").await.unwrap_err().kind(), ErrorKind::RequestTooLarge);
    let line = opened(&with(json!({ "between_bytes_ms": 50 })), "127.0.0.1", port).await;
    assert_eq!(line.read().await.unwrap_err().kind(), ErrorKind::BytesTimeout);
    let one = with(json!({ "connections": 1, "wait_ms": 50 }));
    let first = opened(&one, "127.0.0.1", port).await;
    assert_eq!(one.open("127.0.0.1", port, None).await.unwrap_err().kind(), ErrorKind::TurnTimeout);
    drop(first);
    opened(&one, "127.0.0.1", port).await;
    // Nobody answers there.
    let silent = grant(json!({ "hosts": ["192.0.2.1"], "ports": [1] }));
    let error = silent.open("192.0.2.1", 1, Some(Duration::from_millis(50))).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ConnectTimeout | ErrorKind::Connect), "{error}");
}

#[test]
fn every_mistake_of_a_grant_is_told_with_its_key() {
    let text = json!({ "hosts": ["a..b", "*", "10.0.0.0/99"], "ports": [0], "connections": 0, "wait_ms": 0, "ca": "/no/such" });
    let told = ConnectionGrant::new("database", &config(text)).unwrap_err();
    let fields: Vec<&str> = told.iter().map(|it| it.field.as_str()).collect();
    let expected = ["wait_ms", "connections", "hosts[0]", "hosts[2]", "ports", "ca"];
    assert_eq!(fields, expected.map(|field| format!("connection.database.{field}")));
    let told = ConnectionGrant::new("database", &config(json!({}))).unwrap_err();
    assert_eq!(told.len(), 2, "{told:?}");
}
