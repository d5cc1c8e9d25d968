//! Job configs and the chains that are made of them.

use super::Engine;
use super::plans::{Applied, Plan};
use crate::error::{Error, Problem};
use crate::job::config::ChainElement;
use crate::job::validate::shown;
use crate::job::{JobConfig, JobId, RunOptions, Task, Timestamp};
use crate::store::{Document, DocumentKind, DocumentName, decode_config};

/// A revision of a stored config.
#[derive(Clone, Debug)]
pub struct ConfigView {
    /// What it is called, in the project of its jobs.
    pub name: String,
    /// Which revision this is, from 1.
    pub revision: u32,
    /// The revision that jobs are made from now.
    pub latest: u32,
    /// When this revision was stored.
    pub stored_at: Timestamp,
    /// What it says. Its options, and what its fetchers and sinks are told, are left out: they are sealed and never shown.
    pub config: JobConfig,
    /// The names of its options.
    pub option_names: Vec<String>,
}

impl Engine {
    /// Stores configs under names, all or none; each belongs to the project of its spec. What says something else than
    /// before gets a new revision. Schedules of their own are stored with them. With `dry_run` nothing is stored.
    ///
    /// ```
    /// use windlass::job::JobConfig;
    /// use windlass::{Engine, JobSpec, RunOptions};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let engine = Engine::builder(dir.path())
    /// #     .function("say", |context: windlass::FunctionContext, (): ()| async move {
    /// #         Ok::<_, windlass::FunctionError>(context.option("WORD").map(str::to_owned))
    /// #     })
    /// #     .open()
    /// #     .await?;
    /// let load = JobConfig::new(JobSpec::function("say", "null").option("WORD", "load")).then("report");
    /// let report = JobConfig::new(JobSpec::function("say", "null").option("WORD", "report"));
    /// engine.apply_configs(vec![("load".into(), load), ("report".into(), report)], false).await?;
    ///
    /// let ids = engine.run_config("default", "load", RunOptions::new(), None).await?;
    /// engine.wait(ids[1]).await?;
    /// assert_eq!(engine.output(ids[1])?.as_deref(), Some(br#""report""#.as_slice()));
    /// # engine.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] with every mistake, circles and successors that are not there among them; [`Error::Storage`].
    pub async fn apply_configs(&self, configs: Vec<(String, JobConfig)>, dry_run: bool) -> Result<Vec<Applied>, Error> {
        self.apply_plan(Plan { configs, ..Plan::default() }, dry_run).await
    }

    /// Each with its schedule in its one spelling.
    pub(super) async fn checked_configs(
        &self,
        mut configs: Vec<(String, JobConfig)>,
        problems: &mut Vec<Problem>,
    ) -> Result<Vec<(String, JobConfig)>, Error> {
        let runtime = self.runtime();
        let mut names = std::collections::HashSet::new();
        for (name, config) in &mut configs {
            let mut found = config.problems(name, &runtime.config.job_limits);
            if !names.insert((config.spec.project.clone(), name.clone())) {
                let allowed = "one config of each name".to_owned();
                found.push(Problem { field: "name".into(), problem: "it is given twice".into(), allowed });
            }
            // Functions are those of the process that will run the job, which may be another one.
            if found.is_empty() && !matches!(config.spec.task, Task::Function(_)) {
                match runtime.check_runnable(std::slice::from_ref(&config.spec)).await {
                    Err(Error::Invalid(of_task)) => found.extend(of_task),
                    other => other?,
                }
            }
            if let Some(schedule) = &mut config.schedule {
                match schedule.check(&runtime.config.schedule_limits) {
                    Ok(calendar) => schedule.calendar = calendar.spec().clone(),
                    Err(wrong) => found
                        .extend(wrong.into_iter().map(|it| Problem { field: format!("schedule.{}", it.field), ..it })),
                }
            }
            let field = |field: &str| format!("{}.{field}", shown(name));
            problems.extend(found.into_iter().map(|it| Problem { field: field(&it.field), ..it }));
        }
        Ok(configs)
    }

    /// A stored config: this revision of it, or the latest.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Storage`].
    pub fn config(&self, project: &str, name: &str, revision: Option<u32>) -> Result<ConfigView, Error> {
        let document = self.config_document(project, name, revision)?;
        self.config_view(&document)
    }

    /// The stored configs of a project in the order of their names, after this one, at most `limit` and
    /// [`EngineConfig::page_jobs`](crate::EngineConfig::page_jobs). The last name is where the next page goes on.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn configs(&self, project: &str, after: Option<&str>, limit: usize) -> Result<Vec<ConfigView>, Error> {
        let most = limit.min(self.runtime().config.page_jobs);
        let documents = self.runtime().store.documents(DocumentKind::Config, project, after, most)?;
        documents.iter().map(|document| self.config_view(document)).collect()
    }

    /// The revisions of a config with the times at which they were stored, oldest first.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Storage`].
    pub fn config_revisions(&self, project: &str, name: &str) -> Result<Vec<(u32, Timestamp)>, Error> {
        let document = self.config_document(project, name, None)?;
        self.runtime().store.revisions(&document.name)
    }

    fn config_document(&self, project: &str, name: &str, revision: Option<u32>) -> Result<Document, Error> {
        let key = DocumentName::new(DocumentKind::Config, project, name);
        let found = self.runtime().store.document(&key, revision)?;
        let (what, name) = match revision {
            Some(revision) => ("revision of a config", format!("{name} {revision}")),
            None => ("config", name.to_owned()),
        };
        found.ok_or(Error::Unknown { what, name })
    }

    fn config_view(&self, document: &Document) -> Result<ConfigView, Error> {
        let options = self.runtime().store.document_private(document)?.options;
        Ok(ConfigView {
            name: document.name.name.clone(),
            revision: document.revision,
            latest: document.latest,
            stored_at: document.stored_at,
            config: decode_config(&document.body)?,
            option_names: options.iter().map(|(name, _)| name.to_owned()).collect(),
        })
    }

    /// Makes an earlier revision of a config the latest again, under a new number, with the schedule that it had.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Invalid`] when its successor is not there any more, [`Error::Storage`].
    pub async fn rollback_config(&self, project: &str, name: &str, revision: u32) -> Result<Applied, Error> {
        let document = self.config_document(project, name, Some(revision))?;
        let mut config = decode_config(&document.body)?;
        self.runtime().store.document_private(&document)?.put(&mut config.spec);
        let applied = self.apply_configs(vec![(name.to_owned(), config)], false).await?;
        applied.into_iter().next().ok_or(Error::Closed)
    }

    /// Forgets a config, its revisions and its schedule. Jobs that were made from it stay as they are.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Conflict`] while another config, a pipeline or a schedule names it, [`Error::Storage`].
    pub async fn delete_config(&self, project: &str, name: &str) -> Result<(), Error> {
        self.delete_document(DocumentName::new(DocumentKind::Config, project, name)).await
    }

    /// Runs a config and those that are its `next`, as one chain where there are any: all jobs are accepted at once, and
    /// each runs when the one before has succeeded. What the configs say now counts, whatever becomes of them. `request`
    /// options go over those of the first job and reach no other; with an idempotency `key` a second call gets the jobs
    /// of the first.
    ///
    /// # Errors
    /// [`Error::Unknown`], else as [`Engine::submit`].
    pub async fn run_config(
        &self,
        project: &str,
        name: &str,
        request: RunOptions,
        key: Option<String>,
    ) -> Result<Vec<JobId>, Error> {
        self.config_document(project, name, None)?;
        let mut specs = self.runtime().jobs_of_config(project, name, &request)?;
        if let Some(first) = specs.first_mut() {
            first.idempotency_key = key;
        }
        let chained = specs.len() > 1;
        self.accept_known(specs, chained).await
    }

    /// Runs configs one after the other in the order given, each with options of its own; one may come several times.
    /// Their own `next` is not looked at.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub async fn run_chain(&self, project: &str, elements: &[ChainElement]) -> Result<Vec<JobId>, Error> {
        let specs = self.runtime().jobs_of_chain(project, elements)?;
        self.accept_known(specs, true).await
    }
}
