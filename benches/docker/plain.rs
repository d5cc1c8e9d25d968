//! A container without an engine of jobs: made, started, awaited and removed by whoever speaks the API; with its files in
//! and out or without.

use std::time::Instant;

use serde_json::{Value, json};
use windlass_backends::Client;

use crate::measure::Pair;

/// Runs a container of this body under a name of its own. Where there are files it has a volume of its own, they are put into it
/// before, and what it leaves is fetched after.
pub(crate) fn run(client: &Client, body: &Value, files: Option<&[u8]>, name: &str) -> Pair {
    let volume = format!("{name}.work");
    let mut body = body.clone();
    if files.is_some() {
        body["HostConfig"]["Mounts"][0]["Source"] = json!(volume);
    }
    let begun = Instant::now();
    let _ = client.post(&format!("/containers/create?name={name}"), &body).good();
    if let Some(files) = files {
        let target = format!("/containers/{name}/archive?path=/work");
        let _ = client.ask("PUT", &target, "application/x-tar", files).unwrap().good();
    }
    let _ = client.post(&format!("/containers/{name}/start"), &Value::Null).good();
    let ended = client.post(&format!("/containers/{name}/wait"), &Value::Null).good();
    assert_eq!(ended.json()["StatusCode"], 0, "{}", ended.text());
    if files.is_some() {
        let _ = client.get(&format!("/containers/{name}/archive?path=/work/output/.")).good();
    }
    let done = begun.elapsed();
    let _ = client.delete(&format!("/containers/{name}?force=true&v=true")).good();
    if files.is_some() {
        let _ = client.delete(&format!("/volumes/{volume}?force=true")).good();
    }
    Pair { done, removed: begun.elapsed() }
}
