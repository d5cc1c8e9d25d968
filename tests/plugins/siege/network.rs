//! Ways into the network: there is one, and it leads where the operator says.

use windlass::{EngineConfig, State};

use super::rig::{Siege, config, grants};
use super::server::{Answer, Server};

/// An endpoint at this server with small limits.
fn endpoint(server: &Server) -> String {
    let address = server.address;
    format!(
        "[plugin.hostile.endpoint.jobs]\naddress = \"http://{address}\"\nresponse_bytes = 1048576\n\
         request_bytes = 1048576\n"
    )
}

async fn siege(server: &Server) -> Siege {
    Siege::open(config(), &grants("", "call_time = \"20s\"\ntransfer_time = \"20s\"", &endpoint(server))).await
}

fn ask(asked: &str) -> String {
    format!(r#"{{"submit": {}}}"#, serde_json::Value::from(format!("ask {asked}")))
}

fn well() -> Server {
    Server::start(|_| Answer::Text(200, "well".into()))
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_way_to_anywhere_else() {
    let server = well();
    let siege = siege(&server).await;
    let port = server.address.port();
    let elsewhere = [
        "other.endpoint".to_owned(),
        "jobs".to_owned(),
        "example.com".to_owned(),
        "169.254.169.254".to_owned(),
        "localhost".to_owned(),
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
        format!("jobs.endpoint:{port}"),
        "jobs.endpoint:80".to_owned(),
        "me@jobs.endpoint".to_owned(),
        "me:secret@jobs.endpoint".to_owned(),
        format!("jobs.endpoint@127.0.0.1:{port}"),
        format!("127.0.0.1:{port}#.endpoint"),
        "JOBS.ENDPOINT".to_owned(),
        "jobs.endpoint.".to_owned(),
        ".endpoint".to_owned(),
        String::new(),
    ];
    for authority in elsewhere {
        let told = siege.told(&ask(&format!("GET {authority} /secret"))).await;
        let refused = ["HttpRequestDenied", "no such authority", "HttpRequestUriInvalid", "no such target"];
        assert!(refused.iter().any(|it| told.contains(it)), "{authority}: {told}");
        if told.contains("HttpRequestDenied") {
            assert!(told.contains("stands for no endpoint that was asked for and granted; there is jobs"), "{told}");
        }
    }
    assert_eq!(server.seen().len(), 0);
    siege.others_are_well().await;
    assert!(siege.told(&ask("GET jobs.endpoint /secret")).await.contains("200 "));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_other_path_method_or_header() {
    let server = well();
    let siege = siege(&server).await;
    let mut asked = Vec::new();
    for path in [
        "/b",
        "/",
        "/a",
        "/a/x/y",
        "/a/..",
        "/a/../b",
        "/a/%2e%2e",
        "/a/%2E%2E/b",
        "/a/.%2e",
        "/a/%252e%252e",
        "/a/..%2fb",
        "/a/x%2f..%2f..%2fb",
        "//a/x",
        "/a//x",
        "/a/./x",
        "/a/\\..\\b",
        "/a/x%00",
        "/a/x%0d%0ay",
        "/SECRET",
        "/secret/",
        "/secret;x",
        "http://127.0.0.1/secret",
        "*",
    ] {
        asked.push(format!("GET jobs.endpoint {path}"));
    }
    for method in ["POST", "DELETE", "PATCH", "CONNECT", "TRACE", "OPTIONS", "get", "GET\t", "G\u{e9}T"] {
        asked.push(format!("{method} jobs.endpoint /secret"));
    }
    for header in [
        "Authorization:Bearer",
        "authorization:x",
        "Host:other",
        "Connection:close",
        "Keep-Alive:1",
        "Upgrade:websocket",
        "Transfer-Encoding:chunked",
        "TE:trailers",
        "Proxy-Authorization:x",
        "Proxy-Connection:close",
        "X-Bad:a%0D%0AX-Worse:b",
        "X Bad:a",
        ":x",
    ] {
        asked.push(format!("GET jobs.endpoint /secret {header}"));
    }
    for asked in asked {
        let told = siege.told(&ask(&asked)).await;
        let refused =
            ["HttpRequestDenied", "HttpRequestUriInvalid", "header: ", "no such method", "no such target", "no body"];
        assert!(refused.iter().any(|it| told.contains(it)), "{asked}: {told}");
        assert!(server.seen().is_empty(), "{asked} came through: {:?}", server.seen());
    }
    siege.others_are_well().await;
    assert!(siege.told(&ask("PUT jobs.endpoint /a/x x-good:1")).await.contains("200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_ends_is_ended() {
    let server = Server::start(|seen| match seen.head.contains("/endless") {
        true => Answer::Endless,
        false => Answer::Text(200, "well".into()),
    });
    let siege = siege(&server).await;
    let told = siege.told(r#"{"submit": "endless-answer GET jobs.endpoint /endless"}"#).await;
    assert!(told.contains(" bytes, then StreamError"), "{told}");
    let told = siege.told(r#"{"submit": "endless-request PUT jobs.endpoint /a/x"}"#).await;
    assert!(told.contains("HttpRequestBodySize"), "{told}");
    let told = siege.told(r#"{"submit": "requests GET jobs.endpoint /a/x"}"#).await;
    assert!(told.contains("the plugin holds too much open in `submit`"), "{told}");
    siege.others_are_well().await;
}

/// A platform that says nothing costs the call that waits for it, and the next one.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_never_answered_are_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let more = format!("[plugin.hostile.endpoint.jobs]\naddress = \"http://{address}\"\nconnections = 2\n");
    let config = EngineConfig { default_slots: 64, ..config() };
    let siege = Siege::open(config, &grants("", "call_time = \"400ms\"\ntransfer_time = \"400ms\"", &more)).await;
    let ids: Vec<_> = {
        let mut ids = Vec::new();
        for _ in 0..8 {
            let mut spec = super::rig::hostile(&ask("GET jobs.endpoint /secret"));
            spec.deadlines.attempt_ms = Some(2_000);
            ids.push(siege.engine.submit(spec).await.unwrap());
        }
        ids
    };
    siege.others_are_well().await;
    for id in ids {
        assert_eq!(siege.ended(id).await.0, State::TimedOut);
    }
}

/// The runtime of Python asks for sockets whatever it does, so they may be asked for; no call of them does anything.
#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_all_closed() {
    let siege = Siege::new().await;
    assert!(siege.told(r#"{"submit": "sockets"}"#).await.contains("open: []"));
    siege.others_are_well().await;
}
