//! The conformance suites: run a real plugin in the real host and find out whether it keeps to the contract, above all
//! where a call is made twice, is cut off in the middle, or comes from the next life of the engine.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::path::Path;
//! use windlass::config::PluginBounds;
//! use windlass::plugin::Candidate;
//! use windlass::plugin::conformance::{ExecutorCases, Subject, Suite, run};
//!
//! let candidate = Candidate::read(Path::new("batch.wasm"), PluginBounds::default().component_bytes)?;
//! let subject = Subject::executor(&candidate, None, Path::new("/tmp/conformance")).map_err(|_| "unfit")?;
//! let cases = ExecutorCases::parse(&std::fs::read("conformance.toml")?).map_err(|_| "no cases")?;
//! let report = run(&subject, &cases, |check| println!("{} {}", check.verdict, check.name)).await;
//! assert!(report.passed());
//! # Ok(())
//! # }
//! ```

mod every;
mod executor;
mod fetcher;
mod found;
mod options;
mod report;
mod scene;
mod sink;
mod subject;

pub use executor::ExecutorCases;
pub use fetcher::FetcherCases;
pub use report::{Check, Report, Verdict};
pub use sink::SinkCases;
pub use subject::{Facts, Subject};

use super::contract::Plugin;
use crate::error::Problem;
use crate::executors::BoxFuture;

/// What a suite has a plugin of one kind do.
pub trait Suite: Sized + Send + Sync {
    /// The plugins it is for.
    type Plugin: Plugin + ?Sized;

    /// Reads `conformance.toml`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn parse(text: &[u8]) -> Result<Self, Vec<Problem>>;

    /// As [`run`].
    #[doc(hidden)]
    fn perform<'a>(
        &'a self,
        subject: &'a Subject<Self::Plugin>,
        told: &'a mut (dyn FnMut(&Check) + Send),
    ) -> BoxFuture<'a, Report>;
}

/// Runs every check, each after the one before it; `told` hears of each as soon as it is over. What is made on the platform
/// is removed again, as far as a plugin of the kind can do that.
pub async fn run<C: Suite>(subject: &Subject<C::Plugin>, cases: &C, mut told: impl FnMut(&Check) + Send) -> Report {
    cases.perform(subject, &mut told).await
}
