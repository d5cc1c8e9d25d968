//! Guests that mean ill, or are just badly made: each is the end of its own attempt, and nobody else is harmed.

use std::time::Duration;

use windlass::files::LogLimits;
use windlass::job::Reason;
use windlass::plugin::wasm::WasmTask;
use windlass::{EngineConfig, JobSpec, KeepWork, State, WasmConfig};

use crate::stage::{Stage, tool};

fn with_memory(task: WasmTask, mib: u64) -> WasmTask {
    WasmTask { memory_bytes: Some(mib << 20), ..task }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_spins_is_stopped_and_holds_up_nobody() {
    let stage = Stage::new().await;
    let mut spins = JobSpec::from(tool(&["spin"]));
    spins.deadlines.attempt_ms = Some(1_500);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(stage.submit(spins.clone()).await);
    }
    // More of them than processors: another guest gets its turn all the same.
    assert_eq!(stage.prints(tool(&["say", "still here"])).await, "still here\n");
    for id in ids {
        let job = stage.engine.wait(id).await.unwrap();
        assert_eq!(job.state(), State::TimedOut, "{:?}", job.job.status.reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_spins_is_cancelled_and_what_it_said_is_kept() {
    let stage = Stage::new().await;
    let id = stage.submit(tool(&["say-and-spin", "last words"])).await;
    while stage.log(id) != "last words" {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    stage.engine.cancel(id, "test").await.unwrap();
    assert_eq!(stage.engine.wait(id).await.unwrap().state(), State::Cancelled);
    assert_eq!(stage.log(id), "last words");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_wants_all_memory_gets_its_share() {
    let stage = Stage::new().await;
    assert_eq!(stage.fails(with_memory(tool(&["grow"]), 32)).await, Reason::OutOfMemory);
    assert_eq!(stage.fails(with_memory(tool(&["use", "64"]), 32)).await, Reason::OutOfMemory);
    assert_eq!(stage.run(with_memory(tool(&["use", "16"]), 32)).await.state(), State::Succeeded);
    // Too little to begin with.
    assert_eq!(stage.fails(WasmTask { memory_bytes: Some(64 << 10), ..tool(&["say"]) }).await, Reason::OutOfMemory);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_together_have_a_budget_and_give_it_back() {
    let config = WasmConfig { all_memory_bytes: 96 << 20, memory_bytes: 64 << 20, ..WasmConfig::default() };
    let stage = Stage::with(EngineConfig { wasm: config, ..EngineConfig::default() }).await;
    for _ in 0..6 {
        assert_eq!(stage.run(tool(&["use", "48"])).await.state(), State::Succeeded);
        assert_eq!(stage.fails(tool(&["grow"])).await, Reason::OutOfMemory);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_recurses_or_panics_fails_alone() {
    let stage = Stage::new().await;
    let Reason::Error(told) = stage.fails(tool(&["recurse"])).await else { panic!() };
    assert!(told.contains("trapped"), "{told}");
    let job = stage.run(tool(&["panic"])).await;
    let Some(Reason::Error(told)) = job.job.status.reason else { panic!() };
    assert!(told.contains("trapped"), "{told}");
    assert!(stage.log(job.job.id).contains("on purpose"));
    assert_eq!(stage.prints(tool(&["say", "fine"])).await, "fine\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_floods_its_log_fills_no_disk() {
    let log_limits = LogLimits { head_bytes: 64 << 10, tail_bytes: 64 << 10 };
    let stage = Stage::with(EngineConfig { log_limits, ..EngineConfig::default() }).await;
    let job = stage.run(tool(&["flood", "8"])).await;
    assert_eq!(job.state(), State::Succeeded);
    let layout = windlass::files::Layout::new(stage.dir.path());
    let on_disk = layout.size_of_job(job.job.seq());
    assert!((64 << 10..512 << 10).contains(&on_disk), "{on_disk} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_opens_all_files_leaves_some_to_the_engine() {
    let stage = Stage::new().await;
    let Reason::Error(told) = stage.fails(tool(&["open", "5000"])).await else { panic!() };
    assert!(told.contains("too many files open"), "{told}");
    assert_eq!(stage.run(tool(&["open", "40"])).await.state(), State::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn none_gets_out_of_its_directory_or_into_the_network() {
    let stage = Stage::new().await;
    assert_eq!(stage.prints(tool(&["escape"])).await, "out: []\n");
    assert_eq!(stage.prints(tool(&["network"])).await, "open: []\n");
    assert!(!stage.dir.path().join("escaped").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn none_finds_what_another_has_left() {
    let config = EngineConfig { default_slots: 1, keep_work: KeepWork::Nothing, ..EngineConfig::default() };
    let stage = Stage::with(config).await;
    let fresh = "[]\n";
    for leaves in [tool(&["append", "tmp/left", "x"]), tool(&["append", "/work/left", "x"]), tool(&["say"])] {
        assert_eq!(stage.run(leaves).await.state(), State::Succeeded);
        assert_eq!(stage.prints(tool(&["list", "/work/tmp"])).await, fresh);
    }
    let id = stage.submit(tool(&["say-and-spin", "here"])).await;
    while stage.log(id) != "here" {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let stopped = std::fs::read_dir(stage.dir.path().join("scratch")).unwrap().next().unwrap().unwrap().path();
    stage.engine.cancel(id, "test").await.unwrap();
    stage.engine.wait(id).await.unwrap();
    // The next one works elsewhere, however fresh the tree of a stopped one may look.
    assert_eq!(stage.prints(tool(&["list", "/work/tmp"])).await, fresh);
    let gone = async {
        while stopped.exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_there_are_places_wait_their_turn() {
    let wasm = WasmConfig { instances: 2, ..WasmConfig::default() };
    let stage = Stage::with(EngineConfig { wasm, default_slots: 64, ..EngineConfig::default() }).await;
    let specs: Vec<JobSpec> = (0..100).map(|number| tool(&["say", &number.to_string()]).into()).collect();
    let ids = stage.engine.submit_many(specs).await.unwrap();
    for (number, id) in ids.into_iter().enumerate() {
        assert_eq!(stage.engine.wait(id).await.unwrap().state(), State::Succeeded);
        assert_eq!(stage.log(id), format!("{number}\n"));
    }
}
