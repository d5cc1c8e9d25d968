//! Tokens from another server: OAuth 2.0 and the metadata service of Azure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use windlass::plugin::endpoint::{Endpoint, ErrorKind};

use crate::bodies::pieces;
use crate::server::{Answer, Seen, Server, answer};
use crate::stage::{Authority, endpoint, get, request, send};

/// Gives out `token-1`, `token-2` and so on.
fn tokens(expires_in: Value) -> impl Fn(&Seen) -> Answer + Send + Sync {
    let count = AtomicUsize::new(0);
    move |_| {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        let body =
            json!({ "access_token": format!("token-{number}"), "token_type": "Bearer", "expires_in": expires_in });
        answer(200, body.to_string())
    }
}

fn oauth(platform: &Server, login: &Server, more: Value) -> Endpoint {
    let mut auth = json!({
        "kind": "oauth2",
        "token_url": format!("http://{}/oauth/token?tenant=1", login.address()),
        "client_id": "my id",
        "client_secret": { "value": "hush+/=: ü" },
        "scope": "read write",
    });
    for (name, value) in more.as_object().unwrap() {
        auth[name] = value.clone();
    }
    endpoint(
        json!({ "address": format!("http://{}", platform.address()), "auth": auth, "connect_ms": 1000, "response_ms": 1000 }),
    )
}

#[tokio::test]
async fn a_token_is_asked_for_as_the_rfc_says_and_kept() {
    let platform = Server::plain(|_| answer(200, "ok")).await;
    let login = Server::plain(tokens(json!(3600))).await;
    let endpoint = oauth(&platform, &login, json!({ "audience": "api://x" }));
    for _ in 0..3 {
        send(&endpoint, get("/x")).await.unwrap();
    }
    assert!(platform.seen().iter().all(|seen| seen.header("authorization") == Some("Bearer token-1")));
    let asked = login.only();
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/oauth/token?tenant=1"));
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(asked.body, "grant_type=client_credentials&scope=read%20write&audience=api%3A%2F%2Fx");
    // Python: base64.b64encode((quote("my id", safe="") + ":" + quote("hush+/=: ü", safe="")).encode())
    assert_eq!(asked.header("authorization"), Some("Basic bXklMjBpZDpodXNoJTJCJTJGJTNEJTNBJTIwJUMzJUJD"));
}

#[tokio::test]
async fn the_secret_goes_into_the_body_where_it_must() {
    let platform = Server::plain(|_| answer(200, "ok")).await;
    let login = Server::plain(tokens(json!("3599"))).await;
    let endpoint = oauth(&platform, &login, json!({ "secret_in_body": true }));
    send(&endpoint, get("/x")).await.unwrap();
    let asked = login.only();
    assert_eq!(asked.header("authorization"), None);
    let expected =
        "grant_type=client_credentials&scope=read%20write&client_id=my%20id&client_secret=hush%2B%2F%3D%3A%20%C3%BC";
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn many_who_need_a_token_ask_once() {
    let platform = Server::plain(|_| answer(200, "ok")).await;
    let give = tokens(json!(3600));
    let login = Server::waiting(move |seen| {
        let answer = give(seen);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            answer
        })
    })
    .await;
    let endpoint = Arc::new(oauth(&platform, &login, json!({})));
    let mut at_once = JoinSet::new();
    for _ in 0..20 {
        let endpoint = endpoint.clone();
        at_once.spawn(async move { send(&endpoint, get("/x")).await.unwrap() });
    }
    at_once.join_all().await;
    assert_eq!((platform.seen().len(), login.seen().len()), (20, 1));
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end() {
    let platform = Server::plain(|_| answer(200, "ok")).await;
    let login = Server::plain(tokens(json!(0.05))).await;
    let endpoint = oauth(&platform, &login, json!({}));
    send(&endpoint, get("/x")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    send(&endpoint, get("/x")).await.unwrap();
    assert_eq!(platform.seen()[1].header("authorization"), Some("Bearer token-2"));
    assert_eq!(login.seen().len(), 2);
}

/// A platform that accepts the second token only.
async fn platform_of_the_second() -> Server {
    Server::plain(|seen| {
        let is_new = seen.header("authorization") == Some("Bearer token-2");
        if is_new { answer(200, seen.body.clone()) } else { answer(401, "who?") }
    })
    .await
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    for (method, parts) in [(Method::GET, &[][..]), (Method::POST, &["short", " body"])] {
        let (platform, login) = (platform_of_the_second().await, Server::plain(tokens(json!(3600))).await);
        let endpoint = oauth(&platform, &login, json!({}));
        let mut request = request(method, "/x", "");
        *request.body_mut() = pieces(parts);
        let answer = send(&endpoint, request).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (200, parts.concat().as_bytes()));
        assert_eq!((platform.seen().len(), login.seen().len()), (2, 2));
    }
}

#[tokio::test]
async fn a_long_body_is_not_sent_twice_but_the_next_request_has_a_new_token() {
    let (platform, login) = (platform_of_the_second().await, Server::plain(tokens(json!(3600))).await);
    let endpoint = oauth(&platform, &login, json!({}));
    let long = "x".repeat(100 << 10);
    let first = send(&endpoint, request(Method::POST, "/x", long.clone())).await.unwrap();
    assert_eq!(first.status(), 401);
    let second = send(&endpoint, request(Method::POST, "/x", long.clone())).await.unwrap();
    assert_eq!((second.status().as_u16(), second.body().len()), (200, long.len()));
}

#[tokio::test]
async fn a_platform_that_refuses_every_token_does_not_flood_the_token_server() {
    let platform = Server::plain(|_| answer(401, "who?")).await;
    let login = Server::plain(tokens(json!(3600))).await;
    let endpoint = oauth(&platform, &login, json!({}));
    for _ in 0..5 {
        assert_eq!(send(&endpoint, get("/x")).await.unwrap().status(), 401);
    }
    assert_eq!((platform.seen().len(), login.seen().len()), (6, 2));
}

#[tokio::test]
async fn a_token_server_that_fails_shows_nothing() {
    let platform = Server::plain(|_| answer(200, "ok")).await;
    let repeating = |seen: &Seen| {
        let sent = format!("{:?} {:?}", seen.headers, seen.body);
        answer(400, json!({ "error": "invalid_client", "error_description": sent }).to_string())
    };
    let login = Server::plain(repeating).await;
    let error = send(&oauth(&platform, &login, json!({})), get("/x")).await.unwrap_err();
    assert_eq!(error.to_string(), "no credential: the token server: it answered 400 (invalid_client)");
    let login = Server::plain(|_| answer(200, "x".repeat(2 << 20))).await;
    let error = send(&oauth(&platform, &login, json!({})), get("/x")).await.unwrap_err();
    assert_eq!(error.to_string(), "no credential: the token server: the answer broke off or is too long");
    let login = Server::waiting(|_| Box::pin(std::future::pending())).await;
    let error = send(&oauth(&platform, &login, json!({})), get("/x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    // One who waits for a failure shares it.
    let login = Server::waiting(|_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            answer(500, "")
        })
    })
    .await;
    let endpoint = Arc::new(oauth(&platform, &login, json!({})));
    let mut at_once = JoinSet::new();
    for _ in 0..10 {
        let endpoint = endpoint.clone();
        at_once.spawn(async move { send(&endpoint, get("/x")).await.unwrap_err() });
    }
    assert_eq!(at_once.join_all().await.len(), 10);
    assert_eq!((login.seen().len(), platform.seen().len()), (1, 0));
}

#[tokio::test]
async fn the_token_server_has_an_authority_of_its_own() {
    let platform = Server::plain(|_| answer(200, "ok")).await;
    let authority = Authority::new();
    let identity = authority.sign("localhost", 2100);
    let login = Server::tls(authority.server(&identity, None, &[]), tokens(json!(3600))).await;
    let url = json!({ "token_url": format!("https://localhost:{}/t", login.port) });
    let error = send(&oauth(&platform, &login, url.clone()), get("/x")).await.unwrap_err();
    assert!(error.to_string().contains("authority that is not accepted"), "{error}");
    let mut with_ca = url;
    with_ca["ca"] = json!(authority.file());
    send(&oauth(&platform, &login, with_ca), get("/x")).await.unwrap();
    assert_eq!(platform.only().header("authorization"), Some("Bearer token-1"));
}

#[tokio::test]
async fn a_managed_identity_is_asked_for_its_token() {
    let platform = Server::plain(|_| answer(200, "ok")).await;
    let metadata = Server::plain(tokens(json!("86399"))).await;
    let auth = json!({
        "kind": "imds",
        "resource": "https://management.azure.com/",
        "client_id": "0-1",
        "address": format!("http://{}", metadata.address()),
    });
    let endpoint = endpoint(json!({ "address": format!("http://{}", platform.address()), "auth": auth }));
    for _ in 0..2 {
        send(&endpoint, get("/x")).await.unwrap();
    }
    let asked = metadata.only();
    let expected = "/metadata/identity/oauth2/token?api-version=2018%2D02%2D01&resource=https%3A%2F%2Fmanagement%2Eazure%2Ecom%2F&client_id=0%2D1";
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", expected));
    assert_eq!(asked.header("metadata"), Some("true"));
    assert_eq!(platform.seen()[1].header("authorization"), Some("Bearer token-1"));
}
