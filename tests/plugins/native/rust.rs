//! The example in Rust: the executor `mock`, made a shared library by the SDK.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use windlass::plugin::contract::{ErrorKind, ExecutorPlugin, Observation, Phase, Plugin, Retry, Run, RunOutcome};
use windlass::plugin::native::NativePlugin;

use crate::rig::{Kept, PROGRAM, attempt, end_of, log_from, spawned, task};

static MOCK: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = Path::new(PROGRAM).ancestors().nth(2).unwrap();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "-p", "windlass-plugin-native", "--target-dir"]).arg(target);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("debug/libwindlass_plugin_native.so")
});

/// In another process, and in this one.
#[expect(unsafe_code, reason = "a library is loaded into this process")]
fn both() -> [NativePlugin; 2] {
    // SAFETY: it is safe Rust behind the interface of the SDK.
    let here = unsafe { NativePlugin::in_process(&*MOCK) }.unwrap();
    [spawned(&MOCK), here]
}

async fn started(plugin: &NativePlugin, options: &str) -> Run {
    let handle = plugin.submit(task("mock-1", options), None, Arc::new(Kept::default())).await.unwrap();
    Run { attempt: attempt("mock-1"), handle: Some(handle) }
}

#[tokio::test]
async fn it_runs_as_its_options_say() {
    for plugin in both() {
        assert_eq!(plugin.describe().await.unwrap().name, "mock");
        let run =
            started(&plugin, r#"{"run_ms": 50, "outcome": {"exited": 4}, "print": "line {n}", "lines": 3}"#).await;
        assert_eq!(end_of(&plugin, &run).await, RunOutcome::Exited(4));
        assert_eq!(log_from(&plugin, &run, None).await, "line 1\nline 2\nline 3\n");
        assert_eq!(plugin.remove(run).await, Ok(()));
        let work = tempfile::tempdir().unwrap();
        let run = started(&plugin, r#"{"output": {"a/b.txt": "made"}}"#).await;
        assert_eq!(plugin.collect(run, Some(work.path().to_owned())).await, Ok(()));
        assert_eq!(std::fs::read_to_string(work.path().join("output/a/b.txt")).unwrap(), "made");
    }
}

#[tokio::test]
async fn everything_comes_through_as_it_was() {
    for plugin in both() {
        let run = started(&plugin, r#"{"pending_ms": 60000, "pending_reason": "no room"}"#).await;
        let Some(Observation::Known(status)) = plugin.observe(vec![run.clone()], 0).await.unwrap().pop() else {
            panic!()
        };
        assert_eq!(status.phase, Phase::Pending(Some("no room".to_owned())));
        let stopped = plugin.stop(run.clone(), 0).await.unwrap();
        assert_eq!(end_of(&plugin, &Run { handle: stopped, ..run }).await, RunOutcome::Stopped);
        let unknown = Run { attempt: attempt("x"), handle: None };
        assert_eq!(plugin.observe(vec![unknown], 0).await, Ok(vec![Observation::Gone]));
        let first = plugin.definitions(None).await.unwrap();
        let second = plugin.definitions(first.next.clone()).await.unwrap();
        assert_eq!((first.entries[0].name.as_str(), second.entries[0].name.as_str()), ("quick", "slow"));
        let error = plugin.definitions(Some("x".to_owned())).await.unwrap_err();
        assert_eq!((error.kind, error.retry), (ErrorKind::Invalid, Retry::Never));
        let problems = plugin.validate(r#"{"run_ms": "long"}"#.to_owned()).await.unwrap();
        assert_eq!(problems[0].field, "run_ms");
    }
}

#[tokio::test]
async fn a_panic_is_an_error_of_its_call() {
    for plugin in both() {
        for _ in 0..3 {
            let made =
                plugin.submit(task("mock-1", r#"{"faults": {"submit": "panic"}}"#), None, Arc::new(Kept::default()));
            let error = made.await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Internal);
            assert!(error.message.starts_with("the plugin panicked: "), "{error}");
        }
        assert_eq!(plugin.check().await, Ok(()), "nothing has died, so nothing has to wait");
    }
}

#[tokio::test]
async fn a_checkpoint_reaches_the_engine_and_a_refusal_the_plugin() {
    for plugin in both() {
        let kept = Arc::new(Kept::default());
        let made = plugin.submit(task("mock-1", r#"{"checkpoint": true}"#), None, kept.clone()).await.unwrap();
        assert_eq!(*kept.handles.lock().unwrap(), [made]);
        let refusing = Kept { refuses: true, ..Kept::default() };
        let error =
            plugin.submit(task("mock-1", r#"{"checkpoint": true}"#), None, Arc::new(refusing)).await.unwrap_err();
        assert_eq!((error.kind, error.retry), (ErrorKind::Unavailable, Retry::Backoff));
    }
}
