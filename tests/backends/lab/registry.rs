//! The registry: who is let in, and what it says of what it has.

use serde_json::{Value, json};
use windlass_backends::{BUSYBOX, Docker, Registry, TokenServer, Visitors};

#[test]
fn a_registry_refuses_whom_it_does_not_know() {
    let Some(registry) = Registry::shared() else { return };
    let nobody = registry.stranger().get("/v2/_catalog");
    assert_eq!(nobody.status, 401);
    assert_eq!(nobody.header("www-authenticate"), Some("Basic realm=\"windlass\""));
    let wrong = registry.stranger().with_header("authorization", "Basic d2luZGxhc3M6Z3Vlc3M=");
    assert_eq!(wrong.get("/v2/_catalog").status, 401);
    let listed = registry.client().get("/v2/_catalog").good().json();
    assert_eq!(listed, json!({ "repositories": ["windlass-test/busybox"] }));
}

#[test]
fn a_registry_with_a_token_server_believes_that_server_only() {
    let Some(registry) = Registry::start(Visitors::WithToken) else { return };
    let other = Registry::start(Visitors::WithToken).unwrap();
    let realm = registry.tokens().unwrap().realm();
    let nobody = registry.stranger().get("/v2/_catalog");
    assert_eq!(nobody.status, 401);
    let expected = format!("Bearer realm=\"{realm}\",service=\"windlass registry\",scope=\"registry:catalog:*\"");
    assert_eq!(nobody.header("www-authenticate"), Some(expected.as_str()));
    assert_eq!(registry.client().get("/v2/_catalog").good().json(), json!({ "repositories": [] }));
    let with_token_of = |server: &TokenServer| {
        let bearer = format!("Bearer {}", server.token("registry:catalog:*"));
        registry.stranger().with_header("authorization", &bearer).get("/v2/_catalog").status
    };
    assert_eq!(with_token_of(registry.tokens().unwrap()), 200);
    assert_eq!(with_token_of(other.tokens().unwrap()), 401);
}

#[test]
fn a_registry_pages_its_catalog() {
    let (Some(docker), Some(registry)) = (Docker::shared(), Registry::start(Visitors::Anybody)) else { return };
    registry.fill(docker, &["a/one:1", "a/one:2", "b/two:latest", "three:x"]);
    let (mut target, mut pages) = ("/v2/_catalog?n=2".to_owned(), Vec::new());
    loop {
        let page = registry.client().get(&target).good();
        pages.push(page.json()["repositories"].clone());
        let Some(link) = page.header("link") else { break };
        let (next, rel) = link.split_once(';').unwrap();
        assert_eq!(rel.trim(), "rel=\"next\"");
        target = next.trim_matches(['<', '>']).to_owned();
    }
    assert_eq!(pages, [json!(["a/one", "b/two"]), json!(["three"])]);
    let mut tags = registry.client().get("/v2/a/one/tags/list").good().json()["tags"].clone();
    tags.as_array_mut().unwrap().sort_by_key(ToString::to_string);
    assert_eq!(tags, json!(["1", "2"]));
    assert!(docker.images().iter().all(|name| !name.starts_with(&registry.image(""))));
}

#[test]
fn an_engine_pulls_from_a_registry_with_the_right_password_only() {
    let (Some(docker), Some(registry)) = (Docker::shared(), Registry::shared()) else { return };
    let target = format!("/images/create?fromImage={}&tag=1", registry.image("windlass-test/busybox"));
    let refused = docker.client().post(&target, &Value::Null);
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("no basic auth credentials"), "{}", refused.text());
    docker.pull(&registry.image(BUSYBOX), registry.credentials());
    assert!(docker.images().contains(&registry.image(BUSYBOX)));
    let _ = docker.client().delete(&format!("/images/{}", registry.image(BUSYBOX))).good();
}

#[test]
fn a_registry_comes_back_with_what_it_had() {
    let (Some(docker), Some(registry)) = (Docker::shared(), Registry::start(Visitors::Known)) else { return };
    registry.fill(docker, &["kept:1"]);
    registry.stop();
    assert!(registry.client().ask("GET", "/v2/", "", b"").is_err());
    registry.run();
    assert_eq!(registry.client().get("/v2/kept/tags/list").good().json()["tags"], json!(["1"]));
}
