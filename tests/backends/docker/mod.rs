//! The `docker` executor on a real Docker Engine.

mod conformance;
mod definitions;
mod ends;
mod files;
mod journeys;
mod logs;
mod options;
mod refusals;
mod workless;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use windlass::files::Layout;
use windlass::job::{NamedTask, Reason, Task};
use windlass::plugin::parse_config;
use windlass::{Engine, EngineConfig, JobId, JobSpec, KeepWork, State};
use windlass_backends::{BUSYBOX, Docker};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// An engine in a directory of its own, with the plugin on a Docker Engine.
struct Stage {
    dir: tempfile::TempDir,
    engine: Engine,
    grants: String,
}

/// What an operator says to let the plugin reach a Docker Engine.
fn grants(docker: &Docker, more: &str) -> String {
    let address = docker.unix_address();
    format!("[plugin.docker]\nwork = \"write\"\n{more}\n[plugin.docker.endpoint.docker]\naddress = \"{address}\"\n")
}

async fn open(dir: &Path, grants: &str, config: EngineConfig) -> Engine {
    let config = EngineConfig { shutdown_grace_ms: 0, keep_work: KeepWork::All, ..config };
    let grants = parse_config(grants.as_bytes()).unwrap();
    Engine::builder(dir).config(config).plugins(grants).open().await.unwrap()
}

fn spec(options: &Value) -> JobSpec {
    let params = options.to_string().into_bytes();
    JobSpec::new(Task::Named(NamedTask { executor: "docker".into(), params }))
}

/// A container that runs a script of the shell.
fn script(script: &str) -> Value {
    json!({ "image": BUSYBOX, "command": ["sh", "-c", script] })
}

impl Stage {
    async fn new(docker: &Docker) -> Stage {
        Stage::with(docker, "").await
    }

    /// With more that the operator says of the plugin.
    async fn with(docker: &Docker, more: &str) -> Stage {
        Stage::granted(grants(docker, more)).await
    }

    async fn granted(grants: String) -> Stage {
        Stage::configured(grants, EngineConfig::default()).await
    }

    async fn configured(grants: String, config: EngineConfig) -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path(), &grants, config).await;
        Stage { dir, engine, grants }
    }

    /// Drops the engine without a word, as in a crash, and opens the next one.
    async fn crashed(self) -> Stage {
        drop(self.engine);
        let engine = open(self.dir.path(), &self.grants, EngineConfig::default()).await;
        Stage { engine, ..self }
    }

    async fn submit(&self, spec: JobSpec) -> JobId {
        self.engine.submit(spec).await.unwrap()
    }

    /// How a job ends.
    async fn end(&self, id: JobId) -> (State, Option<Reason>) {
        let over = tokio::time::timeout(PATIENCE, self.engine.wait(id)).await;
        let job = over.expect("it hangs").unwrap();
        (job.state(), job.job.status.reason.clone())
    }

    async fn run(&self, options: &Value) -> (JobId, State, Option<Reason>) {
        let id = self.submit(spec(options)).await;
        let (state, reason) = self.end(id).await;
        (id, state, reason)
    }

    /// Runs a container to its success; what it printed.
    async fn prints(&self, options: &Value) -> String {
        let (id, state, reason) = self.run(options).await;
        assert_eq!((state, reason), (State::Succeeded, None), "{}", self.log(id));
        self.log(id)
    }

    /// Why a job failed.
    async fn fails(&self, options: &Value) -> Reason {
        let (id, state, reason) = self.run(options).await;
        assert_eq!(state, State::Failed, "{}", self.log(id));
        reason.unwrap()
    }

    fn log(&self, id: JobId) -> String {
        let page = self.engine.logs(id, None, 0, 4 << 20).unwrap();
        page.chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned()).collect()
    }

    /// A file or directory of the work tree of a first attempt.
    fn work(&self, id: JobId, path: &str) -> std::path::PathBuf {
        Layout::new(self.dir.path()).work(id, 1).join(path)
    }

    /// Returns when a job has said something.
    async fn says(&self, id: JobId, text: &str) {
        within(async || self.log(id).contains(text)).await;
    }
}

/// What comes true some time.
async fn within(mut look: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("it does not come");
}

/// Everything of a job that is on the Docker Engine.
fn left(docker: &Docker, id: JobId) -> (usize, usize) {
    let label = format!("windlass.job={id}");
    (docker.containers(&label).len(), docker.volumes(&label).len())
}

/// Nothing of a job stays on the Docker Engine.
async fn is_clean(docker: &Docker, id: JobId) {
    within(async || left(docker, id) == (0, 0)).await;
}

/// The name of the container of a first attempt.
fn container(id: JobId) -> String {
    format!("containergroup-{id}")
}
