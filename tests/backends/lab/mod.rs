//! The platforms that the other tests stand on.

mod ends;
mod engine;
mod registry;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use windlass_backends::{BUSYBOX, Docker};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A container that runs a script of the shell.
fn script(script: &str) -> Value {
    json!({
        "Image": BUSYBOX,
        "Cmd": ["sh", "-c", script],
        "HostConfig": { "Init": true, "NetworkMode": "none" },
    })
}

fn start(docker: &Docker, name: &str, config: &Value) {
    let _ = docker.client().post(&format!("/containers/create?name={name}"), config).good();
    let _ = docker.client().post(&format!("/containers/{name}/start"), &Value::Null).good();
}

/// The exit code of a container, when it has one.
fn end(docker: &Docker, name: &str) -> i64 {
    let ended = docker.client().post(&format!("/containers/{name}/wait"), &Value::Null).good().json();
    ended["StatusCode"].as_i64().unwrap()
}

fn is_running(docker: &Docker, name: &str) -> bool {
    docker.inspect(name).unwrap()["State"]["Running"] == true
}

/// Waits for what comes true some time.
fn within(what: impl Fn() -> bool, why: impl Fn() -> String) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < PATIENCE, "{}", why());
        std::thread::sleep(Duration::from_millis(20));
    }
}
