//! What is kept and what is forgotten: retention, keys, files beside the store.

use std::fs;
use std::path::Path;

use windlass::job::Filter;
use windlass::secret::{Key, Keyring};
use windlass::{
    Builder, Clock, Engine, EngineConfig, Error, FunctionContext, FunctionError, JobId, JobSpec, Retention,
};

fn files_in(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(files_in(&path));
        } else {
            names.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    names.sort();
    names
}

fn works(builder: Builder) -> Builder {
    builder.function("works", |context: FunctionContext, bytes: usize| async move {
        context.log(context.option("NOTE").unwrap_or("no note"));
        Ok::<_, FunctionError>("x".repeat(bytes))
    })
}

fn config(retention: Retention) -> EngineConfig {
    EngineConfig { retention, inline_payload_bytes: 1_000, ..EngineConfig::default() }
}

fn listed(engine: &Engine) -> Vec<JobId> {
    engine.list(&Filter::default(), None, 1_000).unwrap().jobs.iter().map(|view| view.job.id).collect()
}

/// Waits for the loops of an engine on the manual clock: they reach the file system on threads.
async fn until(clock: &Clock, done: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !done() {
        assert!(begun.elapsed().as_secs() < 20, "waited in vain at {}", clock.now());
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn old_jobs_are_forgotten_by_count_age_and_bytes_with_their_files() {
    let hour = 3_600_000;
    let base = Retention { interval_ms: hour, ..Retention::default() };
    let cases = [
        Retention { max_jobs: Some(2), ..base.clone() },
        Retention { max_age_ms: Some(2 * hour + 1), ..base.clone() },
        // Five of them weigh 10,000 bytes and a little each.
        Retention { max_bytes: Some(25_000), ..base },
    ];
    for retention in cases {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(windlass::testing::START);
        let builder = works(Engine::builder(dir.path())).clock(clock.clone());
        let engine = builder.config(config(retention.clone())).open().await.unwrap();
        until(&clock, || clock.next_wake().is_some()).await;
        let mut ids = Vec::new();
        for _ in 0..5 {
            let id = engine.submit_function("works", &10_000).await.unwrap();
            engine.wait(id).await.unwrap();
            ids.push(id);
            if retention.max_age_ms.is_some() {
                clock.advance_to(clock.now().plus_millis(hour));
                until(&clock, || clock.next_wake().is_some()).await;
            }
        }
        assert!(ids.len() == 5);
        clock.advance_to(clock.now().plus_millis(hour));
        until(&clock, || listed(&engine).len() == 2).await;
        let kept = listed(&engine);
        assert_eq!(kept, [ids[4], ids[3]], "{retention:?}");
        assert!(matches!(engine.get(ids[0]), Err(Error::NotFound(_))));
        let outputs = files_in(&dir.path().join("payloads"));
        assert_eq!(outputs, [format!("{}.out", ids[3].seq()), format!("{}.out", ids[4].seq())]);
        assert_eq!(files_in(&dir.path().join("logs")).len(), 2);
        assert_eq!(engine.output(ids[4]).unwrap().unwrap().len(), 10_002);
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn files_of_nobody_are_swept_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let open = || works(Engine::builder(dir.path())).config(config(Retention::default())).open();
    let engine = open().await.unwrap();
    let keyed = |bytes: &str| JobSpec { idempotency_key: Some("k".into()), ..JobSpec::function("works", bytes) };
    let id = engine.submit(keyed("5000")).await.unwrap();
    engine.wait(id).await.unwrap();
    // A refused submission uses up a number that no job will have.
    assert!(matches!(engine.submit(keyed("1")).await, Err(Error::Conflict(_))));
    let last = engine.submit_function("works", &1).await.unwrap();
    assert_eq!(last.seq(), id.seq() + 2);
    engine.wait(last).await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let payload = dir.path().join(format!("payloads/0/{}.in", id.seq() + 1));
    fs::write(&payload, "left by a crash").unwrap();
    let log = dir.path().join(format!("logs/0/{}/1", id.seq() + 1));
    fs::create_dir_all(&log).unwrap();
    let future = dir.path().join(format!("payloads/0/{}.in", last.seq() + 9));
    fs::write(&future, "of a submission under way").unwrap();
    let engine = open().await.unwrap();
    let clock = Clock::system();
    until(&clock, || !payload.exists() && !log.exists()).await;
    assert!(future.exists(), "its number may be that of a submission of this life");
    assert_eq!(engine.output(id).unwrap().unwrap().len(), 5_002);
    engine.shutdown().await;
}

async fn note(engine: &Engine, id: JobId) -> String {
    engine.wait(id).await.unwrap();
    let log = engine.logs(id, None, 0, 1_000).unwrap();
    String::from_utf8(log.chunks.into_iter().flat_map(|chunk| chunk.bytes).collect()).unwrap()
}

#[tokio::test]
async fn a_rotation_seals_all_anew_and_old_and_new_jobs_run() {
    let dir = tempfile::tempdir().unwrap();
    let open = || works(Engine::builder(dir.path())).open();
    let engine = open().await.unwrap();
    let held = |note: &str| JobSpec { hold: true, ..JobSpec::function("works", "1").option("NOTE", note) };
    let old = engine.submit(held("old")).await.unwrap();
    let first_key = fs::read_to_string(dir.path().join("key")).unwrap();
    let rotation = engine.rotate_key().await.unwrap();
    assert_eq!(rotation.resealed, 1);
    let key = fs::read_to_string(dir.path().join("key")).unwrap();
    assert!(key != first_key && key.lines().filter(|line| line.starts_with("windlass-key")).count() == 1, "{key}");
    let new = engine.submit(held("new")).await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open().await.unwrap();
    for (id, right) in [(old, "old\n"), (new, "new\n")] {
        engine.release(id).await.unwrap();
        assert_eq!(note(&engine, id).await, right);
    }
    engine.shutdown().await;
    drop(engine);
    fs::write(dir.path().join("key"), first_key).unwrap();
    let error = open().await.map(drop).unwrap_err();
    assert!(matches!(&error, Error::Key(text) if text.contains("key")), "{error}");
}

#[tokio::test]
async fn keys_may_come_from_a_text_and_a_wrong_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let line = |byte: u8| {
        use base64::Engine as _;
        format!("windlass-key-1:{}", base64::engine::general_purpose::STANDARD.encode([byte; 32]))
    };
    let open = |text: String| works(Engine::builder(dir.path())).keys_text(Some(text)).open();
    let engine = open(line(1)).await.unwrap();
    let id =
        engine.submit(JobSpec { hold: true, ..JobSpec::function("works", "1").option("NOTE", "text") }).await.unwrap();
    engine.shutdown().await;
    drop(engine);
    assert!(matches!(open(line(2)).await.map(drop), Err(Error::Key(_))));
    assert!(!dir.path().join("key").exists());
    let engine = open(format!("{},{}", line(2), line(1))).await.unwrap();
    let rotation = engine.rotate_key().await.unwrap();
    let active = Keyring::from_key(Key::from_bytes([2; 32])).unwrap().active().to_string();
    assert_eq!((rotation.resealed, rotation.active), (1, active));
    engine.shutdown().await;
    drop(engine);
    let engine = open(line(2)).await.unwrap();
    engine.release(id).await.unwrap();
    assert_eq!(note(&engine, id).await, "text\n");
    engine.shutdown().await;
}

#[tokio::test]
async fn jobs_of_a_chain_are_kept_until_all_of_it_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let hour = 3_600_000;
    let clock = Clock::manual(windlass::Timestamp::from_millis(1));
    let retention = Retention { interval_ms: hour, max_jobs: Some(0), ..Retention::default() };
    let builder = works(Engine::builder(dir.path())).clock(clock.clone());
    let engine = builder.config(config(retention)).open().await.unwrap();
    let lone = engine.submit_function("works", &1).await.unwrap();
    let mut last = JobSpec::function("works", "1").named("last").after("first");
    last.hold = true;
    let ids = engine.submit_many(vec![JobSpec::function("works", "1").named("first"), last]).await.unwrap();
    engine.wait(ids[0]).await.unwrap();
    engine.wait(lone).await.unwrap();
    until(&clock, || clock.next_wake().is_some()).await;
    clock.advance_to(clock.now().plus_millis(hour));
    until(&clock, || !listed(&engine).contains(&lone)).await;
    assert_eq!(listed(&engine), [ids[1], ids[0]]);
    engine.release(ids[1]).await.unwrap();
    engine.wait(ids[1]).await.unwrap();
    until(&clock, || clock.next_wake().is_some()).await;
    clock.advance_to(clock.now().plus_millis(hour));
    until(&clock, || listed(&engine).is_empty()).await;
    engine.shutdown().await;
}
