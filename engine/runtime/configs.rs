//! The jobs that stored configs make.

use super::Runtime;
use crate::error::Error;
use crate::job::config::{ChainElement, chained, follow};
use crate::job::options::request_options_for;
use crate::job::{JobConfig, JobSpec, RunOptions};
use crate::store::{DocumentKind, DocumentName, decode_config};

impl Runtime {
    /// The latest revision of a config, as a job and its successor; `None` when there is no such config.
    pub(crate) fn config(&self, project: &str, name: &str) -> Result<Option<(JobSpec, Option<String>)>, Error> {
        let name = DocumentName::new(DocumentKind::Config, project, name);
        let Some(document) = self.store.document(&name, None)? else { return Ok(None) };
        let JobConfig { mut spec, next, .. } = decode_config(&document.body)?;
        self.store.document_private(&document)?.put(&mut spec);
        spec.config = Some(name.name);
        spec.config_revision = Some(document.revision);
        Ok(Some((spec, next)))
    }

    /// The jobs of a config and of those that are its `next`. `request` options are for the first job only.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a config that is not there, a circle, or too many; [`Error::Storage`], [`Error::Key`].
    pub(crate) fn jobs_of_config(
        &self,
        project: &str,
        first: &str,
        request: &RunOptions,
    ) -> Result<Vec<JobSpec>, Error> {
        let mut specs = Vec::new();
        let most = self.config.job_limits.submission;
        follow(first, most, |name| {
            let Some((spec, next)) = self.config(project, name)? else { return Ok::<_, Error>(None) };
            specs.push(spec);
            Ok(Some(next))
        })?;
        for (position, spec) in specs.iter_mut().enumerate() {
            let own = std::mem::take(&mut spec.options);
            spec.options = own.overlaid(request_options_for(position, request));
        }
        Ok(chained(specs))
    }

    /// The jobs of these configs one after the other, whatever their own `next` is.
    ///
    /// # Errors
    /// As [`Runtime::jobs_of_config`].
    pub(crate) fn jobs_of_chain(&self, project: &str, elements: &[ChainElement]) -> Result<Vec<JobSpec>, Error> {
        let most = self.config.job_limits.submission;
        if elements.is_empty() || elements.len() > most {
            let allowed = format!("1 to {most} configs");
            return Err(Error::invalid("chain", format!("there are {}", elements.len()), allowed));
        }
        let mut specs = Vec::with_capacity(elements.len());
        let mut problems = Vec::new();
        for (position, element) in elements.iter().enumerate() {
            match self.config(project, &element.config)? {
                Some((mut spec, _)) => {
                    spec.options = std::mem::take(&mut spec.options).overlaid(element.options.clone());
                    specs.push(spec);
                }
                None => problems.push(crate::error::Problem {
                    field: format!("chain[{position}].config"),
                    problem: format!("there is no config {}", crate::job::validate::shown(&element.config)),
                    allowed: "configs that are stored in this project".to_owned(),
                }),
            }
        }
        if problems.is_empty() { Ok(chained(specs)) } else { Err(Error::Invalid(problems)) }
    }
}
