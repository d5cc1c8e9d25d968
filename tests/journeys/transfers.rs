//! Jobs that fetch inputs and deliver outputs, through a whole engine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use windlass::config::TransferLimits;
use windlass::executors::{
    BoxFuture, Delivered, DeliveryOrder, FetchItem, FetchOrder, FetchPage, Fetched, Fetcher, Sink, TransferError,
};
use windlass::job::{Backoff, Delivery, Fetch, JobConfig, JobFact, Reason, RetryPolicy, RunHandle};
use windlass::{Engine, EngineConfig, Error, FunctionError, JobSpec, JobView, Problem, State, Supervisor};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(40);
const SECRET: &str = "canary-qzjxqzjxqzjx";

/// A place that is fetched from and delivered to: names and what they hold.
#[derive(Clone, Default)]
struct Far(Arc<Inner>);

#[derive(Default)]
struct Inner {
    there: BTreeMap<String, String>,
    /// As many calls fail first.
    faults: AtomicU32,
    /// They fail for good.
    fails_for_good: bool,
    /// Fetches wait until this is over.
    fetches_wait: AtomicBool,
    /// Puts do.
    puts_wait: AtomicBool,
    fetched: AtomicU32,
    told: Mutex<Vec<String>>,
    staged: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    delivered: Mutex<BTreeMap<String, String>>,
    aborts: AtomicU32,
}

impl Far {
    fn with(there: &[(&str, &str)]) -> Far {
        Far::of(Inner { there: named(there), ..Inner::default() })
    }

    fn of(inner: Inner) -> Far {
        Far(Arc::new(inner))
    }

    fn fails(&self) -> Result<(), TransferError> {
        let left = self.0.faults.load(Ordering::SeqCst);
        if left == 0 {
            return Ok(());
        }
        self.0.faults.store(left - 1, Ordering::SeqCst);
        // An error may repeat what it was told.
        let message = format!("no luck with {SECRET}");
        Err(if self.0.fails_for_good { TransferError::permanent(message) } else { TransferError::passing(message) })
    }

    fn slow(&self, fetches: bool, puts: bool) {
        self.0.fetches_wait.store(fetches, Ordering::SeqCst);
        self.0.puts_wait.store(puts, Ordering::SeqCst);
    }

    fn delivered(&self) -> BTreeMap<String, String> {
        self.0.delivered.lock().unwrap().clone()
    }
}

fn named(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn check(options: &str) -> Result<(), Vec<Problem>> {
    if !options.contains("bad") {
        return Ok(());
    }
    let problem = |text: &str| text.to_owned();
    Err(vec![Problem { field: "with.word".into(), problem: problem("it is bad"), allowed: problem("good ones") }])
}

impl Fetcher for Far {
    fn validate<'a>(&'a self, options: &'a str) -> BoxFuture<'a, Result<(), Vec<Problem>>> {
        Box::pin(async move { check(options) })
    }

    fn items<'a>(
        &'a self,
        order: &'a FetchOrder,
        cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<FetchPage, TransferError>> {
        Box::pin(async move {
            self.fails()?;
            self.0.told.lock().unwrap().push(order.options.clone());
            // One on each page.
            let after = cursor.unwrap_or_default();
            let mut rest = self.0.there.iter().filter(|(name, _)| name.as_str() > after);
            let items = rest.next().map(|(name, text)| FetchItem {
                name: name.clone(),
                size: Some(text.len() as u64),
                version: None,
                reference: Vec::new(),
            });
            let next = items.as_ref().filter(|_| rest.next().is_some()).map(|item| item.name.clone());
            Ok(FetchPage { items: items.into_iter().collect(), next })
        })
    }

    fn fetch<'a>(
        &'a self,
        order: &'a FetchOrder,
        item: &'a FetchItem,
        work: &'a Path,
    ) -> BoxFuture<'a, Result<Fetched, TransferError>> {
        Box::pin(async move {
            until(|| !self.0.fetches_wait.load(Ordering::SeqCst)).await;
            self.0.fetched.fetch_add(1, Ordering::SeqCst);
            let text = &self.0.there[&item.name];
            let path = work.join(&order.destination).join(&item.name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            Ok(Fetched { path: item.name.clone(), bytes: text.len() as u64, version: None })
        })
    }
}

impl Sink for Far {
    fn validate<'a>(&'a self, options: &'a str) -> BoxFuture<'a, Result<(), Vec<Problem>>> {
        Box::pin(async move { check(options) })
    }

    fn begin<'a>(&'a self, order: &'a DeliveryOrder) -> BoxFuture<'a, Result<RunHandle, TransferError>> {
        Box::pin(async move {
            self.0.told.lock().unwrap().push(format!(
                "{}{:?}",
                order.options,
                order.keys.get("K").map(|key| &key.value)
            ));
            Ok(RunHandle(order.attempt.to_string().into_bytes()))
        })
    }

    fn put<'a>(
        &'a self,
        _: &'a DeliveryOrder,
        begun: &'a RunHandle,
        path: &'a str,
        name: &'a str,
        work: &'a Path,
    ) -> BoxFuture<'a, Result<RunHandle, TransferError>> {
        Box::pin(async move {
            until(|| !self.0.puts_wait.load(Ordering::SeqCst)).await;
            self.fails()?;
            let text = fs::read_to_string(work.join(path)).unwrap();
            let mut staged = self.0.staged.lock().unwrap();
            let of = String::from_utf8(begun.0.clone()).unwrap();
            staged.entry(of).or_default().insert(name.to_owned(), text);
            Ok(begun.clone())
        })
    }

    fn commit<'a>(
        &'a self,
        _: &'a DeliveryOrder,
        begun: &'a RunHandle,
    ) -> BoxFuture<'a, Result<Vec<Delivered>, TransferError>> {
        Box::pin(async move {
            let of = String::from_utf8(begun.0.clone()).unwrap();
            let staged = self.0.staged.lock().unwrap().remove(&of).unwrap_or_default();
            self.0.delivered.lock().unwrap().extend(staged);
            Ok(Vec::new())
        })
    }

    fn abort<'a>(&'a self, _: &'a DeliveryOrder, begun: &'a RunHandle) -> BoxFuture<'a, Result<(), TransferError>> {
        Box::pin(async move {
            self.0.aborts.fetch_add(1, Ordering::SeqCst);
            self.0.staged.lock().unwrap().remove(&String::from_utf8(begun.0.clone()).unwrap());
            Ok(())
        })
    }
}

async fn open(dir: &Path, far: &Far) -> Engine {
    open_with(dir, far, TransferLimits::default()).await
}

async fn open_with(dir: &Path, far: &Far, transfers: TransferLimits) -> Engine {
    let transfers = TransferLimits { first_pause_ms: 1, ..transfers };
    let config = EngineConfig { shutdown_grace_ms: 0, transfers, ..EngineConfig::default() };
    let far = Arc::new(far.clone());
    let builder = Engine::builder(dir).config(config).fetcher("far", far.clone()).sink("far", far);
    let builder = builder.process(Supervisor::new(env!("CARGO_BIN_EXE_windlass")));
    let read = |context: windlass::FunctionContext, (): ()| async move {
        let work = context.work().ok_or_else(|| FunctionError::new("no work tree"))?;
        Ok::<_, FunctionError>(fs::read_to_string(work.join("input/a"))?)
    };
    builder.function("read", read).open().await.unwrap()
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

async fn ended(engine: &Engine, spec: JobSpec) -> JobView {
    let id = engine.submit(spec).await.unwrap();
    within(engine.wait(id)).await.unwrap()
}

fn shell(command: &str) -> JobSpec {
    JobSpec::process("sh", ["-c", command])
}

fn message_of(view: &JobView) -> String {
    match &view.job.status.reason {
        Some(Reason::NotStarted(message) | Reason::Error(message)) => message.clone(),
        other => panic!("{other:?}"),
    }
}

fn fetch() -> Fetch {
    Fetch::new("far", format!(r#"{{"password": "{SECRET}"}}"#))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_fetched_is_there_when_the_work_begins_and_what_it_leaves_is_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let far = Far::with(&[("a", "1"), ("deep/b", "2")]);
    let engine = open(dir.path(), &far).await;
    let copy = "cat input/a input/x/deep/b > output/both && mkdir output/more && echo 3 > output/more/c && echo said";
    let spec = shell(copy).fetch(fetch()).fetch(fetch().to("input/x"));
    let spec = spec.deliver(Delivery::new("far", "{}").with_log().key("K", "key-of-far"));
    let view = ended(&engine, spec).await;
    assert_eq!(view.job.state(), State::Succeeded, "{:?}", view.job.status.reason);
    assert_eq!(far.delivered(), named(&[("both", "12"), ("more/c", "3\n"), ("log.txt", "said\n")]));
    assert!(far.0.told.lock().unwrap().contains(&r#"{}Some("key-of-far")"#.to_owned()));

    // A function has a work tree for it.
    let view = ended(&engine, JobSpec::function("read", "null").fetch(fetch())).await;
    let output = engine.output(view.job.id).unwrap();
    assert_eq!(output.as_deref(), Some(br#""1""#.as_slice()), "{:?}", view.job.status.reason);
    // One file of the tree, and nothing where nothing was fetched.
    let one = Delivery::new("far", "{}").from("output/only");
    assert_eq!(ended(&engine, shell("echo 9 > output/only").deliver(one)).await.job.state(), State::Succeeded);
    assert_eq!(far.delivered().get("only").map(String::as_str), Some("9\n"));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_tried_again_and_what_does_not_fails_the_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let far = Far::of(Inner { there: named(&[("a", "1")]), faults: 4.into(), ..Inner::default() });
    let engine = open(dir.path(), &far).await;
    assert_eq!(ended(&engine, shell("cat input/a").fetch(fetch())).await.job.state(), State::Succeeded);

    far.0.faults.store(5, Ordering::SeqCst);
    let view = ended(&engine, shell("cat input/a").fetch(fetch())).await;
    assert_eq!(message_of(&view), "fetch[0] from far: no luck with ***");
    // The next attempt has tries of its own.
    far.0.faults.store(7, Ordering::SeqCst);
    let mut again = shell("cat input/a").fetch(fetch());
    again.retry =
        RetryPolicy { max_attempts: 2, backoff: Backoff { initial_ms: 1, ..Backoff::default() }, ..again.retry };
    let view = ended(&engine, again.clone()).await;
    assert_eq!((view.job.state(), view.job.status.attempt), (State::Succeeded, 2));
    engine.shutdown().await;

    let dir = tempfile::tempdir().unwrap();
    let far = Far::of(Inner { faults: 1.into(), fails_for_good: true, ..Inner::default() });
    let engine = open(dir.path(), &far).await;
    let view = ended(&engine, again).await;
    assert_eq!((view.job.state(), view.job.status.attempt), (State::Failed, 1));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_fails_leaves_nothing_and_the_next_attempt_makes_up_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let far = Far::of(Inner { faults: 5.into(), ..Inner::default() });
    let engine = open(dir.path(), &far).await;
    let deliver = || Delivery::new("far", format!(r#"{{"token": "{SECRET}"}}"#));
    let mut spec = shell("echo 1 > output/a && echo 2 > output/b").deliver(deliver()).writes("a");
    let view = ended(&engine, spec.clone()).await;
    assert_eq!(message_of(&view), "deliver[0] to far: \"a\": no luck with ***");
    assert!(far.delivered().is_empty() && far.0.staged.lock().unwrap().is_empty());
    assert_eq!(far.0.aborts.load(Ordering::SeqCst), 1);
    assert!(!dir.path().join("files/default/a").exists(), "all of it appears or nothing");

    far.0.faults.store(5, Ordering::SeqCst);
    let backoff = Backoff { initial_ms: 1, ..Backoff::default() };
    spec.retry = RetryPolicy { max_attempts: 2, backoff, ..spec.retry };
    let view = ended(&engine, spec).await;
    assert_eq!((view.job.state(), view.job.status.attempt), (State::Succeeded, 2));
    assert_eq!(far.delivered(), named(&[("a", "1\n"), ("b", "2\n")]));
    assert!(dir.path().join("files/default/a").exists());

    for (command, from, says) in [
        ("true", "output/gone", "\"output/gone\" is not in the work tree"),
        ("ln -s /etc/hostname output/link", "output", "\"output/link\" is a link or a pipe"),
        ("mkdir -p output/d; mkfifo output/d/pipe", "output/d", "\"output/d/pipe\" is a link or a pipe"),
    ] {
        let view = ended(&engine, shell(command).deliver(deliver().from(from))).await;
        assert!(message_of(&view).contains(says), "{}", message_of(&view));
    }
    let clash = shell("echo 1 > output/log.txt").deliver(deliver().with_log());
    assert!(message_of(&ended(&engine, clash).await).contains("and the name of its log"));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_a_fetch_and_a_delivery_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let far = Far::with(&[("a", "1")]);
    far.slow(true, true);
    let engine = open(dir.path(), &far).await;
    for spec in [
        shell("true").fetch(fetch()),
        JobSpec::function("read", "null").fetch(fetch()),
        shell("echo 1 > output/a").deliver(Delivery::new("far", "{}")),
    ] {
        let begun = far.0.told.lock().unwrap().len();
        let id = engine.submit(spec).await.unwrap();
        until(|| far.0.told.lock().unwrap().len() > begun).await;
        engine.cancel(id, "me").await.unwrap();
        assert_eq!(within(engine.wait(id)).await.unwrap().job.state(), State::Cancelled);
    }
    assert!(far.delivered().is_empty());
    assert_eq!(far.0.fetched.load(Ordering::SeqCst), 0);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_that_ends_while_it_fetches_or_delivers_leaves_it_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let far = Far::with(&[("a", "1")]);
    far.slow(true, true);
    let engine = open(dir.path(), &far).await;
    let spec = shell("cat input/a >> output/a && cp output/a output/b").fetch(fetch());
    let spec = spec.deliver(Delivery::new("far", format!(r#"{{"secret": "{SECRET}"}}"#)));
    let id = engine.submit(spec).await.unwrap();
    until(|| far.0.told.lock().unwrap().len() == 1).await;
    within(engine.shutdown()).await;
    assert_eq!(far.0.fetched.load(Ordering::SeqCst), 0);

    far.slow(false, true);
    let engine = open(dir.path(), &far).await;
    until(|| far.0.told.lock().unwrap().len() == 3).await;
    // As a crash would.
    drop(engine);
    assert!(far.delivered().is_empty());
    far.slow(false, false);
    let engine = open(dir.path(), &far).await;
    let view = within(engine.wait(id)).await.unwrap();
    assert_eq!((view.job.state(), view.job.status.attempt), (State::Succeeded, 1), "{:?}", view.job.status.reason);
    // The work itself ran once.
    assert_eq!(far.delivered(), named(&[("a", "1"), ("b", "1")]));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_is_sealed_comes_along_with_retries_and_configs_and_survives_a_new_key() {
    let dir = tempfile::tempdir().unwrap();
    let far = Far::with(&[("a", "1")]);
    let engine = open(dir.path(), &far).await;
    let spec = || shell("cat input/a").fetch(fetch().key("K", SECRET)).deliver(Delivery::new("far", "{}"));
    let config = JobConfig::new(spec());
    engine.apply_configs(vec![("c".into(), config.clone())], false).await.unwrap();
    let again = engine.apply_configs(vec![("c".into(), config)], false).await.unwrap();
    assert_eq!(again[0].change, windlass::Change::Unchanged);
    let mut changed = JobConfig::new(spec());
    changed.spec.fetches[0].told.options = r#"{"password": "another"}"#.into();
    let told = engine.apply_configs(vec![("c".into(), changed)], true).await.unwrap();
    assert_eq!(told[0].change, windlass::Change::Changed);

    let first = engine.submit(spec()).await.unwrap();
    within(engine.wait(first)).await.unwrap();
    engine.rotate_key().await.unwrap();
    let ids = engine.run_config("default", "c", Default::default(), None).await.unwrap();
    let second = engine.retry(first).await.unwrap();
    for id in [ids[0], second] {
        let view = within(engine.wait(id)).await.unwrap();
        assert_eq!(view.job.state(), State::Succeeded, "{:?}", view.job.status.reason);
        let shown = format!("{view:?}");
        assert!(!shown.contains(SECRET) && view.job.spec.fetches[0].told.options.is_empty(), "{shown}");
    }
    assert_eq!(far.0.told.lock().unwrap().iter().filter(|told| told.contains(SECRET)).count(), 3);
    engine.shutdown().await;
    let found = std::process::Command::new("grep").args(["-rl", SECRET]).arg(dir.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_mistakes_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let far = Far::with(&[("a", "12345"), ("b", "12345")]);
    let limits = TransferLimits { bytes: 9, items: 3, ..TransferLimits::default() };
    let engine = open_with(dir.path(), &far, limits).await;
    let view = ended(&engine, shell("true").fetch(fetch())).await;
    assert!(message_of(&view).contains("is more than 9 bytes; allowed: at most 9 bytes"), "{}", message_of(&view));
    let twice = shell("true").fetch(fetch()).fetch(fetch());
    assert!(message_of(&ended(&engine, twice).await).contains("more than 9 bytes"));
    let many = shell("for i in 1 2 3 4; do echo > output/$i; done").deliver(Delivery::new("far", "{}"));
    assert!(message_of(&ended(&engine, many).await).contains("more than 3 files"));

    let refused = |spec: JobSpec| {
        let engine = engine.clone();
        async move {
            match engine.submit(spec).await.unwrap_err() {
                Error::Invalid(problems) => problems[0].to_string(),
                other => panic!("{other:?}"),
            }
        }
    };
    let told = refused(shell("true").fetch(Fetch::new("fra", "{}"))).await;
    assert_eq!(told, "fetch[0].from: the fetcher \"fra\" is not enabled here; allowed: far, project");
    let told = refused(shell("true").deliver(Delivery::new("far", r#"{"word": "bad"}"#))).await;
    assert_eq!(told, "deliver[0].with.word: it is bad; allowed: good ones");
    engine.shutdown().await;

    let dir = tempfile::tempdir().unwrap();
    let far = Far::with(&[("a", "1")]);
    let engine = open(dir.path(), &far).await;
    let mut events = engine.subscribe();
    let twice = shell("true").fetch(fetch()).fetch(fetch());
    assert!(message_of(&ended(&engine, twice).await).contains("two things are fetched to \"input/a\""));
    let told = within(async {
        loop {
            if let JobFact::Progress { message, .. } = events.next().await.unwrap().unwrap().fact {
                return message;
            }
        }
    });
    assert_eq!(told.await, "fetched 1 files, 1 bytes");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_project_are_fetched_but_for_those_that_are_excluded() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path(), &Far::default()).await;
    for path in ["set/a.csv", "set/deep/b.csv", "set/deep/skip.me", "set/no/c.csv", "other"] {
        engine.put_file("default", path, path.as_bytes()).await.unwrap();
    }
    let options = r#"{"folder": "set", "exclude": ["skip.me", "no/c.csv"]}"#;
    let spec = shell("find input -type f | sort").fetch(Fetch::new("project", options).to("input/set"));
    let view = ended(&engine, spec).await;
    let log = engine.logs(view.job.id, None, 0, 1 << 20).unwrap();
    let said: Vec<u8> = log.chunks.into_iter().flat_map(|chunk| chunk.bytes).collect();
    assert_eq!(String::from_utf8_lossy(&said), "input/set/a.csv\ninput/set/deep/b.csv\n");
    let all = shell("find input -type f | wc -l | tr -d ' '").fetch(Fetch::new("project", "{}").to("input"));
    let view = ended(&engine, all).await;
    let said: Vec<u8> =
        engine.logs(view.job.id, None, 0, 1 << 20).unwrap().chunks.into_iter().flat_map(|chunk| chunk.bytes).collect();
    assert_eq!(String::from_utf8_lossy(&said), "5\n");
    // And delivered beside what is there.
    let deliver = |options: &str| Delivery::new("project", options);
    let spec = shell("mkdir output/d; echo 1 > output/a.csv; echo 2 > output/d/new; echo said");
    let spec = spec.deliver(deliver(r#"{"folder": "set"}"#).with_log()).deliver(deliver("{}").from("output/d"));
    let view = ended(&engine, spec).await;
    assert_eq!(view.job.state(), State::Succeeded, "{:?}", view.job.status.reason);
    let read = |path: &str| fs::read_to_string(dir.path().join("files/default").join(path)).unwrap();
    let are = ["set/a.csv", "set/d/new", "set/log.txt", "new", "set/deep/b.csv"].map(read);
    assert_eq!(are, ["1\n", "2\n", "said\n", "2\n", "set/deep/b.csv"]);
    // A folder is in the way of a file: none of them appears.
    let spec = shell("echo x > output/deep; echo x > output/another").deliver(deliver(r#"{"folder": "set"}"#));
    let message = message_of(&ended(&engine, spec).await);
    assert!(message.contains("set/deep") && !dir.path().join("files/default/set/another").exists(), "{message}");

    let wrong = engine.submit(shell("true").fetch(Fetch::new("project", r#"{"folder": "../x"}"#))).await;
    assert!(wrong.unwrap_err().to_string().contains("fetch[0].with.folder: \"../x\" is no path"));
    engine.shutdown().await;
}
