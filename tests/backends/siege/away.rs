//! A Docker Engine that is restarted or killed under running jobs.

use std::time::Duration;

use serde_json::{Value, json};
use windlass::job::{Reason, RetryPolicy};
use windlass::{JobId, JobSpec, State};
use windlass_backends::{Docker, Setup};

use super::stage::{Stage, at_socket, container_of, is_swept, script, within};

/// How a Docker Engine goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Asked,
    Killed,
}

fn leave(docker: &Docker, way: Way) {
    match way {
        Way::Asked => docker.stop(),
        Way::Killed => docker.kill(),
    }
}

/// Prints, waits for a signal, prints, ends with 3.
fn waits() -> JobSpec {
    let wait = "trap 'echo down; exit 3' USR1; echo up; while :; do sleep 0.1; done";
    script(wait, &json!({ "init": false }))
}

fn signal(docker: &Docker, id: JobId) {
    let target = format!("/containers/{}/kill?signal=USR1", container_of(id));
    let _ = docker.client().post(&target, &Value::Null).good();
}

/// The engine is told that its platform is not there, and that it is back.
async fn is_lost(stage: &Stage, id: JobId, lost: bool) {
    let looks = async || stage.engine.get(id).unwrap().job.status.lost_since.is_some() == lost;
    within(looks, || format!("{:?}", stage.engine.get(id).unwrap().job.status)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_go_on_where_containers_do_while_their_engine_is_away() {
    let setup = Setup { is_live_restoring: true, ..Setup::default() };
    let Some(docker) = Docker::start(setup) else { return };
    let stage = Stage::new(&at_socket(&docker)).await;
    for way in [Way::Asked, Way::Killed] {
        let (over_there, goes_on) = (stage.submit(waits()).await, stage.submit(waits()).await);
        stage.prints(over_there, "up\n").await;
        stage.prints(goes_on, "up\n").await;
        let started = docker.inspect(&container_of(goes_on)).unwrap()["State"]["StartedAt"].clone();
        leave(&docker, way);
        is_lost(&stage, goes_on, true).await;
        docker.run();
        is_lost(&stage, goes_on, false).await;
        assert_eq!(docker.inspect(&container_of(goes_on)).unwrap()["State"]["StartedAt"], started, "{way:?}");
        for id in [over_there, goes_on] {
            signal(&docker, id);
            assert_eq!(stage.end(id).await, (State::Failed, Some(Reason::ExitCode(3))), "{way:?}");
            assert_eq!(stage.text(id), "up\ndown\n", "{way:?}");
            let status = stage.engine.get(id).unwrap().job.status;
            assert_eq!((status.attempt, status.interruptions), (1, 0), "{way:?}");
        }
    }
    is_swept(&docker).await;
    stage.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_whose_containers_ended_with_their_engine_are_told_so_and_tried_again() {
    let Some(docker) = Docker::start(Setup::default()) else { return };
    let stage = Stage::new(&at_socket(&docker)).await;
    for way in [Way::Asked, Way::Killed] {
        let once = stage.submit(waits()).await;
        let mut again = waits();
        again.retry = RetryPolicy { max_attempts: 2, ..RetryPolicy::default() };
        let again = stage.submit(again).await;
        for id in [once, again] {
            stage.prints(id, "up\n").await;
        }
        leave(&docker, way);
        docker.run();
        let (state, reason) = stage.end(once).await;
        assert_eq!(state, State::Failed, "{way:?}");
        let is_a_signal = matches!(reason, Some(Reason::Signal(9 | 15)));
        assert!(is_a_signal || reason == Some(Reason::Interrupted), "{way:?}: {reason:?}");
        // The second attempt is another container, and the first one is gone.
        let second = format!("{}-2", container_of(again));
        let runs = || docker.inspect(&second).is_some_and(|it| it["State"]["Running"] == true);
        within(async || runs(), || format!("{:?}", stage.engine.get(again).unwrap())).await;
        stage.prints(again, "up\n").await;
        let _ = docker.client().post(&format!("/containers/{second}/kill?signal=USR1"), &Value::Null).good();
        assert_eq!(stage.end(again).await, (State::Failed, Some(Reason::ExitCode(3))), "{way:?}");
        assert_eq!(stage.text(again), "up\ndown\n", "{way:?}");
    }
    is_swept(&docker).await;
    stage.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_somebody_removes_is_a_run_that_is_lost() {
    let Some(docker) = Docker::start(Setup::default()) else { return };
    let stage = Stage::new(&at_socket(&docker)).await;
    let mut once = waits();
    once.on_crash = windlass::job::OnCrash::Fail;
    let (once, again) = (stage.submit(once).await, stage.submit(waits()).await);
    for id in [once, again] {
        stage.prints(id, "up\n").await;
        let _ = docker.client().delete(&format!("/containers/{}?force=1", container_of(id))).good();
    }
    assert_eq!(stage.end(once).await, (State::Failed, Some(Reason::Interrupted)));
    // Nothing forbids to run it again, and the attempt that was lost is not held against it.
    let second = format!("{}-2", container_of(again));
    let runs = || docker.inspect(&second).is_some_and(|it| it["State"]["Running"] == true);
    within(async || runs(), || format!("{:?}", stage.engine.get(again).unwrap())).await;
    assert_eq!(stage.engine.get(again).unwrap().job.status.interruptions, 1);
    stage.engine.cancel(again, "the test").await.unwrap();
    assert_eq!(stage.end(again).await.0, State::Cancelled);
    is_swept(&docker).await;
    tokio::time::timeout(Duration::from_secs(30), stage.engine.shutdown()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_come_while_an_engine_is_away_are_told_what_is_wrong() {
    let Some(docker) = Docker::start(Setup::default()) else { return };
    let stage = Stage::new(&at_socket(&docker)).await;
    docker.stop();
    let told = stage.engine.check_executor("docker").await.unwrap_err().to_string();
    assert!(told.contains("docker.sock"), "{told}");
    let mut patient = script("echo done", &json!({}));
    patient.retry = RetryPolicy { max_attempts: 1_000, ..RetryPolicy::default() };
    let id = stage.submit(patient).await;
    // It was tried, and that is not held against it for ever.
    let is_tried = || {
        let status = stage.engine.get(id).unwrap().job.status;
        assert!(!matches!(status.state, State::Failed | State::Succeeded), "{status:?}");
        status.attempt > 1 || status.lost_since.is_some()
    };
    within(async || is_tried(), || format!("{:?}", stage.engine.get(id).unwrap())).await;
    docker.run();
    assert_eq!(stage.end(id).await, (State::Succeeded, None), "{}", stage.text(id));
    is_swept(&docker).await;
    stage.engine.shutdown().await;
}
