//! What the suite has a sink do: `conformance.toml`. What it stores stays there: a sink cannot remove it.
//!
//! ```toml
//! # The options of a store that may be written to.
//! request = { directory = "conformance" }
//! # The files that are stored, by their names. Optional.
//! files = { "a.txt" = "hello", "b/c.txt" = "" }
//! ```

use std::collections::BTreeMap;

use super::super::Suite;
use super::super::fetcher::read_texts;
use super::super::options::read_options;
use super::super::report::{Check, Report};
use super::super::scene::perform;
use super::super::subject::Subject;
use super::checks;
use super::stage::Stage;
use crate::error::Problem;
use crate::executors::BoxFuture;
use crate::plugin::contract::SinkPlugin;
use crate::plugin::fields::{Fields, Problems, read_document};

const MOST_BYTES: usize = 1 << 20;
const KNOWN: [&str; 2] = ["request", "files"];

/// What the suite has a sink do, see above.
#[derive(Clone, Debug)]
pub struct SinkCases {
    /// The options of a store that may be written to, a JSON object.
    pub request: String,
    /// The files that are stored, by their names; two at least.
    pub files: BTreeMap<String, String>,
}

impl Suite for SinkCases {
    type Plugin = dyn SinkPlugin;

    fn parse(text: &[u8]) -> Result<SinkCases, Vec<Problem>> {
        let mut problems = Problems::default();
        let Some(table) = read_document(text, MOST_BYTES, &mut problems) else {
            return Err(problems.into_list());
        };
        let fields = Fields::of(&table, "", &KNOWN, &mut problems);
        let request = read_options(&fields, "request", "the options of a store that may be written to", &mut problems);
        let files = match fields.get("files") {
            None => usual_files(),
            Some(field) => {
                let files = read_texts(&field, &mut problems).unwrap_or_default();
                if files.len() < 2 {
                    field.fail(&mut problems, "there are too few", "two files at least");
                }
                files
            }
        };
        match request {
            Some(request) if problems.are_none() => Ok(SinkCases { request, files }),
            _ => Err(problems.into_list()),
        }
    }

    fn perform<'a>(
        &'a self,
        subject: &'a Subject<dyn SinkPlugin>,
        told: &'a mut (dyn FnMut(&Check) + Send),
    ) -> BoxFuture<'a, Report> {
        Box::pin(async move { perform(&Stage::new(subject, self), checks(), told).await })
    }
}

/// One that is empty, one whose name is not simple, one that is longer than a buffer.
fn usual_files() -> BTreeMap<String, String> {
    [("empty", String::new()), ("a/b c+é%.txt", "hello".to_owned()), ("long.txt", "0123456789abcdef".repeat(20_000))]
        .map(|(name, text)| (name.to_owned(), text))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_and_every_mistake_is_told() {
        let cases = SinkCases::parse(b"request = { to = \"x\" }").unwrap();
        assert_eq!((cases.request.as_str(), cases.files.len()), (r#"{"to":"x"}"#, 3));
        let told = SinkCases::parse(b"files = { a = \"\" }\nrequests = 1").unwrap_err();
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        for says in ["request: it is missing", "files: there are too few", "requests: unknown field"] {
            assert!(told.iter().any(|it| it.contains(says)), "{says} in {told:?}");
        }
    }
}
