//! Pipelines as they are stored.

use super::Runtime;
use crate::error::Error;
use crate::job::{JobSpec, PipelineSpec, RunOptions};
use crate::store::{DocumentKind, DocumentName, decode_pipeline};

impl Runtime {
    /// A stored pipeline with the number of its revision: this one, or the latest; `None` when there is none.
    pub(crate) fn pipeline(
        &self,
        project: &str,
        name: &str,
        revision: Option<u32>,
    ) -> Result<Option<(u32, PipelineSpec)>, Error> {
        let name = DocumentName::new(DocumentKind::Pipeline, project, name);
        let Some(document) = self.store.document(&name, revision)? else { return Ok(None) };
        Ok(Some((document.revision, decode_pipeline(&document.body)?)))
    }

    /// The jobs of a run of a pipeline with these parameters.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a pipeline that is not there and for parameters that do not fit it; and for every other one:
    /// pipelines do not run yet.
    pub(crate) fn jobs_of_pipeline(
        &self,
        project: &str,
        name: &str,
        parameters: &RunOptions,
    ) -> Result<Vec<JobSpec>, Error> {
        let allowed = "pipelines that are stored in this project";
        let missing = || Error::invalid("pipeline", format!("there is no pipeline {name:?}"), allowed);
        let (_, spec) = self.pipeline(project, name, None)?.ok_or_else(missing)?;
        spec.parameters_of_run(parameters).map_err(Error::Invalid)?;
        Err(Error::invalid("pipeline", "pipelines do not run yet", "a config or a chain of configs"))
    }
}
