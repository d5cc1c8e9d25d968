//! What is asked about configs, chains, pipelines and schedules, and how it is answered.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files::{Part, Pieces};
use super::pipeline_wire::{PipelineWire, pipeline_says};
use super::run_wire::RunWire;
use super::runs::{self, RunRequest};
use super::wire::{
    AppliedWire, BackfillWire, ConfigWire, RevisionWire, ScheduleWire, config_says, differences, schedule_says,
};
use crate::cli::failure::Failure;
use crate::engine::{Applied, Change, ConfigView, Engine, Missing, Plan, Prune, ScheduleView};
use crate::error::Error;
use crate::job::config::ChainElement;
use crate::job::{CalendarSpec, JobConfig, PipelineSpec, Policy, RunOptions, ScheduleSpec, Target, Timestamp};
use crate::store::{DocumentKind, decode_config, encode_config};

/// Pipelines that are looked at together: each may be large.
const PIPELINES_AT_ONCE: usize = 16;

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "plan")]
pub(in crate::cli) enum PlanRequest {
    Apply { pieces: Pieces, prune: Option<PrunePiece>, dry_run: bool },
    Configs { project: String },
    Config { project: String, name: String, revision: Option<u32> },
    Rollback { project: String, name: String, revision: u32 },
    DeleteConfig { project: String, name: String },
    RunConfig { project: String, name: String, options: RunOptions, key: Option<String> },
    RunChain { project: String, elements: Vec<ElementPiece> },
    Pipelines { project: String },
    Pipeline { project: String, name: String, revision: Option<u32> },
    RollbackPipeline { project: String, name: String, revision: u32 },
    DeletePipeline { project: String, name: String },
    Missing { project: String, processors: Vec<String>, sources: Vec<String> },
    Runs { run: RunRequest },
    Schedules { project: String },
    Schedule { project: String, name: String },
    Next { project: String, name: String, count: usize },
    Pause { project: String, name: String, note: String },
    Resume { project: String, name: String },
    Fire { project: String, name: String },
    Backfill { project: String, name: String, from: Timestamp, until: Timestamp, dry_run: bool },
    DeleteSchedule { project: String, name: String },
}

impl PlanRequest {
    /// Whether it changes nothing.
    pub(in crate::cli) fn is_question(&self) -> bool {
        use PlanRequest::{Apply, Backfill, Config, Configs, Next, Pipeline, Pipelines, Runs, Schedule, Schedules};
        if let Runs { run } = self {
            return run.is_question();
        }
        matches!(
            self,
            Configs { .. }
                | Config { .. }
                | Pipelines { .. }
                | Pipeline { .. }
                | PlanRequest::Missing { .. }
                | Schedules { .. }
                | Schedule { .. }
                | Next { .. }
                | Apply { dry_run: true, .. }
                | Backfill { dry_run: true, .. }
        )
    }
}

/// A config on its way to the process that holds the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct ConfigPiece {
    name: String,
    #[serde(with = "crate::cli::request::base64_bytes")]
    body: Vec<u8>,
    options: RunOptions,
}

impl ConfigPiece {
    pub(super) fn new(name: String, config: &JobConfig) -> Result<Self, Error> {
        Ok(ConfigPiece { name, body: encode_config(config)?, options: config.spec.options.clone() })
    }

    fn config(self) -> Result<(String, JobConfig), Error> {
        let mut config = decode_config(&self.body)?;
        config.spec.options = self.options;
        Ok((self.name, config))
    }
}

/// A pipeline on the same way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct PipelinePiece {
    pub(super) project: String,
    pub(super) name: String,
    pub(super) spec: PipelineSpec,
}

/// A schedule on the same way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct SchedulePiece {
    pub(super) project: String,
    pub(super) name: String,
    pub(super) calendar: CalendarSpec,
    pub(super) policy: Policy,
    pub(super) target: Target,
    pub(super) options: RunOptions,
}

/// What goes when no file names it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct PrunePiece {
    pub(super) project: String,
    /// Which documents.
    pub(super) part: Part,
}

/// An element of a chain on the same way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct ElementPiece {
    pub(super) config: String,
    pub(super) options: RunOptions,
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "planned")]
pub(in crate::cli) enum PlanReply {
    Applied { applied: Vec<AppliedWire> },
    Configs { configs: Vec<ConfigWire> },
    Pipelines { pipelines: Vec<PipelineWire> },
    Missing { processors: Vec<String>, sources: Vec<String> },
    Schedules { schedules: Vec<ScheduleWire> },
    Times { times: Vec<String> },
    Jobs { ids: Vec<String> },
    Began { run: String, jobs: Vec<String> },
    Runs { runs: Vec<RunWire> },
    Backfill { backfill: BackfillWire },
    Done,
}

/// Answers a request.
pub(in crate::cli) async fn answer(engine: &Engine, request: PlanRequest) -> Result<PlanReply, Failure> {
    Ok(match request {
        PlanRequest::Apply { pieces, prune, dry_run } => {
            PlanReply::Applied { applied: apply(engine, pieces, prune, dry_run).await? }
        }
        PlanRequest::Configs { project } => PlanReply::Configs { configs: all_configs(engine, &project)? },
        PlanRequest::Config { project, name, revision } => {
            let view = engine.config(&project, &name, revision)?;
            let revisions = RevisionWire::all(engine.config_revisions(&project, &name)?);
            let wire = ConfigWire { revisions, ..ConfigWire::from(&view) };
            PlanReply::Configs { configs: vec![wire] }
        }
        PlanRequest::Rollback { project, name, revision } => {
            let applied = engine.rollback_config(&project, &name, revision).await?;
            PlanReply::Applied { applied: vec![AppliedWire::new(applied)] }
        }
        PlanRequest::DeleteConfig { project, name } => {
            engine.delete_config(&project, &name).await?;
            PlanReply::Done
        }
        PlanRequest::RunConfig { project, name, options, key } => {
            jobs(engine.run_config(&project, &name, options, key).await?)
        }
        PlanRequest::RunChain { project, elements } => {
            let element = |it: ElementPiece| ChainElement { config: it.config, options: it.options };
            let elements: Vec<ChainElement> = elements.into_iter().map(element).collect();
            jobs(engine.run_chain(&project, &elements).await?)
        }
        request => answer_of_pipeline(engine, request).await?,
    })
}

async fn answer_of_pipeline(engine: &Engine, request: PlanRequest) -> Result<PlanReply, Failure> {
    Ok(match request {
        PlanRequest::Pipelines { project } => PlanReply::Pipelines { pipelines: all_pipelines(engine, &project)? },
        PlanRequest::Pipeline { project, name, revision } => {
            let view = engine.pipeline(&project, &name, revision)?;
            let revisions = RevisionWire::all(engine.pipeline_revisions(&project, &name)?);
            PlanReply::Pipelines { pipelines: vec![PipelineWire::whole(&view, revisions)] }
        }
        PlanRequest::RollbackPipeline { project, name, revision } => {
            let applied = engine.rollback_pipeline(&project, &name, revision).await?;
            PlanReply::Applied { applied: vec![AppliedWire::new(applied)] }
        }
        PlanRequest::DeletePipeline { project, name } => {
            engine.delete_pipeline(&project, &name).await?;
            PlanReply::Done
        }
        PlanRequest::Missing { project, processors, sources } => {
            let Missing { processors, sources } = engine.missing(&project, processors, sources).await?;
            PlanReply::Missing { processors, sources }
        }
        PlanRequest::Runs { run } => runs::answer(engine, run).await?,
        request => answer_of_schedule(engine, request).await?,
    })
}

async fn answer_of_schedule(engine: &Engine, request: PlanRequest) -> Result<PlanReply, Failure> {
    let times = |times: Vec<Timestamp>| PlanReply::Times { times: times.iter().map(ToString::to_string).collect() };
    let one = |name: &str, view: &_| PlanReply::Schedules { schedules: vec![ScheduleWire::new(name, view)] };
    Ok(match request {
        PlanRequest::Schedules { project } => PlanReply::Schedules { schedules: all_schedules(engine, &project)? },
        PlanRequest::Schedule { project, name } => one(&name, &engine.schedule(&project, &name)?),
        PlanRequest::Next { project, name, count } => times(engine.next_fires(&project, &name, count)?),
        PlanRequest::Pause { project, name, note } => one(&name, &engine.pause_schedule(&project, &name, &note).await?),
        PlanRequest::Resume { project, name } => one(&name, &engine.resume_schedule(&project, &name).await?),
        PlanRequest::Fire { project, name } => jobs(engine.fire_schedule(&project, &name).await?),
        PlanRequest::Backfill { project, name, from, until, dry_run } => {
            let backfill = engine.backfill_schedule(&project, &name, from, until, dry_run).await?;
            PlanReply::Backfill { backfill: backfill.into() }
        }
        PlanRequest::DeleteSchedule { project, name } => {
            engine.delete_schedule(&project, &name).await?;
            PlanReply::Done
        }
        // Those of configs and pipelines were answered before.
        _ => PlanReply::Done,
    })
}

fn jobs(ids: Vec<crate::job::JobId>) -> PlanReply {
    PlanReply::Jobs { ids: ids.iter().map(ToString::to_string).collect() }
}

fn all_configs(engine: &Engine, project: &str) -> Result<Vec<ConfigWire>, Error> {
    let mut found: Vec<ConfigWire> = Vec::new();
    loop {
        let page = engine.configs(project, found.last().map(|it| it.name.as_str()), usize::MAX)?;
        if page.is_empty() {
            return Ok(found);
        }
        found.extend(page.iter().map(ConfigWire::from));
    }
}

fn all_pipelines(engine: &Engine, project: &str) -> Result<Vec<PipelineWire>, Error> {
    let mut found: Vec<PipelineWire> = Vec::new();
    loop {
        let page = engine.pipelines(project, found.last().map(|it| it.name.as_str()), PIPELINES_AT_ONCE)?;
        if page.is_empty() {
            return Ok(found);
        }
        found.extend(page.iter().map(PipelineWire::short));
    }
}

fn all_schedules(engine: &Engine, project: &str) -> Result<Vec<ScheduleWire>, Error> {
    let mut found: Vec<ScheduleWire> = Vec::new();
    loop {
        let page = engine.schedules(project, found.last().map(|it| it.name.as_str()), usize::MAX)?;
        if page.is_empty() {
            return Ok(found);
        }
        found.extend(page.iter().map(|(name, view)| ScheduleWire::new(name, view)));
    }
}

/// Stores what the files say, all or none. In a dry run each change is told field by field.
async fn apply(
    engine: &Engine,
    pieces: Pieces,
    prune: Option<PrunePiece>,
    dry_run: bool,
) -> Result<Vec<AppliedWire>, Error> {
    let Pieces { configs, pipelines, schedules } = pieces;
    let schedule = |piece: SchedulePiece| {
        let SchedulePiece { project, name, calendar, policy, target, options } = piece;
        (project, name, ScheduleSpec { calendar, policy, target, options })
    };
    let plan = Plan {
        configs: configs.into_iter().map(ConfigPiece::config).collect::<Result<Vec<_>, Error>>()?,
        pipelines: pipelines.into_iter().map(|piece| (piece.project, piece.name, piece.spec)).collect(),
        schedules: schedules.into_iter().map(schedule).collect(),
        output_types: Vec::new(),
        prune: prune.map(|PrunePiece { project, part }| Prune { project, kinds: part.kinds() }),
    };
    let told = if dry_run { before_and_after(engine, &plan) } else { HashMap::new() };
    let wire = |applied: Applied| {
        let says = told.get(&(applied.kind, applied.project.clone(), applied.name.clone()));
        let says = says.filter(|_| applied.change == Change::Changed);
        let differences = says.map(|(before, after)| differences(before, after)).unwrap_or_default();
        AppliedWire { differences, ..AppliedWire::new(applied) }
    };
    Ok(engine.apply_plan(plan, dry_run).await?.into_iter().map(wire).collect())
}

/// What each document of a plan says now and what it would say, where it is there.
fn before_and_after(engine: &Engine, plan: &Plan) -> HashMap<(DocumentKind, String, String), (Value, Value)> {
    let names = |options: &RunOptions| -> Vec<String> { options.iter().map(|(name, _)| name.to_owned()).collect() };
    let mut told = HashMap::new();
    for (name, config) in &plan.configs {
        let project = &config.spec.project;
        let Ok(ConfigView { config: before, option_names, .. }) = engine.config(project, name, None) else { continue };
        let says = (config_says(&before, &option_names), config_says(config, &names(&config.spec.options)));
        told.insert((DocumentKind::Config, project.clone(), name.clone()), says);
    }
    for (project, name, spec) in &plan.pipelines {
        let Ok(before) = engine.pipeline(project, name, None) else { continue };
        let says = (pipeline_says(&before.spec), pipeline_says(spec));
        told.insert((DocumentKind::Pipeline, project.clone(), name.clone()), says);
    }
    for (project, name, spec) in &plan.schedules {
        let Ok(ScheduleView { spec: before, option_names, .. }) = engine.schedule(project, name) else { continue };
        let says = (schedule_says(&before, &option_names), schedule_says(spec, &names(&spec.options)));
        told.insert((DocumentKind::Schedule, project.clone(), name.clone()), says);
    }
    told
}
