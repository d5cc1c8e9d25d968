//! A container without an engine of jobs: made, started, awaited and removed by whoever speaks the API.

use std::time::Instant;

use serde_json::{Value, json};
use windlass_backends::Client;

use crate::measure::Pair;

/// Runs a container of this body under a name of its own, with a volume of its own.
pub(crate) fn run(client: &Client, body: &Value, name: &str) -> Pair {
    let volume = format!("{name}.work");
    let mut body = body.clone();
    body["HostConfig"]["Mounts"][0]["Source"] = json!(volume);
    let begun = Instant::now();
    let _ = client.post(&format!("/containers/create?name={name}"), &body).good();
    let _ = client.post(&format!("/containers/{name}/start"), &Value::Null).good();
    let ended = client.post(&format!("/containers/{name}/wait"), &Value::Null).good();
    assert_eq!(ended.json()["StatusCode"], 0, "{}", ended.text());
    let done = begun.elapsed();
    let _ = client.delete(&format!("/containers/{name}?force=true&v=true")).good();
    let _ = client.delete(&format!("/volumes/{volume}?force=true")).good();
    Pair { done, removed: begun.elapsed() }
}
