//! The example in C, from one end to the other.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use windlass::plugin::contract::{
    ErrorKind, ExecutorPlugin, Observation, Phase, Plugin, PluginTask, Run, RunOutcome, Variable,
};
use windlass::plugin::native::NativePlugin;

use crate::rig::{COMMAND, Kept, Log, attempt, end_of, is_running, log_from, run, spawned, task, wait_for};

fn plugin_in(state: &Path) -> NativePlugin {
    spawned(&COMMAND).settings(format!(r#"{{"state_dir": "{}"}}"#, state.display()))
}

fn command(job: &str, command: &str) -> PluginTask {
    task(job, &serde_json::json!({ "command": command }).to_string())
}

/// The latest handle with it.
async fn started(plugin: &NativePlugin, task: PluginTask) -> Run {
    let attempt = task.attempt.clone();
    let handle = plugin.submit(task, None, Arc::new(Kept::default())).await.unwrap();
    Run { attempt, handle: Some(handle) }
}

async fn phase(plugin: &NativePlugin, run: &Run) -> Option<Phase> {
    match plugin.observe(vec![run.clone()], 0).await.unwrap().pop() {
        Some(Observation::Known(status)) => Some(status.phase),
        Some(Observation::Gone) => None,
        other => panic!("{other:?}"),
    }
}

fn lines(file: &Path) -> usize {
    std::fs::read_to_string(file).unwrap_or_default().lines().count()
}

#[tokio::test]
async fn it_says_who_it_is_and_what_is_wrong() {
    let dir = TempDir::new().unwrap();
    let plugin = plugin_in(dir.path());
    let descriptor = plugin.describe().await.unwrap();
    assert_eq!(
        (descriptor.name.as_str(), descriptor.features.as_slice()),
        ("command", ["logs", "owned"].map(str::to_owned).as_slice())
    );
    serde_json::from_str::<serde_json::Value>(&descriptor.options_schema).unwrap();
    assert_eq!(plugin.check().await, Ok(()));
    assert_eq!(plugin.validate(r#"{ "command" : "echo \"\u00e9\ud83d\ude00\"" }"#.to_owned()).await, Ok(Vec::new()));
    for wrong in [
        "{}",
        "[]",
        r#"{"command":""}"#,
        r#"{"command":1}"#,
        r#"{"command":"a","x":"b"}"#,
        r#"{"command":"a"#,
        r#"{"command":"\ud800"}"#,
    ] {
        let problems = plugin.validate(wrong.to_owned()).await.unwrap();
        assert_eq!(problems.len(), 1, "{wrong}");
        assert_eq!(problems[0].field, "command");
    }
    let error = spawned(&COMMAND).check().await.unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Invalid, "the setting `state_dir` has to be an absolute path")
    );
}

#[tokio::test]
async fn a_run_submitted_again_and_again_runs_once() {
    let dir = TempDir::new().unwrap();
    let (plugin, runs) = (plugin_in(dir.path()), dir.path().join("runs"));
    let text = format!("echo ran >> {}; sleep 0.2; echo done", runs.display());
    let again = (0..4).map(|_| {
        let plugin = plugin_in(dir.path());
        let task = command("twice", &text);
        tokio::spawn(async move { started(&plugin, task).await })
    });
    let again: Vec<_> = again.collect();
    let run = started(&plugin, command("twice", &text)).await;
    for other in again {
        assert_eq!(other.await.unwrap(), run);
    }
    assert_eq!(end_of(&plugin, &run).await, RunOutcome::Succeeded);
    // Also when it is over.
    assert_eq!(started(&plugin, command("twice", &text)).await, run);
    assert_eq!((end_of(&plugin, &run).await, lines(&runs)), (RunOutcome::Succeeded, 1));
}

#[tokio::test]
async fn the_end_of_a_run_is_told_as_it_was() {
    let dir = TempDir::new().unwrap();
    let plugin = plugin_in(dir.path());
    for (job, text, expected) in [
        ("good", "true", RunOutcome::Succeeded),
        ("bad", "exit 7", RunOutcome::Exited(7)),
        ("killed", "kill -9 $$", RunOutcome::Signalled(9)),
    ] {
        let run = started(&plugin, command(job, text)).await;
        assert_eq!(end_of(&plugin, &run).await, expected, "{job}");
        // A run is known by its name alone too.
        assert_eq!(end_of(&plugin, &Run { handle: None, ..run }).await, expected, "{job}");
    }
    assert_eq!(phase(&plugin, &run("never")).await, None);
}

#[tokio::test]
async fn what_it_prints_comes_whole_from_every_cursor() {
    let dir = TempDir::new().unwrap();
    let plugin = plugin_in(dir.path());
    let variable = Variable { name: "WHO".to_owned(), value: "the world".to_owned(), secret: false };
    let text = "echo hello $WHO; sleep 0.1; echo again >&2; head -c 150000 /dev/zero | tr '\\0' x";
    let task = PluginTask { environment: vec![variable], ..command("log", text) };
    let run = started(&plugin, task).await;
    let whole = log_from(&plugin, &run, None).await;
    assert_eq!(whole.len(), "hello the world\nagain\n".len() + 150_000);
    assert!(whole.starts_with("hello the world\nagain\nxxx"));
    for at in [0, 1, 16, 22, 65_536, whole.len()] {
        assert_eq!(log_from(&plugin, &run, Some(&at.to_string())).await, whole[at..], "from {at}");
    }
    // Cut off after a piece it goes on with the next one.
    let log = Arc::new(Log::up_to(1));
    assert_eq!(plugin.logs(run.clone(), None, 0, log.clone()).await, Ok(false));
    let cursor = log.cursors().pop().unwrap();
    assert_eq!(log.text() + &log_from(&plugin, &run, Some(&cursor)).await, whole);
}

#[tokio::test]
async fn a_stop_is_polite_then_forced_and_never_too_early() {
    let dir = TempDir::new().unwrap();
    let plugin = plugin_in(dir.path());
    let polite =
        started(&plugin, command("polite", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done"))
            .await;
    let stubborn = started(&plugin, command("stubborn", "trap '' TERM; echo up; while :; do sleep 0.01; done")).await;
    for run in [&polite, &stubborn] {
        let log = Arc::new(Log::up_to(1));
        assert_eq!(plugin.logs(run.clone(), None, 30_000, log.clone()).await, Ok(false));
        assert_eq!(log.text(), "up\n");
        assert_eq!(plugin.stop(run.clone(), 300).await, Ok(None));
        assert_eq!(plugin.stop(run.clone(), 300).await, Ok(None));
        assert_eq!(end_of(&plugin, run).await, RunOutcome::Stopped);
        assert_eq!(plugin.stop(run.clone(), 300).await, Ok(None), "a run that is over");
    }
    // Shells differ in what else they say.
    assert!(log_from(&plugin, &polite, None).await.ends_with("bye\n"));
}

#[tokio::test]
async fn a_run_that_was_stopped_before_it_was_submitted_never_starts() {
    let dir = TempDir::new().unwrap();
    let (plugin, runs) = (plugin_in(dir.path()), dir.path().join("runs"));
    assert_eq!(plugin.stop(run("early"), 0).await, Ok(None));
    let run = started(&plugin, command("early", &format!("echo ran >> {}", runs.display()))).await;
    assert_eq!((end_of(&plugin, &run).await, lines(&runs)), (RunOutcome::Stopped, 0));
}

#[tokio::test]
async fn a_run_outlives_the_process_of_the_plugin_and_the_plugin() {
    let dir = TempDir::new().unwrap();
    let (go, plugin) = (dir.path().join("go"), plugin_in(dir.path()));
    let text = format!("echo $$; until test -e {}; do sleep 0.01; done; echo went", go.display());
    let run = started(&plugin, command("long", &text)).await;
    let log = Arc::new(Log::up_to(1));
    plugin.logs(run.clone(), None, 30_000, log.clone()).await.unwrap();
    let pid = log.text().trim().to_owned();
    drop(plugin);
    assert!(is_running(&pid));
    let next = plugin_in(dir.path());
    assert_eq!(phase(&next, &run).await, Some(Phase::Running));
    std::fs::write(&go, "").unwrap();
    assert_eq!(end_of(&next, &run).await, RunOutcome::Succeeded);
    assert_eq!(log_from(&next, &run, None).await, format!("{pid}\nwent\n"));
}

#[tokio::test]
async fn a_run_whose_keeper_was_killed_is_lost_and_not_run_again() {
    let dir = TempDir::new().unwrap();
    let (plugin, runs) = (plugin_in(dir.path()), dir.path().join("runs"));
    let text = format!("echo ran >> {}; echo $PPID; exec sleep 600", runs.display());
    let run = started(&plugin, command("lost", &text)).await;
    let log = Arc::new(Log::up_to(1));
    plugin.logs(run.clone(), None, 30_000, log.clone()).await.unwrap();
    let keeper = log.text().trim().to_owned();
    assert!(std::process::Command::new("kill").args(["-9", &keeper]).status().unwrap().success());
    wait_for("the keeper is dead", || !is_running(&keeper)).await;
    assert_eq!(end_of(&plugin, &run).await, RunOutcome::Lost);
    started(&plugin, command("lost", &text)).await;
    assert_eq!((end_of(&plugin, &run).await, lines(&runs)), (RunOutcome::Lost, 1));
}

#[tokio::test]
async fn what_belongs_to_this_engine_is_listed_page_by_page_and_removed() {
    let dir = TempDir::new().unwrap();
    let plugin = plugin_in(dir.path());
    assert_eq!(plugin.owned(None).await.unwrap().entries, []);
    let first = started(&plugin, command("job-000", "true")).await;
    end_of(&plugin, &first).await;
    started(&plugin_in(dir.path()).engine_id("engine-2"), command("of-another", "true")).await;
    // As if a crash had come between the directory and the run.
    for n in 1..150 {
        std::fs::create_dir(dir.path().join(format!("engine-1/job-{n:03}.1"))).unwrap();
    }
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = plugin.owned(cursor).await.unwrap();
        assert!(page.entries.len() <= 100);
        all.extend(page.entries);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let jobs: Vec<_> = all.iter().map(|run| run.attempt.clone()).collect();
    assert_eq!(jobs, (0..150).map(|n| attempt(&format!("job-{n:03}"))).collect::<Vec<_>>());
    assert_eq!(all[0], first);
    assert_eq!(phase(&plugin, &all[1]).await, None, "it was never started");
    for run in all {
        assert_eq!(plugin.remove(run.clone()).await, Ok(()));
        assert_eq!(plugin.remove(run).await, Ok(()), "not there is fine");
    }
    assert_eq!(plugin.owned(None).await.unwrap().entries, []);
    assert_eq!(phase(&plugin, &first).await, None);
}
