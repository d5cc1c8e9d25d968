//! How runs end: codes, signals, memory, stops, and one of several that fails.

use serde_json::json;
use windlass::job::Reason;
use windlass::{JobSpec, State};
use windlass_backends::{BUSYBOX, Docker};

use super::{Stage, is_clean, script, spec};

#[tokio::test(flavor = "multi_thread")]
async fn codes_and_signals_are_told_apart() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::new(docker).await;
    let (id, state, reason) = stage.run(&script("echo out; echo err >&2")).await;
    assert_eq!((state, reason), (State::Succeeded, None));
    assert!(stage.log(id).contains("out\n") && stage.log(id).contains("err\n"), "{}", stage.log(id));
    is_clean(docker, id).await;
    assert_eq!(stage.fails(&script("exit 3")).await, Reason::ExitCode(3));
    assert_eq!(stage.fails(&script("kill -9 $$")).await, Reason::Signal(9));
    assert_eq!(stage.fails(&script("kill -TERM $$")).await, Reason::Signal(15));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_wants_too_much_memory_says_so() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::new(docker).await;
    let greedy = "x=0123456789; while :; do x=$x$x; done";
    let limited =
        |script: &str| json!({ "image": BUSYBOX, "command": ["sh", "-c", script], "resources": { "memory": "32MiB" } });
    assert_eq!(stage.fails(&limited(greedy)).await, Reason::OutOfMemory);
    // Only a child of it was killed: its own end counts, and its log tells the rest.
    let (id, state, reason) = stage.run(&limited(&format!("( {greedy} ); exit 3"))).await;
    assert_eq!((state, reason), (State::Failed, Some(Reason::ExitCode(3))));
    assert!(stage.log(id).contains("more memory"), "{}", stage.log(id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_gets_its_grace_and_no_more() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::new(docker).await;
    let polite = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    let id = stage.submit(spec(&script(polite))).await;
    stage.says(id, "up").await;
    stage.engine.cancel(id, "the test").await.unwrap();
    assert_eq!(stage.end(id).await.0, State::Cancelled);
    assert!(stage.log(id).contains("bye"), "{}", stage.log(id));
    is_clean(docker, id).await;

    let stubborn = "trap '' TERM; echo up; while :; do sleep 0.05; done";
    let id = stage.submit(JobSpec { stop_grace_ms: 500, ..spec(&script(stubborn)) }).await;
    stage.says(id, "up").await;
    let begun = std::time::Instant::now();
    stage.engine.cancel(id, "the test").await.unwrap();
    assert_eq!(stage.end(id).await.0, State::Cancelled);
    assert!((500..30_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    is_clean(docker, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_the_signal_that_the_job_wants() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::new(docker).await;
    let mut options =
        script("trap 'echo interrupted; exit 0' INT; trap '' TERM; echo up; while :; do sleep 0.05; done");
    options["stop_signal"] = json!("SIGINT");
    let id = stage.submit(spec(&options)).await;
    stage.says(id, "up").await;
    stage.engine.cancel(id, "the test").await.unwrap();
    assert_eq!(stage.end(id).await.0, State::Cancelled);
    assert!(stage.log(id).contains("interrupted"), "{}", stage.log(id));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_containers_share_the_work_and_one_that_fails_ends_all() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::new(docker).await;
    let several = |one: &str, other: &str| {
        json!({ "containers": [
            { "name": "one", "image": BUSYBOX, "command": ["sh", "-c", one] },
            { "name": "other", "image": BUSYBOX, "command": ["sh", "-c", other] },
        ] })
    };
    let log = stage
        .prints(&several(
            "echo hello > /work/x.new; mv /work/x.new /work/x",
            "until test -e /work/x; do sleep 0.05; done; cat /work/x",
        ))
        .await;
    assert_eq!(log, "other | hello\n");
    // The other one goes on until it is asked to stop, and its own end does not count.
    let waits = "trap 'echo stopped; exit 0' TERM; while :; do sleep 0.05; done";
    let (id, state, reason) = stage.run(&several("sleep 0.3; exit 7", waits)).await;
    assert_eq!((state, reason), (State::Failed, Some(Reason::ExitCode(7))));
    let log = stage.log(id);
    assert!(log.contains("the container one ended with the code 7") && log.contains("other | stopped"), "{log}");
    is_clean(docker, id).await;
    // One that does not listen is killed after the grace.
    let deaf = several("sleep 0.3; exit 7", "trap '' TERM; while :; do sleep 0.05; done");
    let id = stage.submit(JobSpec { stop_grace_ms: 500, ..spec(&deaf) }).await;
    assert_eq!(stage.end(id).await, (State::Failed, Some(Reason::ExitCode(7))));
    is_clean(docker, id).await;
}
