//! Jobs with items, through a whole engine.

mod sources;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use windlass::job::{Backoff, Deadline, Fetch, Filter, Item, ItemCounts, Items, Reason, RetryPolicy};
use windlass::{
    Engine, EngineConfig, Error, FunctionContext, FunctionError, ItemView, JobId, JobSpec, JobView, Retention, State,
    Supervisor,
};

use sources::{Numbers, Table};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the work of items meets and does.
#[derive(Clone, Default)]
struct Bench(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// How often each item was run to its end.
    done: Mutex<HashMap<String, u32>>,
    running: AtomicU32,
    most: AtomicU32,
    /// The work waits until this is over.
    waits: AtomicBool,
}

impl Bench {
    async fn work(self, context: FunctionContext) -> Result<String, FunctionError> {
        let name = context.option("WINDLASS_ITEM").unwrap_or_default().to_owned();
        let running = self.0.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(running, Ordering::SeqCst);
        let _leaves = Leaves(self.0.clone());
        while self.0.waits.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let text = match context.work() {
            Some(work) => std::fs::read_to_string(work.join("input/text"))?,
            None => name.clone(),
        };
        match text.as_str() {
            "error" => return Err(FunctionError::new("an error")),
            "permanent" => return Err(FunctionError::permanent("for good")),
            "panic" => panic!("a panic"),
            "hang" => std::future::pending::<()>().await,
            _ => tokio::task::yield_now().await,
        }
        *self.0.done.lock().unwrap().entry(name).or_default() += 1;
        Ok(format!("did {text}"))
    }
}

struct Leaves(Arc<Inner>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn open(dir: &Path, bench: &Bench) -> Engine {
    open_with(dir, bench, EngineConfig::default(), Numbers { count: 0, faults: 0.into() }).await
}

async fn open_with(dir: &Path, bench: &Bench, config: EngineConfig, numbers: Numbers) -> Engine {
    let config = EngineConfig { shutdown_grace_ms: 0, ..config };
    let builder = Engine::builder(dir).config(config).fetcher("numbers", Arc::new(numbers));
    let bench = bench.clone();
    let builder = builder.function("work", move |context, (): ()| bench.clone().work(context));
    builder.process(Supervisor::new(env!("CARGO_BIN_EXE_windlass"))).open().await.unwrap()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it hangs")
}

async fn until(holds: impl Fn() -> bool) {
    within(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

fn work(given: impl IntoIterator<Item = (String, &'static str)>) -> JobSpec {
    let given = given.into_iter().map(|(name, text)| Item::new(name).input("text", text)).collect();
    JobSpec::function("work", "null").with_items(Items { given, tolerated: None, ..Items::default() })
}

fn named(names: &[&str]) -> JobSpec {
    work(names.iter().map(|name| ((*name).to_owned(), "text")))
}

/// All items, page by page.
fn items(engine: &Engine, id: JobId) -> Vec<ItemView> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = engine.items(id, cursor, 700).unwrap();
        all.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}

fn counts(view: &JobView) -> ItemCounts {
    let counts = view.job.status.items;
    assert!(counts.adds_up(), "{counts:?}");
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn each_item_has_its_own_end_and_result() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path(), &Bench::default()).await;
    let names = ["", "a b/c?d#e", "ü", "bad"];
    let given = names.map(|name| (name.to_owned(), if name == "bad" { "error" } else { "text" }));
    let id = engine.submit(work(given)).await.unwrap();
    assert_eq!(counts(&engine.get(id).unwrap()).total, 4);
    let view = within(engine.wait(id)).await.unwrap();
    assert_eq!(view.job.state(), State::Succeeded);
    let expected = ItemCounts { total: 4, succeeded: 3, failed: 1, ..ItemCounts::default() };
    assert_eq!(counts(&view), expected);
    let all = items(&engine, id);
    assert_eq!(all.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), names);
    for item in &all {
        let (state, output) = (item.job.job.state(), item.output.as_deref());
        match item.name.as_str() {
            "bad" => {
                assert_eq!((state, output), (State::Failed, None));
                assert_eq!(item.job.job.status.reason, Some(Reason::Error("an error".into())));
            }
            _ => assert_eq!((state, output), (State::Succeeded, Some(br#""did text""#.as_slice()))),
        }
    }
    // Lists of jobs show the whole, not its parts.
    assert_eq!(engine.list(&Filter::default(), None, 100).unwrap().jobs.len(), 1);
    let with_items = Filter { with_items: true, ..Filter::default() };
    assert_eq!(engine.list(&with_items, None, 100).unwrap().jobs.len(), 5);

    // So many may fail and no more.
    for (tolerated, state) in [(Some(0), State::Failed), (Some(1), State::Succeeded), (None, State::Succeeded)] {
        let mut spec = work(names.map(|name| (name.to_owned(), if name == "bad" { "error" } else { "text" })));
        spec.items.as_mut().unwrap().tolerated = tolerated;
        let id = engine.submit(spec).await.unwrap();
        let view = within(engine.wait(id)).await.unwrap();
        assert_eq!((view.job.state(), counts(&view).succeeded), (state, 3));
        if state == State::Failed {
            assert_eq!(view.job.status.reason, Some(Reason::Error("1 of 4 items failed; tolerated: 0".into())));
        }
    }
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn items_of_programs_find_their_inputs_and_leave_files_under_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path(), &Bench::default()).await;
    let command = "tr a-z A-Z < input/in.txt > output/out.txt; printf %s \"$WINDLASS_ITEM\" > output/value";
    let mut spec = JobSpec::process(
        "sh",
        ["-c", "mkdir -p output/up/$WINDLASS_ITEM && cp input/in.txt output/up/$WINDLASS_ITEM/x"],
    );
    let given = vec![Item::new("one").input("in.txt", "first"), Item::new("two").input("in.txt", "second")];
    spec = spec.with_items(Items { given: given.clone(), ..Items::default() }).writes("up/${item}/x");
    let id = engine.submit(spec).await.unwrap();
    assert_eq!(within(engine.wait(id)).await.unwrap().job.state(), State::Succeeded, "{:?}", items(&engine, id));
    let read = |path: &str| std::fs::read_to_string(dir.path().join("files/default").join(path)).unwrap();
    assert_eq!((read("up/one/x"), read("up/two/x")), ("first".into(), "second".into()));
    let spec = JobSpec::process("sh", ["-c", command]).with_items(Items { given, ..Items::default() });
    let id = engine.submit(spec).await.unwrap();
    within(engine.wait(id)).await.unwrap();
    let values: Vec<_> = items(&engine, id).into_iter().map(|item| item.output.unwrap()).collect();
    assert_eq!(values, [br#""one""#.to_vec(), br#""two""#.to_vec()]);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_items_run_at_once_than_were_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::default();
    let config = EngineConfig { default_slots: 8, ..EngineConfig::default() };
    let engine = open_with(dir.path(), &bench, config, Numbers { count: 0, faults: 0.into() }).await;
    for (parallel, most) in [(Some(3), 3), (Some(1), 1), (None, 8)] {
        bench.0.waits.store(true, Ordering::SeqCst);
        bench.0.most.store(0, Ordering::SeqCst);
        let mut spec = work((0..30).map(|number| (number.to_string(), "text")));
        spec.items.as_mut().unwrap().parallel = parallel;
        let id = engine.submit(spec).await.unwrap();
        until(|| bench.0.running.load(Ordering::SeqCst) == most).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert!(counts(&engine.get(id).unwrap()).running <= most);
        bench.0.waits.store(false, Ordering::SeqCst);
        let view = within(engine.wait(id)).await.unwrap();
        assert_eq!((counts(&view).succeeded, bench.0.most.load(Ordering::SeqCst)), (30, most));
    }
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_items_one_in_a_hundred_fails_in_every_way_and_the_counters_add_up_at_every_look() {
    const ALL: u32 = 10_000;
    let dir = tempfile::tempdir().unwrap();
    let config = EngineConfig { default_slots: 64, ..EngineConfig::default() };
    let engine = open_with(dir.path(), &Bench::default(), config, Numbers { count: 0, faults: 0.into() }).await;
    let ways = ["error", "permanent", "panic", "hang"];
    let text =
        |number: u32| if number.is_multiple_of(100) { ways[(number / 100) as usize % ways.len()] } else { "text" };
    let mut spec = work((0..ALL).map(|number| (number.to_string(), text(number))));
    spec.deadlines.attempt_ms = Some(200);
    spec.stop_grace_ms = 0;
    spec.items.as_mut().unwrap().tolerated = Some(ALL / 100);
    spec.retry =
        RetryPolicy { max_attempts: 2, backoff: Backoff { initial_ms: 1, ..Backoff::default() }, ..spec.retry };
    let id = engine.submit(spec).await.unwrap();
    let mut before = ItemCounts::default();
    let view = loop {
        let view = engine.get(id).unwrap();
        let now = counts(&view);
        assert_eq!(now.total, ALL);
        assert!(
            now.succeeded >= before.succeeded && now.failed >= before.failed && now.pending <= ALL - before.ended()
        );
        before = now;
        if view.job.state().is_final() {
            break view;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    assert_eq!(view.job.state(), State::Succeeded, "{:?}", view.job.status.reason);
    let expected = ItemCounts { total: ALL, succeeded: ALL - ALL / 100, failed: ALL / 100, ..ItemCounts::default() };
    assert_eq!(counts(&view), expected);
    let all = items(&engine, id);
    assert_eq!(all.len(), ALL as usize);
    let mut ends: BTreeMap<String, u32> = BTreeMap::new();
    for (number, item) in (0..).zip(&all) {
        assert_eq!(item.name, number.to_string());
        let status = &item.job.job.status;
        let way = text(number);
        match way {
            "text" => assert_eq!(item.output.as_deref(), Some(br#""did text""#.as_slice())),
            "permanent" => assert_eq!((status.state, status.attempt), (State::Failed, 1)),
            "hang" => assert_eq!(status.reason, Some(Reason::Deadline(Deadline::Attempt))),
            _ => assert_eq!((status.state, status.attempt), (State::Failed, 2)),
        }
        *ends.entry(way.to_owned()).or_default() += 1;
    }
    assert!(ways.iter().all(|way| ends[*way] == 25), "{ends:?}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lives_that_end_in_the_middle_repeat_no_item_that_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::default();
    let config = || EngineConfig { default_slots: 8, ..EngineConfig::default() };
    let numbers = |faults: u32| Numbers { count: 95, faults: faults.into() };
    let mut engine = open_with(dir.path(), &bench, config(), numbers(0)).await;
    let listed = vec![Fetch::new("numbers", "{}")];
    let given = (0..200).map(|number| Item::new(format!("given-{number}"))).collect();
    let items_of_it = Items { given, listed, parallel: Some(7), ..Items::default() }.whatever_fails();
    let id = engine.submit(JobSpec::function("work", "null").with_items(items_of_it)).await.unwrap();
    let over = || bench.0.done.lock().unwrap().len();
    for stop_at in [30, 80, 81, 150, 220] {
        until(|| over() >= stop_at).await;
        // Ends that are on disk are not repeated.
        let done: Vec<String> =
            items(&engine, id).into_iter().filter(|item| item.output.is_some()).map(|item| item.name).collect();
        if stop_at == 81 {
            within(engine.shutdown()).await
        } else {
            drop(engine)
        }
        let before: HashMap<String, u32> = bench.0.done.lock().unwrap().clone();
        engine = open_with(dir.path(), &bench, config(), numbers(0)).await;
        let still = counts(&engine.get(id).unwrap());
        assert!(still.succeeded as usize + 64 >= done.len(), "{still:?}, {}", done.len());
        until(|| over() > stop_at).await;
        let now = bench.0.done.lock().unwrap().clone();
        assert!(done.iter().all(|name| now[name] == before[name]));
    }
    let view = within(engine.wait(id)).await.unwrap();
    // Every tenth of those that are fetched is not to be had.
    let expected = ItemCounts { total: 295, succeeded: 286, failed: 9, ..ItemCounts::default() };
    assert_eq!((view.job.state(), counts(&view)), (State::Succeeded, expected), "{:?}", view.job.status.reason);
    let nine = items(&engine, id).into_iter().find(|item| item.name == "19").unwrap();
    let Some(Reason::NotStarted(message)) = nine.job.job.status.reason else { panic!("{:?}", nine.job) };
    assert_eq!(message, "fetch[0] from numbers: \"19\": nines are not to be had");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_and_a_deadline_end_all_items_and_keep_what_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::default();
    let config = EngineConfig { default_slots: 4, ..EngineConfig::default() };
    let engine = open_with(dir.path(), &bench, config, Numbers { count: 0, faults: 0.into() }).await;
    let slow = || {
        let text = |number: u32| if number < 5 { "text" } else { "hang" };
        let mut spec = work((0..50).map(|number| (number.to_string(), text(number))));
        spec.stop_grace_ms = 0;
        spec
    };
    let id = engine.submit(slow()).await.unwrap();
    until(|| counts(&engine.get(id).unwrap()).succeeded == 5).await;
    engine.cancel(id, "me").await.unwrap();
    let view = within(engine.wait(id)).await.unwrap();
    assert_eq!((view.job.state(), counts(&view).succeeded), (State::Cancelled, 5));
    assert_eq!(counts(&view).ended(), 50);
    let all = items(&engine, id);
    assert!(all.iter().all(|item| item.job.job.state().is_final()));
    assert_eq!(all.iter().filter(|item| item.output.is_some()).count(), 5);

    // One that never began takes its items along, also where it waits for others.
    let mut held = slow();
    held.hold = true;
    let id = engine.submit(held).await.unwrap();
    engine.cancel(id, "me").await.unwrap();
    assert!(items(&engine, id).iter().all(|item| item.job.job.state() == State::Cancelled));
    let mut spec = slow();
    spec.deadlines.total_ms = Some(300);
    let id = engine.submit(spec).await.unwrap();
    let view = within(engine.wait(id)).await.unwrap();
    assert_eq!((view.job.state(), counts(&view).succeeded), (State::TimedOut, 5));
    assert_eq!(view.job.status.reason, Some(Reason::Deadline(Deadline::Total)));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_fails_is_tried_again_and_then_ends_the_job() {
    let dir = tempfile::tempdir().unwrap();
    let listed = || {
        let mut spec = JobSpec::function("work", "null");
        spec = spec.with_items(Items::listed(Fetch::new("numbers", "{}")).whatever_fails());
        let backoff = Backoff { initial_ms: 1, ..Backoff::default() };
        spec.retry = RetryPolicy { max_attempts: 2, backoff, ..spec.retry };
        spec
    };
    let mut config = EngineConfig::default();
    (config.transfers.tries, config.transfers.first_pause_ms) = (2, 1);
    let engine = open_with(dir.path(), &Bench::default(), config, Numbers { count: 25, faults: 3.into() }).await;
    let id = engine.submit(listed()).await.unwrap();
    let view = within(engine.wait(id)).await.unwrap();
    // The second attempt goes on where the first one gave up.
    assert_eq!(view.job.status.attempt, 2);
    let expected = ItemCounts { total: 25, succeeded: 23, failed: 2, ..ItemCounts::default() };
    assert_eq!((view.job.state(), counts(&view)), (State::Succeeded, expected), "{:?}", view.job.status.reason);
    // When it gives up for good, so do the items that were found.
    let mut once = listed();
    once.retry.max_attempts = 1;
    drop(engine);
    let numbers = Numbers { count: 25, faults: 2.into() };
    let mut config = EngineConfig::default();
    (config.transfers.tries, config.transfers.first_pause_ms) = (2, 1);
    let engine = open_with(dir.path(), &Bench::default(), config, numbers).await;
    let id = engine.submit(once).await.unwrap();
    let view = within(engine.wait(id)).await.unwrap();
    let Some(Reason::NotStarted(message)) = &view.job.status.reason else { panic!("{:?}", view.job.status) };
    assert_eq!(message, "items.listed[0] from numbers: not now");
    let all = items(&engine, id);
    assert!(all.len() == 10 && all.iter().all(|item| item.job.job.state() == State::Failed));
    engine.shutdown().await;

    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path(), &Bench::default()).await;
    let id = engine.submit(listed()).await.unwrap();
    let view = within(engine.wait(id)).await.unwrap();
    let reason = Reason::Error("it has no items; allowed: one at least".into());
    assert_eq!((view.job.state(), view.job.status.reason), (State::Failed, Some(reason)));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_of_items_are_sealed_and_a_key_gives_the_same_job() {
    const SECRET: &str = "canary-of-an-item";
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::default();
    let engine = open(dir.path(), &bench).await;
    let spec = |key: &str| {
        let given = vec![Item::new("a").input("text", SECRET), Item::new("b").input("text", "b")];
        let mut spec = JobSpec::function("work", "null").with_items(Items { given, ..Items::default() });
        spec.idempotency_key = Some(key.into());
        spec
    };
    bench.0.waits.store(true, Ordering::SeqCst);
    let id = engine.submit(spec("k")).await.unwrap();
    assert_eq!(engine.submit(spec("k")).await.unwrap(), id);
    let mut other = spec("k");
    other.items.as_mut().unwrap().given.pop();
    assert!(matches!(engine.submit(other).await, Err(Error::Conflict(_))));
    let mut other = spec("k");
    other.items.as_mut().unwrap().given[1].inputs[0].content = b"c".to_vec();
    assert!(matches!(engine.submit(other).await, Err(Error::Conflict(_))));
    let found = std::process::Command::new("grep").args(["-rla", SECRET]).arg(dir.path()).output().unwrap();
    assert!(!String::from_utf8_lossy(&found.stdout).contains("store.redb"), "{found:?}");
    bench.0.waits.store(false, Ordering::SeqCst);
    within(engine.wait(id)).await.unwrap();
    assert!(matches!(engine.retry(id).await, Err(Error::Conflict(_))));
    // One item can be run again by itself.
    let again = engine.retry(items(&engine, id)[1].job.job.id).await.unwrap();
    assert_eq!(within(engine.wait(again)).await.unwrap().job.state(), State::Succeeded);
    assert_eq!(items(&engine, id).len(), 2);
    let joined = engine.submit_many(vec![spec("x"), JobSpec::function("work", "null")]).await;
    assert!(joined.unwrap_err().to_string().contains("one job with its items"));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_are_over_are_kept_until_the_job_is() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::default();
    let retention = Retention { max_jobs: Some(1), interval_ms: 10, ..Retention::default() };
    let config = EngineConfig { retention, default_slots: 4, ..EngineConfig::default() };
    let engine = open_with(dir.path(), &bench, config, Numbers { count: 9, faults: 0.into() }).await;
    let mut spec = named(&["a", "b"]);
    let items_of_it = spec.items.as_mut().unwrap();
    items_of_it.listed = vec![Fetch::new("numbers", "{}")];
    items_of_it.given.push(Item::new("slow").input("text", "hang"));
    spec.stop_grace_ms = 0;
    let id = engine.submit(spec).await.unwrap();
    until(|| counts(&engine.get(id).unwrap()).succeeded == 11).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(items(&engine, id).len(), 12);
    engine.cancel(id, "me").await.unwrap();
    within(engine.wait(id)).await.unwrap();
    let left = || engine.list(&Filter { with_items: true, ..Filter::default() }, None, 100).unwrap().jobs.len();
    until(|| left() <= 1).await;
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_items_and_are_brought_once_whatever_happens_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let (bench, table) = (Bench::default(), Arc::new(Table::default()));
    let open = || {
        let config = EngineConfig { shutdown_grace_ms: 0, default_slots: 8, ..EngineConfig::default() };
        let builder = Engine::builder(dir.path()).config(config).fetcher("table", table.clone());
        let bench = bench.clone();
        builder.function("work", move |context, (): ()| bench.clone().work(context)).open()
    };
    let mut engine = open().await.unwrap();
    let spec = |options: &str| JobSpec::function("work", "null").with_items(Items::rows(Fetch::new("table", options)));
    let id = engine.submit(spec("{}")).await.unwrap();
    // Once while rows are being stored, later while they run.
    for at in [1_000, 1_001, 2_500] {
        until(|| counts(&engine.get(id).unwrap()).total >= at).await;
        drop(engine);
        engine = open().await.unwrap();
    }
    let view = within(engine.wait(id)).await.unwrap();
    assert_eq!((view.job.state(), counts(&view).succeeded), (State::Succeeded, 2_500), "{:?}", view.job.status.reason);
    assert_eq!(table.brought.load(Ordering::SeqCst), 1);
    for (row, item) in (1..).zip(items(&engine, id)) {
        assert_eq!((item.name, item.output.unwrap()), (row.to_string(), format!("\"did row {row}\"").into_bytes()));
    }
    let bad = engine.submit(spec(r#"{"bad": 1}"#)).await.unwrap();
    let view = within(engine.wait(bad)).await.unwrap();
    let Some(Reason::NotStarted(message)) = view.job.status.reason else { panic!("{:?}", view.job.status) };
    assert!(message.starts_with("items.rows: row 2 is no item: \"/etc/passwd\" is no name of an input"), "{message}");
    let rows = std::process::Command::new("find").arg(dir.path()).args(["-name", "rows*"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&rows.stdout), "", "what was brought is gone");
    engine.shutdown().await;
}
