//! The platforms that the other tests stand on.

use serde_json::json;
use windlass_backends::{BUSYBOX, Docker};

/// Runs a container to its end; its exit code.
fn run(docker: &Docker, name: &str, config: &serde_json::Value) -> i64 {
    let _ = docker.client().post(&format!("/containers/create?name={name}"), config).good();
    let _ = docker.client().post(&format!("/containers/{name}/start"), &json!(null)).good();
    let ended = docker.client().post(&format!("/containers/{name}/wait"), &json!(null)).good().json();
    ended["StatusCode"].as_i64().unwrap()
}

#[test]
fn an_engine_runs_a_container_of_its_own_image() {
    let Some(docker) = Docker::shared() else { return };
    assert_eq!(docker.client().get("/_ping").text(), "OK");
    assert!(docker.images().contains(&BUSYBOX.to_owned()));
    let config = json!({
        "Image": BUSYBOX,
        "Cmd": ["sh", "-c", "id -un; exit 7"],
        "User": "worker",
        "Tty": true,
        "Labels": { "lab": "first" },
        "HostConfig": { "Init": true, "NetworkMode": "none" },
    });
    assert_eq!(run(docker, "first", &config), 7);
    assert_eq!(docker.client().get("/containers/first/logs?stdout=1").good().text(), "worker\r\n");
    assert_eq!(docker.containers("lab=first").len(), 1);
    assert_eq!(docker.inspect("first").unwrap()["State"]["ExitCode"], 7);
    let _ = docker.client().delete("/containers/first").good();
    assert!(docker.containers("lab=first").is_empty() && docker.inspect("first").is_none());
}
