//! What the checks of fetchers have in common: requests, and work trees to bring their items into.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::super::found::{Ended, failed, good};
use super::super::scene::Scene;
use super::super::subject::{Subject, fresh_id};
use super::cases::FetcherCases;
use super::tree::{Node, nodes};
use crate::executors::BoxFuture;
use crate::files::{create_work_tree, remove_tree};
use crate::plugin::contract::{FetchItem, FetchRequest, Fetched, FetcherPlugin, Page};

/// Where items go to. Nothing makes the second part before the fetcher does.
const DESTINATION: &str = "input/conformance";
/// Pages of one list.
const MOST_PAGES: usize = 10_000;

/// Where the checks take place.
pub(super) struct Stage<'s> {
    pub(super) subject: &'s Subject<dyn FetcherPlugin>,
    pub(super) cases: &'s FetcherCases,
}

/// A page of a list, and the cursor that it was asked for with.
pub(super) struct Listed {
    pub(super) cursor: Option<String>,
    pub(super) items: Vec<FetchItem>,
}

/// A work tree to bring something into.
pub(super) struct Work(pub(super) PathBuf);

impl Work {
    /// All but directories that is in it.
    pub(super) fn nodes(&self) -> Result<BTreeMap<String, Node>, Ended> {
        nodes(&self.0).or_else(|error| failed(format!("the work tree cannot be read: {error}")))
    }

    /// Where a file was brought to.
    pub(super) fn file(&self, fetched: &Fetched) -> PathBuf {
        self.0.join(place(fetched))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.0) {
            tracing::warn!(%error, "a work tree of the conformance suite is left");
        }
    }
}

/// The path of a file in the work tree.
pub(super) fn place(fetched: &Fetched) -> String {
    format!("{DESTINATION}/{}", fetched.path)
}

impl<'s> Stage<'s> {
    pub(super) fn new(subject: &'s Subject<dyn FetcherPlugin>, cases: &'s FetcherCases) -> Stage<'s> {
        Stage { subject, cases }
    }

    pub(super) fn plugin(&self) -> &Arc<dyn FetcherPlugin> {
        self.subject.first()
    }

    pub(super) fn request(&self) -> FetchRequest {
        let options = self.cases.request.clone();
        FetchRequest { options, destination: DESTINATION.to_owned(), keys: Vec::new() }
    }

    /// A work tree with nothing in it.
    pub(super) fn work(&self) -> Result<Work, Ended> {
        let dir = self.subject.works().join(fresh_id());
        match create_work_tree(&dir, &["input", "output", "tmp"]) {
            Ok(()) => Ok(Work(dir)),
            Err(error) => failed(format!("no work tree for the suite: {}: {error}", dir.display())),
        }
    }

    /// The list from a cursor on, page by page.
    pub(super) async fn pages(&self, mut cursor: Option<String>) -> Result<Vec<Listed>, Ended> {
        let mut pages = Vec::new();
        for _ in 0..MOST_PAGES {
            let Page { entries, next } = good("items", self.plugin().items(self.request(), cursor.clone()).await)?;
            if next.is_some() && next == cursor {
                return failed("items: a page says that it is the one after itself");
            }
            pages.push(Listed { cursor, items: entries });
            cursor = next;
            if cursor.is_none() {
                return Ok(pages);
            }
        }
        failed(format!("items: more than {MOST_PAGES} pages"))
    }

    /// The whole list.
    pub(super) async fn items(&self) -> Result<Vec<FetchItem>, Ended> {
        Ok(self.pages(None).await?.into_iter().flat_map(|page| page.items).collect())
    }

    /// The items that are brought.
    pub(super) async fn some_items(&self) -> Result<Vec<FetchItem>, Ended> {
        let mut items = self.items().await?;
        if items.is_empty() {
            return failed("items: the request of the cases has none");
        }
        // Those whose content is known come first.
        items.sort_by_key(|item| !self.cases.content.contains_key(&item.name));
        items.truncate(usize::try_from(self.cases.most.max(1)).unwrap_or(usize::MAX));
        Ok(items)
    }

    /// One item, which is there.
    pub(super) async fn one_item(&self) -> Result<FetchItem, Ended> {
        match self.some_items().await?.into_iter().next() {
            Some(item) => Ok(item),
            None => failed("items: the request of the cases has none"),
        }
    }

    pub(super) async fn fetch(&self, item: &FetchItem, work: &Work) -> Result<Fetched, Ended> {
        self.fetch_by(self.plugin(), item, work).await
    }

    pub(super) async fn fetch_by(
        &self,
        plugin: &Arc<dyn FetcherPlugin>,
        item: &FetchItem,
        work: &Work,
    ) -> Result<Fetched, Ended> {
        let answer = plugin.fetch(self.request(), item.clone(), work.0.clone()).await;
        good(&format!("fetch of {:?}", item.name), answer)
    }
}

impl Scene for Stage<'_> {
    type Plugin = dyn FetcherPlugin;
    const FEATURES: &'static [&'static str] = &[];

    fn subject(&self) -> &Subject<dyn FetcherPlugin> {
        self.subject
    }

    fn options(&self) -> Vec<(&'static str, &str)> {
        vec![("request", &self.cases.request)]
    }

    fn clear(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
