//! Plans: documents that are stored together, all or none.

use std::collections::BTreeSet;

use super::Engine;
use super::outlook::Outlook;
use super::owned::{Checked, GivenSchedule, refuse_owned};
use crate::error::Error;
use crate::job::{JobConfig, OutputType, PipelineSpec, Private, ScheduleSpec, ScheduleStatus};
use crate::store::{
    DocumentChange, DocumentContent, DocumentKind, DocumentName, ScheduleChange, Written, decode_schedule_spec,
    encode_config, encode_output_type, encode_pipeline, encode_schedule_spec,
};

/// How often a change is decided again because another one came first.
pub(super) const TRIES: usize = 16;

/// Configs, pipelines, schedules and output types that are stored together.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Configs with their names; each belongs to the project of its spec.
    pub configs: Vec<(String, JobConfig)>,
    /// Pipelines with their projects and names.
    pub pipelines: Vec<(String, String, PipelineSpec)>,
    /// Schedules with their projects and names.
    pub schedules: Vec<(String, String, ScheduleSpec)>,
    /// Types of output records.
    pub output_types: Vec<OutputType>,
    /// What goes because the plan does not name it.
    pub prune: Option<Prune>,
}

/// What of a project goes with the same change when a plan does not name it. A schedule that belongs to a config or a
/// pipeline goes with it and not by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prune {
    /// The project.
    pub project: String,
    /// What kinds of documents go.
    pub kinds: Vec<DocumentKind>,
}

/// What is to be deleted.
enum Removal {
    Nothing,
    One(DocumentName),
    Unnamed(Prune),
}

/// What applying has done to something with a name, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What it is.
    pub kind: DocumentKind,
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
    /// It is gone.
    Deleted,
}

impl Change {
    /// The word used in the API and on screen.
    pub fn word(self) -> &'static str {
        match self {
            Change::Created => "created",
            Change::Changed => "changed",
            Change::Unchanged => "unchanged",
            Change::Deleted => "deleted",
        }
    }
}

/// What a document is to say.
struct Wanted {
    name: DocumentName,
    content: DocumentContent,
}

/// What a change of documents comes down to.
#[derive(Default)]
struct Draft {
    applied: Vec<Applied>,
    changes: Vec<(Change, DocumentChange)>,
}

impl Engine {
    /// Stores configs, pipelines, schedules and output types, all or none: what was done with each config, then with each
    /// pipeline, then with each schedule, those of configs and pipelines last, then with each output type, then what has gone. With `dry_run` nothing is stored.
    ///
    /// A config or a pipeline with a schedule owns the schedule of its name: applied without one it loses that schedule.
    ///
    /// ```
    /// use windlass::job::JobConfig;
    /// use windlass::{Change, DocumentKind, Engine, JobSpec, Plan, Prune};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let engine = Engine::builder(dir.path()).open().await?;
    /// let config = || JobConfig::new(JobSpec::function("say", "null"));
    /// engine.apply_configs(vec![("old".into(), config())], false).await?;
    /// let prune = Prune { project: "default".into(), kinds: vec![DocumentKind::Config] };
    /// let plan = Plan { configs: vec![("new".into(), config())], prune: Some(prune), ..Plan::default() };
    /// let applied = engine.apply_plan(plan, false).await?;
    /// let changes: Vec<_> = applied.iter().map(|it| (it.name.as_str(), it.change)).collect();
    /// assert_eq!(changes, [("new", Change::Created), ("old", Change::Deleted)]);
    /// # engine.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Engine::apply_configs`], [`Engine::apply_pipelines`], [`Engine::apply_schedules`] and
    /// [`Engine::apply_output_types`]; [`Error::Conflict`] when
    /// something that stays names what would go.
    pub async fn apply_plan(&self, plan: Plan, dry_run: bool) -> Result<Vec<Applied>, Error> {
        let Plan { configs, pipelines, schedules, output_types, prune } = plan;
        let mut problems = Vec::new();
        let configs = self.checked_configs(configs, &mut problems).await?;
        let pipelines = self.checked_pipelines(pipelines, &mut problems);
        let schedules = self.checked_schedules(schedules, &mut problems);
        let output_types = self.checked_output_types(output_types, &mut problems).await?;
        let checked = Checked { output_types, ..Checked::new(configs, pipelines, schedules, &mut problems) };
        if !problems.is_empty() {
            return Err(Error::Invalid(problems));
        }
        self.change_documents(&checked, prune.map_or(Removal::Nothing, Removal::Unnamed), dry_run).await
    }

    /// Forgets a document and its revisions, unless something names it.
    pub(super) async fn delete_document(&self, name: DocumentName) -> Result<(), Error> {
        self.change_documents(&Checked::default(), Removal::One(name), false).await.map(drop)
    }

    /// Decides what becomes of the documents of a checked plan and of those that are to go, and stores it.
    async fn change_documents(&self, plan: &Checked, removal: Removal, dry_run: bool) -> Result<Vec<Applied>, Error> {
        let store = &self.runtime().store;
        for _ in 0..TRIES {
            let seen = store.documents_seen();
            let mut gone = self.to_go(plan, &removal)?;
            let mut problems = plan.settle_owners(store, &mut gone)?;
            let outlook = Outlook::new(self.runtime(), plan, &gone);
            problems.extend(outlook.problems()?);
            if !problems.is_empty() {
                return Err(Error::Invalid(problems));
            }
            outlook.refuse_what_is_needed()?;
            let draft = self.draft(plan, &gone)?;
            if dry_run || draft.changes.is_empty() {
                return Ok(draft.applied);
            }
            let states = self.states_of(&draft.changes).await?;
            let changes = draft.changes.into_iter().map(|(_, change)| change).collect();
            if self.write(seen, changes, states).await? == Written::Stored {
                return Ok(draft.applied);
            }
        }
        Err(keeps_changing())
    }

    /// What is to be deleted, but for schedules that go with their owners.
    fn to_go(&self, plan: &Checked, removal: &Removal) -> Result<BTreeSet<DocumentName>, Error> {
        let store = &self.runtime().store;
        match removal {
            Removal::Nothing => Ok(BTreeSet::new()),
            Removal::One(name) => {
                refuse_owned(store, name)?;
                Ok([name.clone()].into())
            }
            Removal::Unnamed(Prune { project, kinds }) => {
                let mut gone = BTreeSet::new();
                for kind in kinds {
                    gone.extend(plan.unnamed(store, *kind, project)?);
                }
                Ok(gone)
            }
        }
    }

    fn draft(&self, plan: &Checked, gone: &BTreeSet<DocumentName>) -> Result<Draft, Error> {
        let mut draft = Draft::default();
        for (name, config) in &plan.configs {
            let name = DocumentName::new(DocumentKind::Config, &config.spec.project, name);
            let content = DocumentContent { body: encode_config(config)?, private: Private::of(&config.spec) };
            self.compare(Wanted { name, content }, &mut draft)?;
        }
        for (project, name, spec) in &plan.pipelines {
            let name = DocumentName::new(DocumentKind::Pipeline, project, name);
            let content = DocumentContent { body: encode_pipeline(spec)?, private: Private::default() };
            self.compare(Wanted { name, content }, &mut draft)?;
        }
        let store = &self.runtime().store;
        let mut new = store.next_schedule()?;
        for GivenSchedule { project, name, spec, owner } in &plan.schedules {
            let name = DocumentName::new(DocumentKind::Schedule, project, name);
            let seq = match store.document(&name, None)? {
                Some(document) => decode_schedule_spec(&document.body)?.seq,
                None => {
                    new += 1;
                    new - 1
                }
            };
            let content = DocumentContent {
                body: encode_schedule_spec(seq, spec, *owner)?,
                private: spec.options.clone().into(),
            };
            self.compare(Wanted { name, content }, &mut draft)?;
        }
        for OutputType { project, name, schema } in &plan.output_types {
            let name = DocumentName::new(DocumentKind::OutputType, project, name);
            let content = DocumentContent { body: encode_output_type(schema.as_ref())?, private: Private::default() };
            self.compare(Wanted { name, content }, &mut draft)?;
        }
        for name in gone {
            let unknown = || Error::Unknown { what: name.kind.word(), name: name.name.clone() };
            let revision = store.document(name, None)?.ok_or_else(unknown)?.latest;
            draft.add(name.clone(), None, revision, Change::Deleted);
        }
        Ok(draft)
    }

    /// What storing this would do, and the change that does it.
    fn compare(&self, wanted: Wanted, draft: &mut Draft) -> Result<(), Error> {
        let store = &self.runtime().store;
        let Wanted { name, content } = wanted;
        let known = store.document(&name, None)?;
        let change = match &known {
            None => Change::Created,
            Some(document) if document.body != content.body => Change::Changed,
            Some(document) if store.document_private(document)? != content.private => Change::Changed,
            Some(_) => Change::Unchanged,
        };
        // The number of one that was deleted goes on, so this is a forecast for a new one.
        let revision = known.map_or(0, |document| document.latest) + u32::from(change != Change::Unchanged);
        draft.add(name, Some(content), revision, change);
        Ok(())
    }

    /// The states of schedules that are new, say something else from now on, or go.
    async fn states_of(&self, changes: &[(Change, DocumentChange)]) -> Result<Vec<ScheduleChange>, Error> {
        let runtime = self.runtime();
        let mut states = Vec::new();
        for (change, DocumentChange { name, content }) in changes {
            if name.kind != DocumentKind::Schedule {
                continue;
            }
            let Some(content) = content else {
                let status = self.known(&name.project, &name.name)?.status;
                states.push(ScheduleChange { seq: status.state.seq, seen: Some(status.rev), status: None });
                continue;
            };
            let seq = decode_schedule_spec(&content.body)?.seq;
            // What came due before is decided as it was then.
            let known = if *change == Change::Created { None } else { runtime.look(seq).await? };
            let now = runtime.clock.now();
            let seen = known.as_ref().map(|status| status.rev);
            let status = match known {
                Some(status) => ScheduleStatus { rev: status.rev.wrapping_add(1), again: Some(now), ..status },
                None => ScheduleStatus::new(seq, &name.project, &name.name, now),
            };
            states.push(ScheduleChange { seq, seen, status: Some(status) });
        }
        Ok(states)
    }

    async fn write(
        &self,
        seen: u64,
        changes: Vec<DocumentChange>,
        states: Vec<ScheduleChange>,
    ) -> Result<Written, Error> {
        let runtime = self.runtime();
        let now = runtime.clock.now();
        let schedules: Vec<_> = states.iter().map(|state| (state.seq, state.status.is_some())).collect();
        let states = states.into_iter().map(ScheduleChange::encode).collect::<Result<Vec<_>, Error>>()?;
        let written = runtime.store.change_documents(seen, changes, states, now).await?;
        if written == Written::Stored {
            for (seq, is_there) in schedules {
                if is_there { runtime.schedules.look_at(seq, now) } else { runtime.schedules.forget(seq) }
            }
        }
        Ok(written)
    }
}

impl Draft {
    fn add(&mut self, name: DocumentName, content: Option<DocumentContent>, revision: u32, change: Change) {
        let DocumentName { kind, project, name: called } = name.clone();
        self.applied.push(Applied { kind, project, name: called, revision, change });
        if change != Change::Unchanged {
            self.changes.push((change, DocumentChange { name, content }));
        }
    }
}

pub(super) fn keeps_changing() -> Error {
    Error::Conflict("others keep changing configs, pipelines or schedules; try again".into())
}
