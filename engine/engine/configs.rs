//! Job configs and the chains that are made of them.

use super::Engine;
use crate::error::{Error, Problem};
use crate::job::config::ChainElement;
use crate::job::config::follow;
use crate::job::validate::shown;
use crate::job::{JobConfig, JobId, RunOptions, ScheduleSpec, Task, Timestamp};
use crate::store::{
    Document, DocumentChange, DocumentContent, DocumentKind, DocumentName, ScheduleChange, Written, decode_config,
    decode_schedule_spec, encode_config,
};

/// How often a change is decided again because another one came first.
const TRIES: usize = 16;

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
    /// What it says. Its options are left out: they are sealed and never shown.
    pub config: JobConfig,
    /// The names of its options.
    pub option_names: Vec<String>,
}

/// What applying has done to something with a name, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Where it belongs.
    pub project: String,
    /// What it is called.
    pub name: String,
    /// Its latest revision now.
    pub revision: u32,
    /// What has happened.
    pub change: Change,
}

/// What has happened to something that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Created,
    /// It says something else now.
    Changed,
    /// It says what it said.
    Unchanged,
}

impl Change {
    /// The word used in the API and on screen.
    pub fn word(self) -> &'static str {
        match self {
            Change::Created => "created",
            Change::Changed => "changed",
            Change::Unchanged => "unchanged",
        }
    }
}

/// Configs and schedules that are stored together.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Configs with their names; each belongs to the project of its spec.
    pub configs: Vec<(String, JobConfig)>,
    /// Schedules with their projects and names.
    pub schedules: Vec<(String, String, ScheduleSpec)>,
}

/// What a document is to say, and what comes of it.
pub(super) struct Wanted {
    pub(super) name: DocumentName,
    pub(super) content: DocumentContent,
}

impl Engine {
    /// Stores configs under names, all or none; each belongs to the project of its spec. What says something else than
    /// before gets a new revision. With `dry_run` nothing is stored.
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
        self.apply_plan(Plan { configs, schedules: Vec::new() }, dry_run).await
    }

    /// Stores configs and schedules, all or none: what was done with each config, then with each schedule. With `dry_run`
    /// nothing is stored.
    ///
    /// # Errors
    /// As [`Engine::apply_configs`] and [`Engine::apply_schedules`].
    pub async fn apply_plan(&self, plan: Plan, dry_run: bool) -> Result<Vec<Applied>, Error> {
        let mut problems = self.config_problems(&plan.configs).await?;
        let schedules = self.checked_schedules(plan.schedules, &mut problems);
        if !problems.is_empty() {
            return Err(Error::Invalid(problems));
        }
        let configs = plan.configs;
        let wanted = |(name, config): &(String, JobConfig)| {
            let name = DocumentName::new(DocumentKind::Config, &config.spec.project, name);
            let content = DocumentContent { body: encode_config(config)?, options: config.spec.options.clone() };
            Ok::<_, Error>(Wanted { name, content })
        };
        let wanted_configs = configs.iter().map(wanted).collect::<Result<Vec<_>, Error>>()?;
        for _ in 0..TRIES {
            let seen = self.runtime().store.documents_seen();
            let mut problems = self.link_problems(&configs)?;
            problems.extend(self.target_problems(&configs, &schedules)?);
            if !problems.is_empty() {
                return Err(Error::Invalid(problems));
            }
            let (mut applied, mut changes) = self.compare(&wanted_configs)?;
            let (of_schedules, changed) = self.compare(&self.wanted_schedules(&schedules)?)?;
            if dry_run || changes.is_empty() && changed.is_empty() {
                applied.extend(of_schedules);
                return Ok(applied);
            }
            let states = self.states_of(&of_schedules, &changed).await?;
            changes.extend(changed);
            if self.write(seen, changes, states).await? == Written::Stored {
                applied.extend(of_schedules);
                return Ok(applied);
            }
        }
        Err(keeps_changing())
    }

    async fn config_problems(&self, configs: &[(String, JobConfig)]) -> Result<Vec<Problem>, Error> {
        let runtime = self.runtime();
        let mut problems = Vec::new();
        let mut names = std::collections::HashSet::new();
        for (name, config) in configs {
            let mut of_config = config.problems(name, &runtime.config.job_limits);
            if !names.insert((&config.spec.project, name)) {
                let allowed = "one config of each name".to_owned();
                of_config.push(Problem { field: "name".into(), problem: "it is given twice".into(), allowed });
            }
            // Functions are those of the process that will run the job, which may be another one.
            if of_config.is_empty() && !matches!(config.spec.task, Task::Function(_)) {
                match runtime.check_runnable(std::slice::from_ref(&config.spec)).await {
                    Err(Error::Invalid(of_task)) => of_config.extend(of_task),
                    other => other?,
                }
            }
            let field = |field: &str| format!("{}.{field}", shown(name));
            problems.extend(of_config.into_iter().map(|it| Problem { field: field(&it.field), ..it }));
        }
        Ok(problems)
    }

    /// Follows every config from the ones given on, as all will be.
    fn link_problems(&self, configs: &[(String, JobConfig)]) -> Result<Vec<Problem>, Error> {
        let most = self.runtime().config.job_limits.submission;
        let mut problems: Vec<Problem> = Vec::new();
        for (first, config) in configs {
            let project = &config.spec.project;
            let given = |name: &str| configs.iter().find(|(it, config)| it == name && config.spec.project == *project);
            let followed = follow(first, most, |name| match given(name) {
                Some((_, config)) => Ok::<_, Error>(Some(config.next.clone())),
                None => Ok(self.runtime().config(project, name)?.map(|(_, next)| next)),
            });
            match followed {
                Err(Error::Invalid(found)) => problems
                    .extend(found.into_iter().map(|it| Problem { field: format!("{}.next", shown(first)), ..it })),
                other => drop(other?),
            }
        }
        // A circle is found from each of its configs: once is enough.
        problems.dedup_by(|one, other| one.allowed == other.allowed && one.problem == other.problem);
        Ok(problems)
    }

    /// What storing these would do, and the changes that do it.
    pub(super) fn compare(&self, wanted: &[Wanted]) -> Result<(Vec<Applied>, Vec<DocumentChange>), Error> {
        let store = &self.runtime().store;
        let (mut applied, mut changes) = (Vec::new(), Vec::new());
        for Wanted { name, content } in wanted {
            let known = store.document(name, None)?;
            let change = match &known {
                None => Change::Created,
                Some(document) if document.body != content.body => Change::Changed,
                Some(document) if store.document_options(document)? != content.options => Change::Changed,
                Some(_) => Change::Unchanged,
            };
            // The number of one that was deleted goes on, so this is a forecast for a new one.
            let revision = known.map_or(0, |document| document.latest) + u32::from(change != Change::Unchanged);
            applied.push(Applied { project: name.project.clone(), name: name.name.clone(), revision, change });
            if change != Change::Unchanged {
                changes.push(DocumentChange { name: name.clone(), content: Some(content.clone()) });
            }
        }
        Ok((applied, changes))
    }

    async fn write(
        &self,
        seen: u64,
        changes: Vec<DocumentChange>,
        states: Vec<ScheduleChange>,
    ) -> Result<Written, Error> {
        let runtime = self.runtime();
        let (now, seqs) = (runtime.clock.now(), states.iter().map(|state| state.seq).collect::<Vec<_>>());
        let states = states.into_iter().map(ScheduleChange::encode).collect::<Result<Vec<_>, Error>>()?;
        let written = runtime.store.change_documents(seen, changes, states, now).await?;
        if written == Written::Stored {
            seqs.into_iter().for_each(|seq| runtime.schedules.look_at(seq, now));
        }
        Ok(written)
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
        let options = self.runtime().store.document_options(document)?;
        Ok(ConfigView {
            name: document.name.name.clone(),
            revision: document.revision,
            latest: document.latest,
            stored_at: document.stored_at,
            config: decode_config(&document.body)?,
            option_names: options.iter().map(|(name, _)| name.to_owned()).collect(),
        })
    }

    /// Makes an earlier revision of a config the latest again, under a new number.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Invalid`] when its successor is not there any more, [`Error::Storage`].
    pub async fn rollback_config(&self, project: &str, name: &str, revision: u32) -> Result<Applied, Error> {
        let document = self.config_document(project, name, Some(revision))?;
        let mut config = decode_config(&document.body)?;
        config.spec.options = self.runtime().store.document_options(&document)?;
        let applied = self.apply_configs(vec![(name.to_owned(), config)], false).await?;
        applied.into_iter().next().ok_or(Error::Closed)
    }

    /// Forgets a config and its revisions. Jobs that were made from it stay as they are.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Conflict`] while another config or a schedule names it, [`Error::Storage`].
    pub async fn delete_config(&self, project: &str, name: &str) -> Result<(), Error> {
        for _ in 0..TRIES {
            let seen = self.runtime().store.documents_seen();
            let document = self.config_document(project, name, None)?;
            let by = self.references(project, name)?;
            if !by.is_empty() {
                let text = format!("config {name:?} is needed by {}; change or delete those first", by.join(", "));
                return Err(Error::Conflict(text));
            }
            let change = DocumentChange { name: document.name, content: None };
            if self.write(seen, vec![change], Vec::new()).await? == Written::Stored {
                return Ok(());
            }
        }
        Err(keeps_changing())
    }

    /// What names a config, ten at most.
    fn references(&self, project: &str, name: &str) -> Result<Vec<String>, Error> {
        let store = &self.runtime().store;
        let mut found = Vec::new();
        for document in store.documents(DocumentKind::Config, project, None, usize::MAX)? {
            if decode_config(&document.body)?.next.as_deref() == Some(name) && document.name.name != name {
                found.push(format!("config {:?}", document.name.name));
            }
        }
        for document in store.documents(DocumentKind::Schedule, project, None, usize::MAX)? {
            let (_, spec) = decode_schedule_spec(&document.body)?;
            if spec.target.configs().iter().any(|config| config == name) {
                found.push(format!("schedule {:?}", document.name.name));
            }
        }
        found.truncate(10);
        Ok(found)
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

pub(super) fn keeps_changing() -> Error {
    Error::Conflict("others keep changing configs or schedules; try again".into())
}
