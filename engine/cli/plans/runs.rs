//! Runs of pipelines: what is asked, and what answers it.

use serde::{Deserialize, Serialize};

use super::request::{PlanReply, PlanRequest};
use super::run_wire::RunWire;
use super::show;
use crate::cli::failure::{FAILED, Failure, USAGE};
use crate::cli::manage::run_on;
use crate::cli::request::job_id;
use crate::cli::run::request_options;
use crate::cli::store_dir::{Place, open_to_manage};
use crate::cli::target::Target;
use crate::engine::{Engine, RunView};
use crate::error::Error;
use crate::job::pipeline::{Drawing, Pipeline};
use crate::job::{ChainId, PipelineLimits, RunOptions, ScheduleLimits};

/// What is asked about runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of")]
pub(in crate::cli) enum RunRequest {
    Begin { project: String, name: String, parameters: RunOptions, key: Option<String> },
    Again { run: String, from: Vec<String> },
    Show { run: String },
    List { project: String, name: String, count: usize },
    Cancel { run: String, by: String },
}

impl RunRequest {
    /// Whether it changes nothing.
    pub(super) fn is_question(&self) -> bool {
        matches!(self, RunRequest::Show { .. } | RunRequest::List { .. })
    }
}

/// What a run is told.
#[derive(clap::Args)]
pub(in crate::cli) struct ParameterArgs {
    /// A parameter; may be repeated
    #[arg(short, long = "parameter", value_name = "KEY=VALUE")]
    parameter: Vec<String>,
    /// A secret parameter, whose value is in an environment variable; may be repeated
    #[arg(long = "secret", value_name = "KEY=VARIABLE")]
    secret: Vec<String>,
}

impl ParameterArgs {
    pub(super) fn read(self) -> Result<RunOptions, Failure> {
        let mut parameters = request_options(&self.parameter)?;
        for pair in &self.secret {
            let Some((name, variable)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                let problem = "--secret: there is no KEY before a '='; allowed: KEY=VARIABLE";
                return Err(Failure::new(USAGE, problem));
            };
            let value = std::env::var(variable).map_err(|_| {
                let problem = format!("--secret {name}: the environment variable is not set or no text");
                Failure::new(USAGE, problem)
            })?;
            parameters.set_secret(name, value);
        }
        Ok(parameters)
    }
}

/// Begins a run. Where no process runs the jobs of the store this one runs them to their end.
pub(super) async fn begin(place: &Place, run: RunRequest, json: bool) -> Result<u8, Failure> {
    let mut target = open_to_manage(place).await?;
    let reply = target.plan(PlanRequest::Runs { run }).await;
    let is_own = matches!(target, Target::Own(_));
    target.close().await;
    let reply = reply?;
    let PlanReply::Began { jobs, .. } = &reply else {
        return Err(Failure::new(FAILED, "the process that holds the store gave an answer to something else"));
    };
    if is_own {
        return run_on(place, jobs, json).await;
    }
    show::reply(&reply, json)?;
    Ok(0)
}

/// Answers.
pub(super) async fn answer(engine: &Engine, request: RunRequest) -> Result<PlanReply, Failure> {
    Ok(match request {
        RunRequest::Begin { project, name, parameters, key } => {
            began(engine, engine.run_pipeline(&project, &name, parameters, key).await?)?
        }
        RunRequest::Again { run, from } => began(engine, engine.rerun(job_id(&run)?, &from).await?)?,
        RunRequest::Show { run } => shown(engine, &engine.run(job_id(&run)?)?)?,
        RunRequest::List { project, name, count } => {
            PlanReply::Runs { runs: latest(engine, &project, &name, count)?.iter().map(RunWire::short).collect() }
        }
        RunRequest::Cancel { run, by } => {
            let id = job_id(&run)?;
            engine.run(id)?;
            engine.cancel_chain(id, &by).await?;
            shown(engine, &engine.run(id)?)?
        }
    })
}

fn began(engine: &Engine, id: ChainId) -> Result<PlanReply, Failure> {
    let run = engine.run(id)?;
    let jobs = run.nodes.iter().filter(|node| !node.kept).map(|node| node.job.to_string());
    Ok(PlanReply::Began { run: id.to_string(), jobs: jobs.collect() })
}

fn shown(engine: &Engine, view: &RunView) -> Result<PlanReply, Failure> {
    let graph = match engine.pipeline(&view.project, &view.pipeline, Some(view.revision)) {
        Ok(stored) => Pipeline::new(stored.spec, &PipelineLimits::default(), &ScheduleLimits::default()).ok(),
        // Its revision is forgotten; its nodes are not.
        Err(Error::Unknown { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let lines = graph.map(|pipeline| Drawing::default().lines(&pipeline, Some(&view.states())));
    Ok(PlanReply::Runs { runs: vec![RunWire::whole(view, lines.unwrap_or_default())] })
}

fn latest(engine: &Engine, project: &str, name: &str, count: usize) -> Result<Vec<RunView>, Error> {
    let (mut found, mut cursor) = (Vec::new(), None);
    while found.len() < count {
        let page = engine.runs(project, name, cursor, count - found.len())?;
        found.extend(page.runs);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(found)
}
