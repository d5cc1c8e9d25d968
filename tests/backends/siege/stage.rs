//! An engine with the plugin `docker`, and the jobs that are given to it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use windlass::files::LogStream;
use windlass::job::{NamedTask, Reason, Task};
use windlass::plugin::parse_config;
use windlass::{Engine, EngineConfig, JobId, JobSpec, JobView, State};
use windlass_backends::{BUSYBOX, Docker};

/// Nothing here takes this long unless it hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);
/// A page of a log.
const PAGE: usize = 8 << 20;

pub(super) struct Stage {
    pub(super) dir: TempDir,
    pub(super) engine: Engine,
}

/// What an operator writes to have jobs run on an engine that is reached like this.
pub(super) fn grants(endpoint: &str) -> String {
    format!("[plugin.docker]\nwork = \"write\"\n[plugin.docker.endpoint.docker]\n{endpoint}\n")
}

pub(super) fn at_socket(docker: &Docker) -> String {
    grants(&format!("address = {:?}", docker.unix_address()))
}

/// A script of the shell in a container, with more options.
pub(super) fn script(script: &str, more: &Value) -> JobSpec {
    let mut params = json!({ "image": BUSYBOX, "pull": "never", "command": ["sh", "-c", script] });
    for (name, value) in more.as_object().into_iter().flatten() {
        params[name] = value.clone();
    }
    JobSpec::new(Task::Named(NamedTask { executor: "docker".into(), params: params.to_string().into_bytes() }))
}

impl Stage {
    pub(super) async fn new(grants: &str) -> Stage {
        Stage::with(grants, EngineConfig::default()).await
    }

    pub(super) async fn with(grants: &str, config: EngineConfig) -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path(), grants, config).await;
        Stage { dir, engine }
    }

    pub(super) async fn submit(&self, spec: JobSpec) -> JobId {
        self.engine.submit(spec).await.unwrap()
    }

    /// Waits until a job is over.
    pub(super) async fn over(&self, id: JobId) -> JobView {
        let waiting = tokio::time::timeout(PATIENCE, self.engine.wait(id)).await;
        waiting.unwrap_or_else(|_| panic!("it hangs: {:?}", self.engine.get(id).unwrap())).unwrap()
    }

    /// How a job ended.
    pub(super) async fn end(&self, id: JobId) -> (State, Option<Reason>) {
        let job = self.over(id).await;
        (job.state(), job.job.status.reason.clone())
    }

    /// What a job printed to one of its streams, or to both in their order.
    pub(super) fn log(&self, id: JobId, stream: Option<LogStream>) -> Vec<u8> {
        let (mut all, mut from) = (Vec::new(), 0);
        loop {
            let page = self.engine.logs(id, None, from, PAGE).unwrap();
            assert_eq!(page.dropped_bytes, 0);
            if page.chunks.is_empty() {
                return all;
            }
            let chunks = page.chunks.iter().filter(|chunk| stream.is_none_or(|stream| stream == chunk.stream));
            chunks.for_each(|chunk| all.extend_from_slice(&chunk.bytes));
            from = page.next_offset;
        }
    }

    pub(super) fn text(&self, id: JobId) -> String {
        String::from_utf8(self.log(id, None)).unwrap()
    }

    /// Waits until a job has printed this.
    pub(super) async fn prints(&self, id: JobId, text: &str) {
        within(async || self.text(id).contains(text), || format!("{:?}", self.engine.get(id).unwrap())).await;
    }
}

pub(super) async fn open(dir: &Path, grants: &str, config: EngineConfig) -> Engine {
    let config = EngineConfig { shutdown_grace_ms: 0, ..config };
    let grants = parse_config(grants.as_bytes()).unwrap();
    Engine::builder(dir).config(config).plugins(grants).open().await.unwrap()
}

/// Waits for what comes true some time.
pub(super) async fn within(mut look: impl AsyncFnMut() -> bool, why: impl Fn() -> String) {
    let looking = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, looking).await.is_err() {
        panic!("it does not come: {}", why());
    }
}

/// The containers and volumes of jobs that are on an engine.
pub(super) fn left(docker: &Docker) -> Vec<Value> {
    let label = "windlass.engine";
    let mut left = docker.containers(label);
    left.extend(docker.volumes(label));
    left
}

/// Waits until nothing of any job is on an engine.
pub(super) async fn is_swept(docker: &Docker) {
    within(async || left(docker).is_empty(), || format!("{:#?}", left(docker))).await;
}

/// The name of the container of a first attempt.
pub(super) fn container_of(id: JobId) -> String {
    format!("containergroup-{id}")
}
