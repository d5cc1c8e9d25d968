//! What cannot be run, each with its own words, and whether it is tried again.

use std::time::Duration;

use serde_json::{Value, json};
use windlass::{JobSpec, State};
use windlass_backends::{BUSYBOX, Docker, Registry, Setup, Visitors};

use super::{Stage, container, is_clean, script, spec};

fn image(image: &str) -> Value {
    json!({ "image": image, "command": ["true"] })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_start_says_why_and_leaves_nothing() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::new(docker).await;
    let never = json!({ "image": "windlass-test/nope:1", "command": ["true"], "pull": "never" });
    let gpu = json!({ "image": BUSYBOX, "command": ["true"], "resources": { "gpu": 1 } });
    let command = json!({ "image": BUSYBOX, "command": ["/no/such/program"] });
    let bare = json!({ "image": BUSYBOX, "command": ["/no/such/program"], "init": false });
    let user = json!({ "image": BUSYBOX, "command": ["true"], "user": "stranger" });
    for (options, says) in [
        (never, "pull: never"),
        (gpu, "no such GPUs"),
        (command, "the image has no such command"),
        (bare, "/no/such/program"),
        (user, "no such user"),
    ] {
        let spec =
            JobSpec { retry: windlass::job::RetryPolicy { max_attempts: 3, ..Default::default() }, ..spec(&options) };
        let id = stage.submit(spec).await;
        let (state, reason) = stage.end(id).await;
        let reason = reason.unwrap().to_string();
        assert!(state == State::Failed && reason.contains(says), "{says}: {reason}");
        assert_eq!(stage.engine.get(id).unwrap().job.status.attempt, 1, "{says} is not tried again");
        is_clean(docker, id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_by_somebody_else_stays_theirs() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::new(docker).await;
    let id = stage.submit(JobSpec { hold: true, ..spec(&script("true")) }).await;
    let theirs = json!({ "Image": BUSYBOX, "Cmd": ["sleep", "1000"], "HostConfig": { "NetworkMode": "none" } });
    let _ = docker.client().post(&format!("/containers/create?name={}", container(id)), &theirs).good();
    stage.engine.release(id).await.unwrap();
    let (state, reason) = stage.end(id).await;
    let reason = reason.unwrap().to_string();
    assert!(state == State::Failed && reason.contains("not of this engine"), "{reason}");
    let _ = docker.client().delete(&format!("/containers/{}?force=1", container(id))).good();
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_a_registry_need_the_right_credentials() {
    let (Some(docker), Some(registry)) = (Docker::shared(), Registry::start(Visitors::Known)) else { return };
    registry.fill(docker, &["team/tool:1"]);
    let stage = Stage::new(docker).await;
    let name = registry.image("team/tool:1");
    let (user, password) = registry.credentials().unwrap();
    let said = async |options: Value, password: &str| {
        let mut spec = spec(&options).option("REGISTRY_USER", user);
        spec.options.set_secret("REGISTRY_PASSWORD", password.to_owned());
        let id = stage.submit(spec).await;
        let (state, reason) = stage.end(id).await;
        (state, reason.map(|reason| reason.to_string()).unwrap_or_default(), stage.log(id))
    };
    let with = |name: &str| {
        json!({ "image": name, "command": ["sh", "-c", "echo got it; env"],
            "registry": { "username": "REGISTRY_USER", "password": "REGISTRY_PASSWORD" } })
    };
    let (state, reason, _) = said(image(&name), password).await;
    assert!(state == State::Failed && reason.contains("wants credentials"), "{reason}");
    let (state, reason, _) = said(with(&name), "wrong").await;
    assert!(state == State::Failed && reason.contains("does not accept"), "{reason}");
    let (state, reason, _) = said(with(&registry.image("team/tool:2")), password).await;
    assert!(state == State::Failed && reason.contains("no such image"), "{reason}");
    let (state, reason, log) = said(with(&name), password).await;
    assert_eq!((state, reason.as_str()), (State::Succeeded, ""));
    assert!(log.contains("got it") && !log.contains("REGISTRY"), "{log}");
    let _ = docker.client().delete(&format!("/images/{name}")).good();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_down_is_waited_for() {
    let (Some(docker), Some(registry)) = (Docker::shared(), Registry::start(Visitors::Anybody)) else { return };
    registry.fill(docker, &["late:1"]);
    registry.stop();
    let stage = Stage::new(docker).await;
    let id = stage.submit(spec(&image(&registry.image("late:1")))).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!stage.engine.get(id).unwrap().state().is_final());
    registry.run();
    assert_eq!(stage.end(id).await, (State::Succeeded, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_away_is_waited_for() {
    let Some(docker) = Docker::start(Setup::default()) else { return };
    docker.stop();
    let stage = Stage::new(&docker).await;
    let id = stage.submit(spec(&script("echo at last"))).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!stage.engine.get(id).unwrap().state().is_final());
    docker.run();
    assert_eq!(stage.end(id).await, (State::Succeeded, None));
    assert_eq!(stage.log(id), "at last\n");
    is_clean(&docker, id).await;
}
