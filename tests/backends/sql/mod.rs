//! The fetcher `jdbc` on real databases.

mod conformance;
mod jobs;
mod limits;
mod mariadb;
mod postgresql;
mod refusals;
mod streams;
mod tls;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};
use windlass::config::PluginBounds;
use windlass::plugin::conformance::Subject;
use windlass::plugin::contract::{Answer, FetchItem, FetchRequest, Fetched, FetcherPlugin, PluginError};
use windlass::plugin::{Candidate, EMBEDDED, parse_config};
use windlass_backends::Database;

/// The password of every user.
const PASSWORD: &str = "pass wörd:1";

/// PostgreSQL with its users; none when these tests are left out.
fn postgresql() -> Option<&'static Database> {
    static READY: OnceLock<()> = OnceLock::new();
    let database = Database::postgresql()?;
    READY.get_or_init(|| {
        database.run(&format!(
            "CREATE ROLE windlass LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}'; \
             CREATE ROLE simple LOGIN PASSWORD '{PASSWORD}'; SET password_encryption = 'md5'; \
             CREATE ROLE old LOGIN PASSWORD '{PASSWORD}'; CREATE TABLE secrets (a int); \
             CREATE TABLE things (a int); INSERT INTO things VALUES (1); GRANT ALL ON things TO windlass"
        ));
    });
    Some(database)
}

/// MariaDB with its users; none when these tests are left out.
fn mariadb() -> Option<&'static Database> {
    static READY: OnceLock<()> = OnceLock::new();
    let database = Database::mariadb()?;
    READY.get_or_init(|| {
        database.run(&format!(
            "SET NAMES utf8mb4; CREATE DATABASE shop; \
             CREATE USER windlass@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE SSL; GRANT ALL ON shop.* TO windlass@'%'; \
             CREATE USER plain@'%' IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON shop.* TO plain@'%'; \
             CREATE TABLE shop.things (a int); INSERT INTO shop.things VALUES (1); \
             CREATE DATABASE secrets; CREATE TABLE secrets.secrets (a int)"
        ));
    });
    Some(database)
}

/// Where compiled code is kept from one run to the next.
fn store() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance")
}

/// The plugin of this program.
fn candidate() -> Candidate {
    let embedded = EMBEDDED.iter().find(|it| it.name == "jdbc").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jdbc.wasm");
    std::fs::write(&path, embedded.component).unwrap();
    std::fs::write(dir.path().join("plugin.toml"), embedded.manifest).unwrap();
    Candidate::read(&path, PluginBounds::default().component_bytes).unwrap()
}

/// What an operator says to let the plugin reach a port of this machine.
fn grants(port: u16, ca: &Path, more: &str) -> String {
    format!(
        "[plugin.jdbc]\nwork = \"write\"\n[plugin.jdbc.connection.database]\nhosts = [\"localhost\", \"127.0.0.1\"]\n\
         ports = [{port}]\nca = {ca:?}\n{more}\n"
    )
}

/// The fetcher, with a work tree.
struct Stage {
    plugin: Arc<dyn FetcherPlugin>,
    work: tempfile::TempDir,
}

impl Stage {
    fn new(database: &Database) -> Stage {
        Stage::with(database.address().port(), database.ca(), "")
    }

    /// With more that the operator says, of the connection first.
    fn with(port: u16, ca: &Path, more: &str) -> Stage {
        let grants = parse_config(grants(port, ca, more).as_bytes()).unwrap();
        let subject = Subject::fetcher(&candidate(), grants.plugins.get("jdbc"), &store()).unwrap();
        Stage { plugin: subject.first().clone(), work: tempfile::tempdir().unwrap() }
    }

    async fn fetch(&self, options: &Value) -> Answer<Fetched> {
        let request = request(options);
        let page = self.plugin.items(request.clone(), None).await?;
        let [item]: [FetchItem; 1] = page.entries.try_into().unwrap();
        assert_eq!(page.next, None);
        self.plugin.fetch(request, item, self.work.path().to_owned()).await
    }

    /// The lines that come.
    async fn rows(&self, options: &Value) -> Vec<String> {
        let fetched = self.fetch(options).await.unwrap_or_else(|error| panic!("{options}: {error}"));
        let text = std::fs::read_to_string(self.file(&fetched.path)).unwrap();
        assert_eq!(text.len() as u64, fetched.bytes);
        text.lines().map(str::to_owned).collect()
    }

    /// The error that comes; it leaves no file and shows no password.
    async fn refused(&self, options: &Value) -> PluginError {
        let error = self.fetch(options).await.unwrap_err();
        let left = std::fs::read_dir(self.file("")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{error}");
        assert!(!format!("{error:?}").contains(PASSWORD), "{error}");
        error
    }

    /// A file that was brought.
    fn file(&self, name: &str) -> PathBuf {
        self.work.path().join("input/jdbc").join(name)
    }
}

fn request(options: &Value) -> FetchRequest {
    FetchRequest { options: options.to_string(), destination: "input/jdbc".to_owned(), keys: Vec::new() }
}

/// A request to a database, with a certificate that is looked at.
fn on_postgresql(port: u16, query: &str) -> Value {
    json!({
        "url": format!("jdbc:postgresql://localhost:{port}/postgres?sslmode=verify-full&ApplicationName=windlass%20test"),
        "username": "windlass", "password": PASSWORD, "query": query,
    })
}

fn on_mariadb(port: u16, query: &str) -> Value {
    json!({
        "url": format!("jdbc:mariadb://localhost:{port}/shop?sslMode=verify-full"),
        "username": "windlass", "password": PASSWORD, "query": query,
    })
}

/// The same with another value of a field.
fn but(mut options: Value, field: &str, value: impl Into<Value>) -> Value {
    options[field] = value.into();
    options
}
