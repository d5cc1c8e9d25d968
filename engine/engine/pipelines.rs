//! Pipelines as stored documents.

use super::Engine;
use super::plans::{Applied, Plan};
use crate::error::{Error, Problem};
use crate::job::validate::{check_name, shown};
use crate::job::{Pipeline, PipelineSpec, Timestamp};
use crate::store::{Document, DocumentKind, DocumentName, decode_pipeline};

/// A revision of a stored pipeline.
#[derive(Clone, Debug)]
pub struct PipelineView {
    /// What it is called.
    pub name: String,
    /// Where it belongs.
    pub project: String,
    /// Which revision this is, from 1.
    pub revision: u32,
    /// The revision that runs are made from now.
    pub latest: u32,
    /// When this revision was stored.
    pub stored_at: Timestamp,
    /// What it says. Its options and the defaults of its parameters are part of it: none of them is secret.
    pub spec: PipelineSpec,
}

/// What a pipeline needs and is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Configs that its nodes name.
    pub processors: Vec<String>,
    /// Sources that its nodes read and none of them writes.
    pub sources: Vec<String>,
}

impl Engine {
    /// Stores pipelines under their projects and names, all or none. What says something else than before gets a new
    /// revision. Schedules of their own are stored with them. With `dry_run` nothing is stored.
    ///
    /// ```
    /// use windlass::job::{JobConfig, Pipeline, PipelineLimits, ScheduleLimits};
    /// use windlass::{Engine, JobSpec};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let engine = Engine::builder(dir.path())
    /// #     .function("clean", |_, (): ()| async move { Ok::<_, windlass::FunctionError>(()) })
    /// #     .open()
    /// #     .await?;
    /// engine.apply_configs(vec![("clean".into(), JobConfig::new(JobSpec::function("clean", "null")))], false).await?;
    /// let text = b"processNodes: {first: {processor: clean}, second: {processor: clean, after: first}}";
    /// let pipeline = Pipeline::parse(text, &PipelineLimits::default(), &ScheduleLimits::default());
    /// let spec = pipeline.map_err(|mistakes| mistakes[0].to_string())?.spec().clone();
    /// engine.apply_pipelines(vec![("default".into(), "tidy".into(), spec)], false).await?;
    /// assert_eq!(engine.pipeline("default", "tidy", None)?.spec.process_nodes.len(), 2);
    /// # engine.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] with every mistake, processors that are not stored and schedules that would not fit among them;
    /// [`Error::Storage`].
    pub async fn apply_pipelines(
        &self,
        pipelines: Vec<(String, String, PipelineSpec)>,
        dry_run: bool,
    ) -> Result<Vec<Applied>, Error> {
        self.apply_plan(Plan { pipelines, ..Plan::default() }, dry_run).await
    }

    /// What of the needs of a pipeline is not there now: of its [processors](Pipeline::needed_processors) those that are no
    /// stored configs, of its [sources](Pipeline::needed_sources) those that are not among the files of the project. A run
    /// would fail for want of them.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn missing_of_pipeline(&self, project: &str, pipeline: &Pipeline) -> Result<Missing, Error> {
        let owned = |needs: Vec<&str>| needs.into_iter().map(str::to_owned).collect();
        self.missing(project, owned(pipeline.needed_processors()), owned(pipeline.needed_sources())).await
    }

    pub(crate) async fn missing(
        &self,
        project: &str,
        processors: Vec<String>,
        sources: Vec<String>,
    ) -> Result<Missing, Error> {
        let runtime = self.runtime();
        let mut missing = Missing::default();
        for processor in processors {
            let name = DocumentName::new(DocumentKind::Config, project, &processor);
            if runtime.store.document(&name, None)?.is_none() {
                missing.processors.push(processor);
            }
        }
        for source in sources {
            match self.file(project, &source).await {
                Ok(_) => {}
                Err(Error::Unknown { .. }) => missing.sources.push(source),
                Err(error) => return Err(error),
            }
        }
        Ok(missing)
    }

    /// Each with its schedule in its one spelling.
    pub(super) fn checked_pipelines(
        &self,
        pipelines: Vec<(String, String, PipelineSpec)>,
        problems: &mut Vec<Problem>,
    ) -> Vec<(String, String, PipelineSpec)> {
        let config = &self.runtime().config;
        let mut names = std::collections::HashSet::new();
        let mut checked = Vec::with_capacity(pipelines.len());
        for (project, name, spec) in pipelines {
            let mut found = Vec::new();
            check_name("project", &project, &config.job_limits, &mut found);
            check_name("name", &name, &config.job_limits, &mut found);
            if !names.insert((project.clone(), name.clone())) {
                let allowed = "one pipeline of each name".to_owned();
                found.push(Problem { field: "name".into(), problem: "it is given twice".into(), allowed });
            }
            match Pipeline::new(spec, &config.pipeline_limits, &config.schedule_limits) {
                Ok(pipeline) => checked.push((project, name.clone(), pipeline.spec().clone())),
                Err(of_spec) => found.extend(of_spec),
            }
            let field = |field: &str| format!("{}.{field}", shown(&name));
            problems.extend(found.into_iter().map(|it| Problem { field: field(&it.field), ..it }));
        }
        checked
    }

    /// A stored pipeline: this revision of it, or the latest.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Storage`].
    pub fn pipeline(&self, project: &str, name: &str, revision: Option<u32>) -> Result<PipelineView, Error> {
        view(&self.pipeline_document(project, name, revision)?)
    }

    /// The stored pipelines of a project in the order of their names, after this one, at most `limit` and
    /// [`EngineConfig::page_jobs`](crate::EngineConfig::page_jobs). The last name is where the next page goes on.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn pipelines(&self, project: &str, after: Option<&str>, limit: usize) -> Result<Vec<PipelineView>, Error> {
        let most = limit.min(self.runtime().config.page_jobs);
        let documents = self.runtime().store.documents(DocumentKind::Pipeline, project, after, most)?;
        documents.iter().map(view).collect()
    }

    /// The revisions of a pipeline with the times at which they were stored, oldest first.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Storage`].
    pub fn pipeline_revisions(&self, project: &str, name: &str) -> Result<Vec<(u32, Timestamp)>, Error> {
        let document = self.pipeline_document(project, name, None)?;
        self.runtime().store.revisions(&document.name)
    }

    fn pipeline_document(&self, project: &str, name: &str, revision: Option<u32>) -> Result<Document, Error> {
        let key = DocumentName::new(DocumentKind::Pipeline, project, name);
        let found = self.runtime().store.document(&key, revision)?;
        let (what, name) = match revision {
            Some(revision) => ("revision of a pipeline", format!("{name} {revision}")),
            None => ("pipeline", name.to_owned()),
        };
        found.ok_or(Error::Unknown { what, name })
    }

    /// Makes an earlier revision of a pipeline the latest again, under a new number, with the schedule that it had.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Invalid`] when a config that it names is not there any more or a schedule would not fit,
    /// [`Error::Storage`].
    pub async fn rollback_pipeline(&self, project: &str, name: &str, revision: u32) -> Result<Applied, Error> {
        let spec = self.pipeline(project, name, Some(revision))?.spec;
        let applied = self.apply_pipelines(vec![(project.to_owned(), name.to_owned(), spec)], false).await?;
        applied.into_iter().next().ok_or(Error::Closed)
    }

    /// Forgets a pipeline, its revisions and its schedule. Jobs of its runs stay as they are.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Conflict`] while another schedule names it, [`Error::Storage`].
    pub async fn delete_pipeline(&self, project: &str, name: &str) -> Result<(), Error> {
        self.delete_document(DocumentName::new(DocumentKind::Pipeline, project, name)).await
    }
}

fn view(document: &Document) -> Result<PipelineView, Error> {
    Ok(PipelineView {
        name: document.name.name.clone(),
        project: document.name.project.clone(),
        revision: document.revision,
        latest: document.latest,
        stored_at: document.stored_at,
        spec: decode_pipeline(&document.body)?,
    })
}
