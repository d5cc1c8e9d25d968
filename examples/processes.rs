//! Programs as jobs of an embedding program, which may end while they run: the next life finds them again.

use windlass::job::JobSpec;
use windlass::{Engine, State, Supervisor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // This program is also the supervisor of its jobs: that comes before anything else.
    windlass::supervise_if_asked();
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::temp_dir().join(format!("windlass-processes-{}", std::process::id()));
    let open = || Engine::builder(&directory).process(Supervisor::current_exe()).open();

    let engine = open().await?;
    let job = JobSpec::process("sh", ["-c", "echo begin; sleep 1; echo \"hello $NAME, token $TOKEN\"; exit 7"]);
    let mut job = job.option("NAME", "world");
    job.options.set_secret("TOKEN", "correct horse battery staple");
    let id = engine.submit(job).await?;
    while engine.logs(id, None, 0, 4096)?.chunks.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // Gone without a word, as in a crash. The program runs on.
    drop(engine);

    let engine = open().await?;
    let job = engine.wait(id).await?;
    assert_eq!((job.state(), job.job.status.attempt), (State::Failed, 1));
    assert_eq!(job.job.status.reason.map(|reason| reason.to_string()).as_deref(), Some("exit code 7"));
    let log: Vec<u8> = engine.logs(id, None, 0, 4096)?.chunks.into_iter().flat_map(|chunk| chunk.bytes).collect();
    assert_eq!(String::from_utf8(log)?, "begin\nhello world, token ***\n");
    engine.shutdown().await;
    std::fs::remove_dir_all(directory)?;
    Ok(())
}
