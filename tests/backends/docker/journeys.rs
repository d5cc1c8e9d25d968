//! Whole lives: engines that go away, what nobody owns, and the command.

use std::process::Command;

use windlass::State;
use windlass::job::Reason;
use windlass_backends::{BUSYBOX, Docker};

use super::{Stage, container, grants, is_clean, left, script, spec, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_while_the_engine_is_away() {
    let Some(docker) = Docker::shared() else { return };
    let mut stage = Stage::new(docker).await;
    let id = stage
        .submit(spec(&script("echo up; until test -e /work/tmp/flag; do sleep 0.05; done; echo down; exit 5")))
        .await;
    stage.says(id, "up\n").await;
    let events = docker.events();
    stage = stage.crashed().await;
    let exec = serde_json::json!({ "Cmd": ["touch", "/work/tmp/flag"] });
    let exec = docker.client().post(&format!("/containers/{}/exec", container(id)), &exec).good().json();
    let start = format!("/exec/{}/start", exec["Id"].as_str().unwrap());
    let _ = docker.client().post(&start, &serde_json::json!({ "Detach": true })).good();
    assert_eq!(stage.end(id).await, (State::Failed, Some(Reason::ExitCode(5))));
    assert_eq!(stage.log(id), "up\ndown\n");
    assert_eq!(events.count("start", &container(id)), 0, "it was not started again");
    is_clean(docker, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_job_owns_is_swept() {
    let Some(docker) = Docker::shared() else { return };
    let mut stage = Stage::new(docker).await;
    let id = stage.submit(spec(&script("echo up; sleep 1000"))).await;
    stage.says(id, "up\n").await;
    // The labels of a run of this engine, on a job that it never had.
    let labels = docker.inspect(&container(id)).unwrap()["Config"]["Labels"].clone();
    let orphan = windlass::JobId::new(7, windlass::Timestamp::from_millis(1), 7);
    let mut theirs = labels.clone();
    theirs["windlass.job"] = serde_json::json!(orphan.to_string());
    let config = serde_json::json!({ "Image": BUSYBOX, "Cmd": ["sleep", "1000"], "Labels": theirs,
        "HostConfig": { "NetworkMode": "none" } });
    let _ = docker.client().post("/containers/create?name=orphan-of-ours", &config).good();
    let _ = docker.client().post("/containers/orphan-of-ours/start", &serde_json::Value::Null).good();
    let mut foreign = labels;
    foreign["windlass.engine"] = serde_json::json!("another");
    let config = serde_json::json!({ "Image": BUSYBOX, "Cmd": ["sleep", "1000"], "Labels": foreign });
    let _ = docker.client().post("/containers/create?name=run-of-another", &config).good();
    stage = stage.crashed().await;
    within(async || docker.inspect("orphan-of-ours").is_none()).await;
    assert!(docker.inspect("run-of-another").is_some() && left(docker, id).0 == 2, "only what is ours and nobody's");
    let _ = docker.client().delete("/containers/run-of-another?force=1").good();
    stage.engine.cancel(id, "the test").await.unwrap();
    stage.end(id).await;
    is_clean(docker, id).await;
}

/// The example of the README.
#[test]
fn the_command_runs_a_job_file() {
    let Some(docker) = Docker::shared() else { return };
    let dir = tempfile::tempdir().unwrap();
    let text = include_str!("../../../README.md");
    let (_, example) = text.split_once("```yaml docker\n").expect("the README has the example");
    let example = example.split_once("```").unwrap().0;
    std::fs::write(dir.path().join("jobs.yaml"), example).unwrap();
    std::fs::write(dir.path().join("windlass.toml"), grants(docker, "")).unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        let command = command.args(args).env_remove("WINDLASS_KEY").env("WINDLASS_STORE", dir.path().join("store"));
        let command = command.env("WINDLASS_CONFIG", dir.path().join("windlass.toml")).current_dir(dir.path());
        let done = command.output().unwrap();
        let said = String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap();
        (done.status.code(), said)
    };
    let image = example.lines().find_map(|line| line.trim().strip_prefix("image: ")).unwrap();
    docker.tag(BUSYBOX, image);
    let (code, said) = run(&["run", "jobs.yaml"]);
    assert!(code == Some(2) && said.contains("report.txt: cannot be read"), "{said}");
    std::fs::write(dir.path().join("report.txt"), "one two\nthree\n").unwrap();
    let (code, said) = run(&["run", "--outputs", "results", "jobs.yaml"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("hello from a container"), "{said}");
    assert_eq!(std::fs::read_to_string(dir.path().join("results/count/words.txt")).unwrap(), "3\n");
    std::fs::write(dir.path().join("bad.yaml"), example.replace("command:", "comand:")).unwrap();
    let (code, said) = run(&["run", "bad.yaml"]);
    assert!(code == Some(2) && said.contains("comand"), "{said}");
    let _ = docker.client().delete(&format!("/images/{image}")).good();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_opened_without_the_plugin_says_what_is_missing() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::granted("[plugin.docker]\nwork = \"write\"\n".to_owned()).await;
    let id = stage.submit(spec(&script("true"))).await;
    let (state, reason) = stage.end(id).await;
    assert!(state == State::Failed && reason.unwrap().to_string().contains("grant"), "no endpoint is granted");
    assert_eq!(left(docker, id), (0, 0));
}
