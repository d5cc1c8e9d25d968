//! Both sides on one Docker Engine: jobs of an engine, and containers that are made by hand.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Handle;
use windlass::job::{NamedTask, Task};
use windlass::plugin::parse_config;
use windlass::{Engine, EngineConfig, JobId, JobSpec, State};
use windlass_backends::{BUSYBOX, Client, Docker};

use crate::counter::Counter;
use crate::measure::{Pair, Times};
use crate::plain;

/// More than are ever under way.
const SLOTS: usize = 256;

/// Whether a container has a work tree, gets what is in it and gives its outputs back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    None,
    Moved,
}

pub(crate) struct Stage {
    pub(crate) dir: TempDir,
    pub(crate) engine: Engine,
    pub(crate) counter: Counter,
    client: Client,
    /// What the plugin makes a container of, for the other side: one without files and one with them.
    bare: Value,
    body: Value,
    /// And what it puts into that.
    files: Vec<u8>,
    names: AtomicUsize,
}

fn spec(command: &[&str], files: Files) -> JobSpec {
    let options = json!({ "image": BUSYBOX, "command": command, "work": files == Files::Moved });
    let params = options.to_string().into_bytes();
    JobSpec::new(Task::Named(NamedTask { executor: "docker".into(), params }))
}

impl Stage {
    /// Both sides have run a container when it returns.
    pub(crate) async fn new(docker: &Docker) -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let counter = Counter::start(dir.path(), docker.socket().to_owned());
        let address = format!("unix:{}", counter.socket.display());
        let grants =
            format!("[plugin.docker]\nwork = \"write\"\n[plugin.docker.endpoint.docker]\naddress = {address:?}\n");
        let config = EngineConfig { default_slots: SLOTS, shutdown_grace_ms: 0, ..EngineConfig::default() };
        let builder = Engine::builder(dir.path().join("store")).config(config);
        let engine = builder.plugins(parse_config(grants.as_bytes()).unwrap()).open().await.unwrap();
        let client = Client::unix(&counter.socket);
        let (bare, body, files, names) = (Value::Null, Value::Null, Vec::new(), AtomicUsize::new(0));
        let mut stage = Stage { dir, engine, counter, client, bare, body, files, names };
        let _ = stage.job(Files::None).await;
        stage.bare = stage.counter.body();
        let _ = stage.job(Files::Moved).await;
        (stage.body, stage.files) = (stage.counter.body(), stage.counter.files());
        let _ = (stage.plain(Files::None), stage.plain(Files::Moved));
        stage.counter.take();
        stage
    }

    /// One container by hand.
    pub(crate) fn plain(&self, files: Files) -> Pair {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        let (body, files) = match files {
            Files::None => (&self.bare, None),
            Files::Moved => (&self.body, Some(self.files.as_slice())),
        };
        plain::run(&self.client, body, files, &format!("plain-{number}"))
    }

    /// One container as a job.
    pub(crate) async fn job(&self, files: Files) -> Pair {
        let begun = Instant::now();
        let id = self.engine.submit(spec(&["true"], files)).await.unwrap();
        let over = self.engine.wait(id).await.unwrap();
        let done = begun.elapsed();
        assert_eq!(over.state(), State::Succeeded, "{:?}", over.job.status);
        self.removed(id, files).await;
        Pair { done, removed: begun.elapsed() }
    }

    /// Returns when the last thing of a job is removed.
    async fn removed(&self, id: JobId, files: Files) {
        let last = match files {
            Files::None => format!("/containers/containergroup-{id}"),
            Files::Moved => format!("/volumes/containergroup-{id}.work"),
        };
        self.counter.removed(&last).await;
    }

    /// Containers by hand, some at once.
    pub(crate) fn plain_at_once(&self, count: usize, at_once: usize, files: Files) -> Times {
        together(count, at_once, || self.plain(files))
    }

    /// Jobs, some at once.
    pub(crate) fn jobs_at_once(&self, runtime: &Handle, count: usize, at_once: usize, files: Files) -> Times {
        together(count, at_once, || runtime.block_on(self.job(files)))
    }

    /// Jobs that sleep; all of them run when it returns.
    pub(crate) async fn start_sleeping(&self, count: usize) -> Vec<JobId> {
        let specs = (0..count).map(|_| spec(&["sleep", "100000"], Files::Moved)).collect();
        let ids = self.engine.submit_many(specs).await.unwrap();
        let is_running = |id: &JobId| {
            let status = self.engine.get(*id).unwrap().job.status;
            assert!(!status.state.is_final(), "{status:?}");
            status.step == Some(windlass::job::Step::Executing)
        };
        while !ids.iter().all(is_running) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        ids
    }

    /// Ends them, and returns when they are removed.
    pub(crate) async fn cancel(&self, ids: &[JobId]) {
        self.counter.take();
        for id in ids {
            self.engine.cancel(*id, "the benchmark").await.unwrap();
        }
        for id in ids {
            self.removed(*id, Files::Moved).await;
        }
    }
}

/// Runs so many, some at once, each as soon as one before is over.
fn together(count: usize, at_once: usize, run: impl Fn() -> Pair + Sync) -> Times {
    let (begun, pairs, left) = (Instant::now(), Mutex::new(Vec::new()), AtomicUsize::new(count));
    let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while take() {
                    let pair = run();
                    pairs.lock().unwrap().push(pair);
                }
            });
        }
    });
    Times::at_once(pairs.into_inner().unwrap(), begun.elapsed())
}
