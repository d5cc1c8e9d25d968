//! Output records of jobs.

use super::Engine;
use crate::error::Error;
use crate::job::{JobId, OutputId, Timestamp};
use crate::store::{OutputPlace, OutputRows, StoredOutput};

/// An output record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputView {
    /// Which.
    pub id: OutputId,
    /// What it is a record of; `None` for any JSON.
    pub of: Option<String>,
    /// The revision of that type which has accepted it.
    pub revision: Option<u32>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// Its value as JSON.
    pub value: Vec<u8>,
}

/// Where a list of records goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputCursor(OutputPlace);

/// A page of a list of records.
#[derive(Clone, Debug)]
pub struct OutputPage {
    /// The records.
    pub outputs: Vec<OutputView>,
    /// Where the next page goes on; `None` after the last.
    pub next: Option<OutputCursor>,
}

impl Engine {
    /// Stores an output record of a job that runs or is over, or waits. `value` is JSON; with a type of the job's project it
    /// is to keep its schema. Of a name that is there twice in a map the last one counts, and what was checked is what is
    /// stored.
    ///
    /// What a job leaves as `output/TYPE.output.json` in its work tree, or with
    /// [`FunctionContext::output`](crate::FunctionContext::output), is stored with its end in the same way. A file that is
    /// refused makes no record, and [`JobFact::OutputRefused`](crate::job::JobFact::OutputRefused) says why; the job succeeds
    /// all the same, since its work is done and another attempt would leave the same.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unknown`] for the type, [`Error::Invalid`] with every violation, [`Error::Full`] when the
    /// job has as many as it may, [`Error::Storage`].
    pub async fn create_output(&self, job: JobId, of: Option<&str>, value: &[u8]) -> Result<OutputId, Error> {
        let runtime = self.runtime();
        let job = self.find(job)?.job;
        let most = runtime.config.output_limits.record_bytes;
        if value.len() > most {
            return Err(Error::invalid("value", format!("has {} bytes", value.len()), format!("at most {most}")));
        }
        let new = runtime.accepted(&job.spec.project, of, value.to_vec()).await?;
        runtime.store.add_output(&job, new, runtime.config.output_limits.records, runtime.clock.now()).await
    }

    /// The output records of a job, oldest first, at most `limit` and
    /// [`OutputLimits::together_bytes`](crate::job::OutputLimits::together_bytes).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Storage`].
    pub fn outputs(&self, job: JobId, cursor: Option<OutputCursor>, limit: usize) -> Result<OutputPage, Error> {
        let from = cursor.map_or(0, |OutputCursor(place)| place.number.saturating_add(1));
        self.outputs_from(job, from, limit, self.runtime().config.output_limits.together_bytes)
    }

    pub(crate) fn outputs_from(&self, job: JobId, from: u32, limit: usize, bytes: usize) -> Result<OutputPage, Error> {
        let (job, runtime) = (self.find(job)?.job, self.runtime());
        Ok(page(runtime.store.outputs(job.id, from, limit.min(runtime.config.page_jobs), bytes)?))
    }

    /// One output record.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the job, [`Error::Unknown`], [`Error::Storage`].
    pub fn output_record(&self, id: OutputId) -> Result<OutputView, Error> {
        self.find(id.job)?;
        let found = self.runtime().store.outputs(id.job, id.number, 1, 0)?;
        let found = found.outputs.into_iter().find(|output| output.id == id);
        found.map(view).ok_or_else(|| Error::Unknown { what: "output record", name: id.to_string() })
    }

    /// The output records of a type, newest first, at most `limit` and
    /// [`OutputLimits::together_bytes`](crate::job::OutputLimits::together_bytes). Those that are stored meanwhile are not
    /// among the next pages.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn outputs_of_type(
        &self,
        project: &str,
        name: &str,
        cursor: Option<OutputCursor>,
        limit: usize,
    ) -> Result<OutputPage, Error> {
        let runtime = self.runtime();
        let (most, bytes) = (limit.min(runtime.config.page_jobs), runtime.config.output_limits.together_bytes);
        let after = cursor.map(|OutputCursor(place)| place);
        Ok(page(runtime.store.outputs_of_type((project, name), after, most, bytes)?))
    }
}

fn page(rows: OutputRows) -> OutputPage {
    let place = |last: &StoredOutput| {
        OutputCursor(OutputPlace { created_at: last.created_at, seq: last.id.job.seq(), number: last.id.number })
    };
    let next = rows.outputs.last().filter(|_| rows.more).map(place);
    OutputPage { outputs: rows.outputs.into_iter().map(view).collect(), next }
}

fn view(stored: StoredOutput) -> OutputView {
    let StoredOutput { id, of, created_at, value } = stored;
    let (of, revision) = of.unzip();
    OutputView { id, of, revision, created_at, value }
}
