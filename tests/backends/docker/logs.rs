//! Logs on a real engine: live, whole, and large.

use serde_json::json;
use windlass::files::LogLimits;
use windlass::{EngineConfig, PlatformConfig, State};
use windlass_backends::Docker;

use super::{Stage, grants, script, spec};

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
async fn a_log_of_a_hundred_megabytes_is_taken_to_its_end() {
    const LINES: usize = 1_000_000;
    let Some(docker) = Docker::shared() else { return };
    let limits = LogLimits { head_bytes: 1 << 30, tail_bytes: 1 << 20 };
    // The Docker Engine gives out a few megabytes a second where others work beside it.
    let platforms = PlatformConfig { last_lines_ms: 300_000, ..PlatformConfig::default() };
    let config = EngineConfig { log_limits: limits, platforms, ..EngineConfig::default() };
    let stage = Stage::configured(grants(docker, ""), config).await;
    let line = "x".repeat(92);
    let make = format!("echo begin; yes {line} | head -n {LINES}; echo the end");
    let (id, state, reason) = stage.run(&script(&make)).await;
    assert_eq!((state, reason), (State::Succeeded, None));
    let (mut from, mut all) = (0, Vec::new());
    loop {
        let page = stage.engine.logs(id, None, from, 1 << 20).unwrap();
        assert_eq!(page.dropped_bytes, 0);
        if page.chunks.is_empty() {
            break;
        }
        all.extend(page.chunks.into_iter().flat_map(|chunk| chunk.bytes));
        from = page.next_offset;
    }
    let log = String::from_utf8(all).unwrap();
    let mut lines = log.lines();
    assert_eq!((lines.next(), lines.next_back()), (Some("begin"), Some("the end")));
    assert_eq!(lines.filter(|it| *it == line).count(), LINES);
    assert_eq!(log.len(), LINES * (line.len() + 1) + "begin\nthe end\n".len());
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
