//! What documents there will be after a change, and whether what they name is among them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::owned::{Checked, GivenSchedule, page_of};
use crate::error::{Error, Problem};
use crate::job::config::follow;
use crate::job::validate::shown;
use crate::job::{JobConfig, PipelineSpec, RunOptions, Target};
use crate::runtime::Runtime;
use crate::store::{Document, DocumentKind, DocumentName, decode_config, decode_pipeline, decode_schedule_spec};

/// Names that a refusal tells.
const TOLD: usize = 10;

/// What there will be: what is given, and what is stored and neither replaced nor to go.
pub(super) struct Outlook<'a> {
    runtime: &'a Runtime,
    plan: &'a Checked,
    gone: &'a BTreeSet<DocumentName>,
    /// Given configs, by project and name.
    configs: HashMap<(&'a str, &'a str), &'a JobConfig>,
    /// Given pipelines, by project and name.
    pipelines: HashMap<(&'a str, &'a str), &'a PipelineSpec>,
    /// Given schedules, by project and name.
    schedules: HashSet<(&'a str, &'a str)>,
}

impl<'a> Outlook<'a> {
    pub(super) fn new(runtime: &'a Runtime, plan: &'a Checked, gone: &'a BTreeSet<DocumentName>) -> Self {
        let configs = plan.configs.iter().map(|(name, config)| ((config.spec.project.as_str(), name.as_str()), config));
        let pipelines = plan.pipelines.iter().map(|(project, name, spec)| ((project.as_str(), name.as_str()), spec));
        let schedules = plan.schedules.iter().map(|it| (it.project.as_str(), it.name.as_str()));
        Outlook {
            runtime,
            plan,
            gone,
            configs: configs.collect(),
            pipelines: pipelines.collect(),
            schedules: schedules.collect(),
        }
    }

    /// Everything that given documents name and that will not be there or does not fit.
    pub(super) fn problems(&self) -> Result<Vec<Problem>, Error> {
        let mut problems = self.link_problems()?;
        problems.extend(self.processor_problems()?);
        problems.extend(self.target_problems()?);
        problems.extend(self.parameter_problems()?);
        Ok(problems)
    }

    /// A document that is stored and will be.
    fn stored(&self, kind: DocumentKind, project: &str, name: &str) -> Result<Option<Document>, Error> {
        let name = DocumentName::new(kind, project, name);
        if self.gone.contains(&name) { Ok(None) } else { self.runtime.store.document(&name, None) }
    }

    fn has_config(&self, project: &str, name: &str) -> Result<bool, Error> {
        Ok(self.configs.contains_key(&(project, name)) || self.stored(DocumentKind::Config, project, name)?.is_some())
    }

    /// The `next` of a config; `None` where there will be no such config.
    fn next_of(&self, project: &str, name: &str) -> Result<Option<Option<String>>, Error> {
        if let Some(config) = self.configs.get(&(project, name)) {
            return Ok(Some(config.next.clone()));
        }
        let stored = self.stored(DocumentKind::Config, project, name)?;
        stored.map(|document| Ok(decode_config(&document.body)?.next)).transpose()
    }

    /// Follows every config from the ones given on, as all will be.
    fn link_problems(&self) -> Result<Vec<Problem>, Error> {
        let most = self.runtime.config.job_limits.submission;
        let mut problems: Vec<Problem> = Vec::new();
        for (first, config) in &self.plan.configs {
            match follow(first, most, |name| self.next_of(&config.spec.project, name)) {
                Err(Error::Invalid(found)) => problems
                    .extend(found.into_iter().map(|it| Problem { field: format!("{}.next", shown(first)), ..it })),
                other => drop(other?),
            }
        }
        // A circle is found from each of its configs: once is enough.
        problems.dedup_by(|one, other| one.allowed == other.allowed && one.problem == other.problem);
        Ok(problems)
    }

    /// Configs that nodes of given pipelines name and that will not be there. Each is told once of a pipeline.
    fn processor_problems(&self) -> Result<Vec<Problem>, Error> {
        let mut problems = Vec::new();
        for (project, name, spec) in &self.plan.pipelines {
            let mut seen = HashSet::new();
            for node in spec.process_nodes.iter().filter(|node| seen.insert(node.processor.as_str())) {
                if !self.has_config(project, &node.processor)? {
                    let field = format!("{}.processNodes.{}.processor", shown(name), node.name);
                    problems.push(missing_config(field, &node.processor));
                }
            }
        }
        Ok(problems)
    }

    /// What given schedules name and that will not be there, and parameters that do not fit the pipeline.
    fn target_problems(&self) -> Result<Vec<Problem>, Error> {
        let mut problems = Vec::new();
        for GivenSchedule { project, name, spec, .. } in &self.plan.schedules {
            let field = format!("{}.{}", shown(name), spec.target.field());
            for config in spec.target.configs() {
                if !self.has_config(project, config)? {
                    problems.push(missing_config(field.clone(), config));
                }
            }
            let Some(pipeline) = spec.target.pipeline() else { continue };
            let of_schedule = |it: Problem| Problem { field: format!("{}.{}", shown(name), it.field), ..it };
            match self.misfits(project, pipeline, &spec.options)? {
                Some(misfits) => problems.extend(misfits.into_iter().map(of_schedule)),
                None => problems.push(Problem {
                    field,
                    problem: format!("there is no pipeline {}", shown(pipeline)),
                    allowed: "pipelines that are stored in this project".to_owned(),
                }),
            }
        }
        Ok(problems)
    }

    /// Options of a schedule that are no parameters of the pipeline, and parameters that it leaves without a value; `None`
    /// where there will be no such pipeline.
    fn misfits(&self, project: &str, pipeline: &str, options: &RunOptions) -> Result<Option<Vec<Problem>>, Error> {
        let stored = match self.pipelines.get(&(project, pipeline)) {
            Some(spec) => return Ok(Some(misfits(spec, options))),
            None => self.stored(DocumentKind::Pipeline, project, pipeline)?,
        };
        stored.map(|document| Ok(misfits(&decode_pipeline(&document.body)?, options))).transpose()
    }

    /// Stored schedules whose options do not fit the parameters that a given pipeline has from now on.
    fn parameter_problems(&self) -> Result<Vec<Problem>, Error> {
        let mut problems = Vec::new();
        let projects: BTreeSet<&str> = self.plan.pipelines.iter().map(|(project, ..)| project.as_str()).collect();
        for project in projects {
            self.each_kept(DocumentKind::Schedule, project, |document| {
                let spec = decode_schedule_spec(&document.body)?.spec;
                let Some(name) = spec.target.pipeline() else { return Ok(()) };
                let Some(pipeline) = self.pipelines.get(&(project, name)) else { return Ok(()) };
                let options = self.runtime.store.document_private(document)?.options;
                problems.extend(misfits(pipeline, &options).into_iter().map(|it| Problem {
                    field: format!("{}.parameters", shown(name)),
                    problem: format!("for schedule {}, {}: {}", shown(&document.name.name), it.field, it.problem),
                    allowed: format!("{}; or change the schedule with the pipeline", it.allowed),
                }));
                Ok(())
            })?;
        }
        Ok(problems)
    }

    /// Refuses when something that is kept as it is stored names what is to go.
    pub(super) fn refuse_what_is_needed(&self) -> Result<(), Error> {
        let of_kind = |it: &&DocumentName| it.kind != DocumentKind::Schedule;
        let projects: BTreeSet<&str> = self.gone.iter().filter(of_kind).map(|it| it.project.as_str()).collect();
        let mut needed: BTreeMap<DocumentName, Vec<String>> = BTreeMap::new();
        for project in projects {
            for kind in [DocumentKind::Config, DocumentKind::Pipeline, DocumentKind::Schedule] {
                self.each_kept(kind, project, |document| {
                    for name in named_by(document)?.into_iter().filter(|name| self.gone.contains(name)) {
                        needed.entry(name).or_default().push(format!("{} {:?}", kind.word(), document.name.name));
                    }
                    Ok(())
                })?;
            }
        }
        if needed.is_empty() {
            return Ok(());
        }
        let text = |(name, by): (&DocumentName, &Vec<String>)| {
            let by: Vec<&str> = by.iter().take(TOLD).map(String::as_str).collect();
            format!("{} {:?} is needed by {}", name.kind.word(), name.name, by.join(", "))
        };
        let texts: Vec<String> = needed.iter().take(TOLD).map(text).collect();
        Err(Error::Conflict(format!("{}; change or delete those first", texts.join("; "))))
    }

    /// The stored documents of a project that are neither replaced nor to go.
    fn each_kept(
        &self,
        kind: DocumentKind,
        project: &str,
        mut look: impl FnMut(&Document) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut after: Option<String> = None;
        loop {
            let page = self.runtime.store.documents(kind, project, after.as_deref(), page_of(kind))?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.name.name.clone());
            for document in &page {
                if !self.gone.contains(&document.name) && !self.is_given(kind, project, &document.name.name) {
                    look(document)?;
                }
            }
        }
    }

    fn is_given(&self, kind: DocumentKind, project: &str, name: &str) -> bool {
        match kind {
            DocumentKind::Config => self.configs.contains_key(&(project, name)),
            DocumentKind::Pipeline => self.pipelines.contains_key(&(project, name)),
            DocumentKind::Schedule => self.schedules.contains(&(project, name)),
            DocumentKind::OutputType => {
                self.plan.output_types.iter().any(|it| it.project == project && it.name == name)
            }
        }
    }
}

/// What a stored document names.
fn named_by(document: &Document) -> Result<Vec<DocumentName>, Error> {
    let DocumentName { kind, project, .. } = &document.name;
    let config = |name: &String| DocumentName::new(DocumentKind::Config, project, name);
    Ok(match kind {
        DocumentKind::Config => decode_config(&document.body)?.next.iter().map(config).collect(),
        DocumentKind::Pipeline => {
            let spec = decode_pipeline(&document.body)?;
            let names: BTreeSet<&String> = spec.process_nodes.iter().map(|node| &node.processor).collect();
            names.into_iter().map(config).collect()
        }
        // Nothing is needed by records that have been accepted.
        DocumentKind::OutputType => Vec::new(),
        DocumentKind::Schedule => match decode_schedule_spec(&document.body)?.spec.target {
            Target::Pipeline(name) => vec![DocumentName::new(DocumentKind::Pipeline, project, &name)],
            target => target.configs().iter().map(config).collect(),
        },
    })
}

fn misfits(pipeline: &PipelineSpec, options: &RunOptions) -> Vec<Problem> {
    let problems = pipeline.parameters_of_run(options).err().unwrap_or_default();
    let field = |field: &str| field.replacen("parameters", "options", 1);
    problems.into_iter().map(|it| Problem { field: field(&it.field), ..it }).collect()
}

fn missing_config(field: String, name: &str) -> Problem {
    let problem = format!("there is no config {}", shown(name));
    Problem { field, problem, allowed: "configs that are stored in this project".to_owned() }
}
