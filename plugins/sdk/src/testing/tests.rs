//! The engine and the platforms that tests script, from the plugin's side.

use std::io::{self, Read};

use serde_json::json;

use super::*;
use crate::{ErrorKind, host, http, work};

#[test]
fn a_request_arrives_as_it_was_made() {
    endpoint("docker").on("PUT", "/archives/*/files", |_| Reply::bytes(200, "taken").header("X-Id", "7"));
    let content = io::Cursor::new(b"abc".to_vec()).chain(io::Cursor::new(b"def".to_vec()));
    let path = format!("/archives/{}/files", http::escape("a/b c"));
    let request = http::endpoint("docker").put(path).query("q", "x&y=ü").query("n", 3).header("X-A", "1");
    let answer = request.stream(content).send().unwrap();
    assert_eq!((answer.status, answer.header("x-id")), (200, Some("7")));
    assert_eq!(answer.text().unwrap(), "taken");
    let [asked] = &asked()[..] else { panic!("one request was made") };
    assert_eq!(asked.path, "/archives/a%2Fb%20c/files");
    assert_eq!((asked.query("q"), asked.query("n")), (Some("x&y=ü"), Some("3")));
    assert_eq!((asked.header("x-a"), asked.body.as_slice()), (Some("1"), &b"abcdef"[..]));
}

#[test]
fn what_is_not_scripted_is_denied_and_the_last_rule_counts() {
    let script = endpoint("a").on("GET", "/x", |_| Reply::status(200));
    let get = |name: &str, path: &str| http::endpoint(name).get(path).send();
    assert_eq!(get("a", "/x").unwrap().status, 200);
    script.on("GET", "/*", |_| Reply::status(204));
    assert_eq!(get("a", "/x").unwrap().status, 204);
    for (name, path) in [("b", "/x"), ("a", "/x/y"), ("a", "/")] {
        let found = get(name, path).map(|answer| answer.status).map_err(|error| error.kind);
        assert_eq!(found, if path == "/" { Ok(204) } else { Err(ErrorKind::Denied) }, "{name}{path}");
    }
    reset();
    assert_eq!(get("a", "/x").unwrap_err().kind, ErrorKind::Denied);
}

#[test]
fn a_body_that_breaks_off_and_a_request_that_fails_are_errors() {
    endpoint("a")
        .on("GET", "/cut", |_| Reply::bytes(200, "half").cut_off())
        .on("GET", "/down", |_| Reply::failure(Error::unavailable("down")));
    let error = http::endpoint("a").get("/cut").send().unwrap().text().unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Unavailable, crate::Retry::Backoff));
    assert_eq!(http::endpoint("a").get("/down").send().unwrap_err(), Error::unavailable("down"));
}

#[test]
fn an_archive_is_unpacked_unless_it_breaks_off() {
    endpoint("a")
        .on("GET", "/whole", |_| Reply::bytes(200, "archive"))
        .on("GET", "/cut", |_| Reply::bytes(200, "half").cut_off());
    let body = |path: &str| http::endpoint("a").get(path).send().unwrap().body();
    assert_eq!(work::unpack(body("/whole")).unwrap(), 7);
    assert_eq!(unpacked(), b"archive");
    assert_eq!(work::unpack(body("/cut")).unwrap_err().kind, ErrorKind::Unavailable);
}

#[test]
fn the_engine_is_what_the_test_says() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        node: String,
    }
    assert_eq!(host::settings::<Settings>().unwrap_err().message, "the settings of the plugin: node: it is missing");
    settings(json!({ "node": "n1" }));
    assert_eq!(host::settings::<Settings>().unwrap().node, "n1");
    engine_id("e1");
    assert_eq!(host::engine_id(), "e1");
    host::log(host::Level::Warn, "look");
    assert_eq!(messages(), [(host::Level::Warn, "look".to_owned())]);
    host::checkpoint(&"c1".to_owned()).unwrap();
    refuse_checkpoints(Error::internal("full"));
    assert!(host::checkpoint(&"c2".to_owned()).is_err());
    assert_eq!(checkpoints::<String>().unwrap(), ["c1"]);
    assert!(work::pack().is_err());
    packed("tar");
    assert_eq!(io::read_to_string(work::pack().unwrap()).unwrap(), "tar");
}
