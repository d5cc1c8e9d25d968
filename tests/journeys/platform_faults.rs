//! Jobs on platforms that behave badly: they hang, forget answers, give handles away and repeat secrets.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use windlass::executors::{AttemptName, StartError};
use windlass::job::{NamedTask, OnCrash, Outcome, Reason, Task};
use windlass::testing::{FakeExecutor, TestEngine};
use windlass::{Engine, EngineConfig, JobId, JobSpec, Retention, State};

use crate::odd::{Odd, handle};

fn far() -> JobSpec {
    JobSpec::new(Task::Named(NamedTask { executor: "far".into(), params: b"{}".to_vec() }))
}

fn secret() -> JobSpec {
    let mut spec = far();
    spec.options.set_secret("TOKEN", "hunter22");
    spec
}

struct Stage {
    engine: TestEngine,
    far: Odd,
    near: FakeExecutor,
}

impl Stage {
    async fn new() -> Stage {
        let far = Odd::default();
        let registered = far.clone();
        let config = EngineConfig { default_slots: 100, shutdown_grace_ms: 0, ..EngineConfig::default() };
        let near = FakeExecutor::new();
        let also = near.clone();
        let engine = TestEngine::open(move |builder| {
            let builder = builder.config(config.clone()).platform("near", Arc::new(also.clone()));
            builder.platform("far", Arc::new(registered.clone()))
        });
        Stage { engine: engine.await.unwrap(), far, near }
    }

    async fn begun(&self, spec: JobSpec) -> (JobId, AttemptName) {
        let id = self.engine.submit(spec).await.unwrap();
        self.engine.advance(100).await;
        (id, AttemptName { job: id, attempt: 1 })
    }

    fn state(&self, id: JobId) -> State {
        self.engine.get(id).unwrap().state()
    }

    fn log(&self, id: JobId) -> String {
        let page = self.engine.logs(id, None, 0, 1 << 20).unwrap();
        page.chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned()).collect()
    }

    async fn restart(&mut self) {
        tokio::time::timeout(Duration::from_secs(20), self.engine.restart()).await.expect("it hangs").unwrap();
    }
}

#[tokio::test]
async fn what_the_masker_holds_back_is_not_printed_again_and_again() {
    let stage = Stage::new().await;
    let (id, name) = stage.begun(secret()).await;
    // It ends as the secret begins.
    stage.far.fake.print(name, b"password: h");
    stage.engine.advance(20_000).await;
    assert_eq!(stage.log(id), "password: ");
    stage.far.fake.print(name, b"unter22\n");
    stage.far.fake.end(name, Outcome::Succeeded);
    stage.engine.advance(5_000).await;
    assert_eq!((stage.state(id), stage.log(id).as_str()), (State::Succeeded, "password: ***\n"));
}

#[tokio::test]
async fn without_its_run_options_a_job_has_no_log_rather_than_one_with_secrets() {
    let key = |byte: &str| format!("windlass-key-1:{}=", byte.repeat(43));
    let (old, both) = (key("A"), format!("{}\n{}", key("E"), key("A")));
    let keys = Arc::new(Mutex::new(old.clone()));
    let far = Odd::default();
    let (registered, used) = (far.clone(), keys.clone());
    let engine = TestEngine::open(move |builder| {
        let keys = used.lock().unwrap().clone();
        builder.keys_text(Some(keys)).platform("far", Arc::new(registered.clone()))
    });
    let mut stage = Stage { engine: engine.await.unwrap(), far, near: FakeExecutor::new() };
    // What is sealed with the new key cannot be opened by a life that has the old one only.
    *keys.lock().unwrap() = both;
    stage.restart().await;
    let (id, name) = stage.begun(secret()).await;
    *keys.lock().unwrap() = old;
    stage.restart().await;
    stage.far.fake.print(name, b"it is hunter22\n");
    stage.engine.advance(5_000).await;
    let failed = Outcome::Error { message: "hunter22 is wrong".into(), permanent: true };
    stage.far.fake.end(name, failed);
    stage.engine.advance(5_000).await;
    let view = stage.engine.get(id).unwrap();
    assert_eq!(view.state(), State::Failed);
    assert!(!format!("{view:?} {}", stage.log(id)).contains("hunter22"), "{view:?} {}", stage.log(id));
}

#[tokio::test]
async fn a_platform_that_repeats_a_secret_does_not_show_it() {
    let stage = Stage::new().await;
    let refusal = StartError { message: "bad variable TOKEN=hunter22".into(), permanent: true };
    stage.far.fake.refuse_starts(Some(refusal));
    let (refused, _) = stage.begun(secret()).await;
    stage.far.fake.refuse_starts(None);
    let (failed, name) = stage.begun(secret()).await;
    stage.far.fake.end(name, Outcome::Error { message: "hunter22 is wrong".into(), permanent: true });
    stage.engine.advance(2_000).await;
    let reason = |id| stage.engine.get(id).unwrap().job.status.reason.unwrap();
    assert_eq!(reason(refused), Reason::NotStarted("bad variable TOKEN=***".into()));
    assert_eq!(reason(failed), Reason::Error("*** is wrong".into()));
}

#[tokio::test]
async fn the_handle_of_a_stop_is_not_replaced_by_an_older_one() {
    let stage = Stage::new().await;
    stage.far.switches.gives_handles.store(true, Ordering::Relaxed);
    let (id, _) = stage.begun(far()).await;
    let handle_of = || stage.engine.get(id).unwrap().job.status.handle;
    assert_eq!(handle_of(), Some(handle("observed")));
    stage.far.fake.ignore_stops(true);
    stage.far.hang(&["observe"]);
    stage.engine.advance(3_000).await;
    stage.engine.cancel(id, "me").await.unwrap();
    stage.engine.advance(3_000).await;
    assert_eq!(handle_of(), Some(handle("stopped")));
}

#[tokio::test]
async fn a_checkpoint_of_a_call_that_a_cancel_cuts_off_is_known() {
    let stage = Stage::new().await;
    stage.far.switches.stays_after_checkpoint.store(true, Ordering::Relaxed);
    let (id, _) = stage.begun(far()).await;
    stage.engine.cancel(id, "me").await.unwrap();
    stage.engine.advance(2_000).await;
    assert_eq!(stage.state(id), State::Cancelled);
    assert_eq!(*stage.far.switches.stopped_with.lock().unwrap(), [Some(handle("checkpoint"))]);
}

#[tokio::test]
async fn calls_that_hang_do_not_hold_up_a_shutdown() {
    for (call, cancelled) in [
        ("submit", false),
        ("observe", false),
        ("follow", false),
        ("stop", true),
        ("collect", false),
        ("remove", false),
    ] {
        let mut stage = Stage::new().await;
        stage.far.hang(&[call]);
        let (id, name) = stage.begun(far()).await;
        match cancelled {
            true => drop(stage.engine.cancel(id, "me").await.unwrap()),
            false => drop(stage.far.fake.end(name, Outcome::Succeeded)),
        }
        stage.engine.advance(3_000).await;
        stage.restart().await;
        stage.far.hang(&[]);
        if call == "submit" {
            stage.engine.advance(3_000).await;
            assert!(stage.far.fake.end(name, Outcome::Succeeded), "{call}");
        }
        stage.restart().await;
        stage.engine.advance(40_000).await;
        let end = if cancelled { State::Cancelled } else { State::Succeeded };
        assert_eq!((stage.state(id), stage.far.fake.known()), (end, 0), "{call}");
        assert_eq!(stage.far.fake.starts().len(), 1, "{call}");
    }
}

#[tokio::test]
async fn a_platform_that_forgets_an_answer_is_out_of_contact() {
    let stage = Stage::new().await;
    let (id, name) = stage.begun(far()).await;
    stage.far.switches.forgets_one.store(true, Ordering::Relaxed);
    stage.far.fake.end(name, Outcome::Succeeded);
    let before = stage.far.switches.questions.load(Ordering::Relaxed);
    stage.engine.advance(60_000).await;
    assert!(stage.engine.get(id).unwrap().job.status.lost_since.is_some());
    let asked = stage.far.switches.questions.load(Ordering::Relaxed) - before;
    assert!((20..=80).contains(&asked), "asked {asked} times in a minute");
    stage.far.switches.forgets_one.store(false, Ordering::Relaxed);
    stage.engine.advance(5_000).await;
    assert_eq!(stage.state(id), State::Succeeded);
}

#[tokio::test]
async fn a_removal_that_hangs_keeps_the_next_attempt_waiting_and_nobody_busy() {
    let mut stage = Stage::new().await;
    stage.far.hang(&["remove"]);
    let (id, name) = stage.begun(far()).await;
    stage.far.fake.lose(name);
    stage.engine.advance(5_000).await;
    assert_eq!(stage.state(id), State::Queued);
    // Who looks again and again never lets the thread rest.
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.worker_park_count(0);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let turns = metrics.worker_park_count(0) - before;
    assert!(turns > 0 && turns < 100, "the thread rests {turns} times");
    stage.far.hang(&[]);
    stage.restart().await;
    stage.engine.advance(5_000).await;
    let status = stage.engine.get(id).unwrap().job.status;
    assert_eq!((status.state, status.attempt), (State::Running, 2));
}

#[tokio::test]
async fn a_platform_that_hangs_at_the_start_keeps_no_other_waiting_and_nothing_from_being_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (far, near) = (Odd::default(), Odd::default());
    let open = async |most: Option<u64>| {
        let retention = Retention { max_jobs: most, ..Retention::default() };
        let builder = Engine::builder(dir.path()).config(EngineConfig { retention, ..EngineConfig::default() });
        let builder = builder.platform("far", Arc::new(far.clone())).platform("near", Arc::new(near.clone()));
        builder.open().await.unwrap()
    };
    let engine = open(None).await;
    let mut names = Vec::new();
    for executor in ["far", "near", "far", "near"] {
        let task = Task::Named(NamedTask { executor: executor.into(), params: b"{}".to_vec() });
        let name = AttemptName { job: engine.submit(JobSpec::new(task)).await.unwrap(), attempt: 1 };
        while !far.fake.end(name, Outcome::Succeeded) && !near.fake.end(name, Outcome::Succeeded) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        engine.wait(name.job).await.unwrap();
        names.push(name);
    }
    engine.shutdown().await;
    drop(engine);
    // A crash has left the work trees.
    for name in &names {
        std::fs::create_dir_all(dir.path().join("work/0").join(name.job.seq().to_string()).join("1/work")).unwrap();
    }
    near.switches.removed.lock().unwrap().clear();
    far.hang(&["remove"]);
    let engine = open(Some(1)).await;
    let done = async {
        while near.switches.removed.lock().unwrap().len() < 2 || engine.stats().unwrap().finished > 1 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), done).await.expect("it waits for the platform that hangs");
    tokio::time::timeout(Duration::from_secs(20), engine.shutdown()).await.expect("so does the shutdown");
}

#[tokio::test]
async fn a_platform_that_panics_has_answered_with_an_error() {
    let stage = Stage::new().await;
    let panic = |calls: &[&'static str]| *stage.far.switches.panics.lock().unwrap() = calls.to_vec();
    let reason = |id| stage.engine.get(id).unwrap().job.status.reason;
    panic(&["submit"]);
    let (id, _) = stage.begun(secret()).await;
    let told = "the platform panicked: in submit with ***";
    assert_eq!(reason(id), Some(Reason::NotStarted(told.into())));
    // Whoever asks after runs, reads logs and passes on stops goes on doing so.
    panic(&["observe", "follow"]);
    let (id, name) = stage.begun(secret()).await;
    stage.engine.advance(10_000).await;
    assert!(stage.engine.get(id).unwrap().job.status.lost_since.is_some());
    panic(&["stop", "remove"]);
    stage.far.fake.print(name, b"hello\n");
    stage.engine.advance(61_000).await;
    assert_eq!((stage.state(id), stage.log(id).as_str()), (State::Running, "hello\n"));
    stage.engine.cancel(id, "me").await.unwrap();
    stage.engine.advance(10_000).await;
    assert_eq!(stage.state(id), State::Cancelling);
    panic(&["remove"]);
    stage.engine.advance(31_000).await;
    assert_eq!((stage.state(id), stage.far.fake.known()), (State::Cancelled, 1));
    panic(&["collect"]);
    stage.engine.advance(61_000).await;
    assert_eq!(stage.far.fake.known(), 0, "the sweep goes on too");
    let (id, name) = stage.begun(secret()).await;
    stage.far.fake.end(name, Outcome::Succeeded);
    stage.engine.advance(3_000).await;
    assert!(matches!(reason(id), Some(Reason::Error(told)) if told.ends_with("panicked: in collect with ***")));
}

#[tokio::test]
async fn who_must_not_run_twice_is_found_when_the_answer_to_his_submission_is_lost() {
    let stage = Stage::new().await;
    let once = || JobSpec { on_crash: OnCrash::Fail, ..far() };
    stage.far.switches.loses_submissions.store(true, Ordering::Relaxed);
    let (running, name) = stage.begun(once()).await;
    let (over, ended) = stage.begun(once()).await;
    stage.engine.advance(10_000).await;
    assert_eq!(stage.far.fake.starts(), [name, ended]);
    assert!(stage.engine.get(running).unwrap().job.status.lost_since.is_some());
    stage.far.fake.end(ended, Outcome::Succeeded);
    stage.far.switches.loses_submissions.store(false, Ordering::Relaxed);
    stage.engine.advance(31_000).await;
    assert_eq!((stage.state(running), stage.state(over)), (State::Running, State::Succeeded));
    assert_eq!(stage.far.fake.starts(), [name, ended], "each was started once");
}

#[tokio::test]
async fn a_cancel_ends_the_collecting_of_outputs_at_once_and_a_deadline_after_the_grace_time() {
    let stage = Stage::new().await;
    stage.far.hang(&["collect"]);
    let (cancelled, name) = stage.begun(far()).await;
    let mut spec = JobSpec { stop_grace_ms: 4_000, ..far() };
    spec.deadlines.attempt_ms = Some(5_000);
    let (late, other) = stage.begun(spec.clone()).await;
    let (too_late, another) = stage.begun(spec).await;
    for name in [name, other, another] {
        stage.far.fake.end(name, Outcome::Succeeded);
    }
    stage.engine.advance(2_000).await;
    assert_eq!(stage.state(cancelled), State::Running);
    stage.engine.cancel(cancelled, "me").await.unwrap();
    stage.engine.advance(100).await;
    assert_eq!(stage.state(cancelled), State::Cancelled);
    stage.engine.advance(5_000).await;
    assert_eq!((stage.state(late), stage.state(too_late)), (State::Cancelling, State::Cancelling));
    stage.far.switches.answers_late.notify_one();
    stage.engine.advance(3_000).await;
    // Which of the two is answered is not for the test to say.
    let mut ends = [stage.state(late), stage.state(too_late)];
    ends.sort();
    assert_eq!(ends, [State::Succeeded, State::TimedOut]);
    assert_eq!(stage.far.fake.known(), 0);
}

#[tokio::test]
async fn the_log_of_a_run_that_is_gone_is_looked_at_once() {
    let stage = Stage::new().await;
    let (id, name) = stage.begun(far()).await;
    stage.far.fake.print(name, b"hello\n");
    stage.engine.advance(1_000).await;
    *stage.far.switches.panics.lock().unwrap() = vec!["follow"];
    stage.far.fake.lose(name);
    stage.engine.advance(3_000).await;
    let status = stage.engine.get(id).unwrap().job.status;
    assert_eq!((status.state, status.attempt), (State::Running, 2));
    let page = stage.engine.logs(id, Some(1), 0, 100).unwrap();
    assert_eq!(page.chunks[0].bytes, b"hello\n");
}

#[tokio::test]
async fn logs_that_hang_keep_none_of_another_platform_waiting() {
    let stage = Stage::new().await;
    stage.far.hang(&["follow"]);
    stage.engine.submit_many(vec![far(); 40]).await.unwrap();
    let near = Task::Named(NamedTask { executor: "near".into(), params: b"{}".to_vec() });
    let (id, name) = stage.begun(JobSpec::new(near)).await;
    stage.near.print(name, b"hello\n");
    stage.engine.advance(5_000).await;
    assert_eq!(stage.log(id), "hello\n");
}
