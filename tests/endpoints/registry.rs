//! Tokens of image registries: asked for as the registry says, kept by scope, and renewed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderValue, Method};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use windlass::plugin::endpoint::{Endpoint, EndpointError, ErrorKind};

use crate::bodies::pieces;
use crate::server::{Answer, Seen, Server, answer};
use crate::stage::{endpoint, get, request, send};

pub(crate) const PASSWORD: &str = "hush+/=: word";

/// The scope that a registry wants for a path.
fn scope(target: &str) -> String {
    let path = target.split('?').next().unwrap();
    match path.strip_prefix("/v2/").and_then(|rest| rest.strip_suffix("/tags/list")) {
        Some(repository) => format!("repository:{repository}:pull"),
        None => "registry:catalog:*".to_owned(),
    }
}

pub(crate) fn challenged(text: &str) -> Answer {
    let mut answer = answer(401, r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#);
    answer.headers_mut().insert("www-authenticate", HeaderValue::from_str(text).unwrap());
    answer
}

/// Lets in who shows a token of the right scope, and sends all others to `realm`.
pub(crate) fn guard(realm: String) -> impl Fn(&Seen) -> Answer + Send + Sync {
    move |seen| {
        let scope = scope(&seen.target);
        match seen.header("authorization") {
            Some(token) if token.starts_with(&format!("Bearer token-{scope}-")) => answer(200, seen.body.clone()),
            _ => challenged(&format!("Bearer realm=\"{realm}\",service=\"the registry\",scope=\"{scope}\"")),
        }
    }
}

pub(crate) async fn registry(realm: &Server) -> Server {
    Server::plain(guard(format!("http://{}/token", realm.address()))).await
}

/// Gives out `token-SCOPE-1`, `token-SCOPE-2` and so on, to whom it was told to.
pub(crate) fn tokens(more: Value) -> impl Fn(&Seen) -> Answer + Send + Sync {
    let count = AtomicUsize::new(0);
    move |seen| {
        let (_, scope) = seen.target.split_once("scope=").unwrap();
        let scope = percent_decode_str(scope).decode_utf8().unwrap();
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        let mut body = json!({ "token": format!("token-{scope}-{number}") });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        answer(200, body.to_string())
    }
}

/// An endpoint with a user for the registry, which may lead to `realms`.
pub(crate) fn login(registry: &Server, realms: &[&Server]) -> Endpoint {
    let realms: Vec<String> = realms.iter().map(|realm| format!("http://{}", realm.address())).collect();
    let auth = json!({ "kind": "registry", "user": "windlass", "password": { "value": PASSWORD }, "realms": realms });
    with_auth(registry, auth)
}

pub(crate) fn with_auth(registry: &Server, auth: Value) -> Endpoint {
    let address = format!("http://{}", registry.address());
    endpoint(json!({ "address": address, "auth": auth, "connect_ms": 1000, "response_ms": 1000 }))
}

/// Why a request goes wrong, in words that hold neither the password nor a token.
pub(crate) async fn failure(endpoint: &Endpoint, target: &str) -> EndpointError {
    let error = send(endpoint, get(target)).await.unwrap_err();
    for shown in [error.to_string(), format!("{error:?}"), format!("{endpoint:?}")] {
        assert!(!shown.contains("hush") && !shown.contains("token-"), "{shown}");
    }
    error
}

pub(crate) async fn is_unauthenticated(endpoint: &Endpoint, says: &str) {
    let error = failure(endpoint, "/v2/_catalog").await;
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    assert!(error.to_string().contains(says), "{says:?}: {error}");
}

#[tokio::test]
async fn a_token_is_asked_for_as_the_registry_says_and_kept() {
    let realm = Server::plain(tokens(json!({ "expires_in": 300, "issued_at": "2026-01-01T00:00:00Z" }))).await;
    let registry = registry(&realm).await;
    let endpoint = login(&registry, &[&realm]);
    for page in 0..3 {
        assert_eq!(send(&endpoint, get(&format!("/v2/_catalog?n=20&last={page}"))).await.unwrap().status(), 200);
    }
    let asked = realm.only();
    let expected = "/token?service=the%20registry&scope=registry%3Acatalog%3A*";
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", expected));
    // Python: base64.b64encode(b"windlass:hush+/=: word")
    assert_eq!(asked.header("authorization"), Some("Basic d2luZGxhc3M6aHVzaCsvPTogd29yZA=="));
    let seen = registry.seen();
    let shown: Vec<_> = seen.iter().map(|seen| seen.header("authorization")).collect();
    let token = Some("Bearer token-registry:catalog:*-1");
    assert_eq!(shown, [None, token, token, token]);
}

#[tokio::test]
async fn scopes_have_tokens_of_their_own_and_paths_of_one_scope_share_it() {
    let realm = Server::plain(tokens(json!({ "expires_in": 300 }))).await;
    let one_scope = format!("Bearer realm=\"http://{}/\",scope=\"repository:x:pull\"", realm.address());
    let sharing = Server::plain(move |seen| match seen.header("authorization") {
        Some("Bearer token-repository:x:pull-1") => answer(200, "ok"),
        _ => challenged(&one_scope),
    })
    .await;
    let endpoint = login(&sharing, &[&realm]);
    for path in ["/v2/x/tags/list", "/v2/x/manifests/1", "/v2/x/tags/list"] {
        assert_eq!(send(&endpoint, get(path)).await.unwrap().status(), 200);
    }
    assert_eq!((sharing.seen().len(), realm.seen().len()), (5, 1));

    let registry = registry(&realm).await;
    let endpoint = login(&registry, &[&realm]);
    for name in ["a", "b/c", "a", "b/c"] {
        assert_eq!(send(&endpoint, get(&format!("/v2/{name}/tags/list"))).await.unwrap().status(), 200);
    }
    assert_eq!((registry.seen().len(), realm.seen().len()), (6, 3));
}

#[tokio::test]
async fn only_so_many_scopes_are_remembered() {
    let realm = Server::plain(tokens(json!({ "expires_in": 300 }))).await;
    let registry = registry(&realm).await;
    let endpoint = login(&registry, &[&realm]);
    for number in 0..257 {
        send(&endpoint, get(&format!("/v2/{number}/tags/list"))).await.unwrap();
    }
    assert_eq!(realm.seen().len(), 257);
    // The last one is there, the first one is fetched again.
    for (name, fetched) in [("256", 257), ("0", 258), ("0", 258)] {
        assert_eq!(send(&endpoint, get(&format!("/v2/{name}/tags/list"))).await.unwrap().status(), 200);
        assert_eq!(realm.seen().len(), fetched, "{name}");
    }
}

#[tokio::test]
async fn a_registry_may_give_out_its_tokens_itself() {
    let port = Arc::new(AtomicUsize::new(0));
    let (known, give) = (port.clone(), tokens(json!({})));
    let registry = Server::plain(move |seen| match seen.target.starts_with("/service/token?") {
        true => give(seen),
        false => guard(format!("http://127.0.0.1:{}/service/token", known.load(Ordering::Relaxed)))(seen),
    })
    .await;
    port.store(usize::from(registry.port), Ordering::Relaxed);
    let address = format!("http://{}/prefix", registry.address());
    let auth = json!({ "kind": "registry", "user": "u", "password": { "value": PASSWORD } });
    let endpoint = endpoint(json!({ "address": address, "auth": auth }));
    assert_eq!(send(&endpoint, get("/v2/_catalog")).await.unwrap().status(), 200);
    let targets: Vec<String> = registry.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets.len(), 3);
    assert_eq!(targets[1], "/service/token?service=the%20registry&scope=registry%3Acatalog%3A*");
}

#[tokio::test]
async fn somebody_without_a_name_gets_a_token_too() {
    let realm = Server::plain(tokens(json!({}))).await;
    let registry = registry(&realm).await;
    let realms = json!([format!("http://{}/token", realm.address())]);
    let endpoint = with_auth(&registry, json!({ "kind": "registry", "realms": realms }));
    assert_eq!(send(&endpoint, get("/v2/library/x/tags/list")).await.unwrap().status(), 200);
    assert_eq!(realm.only().header("authorization"), None);
}

#[tokio::test]
async fn the_other_name_of_a_token_and_several_scopes_are_known() {
    let give = |_: &Seen| answer(200, json!({ "access_token": "token-x", "expires_in": "60" }).to_string());
    let realm = Server::plain(give).await;
    let text = format!("Bearer realm=\"http://{}/t?a=b%20c\",scope=\"a:b:pull  c:d:*\"", realm.address());
    let registry = Server::plain(move |seen| match seen.header("authorization") {
        Some("Bearer token-x") => answer(200, "ok"),
        _ => challenged(&text),
    })
    .await;
    assert_eq!(send(&login(&registry, &[&realm]), get("/v2/")).await.unwrap().status(), 200);
    assert_eq!(realm.only().target, "/t?a=b%20c&scope=a%3Ab%3Apull&scope=c%3Ad%3A*");
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end() {
    let realm = Server::plain(tokens(json!({ "expires_in": 0.05 }))).await;
    let registry = registry(&realm).await;
    let endpoint = login(&registry, &[&realm]);
    send(&endpoint, get("/v2/_catalog")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    send(&endpoint, get("/v2/_catalog")).await.unwrap();
    assert_eq!(registry.seen().pop().unwrap().header("authorization"), Some("Bearer token-registry:catalog:*-2"));
    assert_eq!((registry.seen().len(), realm.seen().len()), (3, 2));
}

#[tokio::test]
async fn many_who_need_a_token_of_one_scope_ask_once() {
    let give = tokens(json!({ "expires_in": 300 }));
    let realm = Server::waiting(move |seen| {
        let answer = give(seen);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            answer
        })
    })
    .await;
    let registry = registry(&realm).await;
    let endpoint = Arc::new(login(&registry, &[&realm]));
    let mut at_once = JoinSet::new();
    for number in 0..40 {
        let endpoint = endpoint.clone();
        let target = format!("/v2/image-{}/tags/list", number % 2);
        at_once.spawn(async move { send(&endpoint, get(&target)).await.unwrap().status() });
    }
    assert!(at_once.join_all().await.iter().all(|status| *status == 200));
    assert_eq!(realm.seen().len(), 2);
}

#[tokio::test]
async fn a_registry_that_refuses_a_fresh_token_is_told_and_its_token_server_is_not_flooded() {
    let realm = Server::plain(tokens(json!({ "expires_in": 300 }))).await;
    let text = format!("Bearer realm=\"http://{}/\",scope=\"a:b:c\",error=\"insufficient_scope\"", realm.address());
    let registry = Server::plain(move |_| challenged(&text)).await;
    let endpoint = login(&registry, &[&realm]);
    is_unauthenticated(&endpoint, "it refuses the token that was given out for this; the user may lack the right")
        .await;
    assert_eq!((registry.seen().len(), realm.seen().len()), (2, 1));
    for _ in 0..4 {
        is_unauthenticated(&endpoint, "it refuses the token that was given out for this").await;
    }
    assert_eq!(realm.seen().len(), 2);
}

#[tokio::test]
async fn a_registry_that_asks_for_ever_more_is_given_up() {
    let realm = Server::plain(tokens(json!({ "expires_in": 300 }))).await;
    let (address, count) = (realm.address(), AtomicUsize::new(0));
    let registry = Server::plain(move |_| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        challenged(&format!("Bearer realm=\"http://{address}/\",scope=\"a:{number}:c\""))
    })
    .await;
    is_unauthenticated(&login(&registry, &[&realm]), "it refuses the token").await;
    assert_eq!((registry.seen().len(), realm.seen().len()), (3, 2));
}

#[tokio::test]
async fn a_token_that_was_withdrawn_is_renewed() {
    let realm = Server::plain(tokens(json!({ "expires_in": 300 }))).await;
    let (is_withdrawn, guarded) = (Arc::new(AtomicBool::new(false)), guard(format!("http://{}/", realm.address())));
    let withdrawn = is_withdrawn.clone();
    let registry = Server::plain(move |seen| {
        let is_first = seen.header("authorization").is_some_and(|token| token.ends_with("-1"));
        let mut seen = seen.clone();
        if is_first && withdrawn.load(Ordering::Relaxed) {
            seen.headers.remove("authorization");
        }
        guarded(&seen)
    })
    .await;
    let endpoint = login(&registry, &[&realm]);
    assert_eq!(send(&endpoint, get("/v2/_catalog")).await.unwrap().status(), 200);
    is_withdrawn.store(true, Ordering::Relaxed);
    assert_eq!(send(&endpoint, get("/v2/_catalog")).await.unwrap().status(), 200);
    // Also where the path was not known and its scope was.
    assert_eq!(send(&endpoint, get("/v2/")).await.unwrap().status(), 200);
    assert_eq!(realm.seen().len(), 2);
}

#[tokio::test]
async fn a_short_body_is_sent_again_and_a_long_one_by_the_next_request() {
    let realm = Server::plain(tokens(json!({ "expires_in": 300 }))).await;
    let registry = registry(&realm).await;
    let endpoint = login(&registry, &[&realm]);
    let mut short = request(Method::POST, "/v2/x/tags/list", "");
    *short.body_mut() = pieces(&["short", " body"]);
    let done = send(&endpoint, short).await.unwrap();
    assert_eq!((done.status().as_u16(), done.body().as_ref()), (200, &b"short body"[..]));
    let long = "x".repeat(100 << 10);
    let first = send(&endpoint, request(Method::PUT, "/v2/y/tags/list", long.clone())).await.unwrap();
    assert_eq!(first.status(), 401);
    let second = send(&endpoint, request(Method::PUT, "/v2/y/tags/list", long.clone())).await.unwrap();
    assert_eq!((second.status().as_u16(), second.body().len()), (200, long.len()));
    // What a method needs says nothing of another one.
    assert_eq!(send(&endpoint, get("/v2/y/tags/list")).await.unwrap().status(), 200);
    assert_eq!((registry.seen().len(), realm.seen().len()), (6, 2));
}
