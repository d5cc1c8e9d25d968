//! Jobs without `/work`, on an engine of their own: what it says of volumes is about nothing else.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use windlass::job::Reason;
use windlass::{JobSpec, State};
use windlass_backends::{BUSYBOX, Docker, Setup};

use super::{Stage, container, script, spec, within};

fn workless(text: &str) -> Value {
    let mut options = script(text);
    options["work"] = json!(false);
    options
}

/// The names of the volumes that were ever made.
fn made(docker: &Docker) -> Vec<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 1;
    // {"type":["volume"],"event":["create"]}
    let filters = "%7B%22type%22%3A%5B%22volume%22%5D%2C%22event%22%3A%5B%22create%22%5D%7D";
    let events = docker.client().get(&format!("/events?since=0&until={now}&filters={filters}")).good().text();
    let name = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["Actor"]["ID"].as_str().unwrap().to_owned()
    };
    events.lines().map(name).collect()
}

/// The containers and volumes that are there, of whomever.
fn left(docker: &Docker) -> (usize, usize) {
    let volumes = docker.client().get("/volumes").good().json();
    (docker.containers("windlass.engine").len(), volumes["Volumes"].as_array().map_or(0, Vec::len))
}

#[tokio::test(flavor = "multi_thread")]
async fn they_run_and_fail_without_a_volume() {
    let Some(docker) = Docker::start(Setup::default()) else { return };
    let stage = Stage::new(&docker).await;
    // The image has no such directory, and none is made.
    assert_eq!(
        stage.prints(&workless("pwd; test -e /work || echo none; touch /tmp/x && echo tmp")).await,
        "/\nnone\ntmp\n"
    );
    let mut elsewhere = workless("pwd");
    elsewhere["workdir"] = json!("/tmp");
    assert_eq!(stage.prints(&elsewhere).await, "/tmp\n");
    assert_eq!(stage.fails(&workless("echo no; exit 4")).await, Reason::ExitCode(4));
    let reason = stage.fails(&json!({ "image": BUSYBOX, "command": ["nope"], "work": false })).await;
    assert!(reason.to_string().contains("no such command"), "{reason}");
    let part = |name: &str, text: &str| json!({ "name": name, "image": BUSYBOX, "command": ["sh", "-c", text] });
    let several =
        json!({ "work": false, "containers": [part("a", "echo 1 > /tmp/x"), part("b", "sleep 0.3; cat /tmp/x")] });
    assert_eq!(stage.fails(&several).await, Reason::ExitCode(1), "they share nothing");
    within(async || left(&docker) == (0, 0)).await;
    assert_eq!(made(&docker), [""; 0]);
    // One that has a `/work` makes a volume, or this would have shown nothing.
    stage.prints(&script("echo 1")).await;
    assert_eq!(made(&docker).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_with_files_is_refused_and_a_directory_in_work_too() {
    let Some(docker) = Docker::start(Setup::default()) else { return };
    let stage = Stage::new(&docker).await;
    let id = stage.submit(JobSpec { hold: true, ..spec(&workless("echo ran")) }).await;
    let input = stage.work(id, "input/data.csv");
    std::fs::create_dir_all(input.parent().unwrap()).unwrap();
    std::fs::write(&input, "1,2").unwrap();
    let events = docker.events();
    stage.engine.release(id).await.unwrap();
    let (state, reason) = stage.end(id).await;
    let reason = reason.unwrap().to_string();
    assert!(state == State::Failed && reason.contains("input/data.csv") && reason.contains("work: "), "{reason}");
    assert_eq!(events.count("create", &container(id)), 0);
    let mut inside = workless("true");
    inside["workdir"] = json!("/work/output");
    let refused = stage.engine.submit(spec(&inside)).await.unwrap_err();
    assert!(matches!(refused, windlass::Error::Invalid { .. }) && refused.to_string().contains("workdir"), "{refused}");
    assert_eq!((left(&docker), made(&docker)), ((0, 0), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_cancelled_leaves_nothing_and_makes_only_the_mark_of_its_stop() {
    let Some(docker) = Docker::start(Setup::default()) else { return };
    let stage = Stage::new(&docker).await;
    let id = stage.submit(spec(&workless("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"))).await;
    stage.says(id, "up").await;
    assert_eq!(left(&docker), (1, 0));
    stage.engine.cancel(id, "the test").await.unwrap();
    assert_eq!(stage.end(id).await.0, State::Cancelled);
    assert_eq!(stage.log(id), "up\nbye\n");
    within(async || left(&docker) == (0, 0)).await;
    assert_eq!(made(&docker), [format!("{}.stop", container(id))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_goes_on_while_the_engine_is_away_and_one_of_nobody_is_swept() {
    let Some(docker) = Docker::start(Setup::default()) else { return };
    let mut stage = Stage::new(&docker).await;
    let id =
        stage.submit(spec(&workless("trap 'echo down; exit 0' USR1; echo up; while :; do sleep 0.05; done"))).await;
    stage.says(id, "up").await;
    // The labels of a run of this engine, on a job that it never had.
    let mut labels = docker.inspect(&container(id)).unwrap()["Config"]["Labels"].clone();
    let orphan = windlass::JobId::new(7, windlass::Timestamp::from_millis(1), 7);
    labels["windlass.job"] = json!(orphan.to_string());
    let config = json!({ "Image": BUSYBOX, "Cmd": ["sleep", "1000"], "Labels": labels, "HostConfig": { "NetworkMode": "none" } });
    let _ = docker.client().post("/containers/create?name=orphan-of-ours", &config).good();
    let events = docker.events();
    stage = stage.crashed().await;
    within(async || docker.inspect("orphan-of-ours").is_none()).await;
    let _ = docker.client().post(&format!("/containers/{}/kill?signal=USR1", container(id)), &Value::Null).good();
    assert_eq!(stage.end(id).await, (State::Succeeded, None), "{}", stage.log(id));
    assert_eq!(stage.log(id), "up\ndown\n");
    assert_eq!(events.count("start", &container(id)), 0, "it was not started again");
    within(async || left(&docker) == (0, 0)).await;
    assert_eq!(made(&docker), [""; 0]);
}
