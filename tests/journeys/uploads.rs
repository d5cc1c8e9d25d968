//! Items that are uploaded piece by piece while their job is open.

use std::path::Path;

use windlass::job::{ItemCounts, Items};
use windlass::{Engine, EngineConfig, Error, FunctionContext, FunctionError, JobId, JobSpec, State};

async fn open(dir: &Path) -> Engine {
    let read = |context: FunctionContext, (): ()| async move {
        let work = context.work().ok_or_else(|| FunctionError::new("no work tree"))?;
        let text = std::fs::read_to_string(work.join("input/in/text"))?;
        // What an attempt does to its inputs is not the next one's affair.
        std::fs::write(work.join("input/in/text"), "changed")?;
        if context.attempt().attempt == 1 && text == "again" {
            return Err(FunctionError::new("once more"));
        }
        Ok(text)
    };
    let config = EngineConfig { shutdown_grace_ms: 0, ..EngineConfig::default() };
    Engine::builder(dir).config(config).function("read", read).open().await.unwrap()
}

fn spec() -> JobSpec {
    let mut spec = JobSpec::function("read", "null").with_items(Items::default());
    spec.open_items = true;
    spec.retry.max_attempts = 2;
    spec.retry.backoff.initial_ms = 1;
    spec
}

async fn ended(engine: &Engine, id: JobId) -> windlass::job::Job {
    let ended = tokio::time::timeout(std::time::Duration::from_secs(40), engine.wait(id)).await;
    ended.expect("it hangs").unwrap().job
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_make_items_and_survive_the_engine() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    let id = engine.submit(spec()).await.unwrap();
    assert_eq!(engine.upload(id, "one", "in/text", None, b"on").await.unwrap(), 2);
    assert_eq!(engine.upload(id, "", "in/text", Some(0), b"again").await.unwrap(), 5);
    assert_eq!(engine.get(id).unwrap().job.status.items.total, 2);
    // As a crash would.
    drop(engine);
    let engine = open(dir.path()).await;
    assert_eq!(engine.upload(id, "one", "in/text", Some(2), b"e").await.unwrap(), 3);
    let late = engine.upload(id, "one", "in/text", Some(2), b"e").await.unwrap_err().to_string();
    assert!(late.contains("\"in/text\" has 3 bytes"), "{late}");
    for (item, path, says) in [
        ("a\0b", "in/text", "item: it is no name of an item"),
        ("one", "../text", "input: \"../text\" is no path of a file"),
        ("one", "in", "piece: \"in\" is a folder"),
    ] {
        let told = engine.upload(id, item, path, None, b"x").await.unwrap_err().to_string();
        assert!(told.contains(says), "{told}");
    }
    let many = (0..20).map(|number| {
        let engine = engine.clone();
        tokio::spawn(async move { engine.upload(id, &format!("n{}", number % 10), "in/text", None, b"x").await })
    });
    for uploaded in many.collect::<Vec<_>>() {
        uploaded.await.unwrap().unwrap();
    }
    engine.close_items(id).await.unwrap();
    let refused = engine.upload(id, "late", "in/text", None, b"x").await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    let job = ended(&engine, id).await;
    let expected = ItemCounts { total: 12, succeeded: 12, ..ItemCounts::default() };
    assert_eq!((job.state(), job.status.items), (State::Succeeded, expected), "{:?}", job.status.reason);
    let items = engine.items(id, None, 100).unwrap().items;
    let text = |name: &str| {
        let item = items.iter().find(|item| item.name == name).unwrap();
        String::from_utf8(item.output.clone().unwrap()).unwrap()
    };
    assert_eq!((text("one").as_str(), text("").as_str(), text("n3").as_str()), ("\"one\"", "\"again\"", "\"xx\""));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_job_that_is_cancelled_or_has_nothing_runs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    let id = engine.submit(spec()).await.unwrap();
    engine.upload(id, "one", "in/text", None, b"x").await.unwrap();
    engine.cancel(id, "me").await.unwrap();
    assert_eq!(engine.items(id, None, 9).unwrap().items[0].job.state(), State::Cancelled);
    assert!(matches!(engine.upload(id, "one", "in/text", None, b"x").await, Err(Error::Conflict(_))));
    let empty = engine.submit(spec()).await.unwrap();
    engine.close_items(empty).await.unwrap();
    let job = ended(&engine, empty).await;
    assert_eq!(job.state(), State::Failed);
    let closed = engine.submit(JobSpec { open_items: false, ..spec() }).await.unwrap_err().to_string();
    assert!(closed.starts_with("items: there is none"), "{closed}");
    engine.shutdown().await;
}
