//! The fetcher `jdbc`, with a driver that it does not speak for.

use std::path::Path;

use serde_json::json;
use windlass::config::PluginBounds;
use windlass::plugin::conformance::Subject;
use windlass::plugin::contract::{Answer, ErrorKind, FetchRequest};
use windlass::plugin::{Candidate, EMBEDDED, PluginConfig, WorkAccess};

use super::{ALL, H2, grant};

/// What is brought, through the plugin that is part of this program.
async fn fetched(config: &PluginConfig, options: &serde_json::Value) -> Answer<String> {
    let embedded = EMBEDDED.iter().find(|it| it.name == "jdbc").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jdbc.wasm");
    std::fs::write(&path, embedded.component).unwrap();
    std::fs::write(dir.path().join("plugin.toml"), embedded.manifest).unwrap();
    let candidate = Candidate::read(&path, PluginBounds::default().component_bytes).unwrap();
    let store = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    let plugin = Subject::fetcher(&candidate, Some(config), &store).unwrap().first().clone();
    let request = FetchRequest { options: options.to_string(), destination: "input".to_owned(), keys: Vec::new() };
    let item = plugin.items(request.clone(), None).await?.entries.remove(0);
    let fetched = plugin.fetch(request, item, dir.path().to_owned()).await?;
    Ok(std::fs::read_to_string(dir.path().join("input").join(fetched.path)).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_the_plugin_does_not_speak_is_that_of_the_operator() {
    let Some(sql) = grant(&["jdbc:h2:mem:"]) else { return };
    let config = PluginConfig { work: WorkAccess::Write, sql: Some(sql), ..PluginConfig::default() };
    let mut options = json!({ "driver": H2, "url": "jdbc:h2:mem:", "max_rows": 3,
        "query": "SELECT X AS \"id\", TRUE AS \"yes\" FROM SYSTEM_RANGE(1, 3)" });
    let text = fetched(&config, &options).await.unwrap();
    assert_eq!(text, "{\"id\":1,\"yes\":true}\n{\"id\":2,\"yes\":true}\n{\"id\":3,\"yes\":true}\n");
    options["max_rows"] = json!(2);
    let error = fetched(&config, &options).await.unwrap_err();
    assert!(error.kind == ErrorKind::Exhausted && error.message.contains("more than 2 rows"), "{error}");
    options["driver"] = json!("com.example.Driver");
    let error = fetched(&config, &options).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    for driver in ALL.into_iter().chain(["postgresql", "com.mysql.cj.jdbc.Driver"]) {
        assert!(error.message.contains(driver), "{driver} in {error}");
    }
    let nothing = PluginConfig { sql: None, ..config };
    let error = fetched(&nothing, &options).await.unwrap_err();
    assert!(error.kind == ErrorKind::Denied && error.message.contains("[plugin.NAME.sql]"), "{error}");
}
