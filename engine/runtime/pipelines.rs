//! The jobs that runs of pipelines are made of.

use std::collections::{BTreeMap, HashMap};

use super::Runtime;
use crate::error::{Error, Problem};
use crate::files::read_payload;
use crate::job::options::REQUIREMENTS;
use crate::job::pipeline::{Rerun, Values, named_outputs, output_text, put_together, resolve};
use crate::job::validate::shown;
use crate::job::{
    After, Again, ChainId, Job, JobId, JobSpec, Kept, NodeRun, NodeState, Pipeline, PipelineRun, PipelineSpec,
    ProcessNode, Requirement, RunOptions, Seq, Unmet,
};

/// A stored pipeline that was checked again, as its limits may have changed.
pub(crate) struct StoredPipeline {
    pub(crate) project: String,
    pub(crate) name: String,
    pub(crate) revision: u32,
    pub(crate) pipeline: Pipeline,
}

/// An earlier run that part of is to run again.
pub(crate) struct Earlier<'a> {
    pub(crate) id: ChainId,
    /// The job of each of its nodes.
    pub(crate) jobs: &'a [JobId],
    pub(crate) rerun: &'a Rerun,
}

impl Runtime {
    /// A stored pipeline: this revision of it, or the latest; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Invalid`] for one that is over the limits there are now; [`Error::Storage`].
    pub(crate) fn stored_pipeline(
        &self,
        project: &str,
        name: &str,
        revision: Option<u32>,
    ) -> Result<Option<StoredPipeline>, Error> {
        let Some((revision, spec)) = self.pipeline(project, name, revision)? else { return Ok(None) };
        let (limits, schedules) = (&self.config.pipeline_limits, &self.config.schedule_limits);
        let pipeline = Pipeline::new(spec, limits, schedules).map_err(Error::Invalid)?;
        Ok(Some(StoredPipeline { project: project.to_owned(), name: name.to_owned(), revision, pipeline }))
    }

    /// The jobs of a run of a pipeline with these parameters.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a pipeline that is not there, parameters that do not fit it and configs that are not there any
    /// more; [`Error::Storage`], [`Error::Key`].
    pub(crate) fn jobs_of_pipeline(
        &self,
        project: &str,
        name: &str,
        parameters: &RunOptions,
    ) -> Result<Vec<JobSpec>, Error> {
        let allowed = "pipelines that are stored in this project";
        let missing = || Error::invalid("pipeline", format!("there is no pipeline {}", shown(name)), allowed);
        let stored = self.stored_pipeline(project, name, None)?.ok_or_else(missing)?;
        let parameters = stored.pipeline.spec().parameters_of_run(parameters).map_err(Error::Invalid)?;
        let nodes: Vec<usize> = (0..stored.pipeline.graph().len()).collect();
        Making::new(self, &stored, parameters, &nodes, None).jobs()
    }

    /// The jobs of the nodes of an earlier run that run again, made of what the configs say now.
    ///
    /// # Errors
    /// As [`Runtime::jobs_of_pipeline`], and when an output value that is needed is not there any more.
    pub(crate) fn jobs_of_rerun(
        &self,
        stored: &StoredPipeline,
        parameters: RunOptions,
        earlier: &Earlier<'_>,
    ) -> Result<Vec<JobSpec>, Error> {
        Making::new(self, stored, parameters, &earlier.rerun.again, Some(earlier)).jobs()
    }

    /// What a job has given back, as JSON text.
    pub(crate) fn output(&self, seq: Seq) -> Result<Option<Vec<u8>>, Error> {
        match self.store.output(seq)? {
            Some(inline) if !inline.is_empty() => Ok(Some(inline)),
            // An empty record stands for a file beside the store.
            Some(_) => {
                let path = self.layout.output(seq);
                read_payload(&path).map(Some).map_err(|error| Error::io(path.display(), &error))
            }
            None => Ok(None),
        }
    }

    fn output_value(&self, seq: Seq) -> Result<Option<String>, Error> {
        Ok(self.output(seq)?.as_deref().and_then(output_text))
    }

    /// Puts together the options of a node that wait for output values of others. All of those are over.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a value is not there or gets too long.
    pub(crate) fn put_late_together(&self, job: &Job, options: &mut RunOptions) -> Result<(), Error> {
        let (Some(node), Some(chain)) = (&job.spec.node, job.chain) else { return Ok(()) };
        let most = self.config.pipeline_limits.option_value_bytes;
        for name in &node.late {
            let Some(mut option) = options.get(name).cloned() else { continue };
            let output = |place: u32| {
                let seq = chain.seq() + u64::from(place);
                self.output_value(seq)?.ok_or_else(|| self.no_output(seq))
            };
            let invalid = |problem: String| {
                let allowed = "output values that are there, within the limits".to_owned();
                Error::Invalid(vec![Problem { field: format!("options.{name}"), problem, allowed }])
            };
            option.value = put_together(&option.value, most, output).map_err(|error| invalid(error.to_string()))?;
            options.set(name.clone(), option);
        }
        Ok(())
    }

    fn no_output(&self, seq: Seq) -> Error {
        let stored = self.store.load(seq).ok().flatten();
        let name = stored.and_then(|stored| stored.job.spec.name.clone()).unwrap_or_else(|| seq.to_string());
        Error::Unknown { what: "output value of node", name }
    }
}

/// A run while its jobs are made.
struct Making<'a> {
    runtime: &'a Runtime,
    stored: &'a StoredPipeline,
    parameters: RunOptions,
    /// The nodes that run, in the order of their jobs.
    nodes: &'a [usize],
    /// The places of their jobs in the chain, by their names.
    places: BTreeMap<String, u32>,
    earlier: Option<&'a Earlier<'a>>,
    /// Configs that were read.
    configs: HashMap<&'a str, Option<JobSpec>>,
    problems: Vec<Problem>,
}

impl<'a> Making<'a> {
    fn new(
        runtime: &'a Runtime,
        stored: &'a StoredPipeline,
        parameters: RunOptions,
        nodes: &'a [usize],
        earlier: Option<&'a Earlier<'a>>,
    ) -> Self {
        let places = nodes.iter().zip(0..).map(|(node, place)| (stored.pipeline.name_of(*node).to_owned(), place));
        let places = places.collect();
        let (configs, problems) = (HashMap::new(), Vec::new());
        Making { runtime, stored, parameters, nodes, places, earlier, configs, problems }
    }

    fn jobs(mut self) -> Result<Vec<JobSpec>, Error> {
        let spec: &'a PipelineSpec = self.stored.pipeline.spec();
        let mut jobs = Vec::with_capacity(self.nodes.len());
        for position in self.nodes {
            let Some(node) = spec.process_nodes.get(*position) else { continue };
            if let Some(job) = self.job(*position, node)? {
                jobs.push(job);
            }
        }
        if !self.problems.is_empty() {
            return Err(Error::Invalid(self.problems));
        }
        let run = PipelineRun { again: self.again(), parameters: self.parameters };
        if let Some(node) = jobs.first_mut().and_then(|job| job.node.as_mut()) {
            node.run = Some(Box::new(run));
        }
        Ok(jobs)
    }

    fn job(&mut self, position: usize, node: &'a ProcessNode) -> Result<Option<JobSpec>, Error> {
        let Some(mut job) = self.config(&node.processor)? else { return Ok(None) };
        let outputs = self.kept_outputs(node)?;
        let values = Values { parameters: &self.parameters, outputs: &outputs, later: &self.places };
        let resolved = match resolve(&node.options, values, &self.runtime.config.pipeline_limits) {
            Ok(resolved) => resolved,
            Err(problems) => {
                self.fail(&node.name, problems);
                return Ok(None);
            }
        };
        job.name = Some(node.name.clone());
        job.options = std::mem::take(&mut job.options).overlaid(resolved.options);
        if let Some(requirement) = self.stored.pipeline.requirement_of(position) {
            job.options.set(REQUIREMENTS, lines_of(requirement));
        }
        if let Some(attempts) = node.max_attempts {
            job.retry.max_attempts = attempts;
        }
        let (reads, writes) = self.stored.pipeline.sources_of(position);
        job.reads.extend(reads.into_iter().map(str::to_owned));
        job.writes.extend(writes.into_iter().map(str::to_owned));
        let (after, unmet) = self.before(position);
        job.after = after;
        job.node = Some(NodeRun {
            pipeline: self.stored.name.clone(),
            revision: self.stored.revision,
            late: resolved.late,
            unmet,
            run: None,
        });
        Ok(Some(job))
    }

    fn fail(&mut self, node: &str, problems: Vec<Problem>) {
        let field = |field: &str| format!("processNodes.{}.{field}", shown(node));
        self.problems.extend(problems.into_iter().map(|it| Problem { field: field(&it.field), ..it }));
    }

    fn config(&mut self, name: &'a str) -> Result<Option<JobSpec>, Error> {
        if let Some(known) = self.configs.get(name) {
            return Ok(known.clone());
        }
        let config = self.runtime.config(&self.stored.project, name)?.map(|(spec, _)| spec);
        if config.is_none() {
            self.problems.push(Problem {
                field: "processor".to_owned(),
                problem: format!("there is no config {}", shown(name)),
                allowed: "configs that are stored in this project".to_owned(),
            });
        }
        self.configs.insert(name, config.clone());
        Ok(config)
    }

    /// Output values that the options of a node name, of nodes that do not run again.
    fn kept_outputs(&self, node: &ProcessNode) -> Result<BTreeMap<String, String>, Error> {
        let mut outputs = BTreeMap::new();
        let Some(earlier) = self.earlier else { return Ok(outputs) };
        for name in named_outputs(&node.options) {
            let position = self.stored.pipeline.position_of(&name).filter(|_| !self.places.contains_key(&name));
            let Some(job) = position.and_then(|position| earlier.jobs.get(position)) else { continue };
            outputs.extend(self.runtime.output_value(job.seq())?.map(|value| (name, value)));
        }
        Ok(outputs)
    }

    /// What a node waits for in this run, and the first kept node that has not ended as it had to.
    fn before(&self, position: usize) -> (Vec<After>, Option<Unmet>) {
        let (mut after, mut unmet) = (Vec::new(), None::<Unmet>);
        for edge in self.stored.pipeline.graph().before(position) {
            let kept = self
                .earlier
                .and_then(|earlier| Some((*earlier.jobs.get(edge.from)?, earlier.rerun.states.get(edge.from)?.end()?)));
            match kept {
                None => after.push(After::on(self.stored.pipeline.name_of(edge.from), edge.on)),
                Some((_, end)) if edge.on.holds(end) => {}
                Some((job, end)) => unmet = Some(Unmet { job, on: edge.on, end }.first(unmet)),
            }
        }
        (after, unmet)
    }

    fn again(&self) -> Option<Again> {
        let earlier = self.earlier?;
        let states = earlier.rerun.states.iter().zip(earlier.jobs).zip(0_u32..);
        let kept =
            states.filter(|((state, _), _)| **state != NodeState::Waiting).map(|((state, job), position)| Kept {
                position,
                name: self.stored.pipeline.name_of(position as usize).to_owned(),
                state: *state,
                job: *job,
            });
        Some(Again { of: earlier.id, kept: kept.collect() })
    }
}

/// One library a line, as `name==version`, or the name alone where any version will do.
fn lines_of(requirement: &[Requirement]) -> String {
    let line = |it: &Requirement| match &it.version {
        Some(version) => format!("{}=={version}", it.name),
        None => it.name.clone(),
    };
    requirement.iter().map(line).collect::<Vec<_>>().join("\n")
}
