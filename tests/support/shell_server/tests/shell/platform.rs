//! The server by itself.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::stage::{ENGINE, Stage, spec, within};

fn archive(name: &str, content: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content.as_bytes()).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn a_run_from_its_making_to_its_removal() {
    let stage = Stage::new(&[]);
    let client = stage.client();
    let script = "cat input.txt; echo oops >&2; echo done > output/result; test $A = 1; exit 3";
    assert_eq!(client.get("PUT", "/runs/r-1", &spec(script)).json(), json!("created"));
    assert_eq!(client.get("PUT", "/runs/r-1", &spec(script)).status, 200, "it is found");
    assert_eq!(client.get("PUT", "/runs/r-1", &spec("true")).status, 409, "it is something else");
    assert_eq!(client.get("POST", "/runs/r-1/work", &archive("input.txt", "in\n")).status, 200);
    assert_eq!(client.get("POST", "/runs/r-1/work", &archive("input.txt", "input\n")).status, 200, "it is replaced");
    assert_eq!(client.get("POST", "/runs/r-1/start", b"").status, 200);
    assert_eq!(client.end("r-1"), json!({ "exited": 3 }));
    assert_eq!(client.get("POST", "/runs/r-1/start", b"").json(), json!({ "ended": { "exited": 3 } }));
    assert_eq!(client.get("POST", "/runs/r-1/work", &archive("input.txt", "")).status, 409, "it is too late");
    let printed = client.printed("r-1");
    assert!(printed.contains("input\n") && printed.contains("oops\n"), "{printed}");
    let output = client.get("GET", "/runs/r-1/output", b"").body;
    let mut archive = tar::Archive::new(output.as_slice());
    let names: Vec<_> = archive.entries().unwrap().map(|it| it.unwrap().path().unwrap().into_owned()).collect();
    assert_eq!(names, [std::path::PathBuf::from("result")]);
    let listed = client.get("GET", &format!("/runs?engine={ENGINE}"), b"").json();
    assert_eq!(listed["runs"][0]["name"], "r-1");
    assert_eq!(client.get("GET", "/runs?engine=other", b"").json()["runs"], json!([]));
    assert_eq!(client.get("DELETE", "/runs/r-1", b"").status, 200);
    assert_eq!(client.get("DELETE", "/runs/r-1", b"").status, 404);
}

#[test]
fn a_run_is_stopped_politely_then_by_force() {
    let stage = Stage::new(&[]);
    let client = stage.client();
    client.start("polite", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done");
    client.start("stubborn", "trap '' TERM; echo up; while :; do sleep 0.01; done");
    for name in ["polite", "stubborn"] {
        within(|| {
            (!client.get("GET", &format!("/runs/{name}/log?from=0&wait=1000"), b"").body.is_empty()).then_some(())
        });
    }
    assert_eq!(client.get("POST", "/runs/polite/stop?grace=60000", b"").status, 200);
    assert_eq!(client.end("polite"), json!("stopped"));
    assert!(client.printed("polite").contains("bye\n"));
    assert_eq!(client.get("POST", "/runs/stubborn/stop?grace=50", b"").json(), json!("running"));
    assert_eq!(client.end("stubborn"), json!("stopped"));
    assert_eq!(client.get("PUT", "/runs/early", &spec("true")).status, 201);
    assert_eq!(client.get("POST", "/runs/early/stop", b"").json(), json!({ "ended": "stopped" }));
    assert_eq!(client.get("POST", "/runs/early/start", b"").json(), json!({ "ended": "stopped" }));
    assert_eq!(client.get("POST", "/runs/nobody/stop", b"").status, 404);
}

#[test]
fn runs_go_on_while_the_server_is_away() {
    let mut stage = Stage::new(&[]);
    let client = stage.client();
    let flag = stage.directory.path().join("flag");
    client
        .start("r-1", &format!("echo one; while ! test -e {}; do sleep 0.01; done; echo two; exit 7", flag.display()));
    client.start("stubborn", "trap '' TERM; echo up; while :; do sleep 0.01; done");
    client.start("killed", "kill -9 $$");
    within(|| (!client.get("GET", "/runs/stubborn/log?from=0&wait=1000", b"").body.is_empty()).then_some(()));
    assert_eq!(client.get("POST", "/runs/stubborn/stop?grace=1500", b"").status, 200);
    stage.restart();
    assert_eq!(client.state("r-1"), json!("running"));
    std::fs::write(&flag, "").unwrap();
    assert_eq!(client.end("r-1"), json!({ "exited": 7 }));
    assert_eq!(client.printed("r-1"), "one\ntwo\n");
    assert_eq!(client.end("killed"), json!({ "signalled": 9 }));
    assert_eq!(client.end("stubborn"), json!("stopped"), "the grace is kept by the next server");
}

#[test]
fn what_cannot_be_started_says_why() {
    let stage = Stage::new(&[]);
    let client = stage.client();
    let missing = json!({ "engine": ENGINE, "command": ["/no/such/program"] }).to_string();
    client.get("PUT", "/runs/r-1", missing.as_bytes());
    client.get("POST", "/runs/r-1/start", b"");
    assert!(client.end("r-1")["not-started"].is_string());
    let empty = json!({ "engine": ENGINE, "command": [] }).to_string();
    assert_eq!(client.get("PUT", "/runs/r-2", empty.as_bytes()).status, 400);
    assert_eq!(client.get("PUT", "/runs/..", &spec("true")).status, 400);
}

#[test]
fn an_observation_waits_for_what_is_new() {
    let stage = Stage::new(&[]);
    let client = stage.client();
    let flag = stage.directory.path().join("flag");
    client.start("r-1", &format!("while ! test -e {}; do sleep 0.01; done", flag.display()));
    let known = json!({ "runs": [{ "name": "r-1", "state": "running" }, { "name": "nobody" }] }).to_string();
    let begun = Instant::now();
    let same = client.get("POST", "/runs/observe?wait=100", known.as_bytes()).json();
    assert_eq!(same, json!({ "states": ["running", null] }));
    assert!(begun.elapsed() >= Duration::from_millis(100));
    let waiting = {
        let client = client.clone();
        std::thread::spawn(move || client.get("POST", "/runs/observe?wait=30000", known.as_bytes()).json())
    };
    std::fs::write(&flag, "").unwrap();
    assert_eq!(waiting.join().unwrap(), json!({ "states": [{ "ended": { "exited": 0 } }, null] }));
}

#[test]
fn connections_break_where_the_test_says() {
    let mut stage = Stage::new(&["--cut", "before:1", "--cut", "after:2"]);
    let client = stage.client();
    assert!(client.ask("PUT", "/runs/r-1", &spec("true")).is_err());
    assert!(client.ask("PUT", "/runs/r-2", &spec("true")).is_err());
    assert_eq!(client.get("GET", "/runs/r-1", b"").status, 404, "it was not done");
    assert_eq!(client.get("GET", "/runs/r-2", b"").status, 200, "it was done");
    assert_eq!(client.get("PUT", "/faults", br#"["exit:2"]"#).status, 200);
    assert_eq!(client.get("GET", "/health", b"").status, 200);
    assert!(client.ask("POST", "/runs/r-2/start", b"").is_err());
    stage.restart_after_its_end();
    assert_eq!(client.end("r-2"), json!({ "exited": 0 }));
}

#[test]
fn nobody_is_let_in_without_the_token() {
    let stage = Stage::new(&[]);
    let client = stage.client();
    assert_eq!(client.ask_as("guess", "GET", "/health", b"").unwrap().status, 401);
    assert_eq!(client.ask_as("guess", "PUT", "/runs/r-1", &spec("true")).unwrap().status, 401);
    assert_eq!(client.get("GET", "/runs/r-1", b"").status, 404);
    client.start("r-1", "echo token=$SHELL_SERVER_TOKEN");
    assert_eq!(client.printed("r-1"), "token=\n", "commands do not learn it");
}
