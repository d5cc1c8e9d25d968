//! What the suite has a fetcher do: `conformance.toml`.
//!
//! ```toml
//! # The options of a request whose items are there.
//! request = { texts = { "a.txt" = "hello" } }
//! # What is in some of the items, by their names. Optional.
//! content = { "a.txt" = "hello" }
//! # How many of the items are brought, the first ones. Optional.
//! most = 20
//! ```

use std::collections::BTreeMap;

use super::super::Suite;
use super::super::options::read_options;
use super::super::report::{Check, Report};
use super::super::scene::perform;
use super::super::subject::Subject;
use super::checks;
use super::stage::Stage;
use crate::error::Problem;
use crate::executors::BoxFuture;
use crate::plugin::contract::FetcherPlugin;
use crate::plugin::fields::{Field, Fields, Problems, read_document};

const MOST_BYTES: usize = 1 << 20;
const KNOWN: [&str; 3] = ["request", "content", "most"];
const MOST: u64 = 20;
const MOST_ITEMS: u64 = 10_000;

/// What the suite has a fetcher do, see above.
#[derive(Clone, Debug)]
pub struct FetcherCases {
    /// The options of a request whose items are there, a JSON object.
    pub request: String,
    /// What is in some of the items, by their names.
    pub content: BTreeMap<String, String>,
    /// How many of the items are brought.
    pub most: u64,
}

impl Suite for FetcherCases {
    type Plugin = dyn FetcherPlugin;

    fn parse(text: &[u8]) -> Result<FetcherCases, Vec<Problem>> {
        let mut problems = Problems::default();
        let Some(table) = read_document(text, MOST_BYTES, &mut problems) else {
            return Err(problems.into_list());
        };
        let fields = Fields::of(&table, "", &KNOWN, &mut problems);
        let request = read_options(&fields, "request", "the options of a request whose items are there", &mut problems);
        let content = fields.get("content").and_then(|field| read_texts(&field, &mut problems)).unwrap_or_default();
        let most = fields.get("most").and_then(|field| field.whole(&mut problems, 1, MOST_ITEMS)).unwrap_or(MOST);
        match request {
            Some(request) if problems.are_none() => Ok(FetcherCases { request, content, most }),
            _ => Err(problems.into_list()),
        }
    }

    fn perform<'a>(
        &'a self,
        subject: &'a Subject<dyn FetcherPlugin>,
        told: &'a mut (dyn FnMut(&Check) + Send),
    ) -> BoxFuture<'a, Report> {
        Box::pin(async move { perform(&Stage::new(subject, self), checks(), told).await })
    }
}

/// Texts by names.
pub(in crate::plugin::conformance) fn read_texts(
    field: &Field<'_>,
    problems: &mut Problems,
) -> Option<BTreeMap<String, String>> {
    let allowed = "a table of texts";
    let mut texts = BTreeMap::new();
    for (name, entry) in field.entries(problems, allowed)? {
        if let Some(text) = entry.text(problems, allowed) {
            texts.insert(name.to_owned(), text.to_owned());
        }
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_and_every_mistake_is_told() {
        let cases = FetcherCases::parse(b"request = { a = 1 }\ncontent = { \"a.txt\" = \"x\" }").unwrap();
        assert_eq!((cases.request.as_str(), cases.content["a.txt"].as_str(), cases.most), (r#"{"a":1}"#, "x", MOST));
        let told = FetcherCases::parse(b"content = { a = 1 }\nmost = \"all\"\nitems = []").unwrap_err();
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        for says in ["request: it is missing", "content.a:", "most:", "items: unknown field"] {
            assert!(told.iter().any(|it| it.contains(says)), "{says} in {told:?}");
        }
    }
}
