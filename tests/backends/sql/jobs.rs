//! Jobs whose items are the rows of a real database.

use std::time::Duration;

use windlass::job::{Fetch, Items, Reason};
use windlass::plugin::parse_config;
use windlass::{Engine, JobSpec, State, Supervisor};

use super::{PASSWORD, but, grants, on_postgresql, postgresql};

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_a_query_is_an_item_and_columns_are_its_inputs() {
    let Some(database) = postgresql() else { return };
    let port = database.address().port();
    let dir = tempfile::tempdir().unwrap();
    let builder = Engine::builder(dir.path()).process(Supervisor::new(env!("CARGO_BIN_EXE_windlass")));
    let config = grants(port, database.ca(), "");
    let engine = builder.plugins(parse_config(config.as_bytes()).unwrap()).open().await.unwrap();
    let query = "select 'text ' || n as \"input.txt\", n::numeric(30,10) as exact, null as nothing from generate_series(1, 40) n \
                 order by n";
    let work =
        "test ! -e input/nothing && cat input/input.txt > output/value && echo ' '$(cat input/exact) >> output/value";
    let spec = |options: &serde_json::Value| {
        let rows = Fetch::new("jdbc", options.to_string());
        JobSpec::process("sh", ["-c", work]).with_items(Items { parallel: Some(4), ..Items::rows(rows) })
    };
    let ended = async |spec: JobSpec| {
        let id = engine.submit(spec).await.unwrap();
        tokio::time::timeout(Duration::from_secs(120), engine.wait(id)).await.unwrap().unwrap().job
    };
    let options = on_postgresql(port, query);
    let job = ended(spec(&options)).await;
    assert_eq!((job.state(), job.status.items.succeeded), (State::Succeeded, 40), "{:?}", job.status.reason);
    let items = engine.items(job.id, None, 100).unwrap().items;
    for (number, item) in (1..).zip(&items) {
        let output = String::from_utf8(item.output.clone().unwrap()).unwrap();
        assert_eq!((item.name.clone(), output), (number.to_string(), format!("\"text {number} {number}.0000000000\"")));
    }

    let job = ended(spec(&but(options, "password", "not it"))).await;
    let Some(Reason::NotStarted(message)) = &job.status.reason else { panic!("{:?}", job.status) };
    assert!(message.starts_with("items.rows[0] from jdbc: ") && message.contains("28P01"), "{message}");
    engine.shutdown().await;
    let found = std::process::Command::new("grep").args(["-rla", PASSWORD]).arg(dir.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}
