//! A component that asks: what the engine does for it, and what it does not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use serde_json::json;
use windlass::config::PluginBounds;
use windlass::plugin::conformance::Subject;
use windlass::plugin::contract::{Answer, ErrorKind, FetchRequest, FetcherPlugin};
use windlass::plugin::{Candidate, PluginConfig, PluginRights, WorkAccess};

use super::{ALL, H2, grant};

static ASKING: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["build", "--quiet", "-p", "windlass-plugin-asking-fetcher", "--profile", "plugin"]);
    cargo.args(["--target", "wasm32-wasip2", "--target-dir"]).arg(&target);
    // What is meant for the program under test is not meant for this.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(variable);
    }
    assert!(cargo.status().unwrap().success(), "the guest is not built");
    target.join("wasm32-wasip2/plugin/windlass_plugin_asking_fetcher.wasm")
});

fn candidate() -> Candidate {
    Candidate::read(&ASKING, PluginBounds::default().component_bytes).unwrap()
}

/// The fetcher, with a work tree.
struct Stage {
    plugin: Arc<dyn FetcherPlugin>,
    work: tempfile::TempDir,
}

impl Stage {
    fn new(candidate: &Candidate, config: &PluginConfig) -> Stage {
        let store = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
        let subject = Subject::fetcher(candidate, Some(config), &store).unwrap();
        Stage { plugin: subject.first().clone(), work: tempfile::tempdir().unwrap() }
    }

    async fn names(&self) -> Answer<Vec<String>> {
        let page = self.plugin.items(request(&json!({ "driver": "", "url": "" })), None).await?;
        Ok(page.entries.into_iter().map(|item| item.name).collect())
    }

    /// What is brought of a query.
    async fn fetch(&self, options: &serde_json::Value) -> Answer<String> {
        let item = self.plugin.items(request(options), None).await?.entries.remove(0);
        let fetched = self.plugin.fetch(request(options), item, self.work.path().to_owned()).await?;
        Ok(std::fs::read_to_string(self.work.path().join("input").join(fetched.path)).unwrap())
    }
}

fn request(options: &serde_json::Value) -> FetchRequest {
    FetchRequest { options: options.to_string(), destination: "input".to_owned(), keys: Vec::new() }
}

fn asks(query: &str) -> serde_json::Value {
    json!({ "driver": H2, "url": "jdbc:h2:mem:", "query": query })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_asks_and_streams_what_its_grant_allows() {
    let Some(sql) = grant(&["jdbc:h2:mem:"]) else { return };
    let config = PluginConfig { work: WorkAccess::Write, sql: Some(sql), ..PluginConfig::default() };
    let stage = Stage::new(&candidate(), &config);
    assert_eq!(stage.names().await.unwrap(), ALL);
    let text = stage.fetch(&asks("SELECT X AS id, 'row ' || X AS name FROM SYSTEM_RANGE(1, 100000)")).await.unwrap();
    assert_eq!(text.lines().count(), 100_000);
    assert!(text.ends_with("{\"ID\":100000,\"NAME\":\"row 100000\"}\n"));
    let mut limited = asks("SELECT X FROM SYSTEM_RANGE(1, 10)");
    limited["rows"] = json!(9);
    let error = stage.fetch(&limited).await.unwrap_err();
    assert!(error.kind == ErrorKind::Exhausted && error.message.contains("more than 9 rows"), "{error}");
    let error = stage.fetch(&asks("SELECT * FROM nowhere")).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Invalid, Some("42S04")), "{error}");
    let mut elsewhere = asks("SELECT 1");
    elsewhere["url"] = json!("jdbc:h2:/etc/x");
    assert_eq!(stage.fetch(&elsewhere).await.unwrap_err().kind, ErrorKind::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_does_not_ask_or_is_not_granted_gets_nothing() {
    let Some(sql) = grant(&["jdbc:h2:mem:"]) else { return };
    let granted = PluginConfig { work: WorkAccess::Write, sql: Some(sql), ..PluginConfig::default() };
    let nothing = PluginConfig { sql: None, ..granted.clone() };
    let asking = candidate();
    let mut silent = candidate();
    silent.manifest.sql = None;
    for (candidate, config) in [(&asking, &nothing), (&silent, &granted)] {
        let stage = Stage::new(candidate, config);
        for error in [stage.names().await.unwrap_err(), stage.fetch(&asks("SELECT 1")).await.unwrap_err()] {
            assert!(error.kind == ErrorKind::Denied && error.message.contains("[plugin.NAME.sql]"), "{error}");
        }
    }
    let rights = |candidate: &Candidate, config| {
        let rights = PluginRights::of(&candidate.manifest, Some(config), &PluginBounds::default());
        let keys = |list: &[windlass::plugin::Difference]| list.iter().map(|it| it.right.clone()).collect::<Vec<_>>();
        (rights.sql.is_some(), keys(&rights.missing), keys(&rights.unused))
    };
    assert_eq!(rights(&asking, &nothing), (false, vec!["sql".to_owned()], vec![]));
    assert_eq!(rights(&silent, &granted), (false, vec![], vec!["sql".to_owned()]));
    assert_eq!(rights(&asking, &granted), (true, vec![], vec![]));
}
