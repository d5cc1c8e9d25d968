//! Jobs of an engine that has a native plugin, from their submission to their end.

use std::path::Path;

use tempfile::TempDir;
use windlass::job::{NamedTask, Task};
use windlass::{Engine, JobId, JobSpec, State};

use crate::rig::{COMMAND, HOSTILE, PROGRAM, wait_for};
use windlass::plugin::native::NativePlugin;

async fn open(dir: &Path) -> Engine {
    let settings = serde_json::json!({ "state_dir": dir.join("runs") }).to_string();
    let command = NativePlugin::spawn(&*COMMAND).program(PROGRAM).settings(settings);
    let hostile = NativePlugin::spawn(&*HOSTILE).program(PROGRAM);
    let builder = Engine::builder(dir.join("store"));
    builder.native_plugin("command", command).native_plugin("hostile", hostile).open().await.unwrap()
}

fn job(executor: &str, params: &serde_json::Value) -> JobSpec {
    let params = params.to_string().into_bytes();
    JobSpec::new(Task::Named(NamedTask { executor: executor.to_owned(), params }))
}

fn command(text: &str) -> JobSpec {
    job("command", &serde_json::json!({ "command": text }))
}

fn log(engine: &Engine, id: JobId) -> String {
    let page = engine.logs(id, None, 0, 1 << 20).unwrap();
    page.chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_prints_and_ends() {
    let dir = TempDir::new().unwrap();
    let engine = open(dir.path()).await;
    let good = engine.submit(command("echo hello")).await.unwrap();
    let bad = engine.submit(command("exit 9")).await.unwrap();
    assert_eq!(engine.wait(good).await.unwrap().state(), State::Succeeded);
    assert_eq!(log(&engine, good), "hello\n");
    let ended = engine.wait(bad).await.unwrap();
    assert_eq!(ended.state(), State::Failed);
    assert!(format!("{:?}", ended.job.status.reason).contains('9'));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_on_while_the_engine_is_down() {
    let dir = TempDir::new().unwrap();
    let (engine, go, begun) = (open(dir.path()).await, dir.path().join("go"), dir.path().join("begun"));
    let text = format!("echo x >> {}; until test -e {}; do sleep 0.01; done; echo went", begun.display(), go.display());
    let id = engine.submit(command(&text)).await.unwrap();
    wait_for("it runs", || begun.exists()).await;
    // Without a word, as in a crash.
    drop(engine);
    std::fs::write(&go, "").unwrap();
    let engine = open(dir.path()).await;
    assert_eq!(engine.wait(id).await.unwrap().state(), State::Succeeded);
    assert_eq!((log(&engine, id).as_str(), std::fs::read_to_string(&begun).unwrap().as_str()), ("went\n", "x\n"));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_crashes_fails_its_job_and_no_other() {
    let dir = TempDir::new().unwrap();
    let engine = open(dir.path()).await;
    let doomed = engine.submit(job("hostile", &serde_json::json!({ "do": "abort" }))).await.unwrap();
    let other = engine.submit(command("echo fine")).await.unwrap();
    let ended = engine.wait(doomed).await.unwrap();
    assert_eq!(ended.state(), State::Failed);
    let reason = format!("{:?}", ended.job.status.reason);
    assert!(reason.contains("SIGABRT") && reason.contains("the sky is falling"), "{reason}");
    assert_eq!(engine.wait(other).await.unwrap().state(), State::Succeeded);
    engine.shutdown().await;
}

/// The command takes a library from its configuration, and is the process that loads it.
#[test]
fn the_command_runs_jobs_of_a_library_that_the_configuration_names() {
    let dir = TempDir::new().unwrap();
    let store = dir.path().join("store");
    std::fs::create_dir(&store).unwrap();
    let (library, state) = (COMMAND.display(), dir.path().join("runs"));
    let config =
        format!("[native.command]\nlibrary = \"{library}\"\nsettings = {{ state_dir = \"{}\" }}\n", state.display());
    std::fs::write(store.join("windlass.toml"), config).unwrap();
    let jobs = dir.path().join("jobs.yaml");
    std::fs::write(
        &jobs,
        "jobs:\n  - name: hello\n    executor: command\n    with: {command: echo from the library}\n",
    )
    .unwrap();
    let mut windlass = std::process::Command::new(PROGRAM);
    let done = windlass.args(["run", "--store"]).arg(&store).arg(&jobs).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.contains("from the library"), "{out}{err}");
}
