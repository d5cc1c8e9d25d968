//! `windlass plugin test`: the conformance suites.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::package::{Built, CASES, unreadable};
use crate::cli::failure::{FAILED, Failure, USAGE};
use crate::cli::output::{print, print_json};
use crate::cli::store_dir::Place;
use crate::cli::table::{duration, printable};
use crate::config::PluginBounds;
use crate::error::Problem;
use crate::files::read_file;
use crate::plugin::conformance::{Check, ExecutorCases, FetcherCases, Report, SinkCases, Subject, Suite, Verdict, run};
use crate::plugin::contract::ExecutorPlugin;
use crate::plugin::{Candidate, PluginConfig, PluginKind};

const MOST_CASES_BYTES: u64 = 1 << 20;

#[derive(Serialize)]
struct CheckWire {
    name: &'static str,
    /// What it asks.
    about: &'static str,
    /// `passed`, `failed` or `skipped`.
    result: &'static str,
    ms: u64,
    why: String,
}

#[derive(Serialize)]
struct ReportWire {
    file: String,
    /// Whether nothing failed.
    passed: bool,
    checks: Vec<CheckWire>,
}

pub(super) async fn test(place: &Place, path: &Path, cases: Option<&Path>, json: bool) -> Result<u8, Failure> {
    let built = Built::find(path)?;
    let cases = cases.map_or_else(|| built.path().with_file_name(CASES), Path::to_owned);
    let run = Run { place, file: built.path(), cases: &cases, json };
    let file = match &built {
        Built::Component(file) => file,
        Built::Library(file) => return run.suite::<ExecutorCases>(library(place, file)?).await,
    };
    let candidate = Candidate::read(file, PluginBounds::default().component_bytes);
    let candidate = candidate.map_err(|refusal| Failure::new(FAILED, format!("{}: {refusal}", file.display())))?;
    match candidate.manifest.kind {
        PluginKind::Executor => run.suite::<ExecutorCases>(run.subject(&candidate, Subject::executor)?).await,
        PluginKind::Fetcher => run.suite::<FetcherCases>(run.subject(&candidate, Subject::fetcher)?).await,
        PluginKind::Sink => run.suite::<SinkCases>(run.subject(&candidate, Subject::sink)?).await,
    }
}

/// How a suite gets at what it is to test.
type Make<P> = fn(&Candidate, Option<&PluginConfig>, &Path) -> Result<Subject<P>, Vec<Problem>>;

/// One run of a suite.
struct Run<'r> {
    place: &'r Place,
    file: &'r Path,
    cases: &'r Path,
    json: bool,
}

impl Run<'_> {
    fn subject<P: ?Sized>(&self, candidate: &Candidate, make: Make<P>) -> Result<Subject<P>, Failure> {
        let grants = self.place.grants()?;
        let config = grants.plugins.get(&candidate.manifest.name);
        let subject = make(candidate, config, self.place.dir());
        subject.map_err(|problems| failure(FAILED, &self.file.display().to_string(), &problems))
    }

    async fn suite<C: Suite>(&self, subject: Subject<C::Plugin>) -> Result<u8, Failure> {
        let cases: C = read_cases(self.cases)?;
        // Whoever reads along sees each check as soon as it is over.
        let mut reader_is_gone = None;
        let report = run(&subject, &cases, |check| {
            if !self.json && reader_is_gone.is_none() {
                reader_is_gone = print(&line(check)).err();
            }
        })
        .await;
        if let Some(failure) = reader_is_gone {
            return Err(failure);
        }
        if self.json {
            print_json(&wire(self.file, &report))?;
        } else {
            print(&summary(&report))?;
        }
        Ok(if report.passed() { 0 } else { FAILED })
    }
}

fn read_cases<C: Suite>(path: &Path) -> Result<C, Failure> {
    let text = read_file(path, MOST_CASES_BYTES).map_err(|error| unreadable(path, &error))?;
    C::parse(&text).map_err(|problems| failure(USAGE, &path.display().to_string(), &problems))
}

fn failure(code: u8, place: &str, problems: &[Problem]) -> Failure {
    let lines: Vec<String> = problems.iter().map(|problem| format!("{place}: {problem}")).collect();
    Failure::new(code, lines.join("\n"))
}

/// A shared library, called in processes of its own.
#[cfg(feature = "native")]
fn library(place: &Place, file: &PathBuf) -> Result<Subject<dyn ExecutorPlugin>, Failure> {
    use std::sync::Arc;

    use super::package::read_manifest;
    use crate::plugin::conformance::Facts;
    use crate::plugin::native::NativePlugin;

    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let manifest = read_manifest(dir)?;
    let facts = Facts {
        name: manifest.name,
        version: manifest.version,
        // It has all the rights of its process.
        has_platform: None,
        work: manifest.work,
    };
    let file = std::path::absolute(file)?;
    let grants = place.grants()?;
    let settings = grants.plugins.get(&facts.name).map(|config| config.settings.clone()).unwrap_or_default();
    let settings = serde_json::Value::Object(settings).to_string();
    let make = |engine_id: &str| -> Arc<dyn ExecutorPlugin> {
        Arc::new(NativePlugin::spawn(&file).engine_id(engine_id).settings(settings.as_str()))
    };
    Ok(Subject::plugin(facts, place.dir(), make))
}

#[cfg(not(feature = "native"))]
fn library(_place: &Place, file: &PathBuf) -> Result<Subject<dyn ExecutorPlugin>, Failure> {
    Err(Failure::new(USAGE, format!("{}: this program was built without native plugins", file.display())))
}

/// One check as people read it.
fn line(check: &Check) -> String {
    let Check { name, about, verdict, ms, why } = check;
    let mut line = format!("{verdict:<8} {name:<23} {:>7}  {about}\n", duration(*ms));
    if !why.is_empty() && *verdict != Verdict::Passed {
        line.push_str(&format!("         {}\n", printable(why)));
    }
    line
}

fn summary(report: &Report) -> String {
    let count = |verdict| report.count(verdict);
    let (passed, failed, skipped) = (count(Verdict::Passed), count(Verdict::Failed), count(Verdict::Skipped));
    format!("\n{passed} passed, {failed} failed, {skipped} skipped\n")
}

fn wire(file: &Path, report: &Report) -> ReportWire {
    let check = |check: &Check| {
        let Check { name, about, verdict, ms, why } = check.clone();
        CheckWire { name, about, result: verdict.word(), ms, why }
    };
    ReportWire {
        file: file.display().to_string(),
        passed: report.passed(),
        checks: report.checks.iter().map(check).collect(),
    }
}
