//! Schedules that belong to configs and pipelines: they are stored, change and go with them.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::error::{Error, Problem};
use crate::job::validate::shown;
use crate::job::{JobConfig, OutputType, Overlap, OwnSchedule, Owner, PipelineSpec, ScheduleSpec, Target};
use crate::store::{DocumentKind, DocumentName, Store, StoredSchedule, decode_schedule_spec};

/// Documents that are looked through at a time: a pipeline may have megabytes.
pub(super) fn page_of(kind: DocumentKind) -> usize {
    match kind {
        DocumentKind::Config | DocumentKind::Schedule | DocumentKind::OutputType => 100,
        DocumentKind::Pipeline => 8,
    }
}

/// A schedule that is to be stored.
pub(super) struct GivenSchedule {
    pub(super) project: String,
    pub(super) name: String,
    pub(super) spec: ScheduleSpec,
    pub(super) owner: Option<Owner>,
}

/// A plan whose parts are right each for itself. The schedules of its configs and pipelines are among its schedules.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) configs: Vec<(String, JobConfig)>,
    pub(super) pipelines: Vec<(String, String, PipelineSpec)>,
    pub(super) schedules: Vec<GivenSchedule>,
    pub(super) output_types: Vec<OutputType>,
}

impl Checked {
    /// Puts it together. Two schedules with the same name are a problem.
    pub(super) fn new(
        configs: Vec<(String, JobConfig)>,
        pipelines: Vec<(String, String, PipelineSpec)>,
        schedules: Vec<(String, String, ScheduleSpec)>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let given = |(project, name, spec)| GivenSchedule { project, name, spec, owner: None };
        let of_configs = configs.iter().filter_map(|(name, config)| of_config(name, config));
        let of_pipelines = pipelines.iter().filter_map(|(project, name, spec)| of_pipeline(project, name, spec));
        let owned: Vec<GivenSchedule> = of_configs.chain(of_pipelines).collect();
        let mut schedules: Vec<GivenSchedule> = schedules.into_iter().map(given).collect();
        let mut known: HashMap<(String, String), Option<Owner>> =
            schedules.iter().map(|it| ((it.project.clone(), it.name.clone()), None)).collect();
        for schedule in &owned {
            if let Some(other) = known.insert((schedule.project.clone(), schedule.name.clone()), schedule.owner) {
                problems.push(schedule.clash("is given too", other, "one schedule of each name"));
            }
        }
        schedules.extend(owned);
        Checked { configs, pipelines, schedules, output_types: Vec::new() }
    }

    /// Given configs and pipelines, and whether they have a schedule.
    fn owners(&self) -> HashMap<(Owner, &str, &str), bool> {
        let configs = self.configs.iter().map(|(name, config)| {
            ((Owner::Config, config.spec.project.as_str(), name.as_str()), config.schedule.is_some())
        });
        let pipelines = self
            .pipelines
            .iter()
            .map(|(project, name, spec)| ((Owner::Pipeline, project.as_str(), name.as_str()), spec.schedule.is_some()));
        configs.chain(pipelines).collect()
    }

    /// The stored documents of a project that are not given, but for schedules that belong to something.
    pub(super) fn unnamed(&self, store: &Store, kind: DocumentKind, project: &str) -> Result<Vec<DocumentName>, Error> {
        let given = self.names(kind, project);
        let (mut found, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = store.documents(kind, project, after.as_deref(), page_of(kind))?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.name.name.clone());
            for document in page {
                let is_owned = kind == DocumentKind::Schedule && decode_schedule_spec(&document.body)?.owner.is_some();
                if !is_owned && !given.contains(document.name.name.as_str()) {
                    found.push(document.name);
                }
            }
        }
    }

    /// The names of what is given of a project.
    fn names(&self, kind: DocumentKind, project: &str) -> HashSet<&str> {
        let is_here = |it: &str| it == project;
        match kind {
            DocumentKind::Config => {
                let here = self.configs.iter().filter(|(_, config)| is_here(&config.spec.project));
                here.map(|(name, _)| name.as_str()).collect()
            }
            DocumentKind::Pipeline => {
                let here = self.pipelines.iter().filter(|(project, ..)| is_here(project));
                here.map(|(_, name, _)| name.as_str()).collect()
            }
            DocumentKind::Schedule => {
                self.schedules.iter().filter(|it| is_here(&it.project)).map(|it| it.name.as_str()).collect()
            }
            DocumentKind::OutputType => {
                self.output_types.iter().filter(|it| is_here(&it.project)).map(|it| it.name.as_str()).collect()
            }
        }
    }

    /// Finds out which stored schedules lose their owner, and adds them to what is to go. What is given under the name of a
    /// stored schedule that belongs elsewhere is a problem.
    pub(super) fn settle_owners(
        &self,
        store: &Store,
        gone: &mut BTreeSet<DocumentName>,
    ) -> Result<Vec<Problem>, Error> {
        let owners = self.owners();
        let mut problems = Vec::new();
        for schedule in &self.schedules {
            let GivenSchedule { project, name, .. } = schedule;
            let Some(StoredSchedule { owner: known, .. }) = stored_schedule(store, project, name)? else { continue };
            let is_free = known.is_some_and(|owner| {
                let is_gone = gone.contains(&DocumentName::new(kind_of(owner), project, name));
                is_gone || owners.get(&(owner, project.as_str(), name.as_str())) == Some(&false)
            });
            if known != schedule.owner && !is_free {
                problems.push(schedule.clash("is stored", known, &what_to_do(known, name)));
            }
        }
        let given: HashSet<(&str, &str)> =
            self.schedules.iter().map(|it| (it.project.as_str(), it.name.as_str())).collect();
        let of_gone: Vec<DocumentName> = gone.iter().cloned().collect();
        let of_gone = of_gone.iter().filter_map(|it| Some((owner_of(it.kind)?, it.project.as_str(), it.name.as_str())));
        let without = owners.iter().filter(|(_, has_schedule)| !**has_schedule).map(|(key, _)| *key);
        for (owner, project, name) in
            without.chain(of_gone).filter(|(_, project, name)| !given.contains(&(*project, *name)))
        {
            if stored_schedule(store, project, name)?.is_some_and(|it| it.owner == Some(owner)) {
                gone.insert(DocumentName::new(DocumentKind::Schedule, project, name));
            }
        }
        Ok(problems)
    }
}

impl GivenSchedule {
    /// That another schedule has its name, which belongs to `other`.
    fn clash(&self, how: &str, other: Option<Owner>, allowed: &str) -> Problem {
        let name = shown(&self.name);
        let belongs = match other {
            Some(owner) => format!("belongs to {} {name}", owner.word()),
            None => "belongs to nothing".to_owned(),
        };
        let (field, problem) = match self.owner {
            Some(owner) => {
                let text =
                    format!("{} {name} has a schedule, and schedule {name} {how}, which {belongs}", owner.word());
                (format!("{name}.schedule"), text)
            }
            None => (format!("{name}.name"), format!("schedule {name} {how}, which {belongs}")),
        };
        Problem { field, problem, allowed: allowed.to_owned() }
    }
}

fn what_to_do(known: Option<Owner>, name: &str) -> String {
    match known {
        Some(owner) => {
            let (word, name) = (owner.word(), shown(name));
            format!("to change the schedule of {word} {name} in the {word}, or to apply the {word} without it")
        }
        None => format!("to delete schedule {} before, or another name", shown(name)),
    }
}

/// Refuses to delete a schedule that belongs to something.
pub(super) fn refuse_owned(store: &Store, name: &DocumentName) -> Result<(), Error> {
    if name.kind != DocumentKind::Schedule {
        return Ok(());
    }
    let known = stored_schedule(store, &name.project, &name.name)?;
    let Some(owner) = known.and_then(|known| known.owner) else { return Ok(()) };
    let (name, word) = (&name.name, owner.word());
    Err(Error::Conflict(format!(
        "schedule {name:?} belongs to {word} {name:?}; apply the {word} without its schedule, delete the {word}, or pause the \
         schedule"
    )))
}

fn stored_schedule(store: &Store, project: &str, name: &str) -> Result<Option<StoredSchedule>, Error> {
    let document = store.document(&DocumentName::new(DocumentKind::Schedule, project, name), None)?;
    document.map(|document| decode_schedule_spec(&document.body)).transpose()
}

fn of_config(name: &str, config: &JobConfig) -> Option<GivenSchedule> {
    let OwnSchedule { calendar, policy } = config.schedule.clone()?;
    let spec = ScheduleSpec { policy, ..ScheduleSpec::new(calendar, Target::Config(name.to_owned())) };
    let (project, name) = (config.spec.project.clone(), name.to_owned());
    Some(GivenSchedule { project, name, spec, owner: Some(Owner::Config) })
}

fn of_pipeline(project: &str, name: &str, pipeline: &PipelineSpec) -> Option<GivenSchedule> {
    let mut spec = ScheduleSpec::new(pipeline.schedule.clone()?, Target::Pipeline(name.to_owned()));
    // Runs of a pipeline share its data.
    spec.policy.overlap = Overlap::Skip;
    let (project, name) = (project.to_owned(), name.to_owned());
    Some(GivenSchedule { project, name, spec, owner: Some(Owner::Pipeline) })
}

fn kind_of(owner: Owner) -> DocumentKind {
    match owner {
        Owner::Config => DocumentKind::Config,
        Owner::Pipeline => DocumentKind::Pipeline,
    }
}

fn owner_of(kind: DocumentKind) -> Option<Owner> {
    match kind {
        DocumentKind::Config => Some(Owner::Config),
        DocumentKind::Pipeline => Some(Owner::Pipeline),
        DocumentKind::Schedule | DocumentKind::OutputType => None,
    }
}
