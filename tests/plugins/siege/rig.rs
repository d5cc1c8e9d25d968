//! An engine with a hostile plugin and an honest one.

use std::time::Duration;

use tempfile::TempDir;
use windlass::job::{NamedTask, Reason, Step, Task};
use windlass::plugin::parse_config;
use windlass::{Engine, EngineConfig, Error, JobId, JobSpec, State, WasmConfig};

use crate::programs::HOSTILE;

/// However slow the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// Calls are given little time, so that those which take all of it are over soon.
const LIMITS: &str = "call_time = \"400ms\"\ntransfer_time = \"400ms\"";

pub(crate) struct Siege {
    pub(crate) engine: Engine,
    pub(crate) dir: TempDir,
}

/// A job of the hostile plugin with these options.
pub(crate) fn hostile(options: &str) -> JobSpec {
    job("hostile", options)
}

pub(crate) fn job(executor: &str, options: &str) -> JobSpec {
    JobSpec::new(Task::Named(NamedTask { executor: executor.into(), params: options.as_bytes().to_vec() }))
}

/// What the operator writes; `settings` is for the calls that are about no job.
pub(crate) fn grants(settings: &str, limits: &str, more: &str) -> String {
    let source = HOSTILE.display();
    format!(
        "[plugin.mock]\nwork = \"write\"\n[plugin.hostile]\nsource = \"{source}\"\nwork = \"write\"\n\
         settings = {{ {settings} }}\n[plugin.hostile.limits]\n{limits}\n{more}\n"
    )
}

pub(crate) fn config() -> EngineConfig {
    let wasm = WasmConfig { unpack_bytes: 1 << 20, ..WasmConfig::default() };
    let mut config = EngineConfig { default_slots: 64, shutdown_grace_ms: 0, wasm, ..EngineConfig::default() };
    config.platforms.last_lines_ms = 1_000;
    config
}

impl Siege {
    pub(crate) async fn new() -> Siege {
        Siege::with("", "").await
    }

    pub(crate) async fn with(settings: &str, more: &str) -> Siege {
        Siege::open(config(), &grants(settings, LIMITS, more)).await
    }

    pub(crate) async fn open(config: EngineConfig, grants: &str) -> Siege {
        let dir = tempfile::tempdir().unwrap();
        let grants = parse_config(grants.as_bytes()).unwrap();
        let engine = Engine::builder(dir.path()).config(config).plugins(grants).open().await.unwrap();
        Siege { engine, dir }
    }

    /// Gives the plugin other settings.
    pub(crate) fn set(&self, settings: &str) {
        self.set_within(settings, LIMITS);
    }

    /// The same with other limits.
    pub(crate) fn set_within(&self, settings: &str, limits: &str) {
        let grants = parse_config(grants(settings, limits, "").as_bytes()).unwrap();
        self.engine.refresh_plugins(Some(grants)).unwrap();
    }

    pub(crate) async fn submit(&self, options: &str) -> JobId {
        self.engine.submit(hostile(options)).await.unwrap()
    }

    pub(crate) async fn ended(&self, id: JobId) -> (State, Option<Reason>) {
        let wait = tokio::time::timeout(PATIENCE, self.engine.wait(id));
        let status = wait.await.expect("it hangs").unwrap().job.status;
        (status.state, status.reason)
    }

    /// How a job ends that is given a second and a half.
    pub(crate) async fn ends(&self, options: &str) -> (State, Option<Reason>) {
        let mut spec = hostile(options);
        spec.deadlines.attempt_ms = Some(1_500);
        let id = self.engine.submit(spec).await.unwrap();
        self.ended(id).await
    }

    /// Why it was not started, or what failed in it.
    pub(crate) async fn told(&self, options: &str) -> String {
        let id = self.submit(options).await;
        match self.ended(id).await {
            (State::Failed, Some(Reason::NotStarted(told) | Reason::Error(told))) => told,
            other => panic!("{options}: {other:?}"),
        }
    }

    /// Why it is not accepted.
    pub(crate) async fn refused(&self, options: &str) -> String {
        match self.engine.submit(hostile(options)).await {
            Err(Error::Invalid(problems)) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            other => panic!("{options}: {other:?}"),
        }
    }

    /// A job that is told to run and asked to stop.
    pub(crate) async fn cancelled(&self, id: JobId) -> State {
        self.engine.cancel(id, "the test").await.unwrap();
        self.ended(id).await.0
    }

    pub(crate) fn state(&self, id: JobId) -> State {
        self.engine.get(id).unwrap().job.status.state
    }

    /// Waits until its platform has it.
    pub(crate) async fn begun(&self, id: JobId) {
        until(|| self.engine.get(id).unwrap().job.status.step == Some(Step::Executing)).await;
    }

    /// Waits until its platform cannot say how it is.
    pub(crate) async fn lost(&self, id: JobId) {
        until(|| self.engine.get(id).unwrap().job.status.lost_since.is_some()).await;
    }

    pub(crate) fn log(&self, id: JobId) -> String {
        let page = self.engine.logs(id, None, 0, 32 << 20).unwrap();
        page.chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned()).collect()
    }

    /// A job of somebody else runs to its end, with its log.
    pub(crate) async fn others_are_well(&self) {
        let id = self.engine.submit(job("mock", r#"{"run_ms": 5, "print": "well", "lines": 1}"#)).await.unwrap();
        assert_eq!(self.ended(id).await, (State::Succeeded, None));
        assert_eq!(self.log(id), "well\n");
    }
}

/// Waits for what comes true some time.
pub(crate) async fn until(look: impl Fn() -> bool) {
    let come = async {
        while !look() {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    };
    tokio::time::timeout(PATIENCE, come).await.expect("it does not come");
}
