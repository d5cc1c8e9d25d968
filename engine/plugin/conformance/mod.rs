//! The conformance suite: runs a real executor in the real host and finds out whether it keeps to the contract, above all
//! where a call is made twice, is cut off in the middle, or comes from the next life of the engine.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::path::Path;
//! use windlass::config::PluginBounds;
//! use windlass::plugin::Candidate;
//! use windlass::plugin::conformance::{Subject, parse_cases, run};
//!
//! let candidate = Candidate::read(Path::new("batch.wasm"), PluginBounds::default().component_bytes)?;
//! let subject = Subject::component(&candidate, None, Path::new("/tmp/conformance")).map_err(|_| "unfit")?;
//! let cases = parse_cases(&std::fs::read("conformance.toml")?).map_err(|_| "no cases")?;
//! let report = run(&subject, &cases, |check| println!("{} {}", check.verdict, check.name)).await;
//! assert!(report.passed());
//! # Ok(())
//! # }
//! ```

mod cases;
mod checks;
mod report;
mod stage;
mod subject;
mod tape;

use std::time::Instant;

pub use cases::{Cases, parse_cases};
pub use report::{Check, Report, Verdict};
pub use subject::{Facts, Subject};

use checks::{CHECKS, Needs};
use stage::{Ended, Stage};

/// Runs every check, each after the one before it; `told` hears of each as soon as it is over. What is made on the platform
/// is removed again.
pub async fn run(subject: &Subject, cases: &Cases, mut told: impl FnMut(&Check)) -> Report {
    let stage = Stage::new(subject, cases);
    let mut report = Report { checks: Vec::new() };
    let mut unreachable = false;
    for item in CHECKS {
        let begun = Instant::now();
        let found = if unreachable && item.needs == Needs::Platform {
            Err(Ended::Skipped("the platform cannot be reached, see `check`".to_owned()))
        } else {
            (item.run)(&stage).await
        };
        stage.clear().await;
        unreachable |= item.name == checks::REACHABLE && matches!(found, Err(Ended::Failed(_)));
        let (verdict, why) = match found {
            Ok(note) => (Verdict::Passed, note),
            Err(Ended::Failed(why)) => (Verdict::Failed, why),
            Err(Ended::Skipped(why)) => (Verdict::Skipped, why),
        };
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let check = Check { name: item.name, about: item.about, verdict, ms, why };
        told(&check);
        report.checks.push(check);
    }
    stage.tidy_up();
    report
}
