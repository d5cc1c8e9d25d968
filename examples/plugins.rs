//! Jobs of a plugin: an executor that is a WebAssembly component, and may do what its operator grants. This one is built in,
//! pretends to run things, and needs no platform.
//!
//! `cargo run --example plugins`

use windlass::job::{NamedTask, Task};
use windlass::plugin::parse_config;
use windlass::{Engine, Error, JobSpec, State};

/// What a program that embeds the engine, or `windlass.toml`, says of plugins. What is not named here stays idle.
const GRANTS: &str = r#"
[plugin.mock]
work = "write"

[plugin.mock.limits]
memory = "32 MiB"
call_time = "5s"
"#;

fn mock(options: &str) -> JobSpec {
    JobSpec::new(Task::Named(NamedTask { executor: "mock".into(), params: options.into() }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let grants = parse_config(GRANTS.as_bytes()).map_err(Error::Invalid)?;
    let engine = Engine::builder(dir.path()).plugins(grants.clone()).open().await?;

    // The plugin checks what is asked of it before the job is accepted.
    let refused = engine.submit(mock(r#"{"run_ms": "long"}"#)).await;
    assert!(matches!(&refused, Err(Error::Invalid(problems)) if problems.len() == 1), "{refused:?}");

    // A run goes on while the engine is away: the next life of the engine finds it by its name.
    let id = engine.submit(mock(r#"{"run_ms": 500, "print": "line {n}", "lines": 3}"#)).await?;
    engine.shutdown().await;
    drop(engine);
    let engine = Engine::builder(dir.path()).plugins(grants).open().await?;
    let job = engine.wait(id).await?;

    let log = engine.logs(id, None, 0, 1 << 20)?;
    let text: String = log.chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned()).collect();
    print!("{text}");
    assert_eq!((job.state(), job.job.status.attempt), (State::Succeeded, 1));
    assert_eq!(text, "line 1\nline 2\nline 3\n");
    engine.shutdown().await;
    Ok(())
}
