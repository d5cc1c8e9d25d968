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

/// Whether a container that is run by hand gets its work tree and gives its outputs back, as one of a job does.
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
    /// What the plugin makes a container of, for the other side.
    body: Value,
    /// And what it puts into it.
    files: Vec<u8>,
    names: AtomicUsize,
}

fn spec(command: &[&str]) -> JobSpec {
    let params = json!({ "image": BUSYBOX, "command": command }).to_string().into_bytes();
    JobSpec::new(Task::Named(NamedTask { executor: "docker".into(), params }))
}

fn short() -> JobSpec {
    spec(&["true"])
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
        let mut stage =
            Stage { dir, engine, counter, client, body: Value::Null, files: Vec::new(), names: AtomicUsize::new(0) };
        let _ = stage.job().await;
        (stage.body, stage.files) = (stage.counter.body(), stage.counter.files());
        let _ = stage.plain(Files::Moved);
        stage.counter.take();
        stage
    }

    /// One container by hand.
    pub(crate) fn plain(&self, files: Files) -> Pair {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        let files = (files == Files::Moved).then_some(self.files.as_slice());
        plain::run(&self.client, &self.body, files, &format!("plain-{number}"))
    }

    /// One container as a job.
    pub(crate) async fn job(&self) -> Pair {
        let begun = Instant::now();
        let id = self.engine.submit(short()).await.unwrap();
        let over = self.engine.wait(id).await.unwrap();
        let done = begun.elapsed();
        assert_eq!(over.state(), State::Succeeded, "{:?}", over.job.status);
        self.removed(id).await;
        Pair { done, removed: begun.elapsed() }
    }

    async fn removed(&self, id: JobId) {
        self.counter.removed(&format!("/volumes/containergroup-{id}.work")).await;
    }

    /// Containers by hand, some at once.
    pub(crate) fn plain_at_once(&self, count: usize, at_once: usize, files: Files) -> Times {
        together(count, at_once, || self.plain(files))
    }

    /// Jobs, some at once.
    pub(crate) fn jobs_at_once(&self, runtime: &Handle, count: usize, at_once: usize) -> Times {
        together(count, at_once, || runtime.block_on(self.job()))
    }

    /// Jobs that sleep; all of them run when it returns.
    pub(crate) async fn start_sleeping(&self, count: usize) -> Vec<JobId> {
        let specs = (0..count).map(|_| spec(&["sleep", "100000"])).collect();
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
            self.removed(*id).await;
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
