//! The plugins for S3 on a real store.

mod conformance;
mod fetches;
mod jobs;
mod refusals;
mod stores;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass::config::PluginBounds;
use windlass::plugin::conformance::Subject;
use windlass::plugin::contract::{Answer, FetchItem, FetchRequest, Fetched, FetcherPlugin};
use windlass::plugin::{Candidate, EMBEDDED, parse_config};
use windlass_backends::S3Keys;

/// Where compiled code is kept from one run to the next.
fn store() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance")
}

/// A plugin of this program.
fn candidate(name: &str) -> Candidate {
    let embedded = EMBEDDED.iter().find(|it| it.name == name).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("{name}.wasm"));
    std::fs::write(&path, embedded.component).unwrap();
    std::fs::write(dir.path().join("plugin.toml"), embedded.manifest).unwrap();
    Candidate::read(&path, PluginBounds::default().component_bytes).unwrap()
}

/// What an operator says to let a plugin reach a store.
fn grants(plugin: &str, address: impl std::fmt::Display, keys: &S3Keys, more: &str) -> String {
    let S3Keys { id, secret, token } = keys;
    let token = token.as_ref().map_or(String::new(), |token| format!(", session_token = {{ value = {token:?} }}"));
    format!(
        "[plugin.{plugin}]\nwork = \"write\"\n[plugin.{plugin}.endpoint.s3]\naddress = \"http://{address}\"\n\
         auth = {{ kind = \"sigv4\", region = \"us-east-1\", service = \"s3\", access_key_id = {{ value = {id:?} }}, \
         secret_access_key = {{ value = {secret:?} }}{token} }}\n{more}\n"
    )
}

/// The fetcher, with a work tree.
struct Stage {
    plugin: Arc<dyn FetcherPlugin>,
    work: tempfile::TempDir,
}

impl Stage {
    fn new(address: impl std::fmt::Display, keys: &S3Keys) -> Stage {
        Stage::with(address, keys, "")
    }

    /// With more that the operator says, of the endpoint first.
    fn with(address: impl std::fmt::Display, keys: &S3Keys, more: &str) -> Stage {
        let grants = parse_config(grants("s3", address, keys, more).as_bytes()).unwrap();
        let subject = Subject::fetcher(&candidate("s3"), grants.plugins.get("s3"), &store()).unwrap();
        Stage { plugin: subject.first().clone(), work: tempfile::tempdir().unwrap() }
    }

    /// All items of some options, and the sizes of the pages.
    async fn items(&self, options: &str) -> Answer<(Vec<FetchItem>, Vec<usize>)> {
        let (mut items, mut pages, mut cursor) = (Vec::new(), Vec::new(), None);
        loop {
            let page = self.plugin.items(request(options), cursor.take()).await?;
            pages.push(page.entries.len());
            items.extend(page.entries);
            cursor = page.next;
            if cursor.is_none() {
                return Ok((items, pages));
            }
        }
    }

    async fn fetch(&self, options: &str, item: &FetchItem) -> Answer<Fetched> {
        self.plugin.fetch(request(options), item.clone(), self.work.path().to_owned()).await
    }

    /// A file that was brought.
    fn file(&self, name: &str) -> PathBuf {
        self.work.path().join("input/s3").join(name)
    }
}

fn request(options: &str) -> FetchRequest {
    FetchRequest { options: options.to_owned(), destination: "input/s3".to_owned(), keys: Vec::new() }
}
