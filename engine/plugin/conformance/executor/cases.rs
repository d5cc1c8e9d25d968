//! What the suite has an executor do: `conformance.toml`.
//!
//! ```toml
//! # The options of a run that ends well soon.
//! quick = { command = ["echo", "hello"] }
//! # The options of a run that goes on until it is stopped.
//! long = { command = ["sleep", "1000"] }
//! # What the quick one prints, both streams together. Optional.
//! prints = "hello\n"
//! # The files that the quick one leaves in /work/output. Optional.
//! output = ["report.txt"]
//! # Whether runs are somewhere outside of the plugin; only asked of one whose rights do not tell. Optional.
//! platform = true
//! # How long the suite waits for a run to get where it should. Optional.
//! patience = "60s"
//! ```

use super::super::Suite;
use super::super::options::read_options;
use super::super::report::{Check, Report};
use super::super::scene::perform;
use super::super::subject::Subject;
use super::checks::checks;
use super::stage::Stage;
use crate::error::Problem;
use crate::executors::BoxFuture;
use crate::plugin::contract::ExecutorPlugin;
use crate::plugin::fields::{Field, Fields, Problems, read_document};

const MOST_BYTES: usize = 1 << 20;
const MOST_FILES: usize = 1_000;
const KNOWN: [&str; 6] = ["quick", "long", "prints", "output", "platform", "patience"];
const PATIENCE_MS: u64 = 60_000;

/// What the suite has an executor do, see above.
#[derive(Clone, Debug)]
pub struct ExecutorCases {
    /// The options of a run that ends well soon, a JSON object.
    pub quick: String,
    /// The options of a run that goes on until it is stopped, a JSON object.
    pub long: String,
    /// What the quick one prints, both streams together.
    pub prints: Option<String>,
    /// The files that the quick one leaves in `/work/output`.
    pub output: Vec<String>,
    /// Whether runs are somewhere outside of the plugin; only asked of one whose rights do not tell.
    pub platform: Option<bool>,
    /// How long the suite waits for a run to get where it should.
    pub patience_ms: u64,
}

impl Suite for ExecutorCases {
    type Plugin = dyn ExecutorPlugin;

    fn parse(text: &[u8]) -> Result<ExecutorCases, Vec<Problem>> {
        let mut problems = Problems::default();
        let Some(table) = read_document(text, MOST_BYTES, &mut problems) else {
            return Err(problems.into_list());
        };
        let fields = Fields::of(&table, "", &KNOWN, &mut problems);
        let quick = read_options(&fields, "quick", "the options of a run that ends well soon", &mut problems);
        let long =
            read_options(&fields, "long", "the options of a run that goes on until it is stopped", &mut problems);
        let prints = fields.get("prints").and_then(|field| field.text(&mut problems, "a text"));
        let output = fields.get("output").and_then(|field| read_files(&field, &mut problems)).unwrap_or_default();
        let platform = fields.get("platform").and_then(|field| field.truth(&mut problems));
        let patience = fields.get("patience").and_then(|field| field.duration_ms(&mut problems));
        match (quick, long) {
            (Some(quick), Some(long)) if problems.are_none() => {
                let prints = prints.map(str::to_owned);
                Ok(ExecutorCases {
                    quick,
                    long,
                    prints,
                    output,
                    platform,
                    patience_ms: patience.unwrap_or(PATIENCE_MS),
                })
            }
            _ => Err(problems.into_list()),
        }
    }

    fn perform<'a>(
        &'a self,
        subject: &'a Subject<dyn ExecutorPlugin>,
        told: &'a mut (dyn FnMut(&Check) + Send),
    ) -> BoxFuture<'a, Report> {
        Box::pin(async move { perform(&Stage::new(subject, self), checks(), told).await })
    }
}

fn read_files(field: &Field<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let allowed = "a list of paths, relative to /work/output";
    let mut files = Vec::new();
    for element in field.list(problems, MOST_FILES, allowed)? {
        let Some(path) = element.text(problems, allowed) else { continue };
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            element.fail(problems, "it leads elsewhere", allowed);
        }
        files.push(path.to_owned());
    }
    Some(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read() {
        let cases =
            ExecutorCases::parse(b"quick = { a = [1, true] }\noutput = [\"a/b\"]\npatience = \"5s\"\n[long]\nb = 1.5")
                .unwrap();
        assert_eq!((cases.quick.as_str(), cases.long.as_str()), (r#"{"a":[1,true]}"#, r#"{"b":1.5}"#));
        assert_eq!((cases.prints, cases.output, cases.patience_ms), (None, vec!["a/b".to_owned()], 5_000));
    }

    #[test]
    fn every_mistake_is_told() {
        let told =
            ExecutorCases::parse(b"quick = 1\nprint = \"x\"\noutput = [\"../x\", 2]\npatience = \"soon\"").unwrap_err();
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        let told = told.join("\n");
        for says in [
            "quick: is a number",
            "long: it is missing",
            "print: unknown field",
            "output[0]: it leads",
            "output[1]:",
            "patience:",
        ] {
            assert!(told.contains(says), "{says} in {told}");
        }
    }
}
