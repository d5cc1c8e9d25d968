//! The token servers that registries lead to: only those of the operator are asked, and little of what they answer is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::HeaderValue;
use serde_json::json;
use windlass::plugin::endpoint::{Endpoint, ErrorKind};

use crate::registry::{PASSWORD, challenged, failure, guard, is_unauthenticated, login, registry, tokens, with_auth};
use crate::server::{Server, answer};
use crate::stage::{Authority, Names, config, endpoint, get, send, tls_config};

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    for status in [401, 403] {
        // It repeats what it was sent.
        let realm = Server::plain(move |seen| answer(status, format!("{:?} {PASSWORD}", seen.headers))).await;
        let registry = registry(&realm).await;
        let says = format!("not authenticated: the token server: it refuses the user or the password ({status})");
        is_unauthenticated(&login(&registry, &[&realm]), &says).await;
        let realms = json!([format!("http://{}", realm.address())]);
        let nobody = with_auth(&registry, json!({ "kind": "registry", "realms": realms }));
        is_unauthenticated(&nobody, "it gives nothing to somebody without a name").await;
    }
}

#[tokio::test]
async fn no_other_server_than_the_operators_is_asked() {
    let evil = Server::plain(|_| answer(200, r#"{"token": "x"}"#)).await;
    let realm = Server::plain(|_| answer(200, r#"{"token": "x"}"#)).await;
    let (good, port) = (realm.address().to_string(), evil.port);
    let realms = [
        format!("http://127.0.0.1:{port}/token"),
        format!("http://localhost:{}/token", realm.port),
        format!("https://{good}/token"),
        format!("http://{good}@127.0.0.1:{port}/token"),
        format!("http://{good}.example.com/token"),
        format!("http://{good}"),
        format!("http://{good}/"),
        format!("http://{good}/other"),
        format!("http://{good}/tokens"),
        format!("http://{good}/token/../other"),
        format!("http://{good}/token/%2e%2e/other"),
        format!("http://{good}/token#http://{good}/token"),
        format!("//{good}/token"),
        "/token".to_owned(),
        format!("unix:/{good}/token"),
        format!("http://{good}\\@127.0.0.1:{port}/token"),
        format!("http://{good}/token http://127.0.0.1:{port}/token"),
    ];
    for text in realms {
        let registry = Server::plain(guard(text.clone())).await;
        let listed = json!([format!("http://{good}/token")]);
        let auth = json!({ "kind": "registry", "user": "u", "password": { "value": PASSWORD }, "realms": listed });
        let endpoint = with_auth(&registry, auth);
        let error = failure(&endpoint, "/v2/_catalog").await;
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{text}: {error}");
        assert!(registry.seen().iter().all(|seen| seen.header("authorization").is_none()));
        assert_eq!((evil.connections(), realm.connections()), (0, 0), "{text}");
    }
    // An operator is told what to write.
    let registry = registry(&evil).await;
    let told = failure(&login(&registry, &[&realm]), "/v2/_catalog").await.to_string();
    let expected = format!(
        "leads to http://127.0.0.1:{port} for tokens, which is not in auth.realms of the endpoint: http://{good}"
    );
    assert!(told.contains(&expected), "{told}");
    // Nothing listed is the endpoint's own address.
    let auth = json!({ "kind": "registry", "user": "u", "password": { "value": PASSWORD } });
    failure(&with_auth(&registry, auth), "/v2/_catalog").await;
    assert_eq!(evil.connections(), 0);
}

#[tokio::test]
async fn a_registry_that_was_sent_a_token_does_not_get_it_into_an_error() {
    let realm = Server::plain(|_| answer(200, r#"{"token": "token-1.example.com"}"#)).await;
    let good = format!("Bearer realm=\"http://{}/\"", realm.address());
    let registry = Server::plain(move |seen| match seen.header("authorization") {
        None => challenged(&good),
        Some(shown) => {
            let token = shown.strip_prefix("Bearer ").unwrap();
            challenged(&format!("Bearer realm=\"http://{token}/\",service=\"{token}\",scope=\"{token}\""))
        }
    })
    .await;
    let endpoint = login(&registry, &[&realm]);
    is_unauthenticated(&endpoint, "leads to a token server that is not in auth.realms").await;
    assert_eq!(registry.seen().len(), 2);
}

#[tokio::test]
async fn a_redirection_of_the_token_server_is_not_followed() {
    let evil = Server::plain(|_| answer(200, r#"{"token": "x"}"#)).await;
    let location = format!("http://{}/token", evil.address());
    let realm = Server::plain(move |_| {
        let mut answer = answer(307, "");
        answer.headers_mut().insert("location", HeaderValue::from_str(&location).unwrap());
        answer
    })
    .await;
    let registry = registry(&realm).await;
    let error = failure(&login(&registry, &[&realm]), "/v2/_catalog").await;
    assert_eq!(error.to_string(), "no credential: the token server: it answered 307");
    assert_eq!(evil.connections(), 0);
}

#[tokio::test]
async fn challenges_that_are_none_are_told_and_nobody_is_asked() {
    let realm = Server::plain(|_| answer(200, r#"{"token": "x"}"#)).await;
    let address = format!("http://{}/", realm.address());
    let cases = [
        ("Basic realm=\"registry\"".to_owned(), "\"basic\""),
        ("Digest realm=\"x\", nonce=\"y\"".to_owned(), "something else than a token"),
        ("Bearer".to_owned(), "names no token server"),
        (format!("Bearer service=\"{address}\""), "names no token server"),
        (format!("Bearer realm=\"{address}"), "cannot be read"),
        (format!("Bearer realm=\"{address}\" scope=\"x\""), "cannot be read"),
        (format!("Bearer realm={address}"), "cannot be read"),
        (format!("Bearer realm=\"{address}\",realm=\"{address}\""), "one thing twice"),
        (format!("Bearer realm=\"{address}{}\"", "x".repeat(3000)), "too long"),
        (format!("Bearer realm=\"{address}\",scope=\"{}\"", "x".repeat(3000)), "too long"),
        (format!("Bearer realm=\"{address}\",x=\"{}\"", "x".repeat(9000)), "longer than 8 KiB"),
        (format!("Bearer realm=\"{address}?a= b\""), "is none"),
        ("Bearer realm=\"registry\"".to_owned(), "is none"),
        ("=,=\",".to_owned(), "cannot be read"),
        (",,, ,".to_owned(), "something else"),
    ];
    for (text, says) in cases {
        let registry = Server::plain(move |_| challenged(&text)).await;
        is_unauthenticated(&login(&registry, &[&realm]), says).await;
        assert_eq!(registry.seen().len(), 1);
    }
    let silent = Server::plain(|_| answer(401, "who?")).await;
    is_unauthenticated(&login(&silent, &[&realm]), "does not say where tokens are given out").await;
    assert_eq!(realm.connections(), 0);
}

#[tokio::test]
async fn answers_of_a_token_server_that_hold_no_token_are_told() {
    let long = json!({ "token": "token-".repeat(20_000) }).to_string();
    let cases = [
        (200, String::new(), "holds no token"),
        (200, "token-".to_owned(), "holds no token"),
        (200, "{}".to_owned(), "holds no token"),
        (200, r#"{"token": null}"#.to_owned(), "holds no token"),
        (200, r#"{"token": 5}"#.to_owned(), "holds no token"),
        (200, r#"{"token": ""}"#.to_owned(), "none that a header can hold"),
        (200, r#"{"token": "token-\r\nx: y"}"#.to_owned(), "none that a header can hold"),
        (200, long, "longer than 65536 bytes"),
        (200, "x".repeat(2 << 20), "broke off or is too long"),
        (500, r#"{"token": "token-"}"#.to_owned(), "it answered 500"),
        (404, "token-".to_owned(), "it answered 404"),
    ];
    for (status, body, says) in cases {
        let realm = Server::plain(move |_| answer(status, body.clone())).await;
        let registry = registry(&realm).await;
        let error = failure(&login(&registry, &[&realm]), "/v2/_catalog").await;
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
}

#[tokio::test]
async fn a_silent_token_server_is_waited_for_as_long_as_the_endpoint_says() {
    let realm = Server::waiting(|_| Box::pin(std::future::pending())).await;
    let registry = registry(&realm).await;
    let address = format!("http://{}", registry.address());
    let auth = json!({ "kind": "registry", "realms": [format!("http://{}", realm.address())] });
    let endpoint = endpoint(json!({ "address": address, "auth": auth, "connect_ms": 200, "response_ms": 200 }));
    let began = Instant::now();
    let error = failure(&endpoint, "/v2/_catalog").await;
    assert!(began.elapsed() < Duration::from_secs(5), "{error}");
    assert!(error.to_string().starts_with("no credential: the token server: "), "{error}");
}

#[tokio::test]
async fn a_token_server_is_reached_where_the_networks_of_the_endpoint_allow_it() {
    let realm = Server::plain(tokens(json!({}))).await;
    let registry = Server::plain(guard(format!("http://AUTH.example.com:{}/token", realm.port))).await;
    for (networks, reason) in [(json!([]), Some("127.0.0.1 is loopback")), (json!(["127.0.0.0/8"]), None)] {
        let text = json!({
            "address": format!("http://{}", registry.address()),
            "networks": networks,
            "auth": { "kind": "registry", "realms": [format!("http://auth.example.com:{}", realm.port)] },
        });
        let names = Names::new(&[("auth.example.com", &["127.0.0.1"])]);
        let endpoint = Endpoint::with_resolver("platform", config(text), names).unwrap();
        match reason {
            Some(reason) => {
                let error = failure(&endpoint, "/v2/_catalog").await;
                assert!(error.to_string().contains(reason), "{error}");
                assert_eq!(realm.connections(), 0);
            }
            None => assert_eq!(send(&endpoint, get("/v2/_catalog")).await.unwrap().status(), 200),
        }
    }
}

#[tokio::test]
async fn with_tls_the_password_never_goes_out_in_the_clear() {
    let authority = Authority::new();
    let identity = authority.sign("localhost", 2100);
    let realm = Server::tls(authority.server(&identity, None, &[]), tokens(json!({}))).await;
    let clear = Server::plain(tokens(json!({}))).await;
    let secure = format!("https://localhost:{}/token", realm.port);
    let auth = json!({ "kind": "registry", "user": "u", "password": { "value": PASSWORD }, "realms": [secure] });
    let cases =
        [(secure.clone(), None), (format!("http://localhost:{}/token", clear.port), Some("not in auth.realms"))];
    for (named, refusal) in cases {
        let registry = Server::tls(authority.server(&identity, None, &[]), guard(named)).await;
        let text = tls_config(registry.port, &authority.file(), None, json!({ "auth": auth }));
        let endpoint = endpoint(text);
        match refusal {
            None => assert_eq!(send(&endpoint, get("/v2/_catalog")).await.unwrap().status(), 200),
            Some(says) => is_unauthenticated(&endpoint, says).await,
        }
    }
    assert_eq!((realm.seen().len(), clear.connections()), (1, 0));
    // Authorities of token servers are those of the endpoint unless they are said.
    let (other, named) = (Authority::new(), secure.clone());
    let registry = Server::tls(authority.server(&identity, None, &[]), guard(named)).await;
    let mut strange = auth.clone();
    strange["ca"] = json!(other.file());
    let text = tls_config(registry.port, &authority.file(), None, json!({ "auth": strange }));
    let error = failure(&endpoint(text), "/v2/_catalog").await;
    assert!(error.to_string().contains("authority that is not accepted"), "{error}");
}

#[tokio::test]
async fn a_registry_that_wants_a_client_certificate_gives_its_tokens_out_to_who_has_it() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let (identity, client) = (authority.sign("localhost", 2100), clients.sign("me", 2100));
    for is_listed in [false, true] {
        let port = Arc::new(AtomicUsize::new(0));
        let (known, give) = (port.clone(), tokens(json!({})));
        let registry = Server::tls(authority.server(&identity, Some(&clients), &[]), move |seen| {
            match seen.target.starts_with("/token?") {
                true => give(seen),
                false => guard(format!("https://localhost:{}/token", known.load(Ordering::Relaxed)))(seen),
            }
        })
        .await;
        port.store(usize::from(registry.port), Ordering::Relaxed);
        let mut auth = json!({ "kind": "registry", "user": "u", "password": { "value": PASSWORD } });
        if is_listed {
            auth["realms"] = json!([format!("https://localhost:{}/token", registry.port)]);
        }
        let text = tls_config(registry.port, &authority.file(), Some(&client), json!({ "auth": auth }));
        assert_eq!(send(&endpoint(text), get("/v2/_catalog")).await.unwrap().status(), 200);
        assert_eq!(registry.seen().len(), 3);
    }
}
