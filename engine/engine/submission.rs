//! Acceptance: what is asked for is checked, numbered, and on disk before the caller hears of it.

use super::Engine;
use crate::error::Error;
use crate::job::validate::check_submission;
use crate::job::{JobId, JobSpec};
use crate::store::with_files;

impl Engine {
    /// Whether a job with this spec would be accepted here, as far as that can be told without accepting it.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every mistake.
    pub async fn check(&self, spec: &JobSpec) -> Result<(), Error> {
        let specs = std::slice::from_ref(spec);
        check_submission(specs, &self.runtime().config.job_limits).map_err(Error::Invalid)?;
        self.runtime().check_runnable(specs).await
    }

    /// Accepts what a caller asks for, who cannot say what the engine itself says of a job.
    pub(super) async fn accept(&self, specs: Vec<JobSpec>, chained: bool) -> Result<Vec<JobId>, Error> {
        let named = |spec: &JobSpec| {
            spec.fired.is_some() || spec.config_revision.is_some() || spec.node.is_some() || spec.item.is_some()
        };
        if specs.iter().any(named) {
            let allowed = "nothing: the engine itself says what config, fire, pipeline and item a job comes from";
            return Err(Error::invalid("config_revision, fired, node and item", "they are set", allowed));
        }
        self.accept_known(specs, chained).await
    }

    /// Accepts jobs that the engine has made. A job that comes with items is a chain with their jobs.
    pub(super) async fn accept_known(&self, specs: Vec<JobSpec>, chained: bool) -> Result<Vec<JobId>, Error> {
        let runtime = self.runtime();
        let with_items = |spec: &JobSpec| spec.items.as_ref().is_some_and(|items| !items.given.is_empty());
        let chained = chained || specs.iter().any(with_items);
        let asked = specs.len();
        let jobs = runtime.prepare(specs, chained).await?;
        let large: Vec<JobId> = with_files(&jobs).collect();
        let accepted = runtime.store.submit(jobs, chained, self.inner.may_lead).await;
        // After a failure nobody knows what is on disk.
        if matches!(accepted, Err(Error::Storage(_) | Error::Closed)) {
            return accepted;
        }
        let unused = |id: &JobId| !accepted.as_ref().is_ok_and(|ids| ids.contains(id));
        runtime.discard_inputs(large.into_iter().filter(unused));
        accepted.map(|mut ids| {
            ids.truncate(asked);
            ids
        })
    }
}
