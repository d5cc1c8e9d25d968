//! Logs on a real engine: live and whole.

use serde_json::json;
use windlass::State;
use windlass_backends::Docker;

use super::{Stage, script, spec};

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_seen_while_it_is_written() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::new(docker).await;
    let id = stage.submit(spec(&script("echo one; sleep 2; echo two; printf 'no end'"))).await;
    stage.says(id, "one\n").await;
    assert!(!stage.log(id).contains("two"), "{}", stage.log(id));
    assert_eq!(stage.end(id).await, (State::Succeeded, None));
    assert_eq!(stage.log(id), "one\ntwo\nno end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_goes_on_where_an_engine_that_is_gone_left_it() {
    let Some(docker) = Docker::shared() else { return };
    let mut stage = Stage::new(docker).await;
    let id = stage.submit(spec(&script("for i in $(seq 1 400); do echo $i; echo e$i >&2; sleep 0.01; done"))).await;
    for seen in ["5\n", "50\n", "150\n"] {
        stage.says(id, seen).await;
        stage = stage.crashed().await;
    }
    assert_eq!(stage.end(id).await, (State::Succeeded, None));
    let log = stage.log(id);
    let (errors, lines): (Vec<&str>, Vec<&str>) = log.lines().partition(|line| line.starts_with('e'));
    assert_eq!(lines, (1..=400).map(|i| i.to_string()).collect::<Vec<_>>());
    assert_eq!(errors, (1..=400).map(|i| format!("e{i}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lines_come_as_they_were_printed() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::new(docker).await;
    let log = stage.prints(&script("head -c 100000 /dev/zero | tr '\\0' a; echo; echo b")).await;
    assert_eq!(log, format!("{}\nb\n", "a".repeat(100_000)));
    let several = json!({ "containers": [
        { "name": "a", "image": windlass_backends::BUSYBOX, "command": ["sh", "-c", "head -c 40000 /dev/zero | tr '\\0' a; echo; echo b"] },
    ] });
    assert_eq!(
        stage.prints(&several).await,
        format!("{}\nb\n", "a".repeat(40_000)),
        "one is alone whatever it is called"
    );
}
