//! An engine that runs WebAssembly, in a directory of its own.

use std::path::PathBuf;

use tempfile::TempDir;
use windlass::job::Reason;
use windlass::plugin::wasm::WasmTask;
use windlass::{Engine, EngineConfig, JobId, JobSpec, JobView, State};

use crate::programs::TOOL;

pub(crate) struct Stage {
    pub(crate) dir: TempDir,
    pub(crate) engine: Engine,
}

/// The tool with these arguments.
pub(crate) fn tool(args: &[&str]) -> WasmTask {
    WasmTask { args: args.iter().map(|arg| (*arg).to_owned()).collect(), ..WasmTask::new(&*TOOL) }
}

impl Stage {
    pub(crate) async fn new() -> Stage {
        Stage::with(EngineConfig::default()).await
    }

    pub(crate) async fn with(config: EngineConfig) -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(&dir, config).await;
        Stage { dir, engine }
    }

    /// Shuts the engine down and opens the next one on what it leaves.
    pub(crate) async fn reopened(self) -> Stage {
        self.engine.shutdown().await;
        drop(self.engine);
        let engine = open(&self.dir, EngineConfig::default()).await;
        Stage { dir: self.dir, engine }
    }

    /// Drops the engine without a word, as in a crash, and opens the next one.
    pub(crate) async fn crashed(self) -> Stage {
        drop(self.engine);
        let engine = open(&self.dir, EngineConfig::default()).await;
        Stage { dir: self.dir, engine }
    }

    pub(crate) async fn submit(&self, spec: impl Into<JobSpec>) -> JobId {
        self.engine.submit(spec.into()).await.unwrap()
    }

    pub(crate) async fn run(&self, spec: impl Into<JobSpec>) -> JobView {
        let id = self.submit(spec).await;
        self.engine.wait(id).await.unwrap()
    }

    /// Runs it to its success; what it printed.
    pub(crate) async fn prints(&self, spec: impl Into<JobSpec>) -> String {
        let job = self.run(spec).await;
        assert_eq!((job.state(), &job.job.status.reason), (State::Succeeded, &None), "{}", self.log(job.job.id));
        self.log(job.job.id)
    }

    /// Why it failed.
    pub(crate) async fn fails(&self, spec: impl Into<JobSpec>) -> Reason {
        let job = self.run(spec).await;
        assert_eq!(job.state(), State::Failed);
        job.job.status.reason.unwrap()
    }

    pub(crate) fn log(&self, id: JobId) -> String {
        let page = self.engine.logs(id, None, 0, 1 << 20).unwrap();
        page.chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned()).collect()
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn compiled(&self) -> Vec<PathBuf> {
        let dir = std::fs::read_dir(self.dir.path().join("compiled")).unwrap();
        dir.map(|entry| entry.unwrap().path()).collect()
    }
}

async fn open(dir: &TempDir, config: EngineConfig) -> Engine {
    Engine::builder(dir.path()).config(config).wasm().open().await.unwrap()
}
