//! Credentials that need nobody else: they reach the platform, and nothing of them comes back.

use http::HeaderValue;
use serde_json::json;

use crate::server::{Server, answer};
use crate::stage::{endpoint, get, send};

#[tokio::test]
async fn each_kind_shows_who_sends() {
    let server = Server::plain(|seen| {
        let mut answer = answer(200, "ok");
        // A platform that repeats what it got.
        for name in ["authorization", "x-api-key"] {
            if let Some(value) = seen.headers.get(name) {
                answer.headers_mut().insert(name, value.clone());
            }
        }
        answer.headers_mut().insert("set-cookie", HeaderValue::from_static("a=b"));
        answer
    })
    .await;
    let cases = [
        (json!({ "kind": "none" }), "authorization", None),
        (json!({ "kind": "bearer", "token": { "value": "hush" } }), "authorization", Some("Bearer hush")),
        (
            json!({ "kind": "basic", "user": "Aladdin", "password": { "value": "open sesame" } }),
            "authorization",
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ),
        (json!({ "kind": "header", "name": "X-API-Key", "value": { "value": "hush" } }), "x-api-key", Some("hush")),
    ];
    for (auth, name, expected) in cases {
        let endpoint = endpoint(json!({ "address": format!("http://{}", server.address()), "auth": auth }));
        assert!(!format!("{endpoint:?}").contains("hush"));
        let answer = send(&endpoint, get("/x")).await.unwrap();
        assert_eq!(server.seen().pop().unwrap().header(name), expected);
        assert_eq!(answer.headers().get(name), None);
        assert_eq!(answer.headers()["set-cookie"], "a=b");
    }
}

#[tokio::test]
async fn a_token_in_a_file_is_read_again_when_it_is_renewed() {
    let server = Server::plain(|_| answer(200, "ok")).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, "first\n").unwrap();
    let auth = json!({ "kind": "bearer", "token": { "file": path } });
    let endpoint = endpoint(json!({ "address": format!("http://{}", server.address()), "auth": auth }));
    send(&endpoint, get("/x")).await.unwrap();
    std::fs::write(&path, "second\n").unwrap();
    send(&endpoint, get("/x")).await.unwrap();
    let tokens: Vec<_> = server.seen().iter().map(|seen| seen.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(tokens, ["Bearer first", "Bearer second"]);
    std::fs::remove_file(&path).unwrap();
    let error = send(&endpoint, get("/x")).await.unwrap_err();
    assert!(error.to_string().starts_with("no credential: "), "{error}");
    // A line end inside cannot become a header.
    std::fs::write(&path, "third\r\nx-evil: 1").unwrap();
    let error = send(&endpoint, get("/x")).await.unwrap_err();
    assert!(!error.to_string().contains("third"), "{error}");
    assert_eq!(server.seen().len(), 2);
}
