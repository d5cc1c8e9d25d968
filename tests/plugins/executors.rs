//! Executors that are plugins, through the whole engine: the built-in `mock`.

use std::time::Duration;

use windlass::job::{JobFact, NamedTask, Outcome, Reason, RetryPolicy, Task};
use windlass::plugin::parse_config;
use windlass::{Engine, EngineConfig, Error, JobId, JobSpec, State};

const GRANTS: &str = "[plugin.mock]\nsource = \"/tmp/mockp/mock.wasm\"\nwork = \"write\"\n";

struct Stage {
    engine: Engine,
    dir: tempfile::TempDir,
}

fn mock(options: &str) -> JobSpec {
    JobSpec::new(Task::Named(NamedTask { executor: "mock".into(), params: options.as_bytes().to_vec() }))
}

async fn open(dir: &std::path::Path) -> Engine {
    let config = EngineConfig { default_slots: 64, shutdown_grace_ms: 0, ..EngineConfig::default() };
    let grants = parse_config(GRANTS.as_bytes()).unwrap();
    Engine::builder(dir).config(config).plugins(grants).open().await.unwrap()
}

impl Stage {
    async fn new() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        Stage { engine: open(dir.path()).await, dir }
    }

    async fn run(&self, options: &str) -> JobId {
        let id = self.engine.submit(mock(options)).await.unwrap();
        let over = tokio::time::timeout(Duration::from_secs(60), self.engine.wait(id));
        over.await.expect("it hangs").unwrap();
        id
    }

    fn end(&self, id: JobId) -> (State, Option<Reason>) {
        let status = self.engine.get(id).unwrap().job.status;
        (status.state, status.reason)
    }

    fn log(&self, id: JobId) -> String {
        let page = self.engine.logs(id, None, 0, 1 << 20).unwrap();
        page.chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_succeeds_with_its_log() {
    let stage = Stage::new().await;
    let id = stage.run(r#"{"run_ms": 50, "print": "hello", "lines": 3}"#).await;
    assert_eq!(stage.end(id), (State::Succeeded, None));
    assert_eq!(stage.log(id), "hello\nhello\nhello\n");
}
