//! Jobs with items: wherever the power fails, every item is there once, runs to its end and is counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use windlass::job::{Item, ItemCounts, Items, Reason};
use windlass::testing::{CrashDisk, Life, Loss, START, TestEngine};
use windlass::{Builder, Clock, Engine, FunctionContext, FunctionError, JobId, JobSpec, State, Timestamp};

use crate::power::{on_a_thread, on_two_threads};
use crate::stage::scratch;

const ALL: u32 = 9;

fn setup(builder: Builder) -> Builder {
    builder.function("work", |context: FunctionContext, (): ()| async move {
        let name = context.option("WINDLASS_ITEM").unwrap_or_default().to_owned();
        if name == "bad" { Err(FunctionError::permanent("it is bad")) } else { Ok(name) }
    })
}

fn life(disk: &Arc<CrashDisk>, dir: &std::path::Path) -> Life {
    Life { dir: Some(dir.to_owned()), disk: disk.clone(), clock: Clock::manual(START), seed: 12 }
}

/// A job whose items run two at a time; the power may fail between any two writes.
fn spec() -> JobSpec {
    let mut given: Vec<Item> = (1..ALL).map(|number| Item::new(number.to_string())).collect();
    given.insert(4, Item::new("bad").input("text", "of the bad one"));
    let items = Items { parallel: Some(2), tolerated: Some(1), ..Items::given(given) };
    let mut spec = JobSpec::function("work", "null").with_items(items);
    spec.idempotency_key = Some("key".to_owned());
    spec
}

/// Where each item is, by its name: its state and when it ended.
fn ends(engine: &Engine, id: JobId) -> BTreeMap<String, (State, Option<Timestamp>)> {
    let page = engine.items(id, None, 100).unwrap();
    let all = page.items.len();
    let ends = page.items.into_iter().map(|item| {
        let status = item.job.job.status;
        (item.name, (status.state, status.finished_at))
    });
    let ends: BTreeMap<_, _> = ends.collect();
    assert_eq!(ends.len(), all, "an item is there twice");
    ends
}

fn check(engine: &Engine, id: JobId) {
    let job = engine.get(id).unwrap().job;
    let expected = ItemCounts { total: ALL, succeeded: ALL - 1, failed: 1, ..ItemCounts::default() };
    assert_eq!((job.state(), job.status.items), (State::Succeeded, expected), "{:?}", job.status.reason);
    let bad = engine.items(id, None, 100).unwrap().items.into_iter().find(|item| item.name == "bad").unwrap();
    assert_eq!(bad.job.job.status.reason, Some(Reason::Error("it is bad".into())));
    assert_eq!(ends(engine, id).len(), ALL as usize);
}

#[test]
fn no_power_cut_loses_an_item_or_runs_one_again_that_is_over() {
    let (dir, disk) = (scratch(), Arc::new(CrashDisk::new()));
    disk.record();
    let mut opened = 0;
    on_a_thread(async {
        let engine = TestEngine::open_as(life(&disk, dir.path()), setup).await.unwrap();
        opened = disk.recorded();
        let id = engine.submit(spec()).await.unwrap();
        engine.settle().await;
        check(&engine, id);
    });
    let steps: Vec<usize> = (opened..disk.recorded()).collect();
    assert!(steps.len() > 20, "{}", steps.len());
    on_two_threads(&steps, |step| {
        let image = disk.power_cut_before(*step, Loss::Random { seed: *step as u64 }).unwrap();
        let copy = scratch();
        std::fs::copy(dir.path().join("key"), copy.path().join("key")).unwrap();
        on_a_thread(async {
            let disk = Arc::new(CrashDisk::from_image(image));
            let engine = TestEngine::open_as(life(&disk, copy.path()), setup).await.unwrap();
            // Whoever was told nothing asks again, and gets the same job where it was accepted.
            let id = engine.submit(spec()).await.unwrap();
            let known = ends(&engine, id);
            assert!(known.len() == ALL as usize, "before step {step}: {known:?}");
            engine.settle().await;
            check(&engine, id);
            let now = ends(&engine, id);
            for (name, (state, at)) in known.iter().filter(|(_, (state, _))| state.is_final()) {
                assert_eq!(now[name], (*state, *at), "{name} before step {step}");
            }
            let jobs = engine.list(&windlass::job::Filter::default(), None, 100).unwrap().jobs.len();
            assert_eq!(jobs, 1, "before step {step}");
        });
    });
}
