//! Mistakes: all of them at once in a configuration, none of them sent in a request.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use windlass::plugin::endpoint::{Call, Endpoint, ErrorKind, Granter, Rights};

use crate::server::{Server, answer};
use crate::stage::{Authority, call, config, endpoint, get, request, send};

fn problems(name: &str, text: Value) -> Vec<(String, String)> {
    let problems = Endpoint::new(name, config(text)).map(|_| ()).unwrap_err();
    for problem in &problems {
        assert!(!problem.to_string().contains("hush"), "{problem}");
        assert!(!problem.allowed.is_empty());
    }
    problems.into_iter().map(|it| (it.field, it.problem)).collect()
}

#[test]
fn every_mistake_is_found_at_once() {
    let text = json!({
        "address": "http://me:hush@host",
        "methods": ["GET", "get"],
        "paths": ["jobs"],
        "networks": ["10.0.0.0/33"],
        "connect_ms": 0,
        "between_bytes_ms": 0,
        "connections": 0,
        "auth": { "kind": "sigv4", "region": "", "service": "S3", "access_key_id": { "value": "hush" } },
    });
    let found = problems("Platform_1", text);
    let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
    let expected = [
        "endpoint",
        "endpoint.Platform_1.connect_ms",
        "endpoint.Platform_1.between_bytes_ms",
        "endpoint.Platform_1.connections",
        "endpoint.Platform_1.networks[0]",
        "endpoint.Platform_1.methods[1]",
        "endpoint.Platform_1.paths[0]",
        "endpoint.Platform_1.address",
        "endpoint.Platform_1.auth.region",
        "endpoint.Platform_1.auth.service",
        "endpoint.Platform_1.auth",
    ];
    assert_eq!(fields, expected);
}

#[test]
fn what_belongs_to_tls_has_no_place_without_it() {
    let text =
        json!({ "address": "unix:/x", "ca": "/ca", "client_cert": "/c", "client_key": "/k", "server_name": "n" });
    let fields: Vec<String> = problems("d", text).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["ca", "client_cert", "client_key", "server_name"].map(|it| format!("endpoint.d.{it}")));
    let found = problems("d", json!({ "address": "https://host", "http2": "prior_knowledge" }));
    assert_eq!(found[0].0, "endpoint.d.http2");
}

#[test]
fn files_that_do_not_serve_are_named() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (one, two) = (authority.sign("one", 2100), other.sign("two", 2100));
    let cases = [
        (json!({ "ca": "/no/such.pem" }), "ca", "/no/such.pem: No such file"),
        (json!({ "ca": one.key }), "ca", "no certificate"),
        (json!({ "client_cert": one.cert }), "client_key", "missing"),
        (json!({ "client_key": one.key }), "client_cert", "missing"),
        (json!({ "client_cert": one.cert, "client_key": one.cert }), "client_key", "no private key"),
        (json!({ "client_cert": one.cert, "client_key": two.key }), "client_cert", "do not go together"),
        (json!({ "server_name": "no name!" }), "server_name", "no name"),
    ];
    for (mut text, field, expected) in cases {
        text["address"] = json!("https://host");
        if text.get("ca").is_none() {
            text["ca"] = json!(authority.file());
        }
        let found = problems("e", text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, format!("endpoint.e.{field}"));
        assert!(found[0].1.contains(expected), "{found:?}");
    }
}

#[test]
fn secrets_that_are_none_are_found() {
    let missing = json!({ "env": "WINDLASS_NO_SUCH_NAME" });
    let cases = [
        (json!({ "kind": "bearer", "token": missing }), "auth.token"),
        (json!({ "kind": "bearer", "token": { "value": "hush\nhush" } }), "auth.token"),
        (json!({ "kind": "basic", "user": "a:b", "password": { "value": "hush" } }), "auth.user"),
        (json!({ "kind": "header", "name": "host", "value": { "value": "hush" } }), "auth.name"),
        (json!({ "kind": "header", "name": "a b", "value": { "value": "hush" } }), "auth.name"),
        (
            json!({ "kind": "oauth2", "token_url": "unix:/x", "client_id": "c", "client_secret": { "value": "hush" } }),
            "auth.token_url",
        ),
        (
            json!({ "kind": "oauth2", "token_url": "http://hush@x/", "client_id": "c", "client_secret": { "value": "x" } }),
            "auth.token_url",
        ),
        (json!({ "kind": "imds", "resource": "r", "address": "hush" }), "auth.address"),
        (json!({ "kind": "registry", "user": "u" }), "auth.password"),
        (json!({ "kind": "registry", "password": { "value": "hush" } }), "auth.user"),
        (json!({ "kind": "registry", "user": "a:b", "password": { "value": "hush" } }), "auth.user"),
        (json!({ "kind": "registry", "realms": [] }), "auth.realms"),
        (json!({ "kind": "registry", "realms": ["https://ok", "https://hush@x"] }), "auth.realms[1]"),
        (json!({ "kind": "registry", "realms": ["unix:/x"] }), "auth.realms[0]"),
        (json!({ "kind": "registry", "ca": "/no/such.pem" }), "auth.ca"),
        (json!({ "kind": "registry", "realms": ["https://x"], "ca": "/no/such.pem" }), "auth.ca"),
        (
            json!({ "kind": "sigv4", "region": "r", "service": "s3", "from": "job", "session_token": { "value": "hush" } }),
            "auth",
        ),
    ];
    for (auth, field) in cases {
        let found = problems("e", json!({ "address": "http://host", "auth": auth }));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, format!("endpoint.e.{field}"));
    }
}

#[test]
fn a_token_server_is_named_as_safely_as_its_registry() {
    let auth = json!({ "kind": "registry", "realms": ["https://auth", "http://auth"] });
    let found = problems("e", json!({ "address": "https://host", "auth": auth }));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "endpoint.e.auth.realms[1]");
    let found = problems("e", json!({ "address": "unix:/x", "auth": { "kind": "registry" } }));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "endpoint.e.auth.realms");
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[tokio::test]
async fn nothing_is_sent_that_is_not_allowed_by_both() {
    let server = Server::plain(|_| answer(200, "ok")).await;
    let address = format!("http://{}", server.address());
    let granted = json!({ "address": address, "methods": ["GET", "POST"], "paths": ["/jobs/**", "/info"] });
    let endpoint = endpoint(granted);
    let asked = Rights::new(Some(&words(&["GET"])), Some(&words(&["/jobs/**", "/logs"]))).unwrap();
    let call = Call { rights: Arc::new(asked), ..Call::default() };
    let cases = [
        (Method::GET, "/jobs/1", None),
        (Method::POST, "/jobs/1", Some(Granter::Manifest)),
        (Method::GET, "/info", Some(Granter::Manifest)),
        (Method::GET, "/logs", Some(Granter::Configuration)),
        (Method::TRACE, "/jobs/1", Some(Granter::Manifest)),
    ];
    for (method, target, denied_by) in cases {
        let denied = endpoint.send(request(method, target, ""), &call).await.err();
        assert_eq!(denied.as_ref().map(|error| error.kind()), denied_by.map(|_| ErrorKind::Denied), "{target}");
        let text = denied.map(|error| error.to_string()).unwrap_or_default();
        assert!(denied_by.is_none_or(|by| text.contains(&by.to_string())), "{text}");
    }
    // A call that nobody gave rights has none.
    assert!(endpoint.send(get("/jobs/1"), &Call::default()).await.is_err());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn requests_with_two_meanings_are_not_sent() {
    let server = Server::plain(|_| answer(200, "ok")).await;
    let endpoint = endpoint(json!({ "address": format!("http://{}", server.address()), "paths": ["/jobs/**"] }));
    for target in
        ["/jobs/../admin", "/jobs/%2e%2e/admin", "/jobs//x", "/jobs/%5c..%5cadmin", "/jobs/%00", "/jobs/..;/x"]
    {
        let error = send(&endpoint, get(target)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Request, "{target}: {error}");
    }
    for name in ["authorization", "host", "proxy-authorization", "transfer-encoding", "upgrade", "connection"] {
        let mut request = get("/jobs/1");
        request.headers_mut().insert(name, "1".parse().unwrap());
        let error = endpoint.send(request, &call()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the request is refused: a plugin may not set the header {name}"));
    }
    assert!(server.seen().is_empty() && server.connections() == 0);
}
