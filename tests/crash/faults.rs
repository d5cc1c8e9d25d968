//! The disk fails at its k-th read, write, sync or growth, for every k there is, once and for good: the engine
//! stops acknowledging, and nothing that it had acknowledged is missing afterwards.

use std::sync::Arc;
use std::time::Duration;

use windlass::testing::{CrashDisk, Fault, Loss, Operation};
use windlass::{EngineConfig, Error, JobId, JobSpec, Retention};

use crate::acts::{at_most_once, held, in_line, keyed};
use crate::power::{copy_directory, on_a_thread, on_two_threads};
use crate::promises::Rules;
use crate::stage::{Setting, Stage, scratch};
use crate::world::{Fact, World};

const RULES: Rules = Rules { inline_bytes: 64 << 10, forgets: false };

/// Nothing that has failed may keep anybody waiting.
const PATIENCE: Duration = Duration::from_secs(20);

fn config() -> EngineConfig {
    // No cache to speak of, so that reads reach the disk.
    EngineConfig { cache_bytes: 0, default_slots: 4, retention: Retention::default(), ..EngineConfig::default() }
}

/// A little of everything.
async fn story(stage: &mut Stage) -> Result<(), Error> {
    let waiting = held(stage.quick());
    let waiting = stage.submit(waiting).await?;
    let chain = in_line(vec![stage.quick(), stage.run(0), stage.quick()]);
    stage.submit_many(chain).await?;
    stage.settle().await;
    stage.end_runs();
    let specs: Vec<JobSpec> = (0..66).map(|_| stage.quick()).collect();
    let ids: Vec<JobId> = stage.submit_many(specs).await?;
    stage.settle().await;
    stage.engine.wait(ids[3]).await?;
    // Together too large for the file as it was made.
    let large = (0..20).map(|_| stage.function(|work| work.padding = "z".repeat(60_000))).collect();
    stage.submit_many(large).await?;
    stage.rotate().await?;
    for spec in [keyed(stage.quick(), "key"), at_most_once(stage.run(0)), stage.function(|work| work.fails = 1)] {
        stage.submit(spec).await?;
        stage.settle().await;
    }
    stage.cancel(waiting).await?;
    stage.engine.advance(1_000).await;
    stage.engine.get(ids[0])?;
    stage.engine.events(ids[0])?;
    stage.engine.stats()?;
    Ok(())
}

/// Lives with the fault; whether it has struck.
async fn fail_and_recover(fault: Fault) -> bool {
    let (dir, disk) = (scratch(), Arc::new(CrashDisk::new()));
    let world = World::new(disk.clone());
    disk.fail(fault);
    match Stage::open(Setting::new(dir.path(), &disk, config()), world.clone()).await {
        Ok(mut stage) => {
            let told = tokio::time::timeout(PATIENCE, story(&mut stage)).await;
            let told = told.unwrap_or_else(|_| panic!("with {fault:?} the story hangs"));
            assert!(matches!(told, Ok(()) | Err(Error::Storage(_))), "{fault:?}: {told:?}");
            assert!(told.is_ok() || disk.has_failed(), "{told:?} without a fault");
            if disk.has_failed() && fault.operation != Operation::Read {
                has_stopped(&mut stage, fault).await;
            }
        }
        Err(error) => assert!(disk.has_failed() && matches!(error, Error::Storage(_)), "{fault:?}: {error}"),
    }
    let failed = disk.has_failed();
    if let Ok(keys) = std::fs::read_to_string(dir.path().join("key")) {
        world.note(Fact::Keys(keys));
    }
    for loss in [Loss::Everything, Loss::Nothing, Loss::Random { seed: fault.after }] {
        let after = Arc::new(CrashDisk::from_image(disk.power_cut(loss)));
        let (world, copied) = (world.before(u64::MAX, after.clone()).await, scratch());
        copy_directory(&world, dir.path(), copied.path());
        let setting = Setting { seed: 2 + fault.after, ..Setting::new(copied.path(), &after, config()) };
        let stage = Stage::open(setting, world).await.unwrap_or_else(|error| panic!("{fault:?}, {loss:?}: {error}"));
        stage.check(RULES).await;
        stage.repeat_keyed(RULES).await;
        stage.drain().await;
        stage.check(RULES).await;
    }
    failed
}

/// Fail-stop: nothing is acknowledged any more, and nobody waits in vain.
async fn has_stopped(stage: &mut Stage, fault: Fault) {
    for _ in 0..2 {
        let spec = stage.quick();
        let refused = stage.engine.submit(spec).await;
        assert!(matches!(refused, Err(Error::Storage(_))), "{fault:?}: {refused:?}");
    }
    assert!(stage.engine.failure().is_some(), "{fault:?}");
    let live = stage.engine.list(&windlass::job::Filter::default(), None, 1_000);
    for job in live.into_iter().flat_map(|page| page.jobs).filter(|job| !job.state().is_final()) {
        let waited = tokio::time::timeout(PATIENCE, stage.engine.wait(job.job.id)).await;
        assert!(matches!(waited, Ok(Err(Error::Storage(_)))), "{fault:?}: {waited:?}");
        let cancelled = stage.engine.cancel(job.job.id, "the test").await;
        assert!(matches!(cancelled, Err(Error::Storage(_))), "{fault:?}: {cancelled:?}");
    }
}

#[test]
fn a_failing_disk_breaks_no_promise() {
    let kinds = [Operation::Sync, Operation::Grow, Operation::Write, Operation::Read];
    let faults: Vec<(Operation, bool)> = kinds.into_iter().flat_map(|kind| [(kind, false), (kind, true)]).collect();
    let every_one = std::env::var_os("WINDLASS_EVERY_FAULT").is_some();
    on_two_threads(&faults, |(operation, lasting)| {
        let mut after = 0;
        while on_a_thread(fail_and_recover(Fault { operation: *operation, after, lasting: *lasting })) {
            // Later ones are many and much alike; primes, so that no kind of commit is always passed over.
            after += match operation {
                _ if every_one || after < 40 => 1,
                Operation::Read => 61,
                Operation::Write => 17,
                _ => 1,
            };
        }
        println!("{operation:?}, lasting: {lasting}: up to the {after}th");
        assert!(after >= 2, "{operation:?} failed {after} times");
    });
}

#[tokio::test]
async fn whoever_waits_after_the_end_of_the_engine_is_told() {
    let (dir, disk) = (scratch(), Arc::new(CrashDisk::new()));
    let mut stage = Stage::open(Setting::new(dir.path(), &disk, config()), World::new(disk.clone())).await.unwrap();
    let spec = held(stage.quick());
    let id = stage.submit(spec).await.unwrap();
    stage.engine.shutdown().await;
    let waited = tokio::time::timeout(PATIENCE, stage.engine.wait(id)).await;
    assert!(matches!(waited, Ok(Err(Error::Closed))), "{waited:?}");
}

/// The first job of a chain is forgotten, a later one that holds the key of the submission is not: the repetition
/// is refused, and the store goes on.
#[tokio::test]
async fn a_key_of_a_chain_that_is_half_forgotten_stops_nobody() {
    let (dir, disk) = (scratch(), Arc::new(CrashDisk::new()));
    let retention = Retention { max_jobs: Some(1), interval_ms: 1_000, ..Retention::default() };
    let config = EngineConfig { retention, ..config() };
    let mut stage = Stage::open(Setting::new(dir.path(), &disk, config), World::new(disk.clone())).await.unwrap();
    let mut chain = in_line(vec![stage.quick(), stage.quick()]);
    chain[1].idempotency_key = Some("chain".into());
    let ids = stage.submit_many(chain.clone()).await.unwrap();
    for _ in 0..1_000 {
        stage.engine.advance(1_000).await;
        if stage.engine.get(ids[0]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(matches!(stage.engine.get(ids[0]), Err(Error::NotFound(_))));
    assert!(stage.engine.get(ids[1]).is_ok());
    let again = stage.engine.submit_many(chain).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    assert_eq!(stage.engine.failure(), None);
    let spec = stage.quick();
    stage.submit(spec).await.unwrap();
}

/// Jobs without a key are not taken for those that stood beside a key before.
#[tokio::test]
async fn a_key_answers_for_its_own_submission_only() {
    let (dir, disk) = (scratch(), Arc::new(CrashDisk::new()));
    let mut stage = Stage::open(Setting::new(dir.path(), &disk, config()), World::new(disk.clone())).await.unwrap();
    let (first, stranger) = (keyed(stage.quick(), "key"), stage.quick());
    let (id, _) = (stage.submit(first.clone()).await.unwrap(), stage.submit(stranger).await.unwrap());
    assert_eq!(stage.submit(first.clone()).await.unwrap(), id);
    let other = stage.quick().after(first.name.clone().unwrap());
    let chained = stage.engine.submit_many(vec![first, other]).await;
    assert!(matches!(chained, Err(Error::Conflict(_))), "{chained:?}");
    let mut chain = in_line(vec![stage.quick(), stage.quick()]);
    chain[0].idempotency_key = Some("chain".into());
    let ids = stage.submit_many(chain.clone()).await.unwrap();
    assert_eq!(stage.submit_many(chain.clone()).await.unwrap(), ids);
    chain[1].priority = 3;
    let changed = stage.engine.submit_many(chain).await;
    assert!(matches!(changed, Err(Error::Conflict(_))), "{changed:?}");
}
