//! `windlass pipeline`.

use std::path::PathBuf;

use super::command::{How, NameArgs, ProjectArg, apply_files, ask};
use super::files::{Files, Part, name_of};
use super::graph;
use super::request::PlanRequest;
use super::runs::{self, ParameterArgs, RunRequest};
use crate::cli::failure::{Failure, USAGE};
use crate::cli::manage::who;
use crate::cli::store_dir::Place;

#[derive(clap::Subcommand)]
pub(in crate::cli) enum PipelineCommand {
    /// Store the pipelines of files, one in each; what changes gets a new revision
    Apply {
        #[command(flatten)]
        files: PipelineFiles,
        /// Also delete the pipelines of the project that are not named, with the same write
        #[arg(long)]
        prune: bool,
        /// Only tell what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Show what applying the pipelines of files would change
    Diff(PipelineFiles),
    /// List pipelines
    List(ProjectArg),
    /// Show a pipeline and its revisions
    Show {
        #[command(flatten)]
        name: NameArgs,
        /// This revision instead of the latest
        #[arg(long)]
        revision: Option<u32>,
    },
    /// Make an earlier revision the latest again, under a new number
    Rollback {
        #[command(flatten)]
        name: NameArgs,
        /// The revision
        #[arg(long)]
        revision: u32,
    },
    /// Delete a pipeline that nothing names
    Delete(NameArgs),
    /// Check files with pipelines, YAML or JSON, and draw their graphs
    Check {
        /// The files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Also find configs and sources that they need and that are not in this project
        #[arg(long)]
        project: Option<String>,
    },
    /// Run a pipeline
    Run {
        #[command(flatten)]
        name: NameArgs,
        #[command(flatten)]
        parameters: ParameterArgs,
        /// A second run with this key gets the run of the first
        #[arg(long)]
        idempotency_key: Option<String>,
    },
    /// List the runs of a pipeline, the latest first
    Runs {
        #[command(flatten)]
        name: NameArgs,
        /// How many
        #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
        count: u16,
    },
    /// Show a run: its graph, and how each node is
    Status {
        /// The run
        run: String,
    },
    /// Run again what failed or was cancelled in a run, and what comes after it; the results of the rest are kept
    Rerun {
        /// The run
        run: String,
        /// Run this node again, however it ended, instead; may be repeated
        #[arg(long, value_name = "NODE")]
        from: Vec<String>,
    },
    /// Cancel all nodes of a run that are not over
    Cancel {
        /// The run
        run: String,
    },
    /// Draw the graph of a pipeline
    Graph {
        /// A file, or the name of a stored pipeline where there is no such file
        #[arg(value_name = "NAME|FILE")]
        pipeline: String,
        #[command(flatten)]
        project: ProjectArg,
    },
}

/// Files with a pipeline each.
#[derive(clap::Args)]
pub(in crate::cli) struct PipelineFiles {
    /// A file with a pipeline, YAML or JSON; may be repeated
    #[arg(short, long = "file", value_name = "FILE", required = true)]
    file: Vec<PathBuf>,
    /// The name of the pipeline where there is one file [default: the name of the file without its ending]
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    project: ProjectArg,
}

impl PipelineFiles {
    fn files(self) -> Result<Files, Failure> {
        let PipelineFiles { file, name, project: ProjectArg { project } } = self;
        if name.is_some() && file.len() > 1 {
            return Err(Failure::new(USAGE, format!("--name: there are {} files; allowed: one file", file.len())));
        }
        let named = |path: PathBuf| (name.clone().unwrap_or_else(|| name_of(&path)), path);
        Ok(Files { plans: Vec::new(), pipelines: file.into_iter().map(named).collect(), project })
    }
}

/// Runs the command.
pub(in crate::cli) async fn pipeline(place: &Place, command: PipelineCommand, json: bool) -> Result<u8, Failure> {
    match command {
        PipelineCommand::Apply { files, prune, dry_run } => {
            apply_files(place, files.files()?, How { part: Part::Pipelines, prune, dry_run }, json).await
        }
        PipelineCommand::Diff(files) => {
            let how = How { part: Part::Pipelines, prune: false, dry_run: true };
            apply_files(place, files.files()?, how, json).await
        }
        PipelineCommand::List(ProjectArg { project }) => ask(place, PlanRequest::Pipelines { project }, json).await,
        PipelineCommand::Show { name, revision } => {
            let (project, name) = name.parts();
            ask(place, PlanRequest::Pipeline { project, name, revision }, json).await
        }
        PipelineCommand::Rollback { name, revision } => {
            let (project, name) = name.parts();
            ask(place, PlanRequest::RollbackPipeline { project, name, revision }, json).await
        }
        PipelineCommand::Delete(name) => {
            let (project, name) = name.parts();
            ask(place, PlanRequest::DeletePipeline { project, name }, json).await
        }
        PipelineCommand::Run { name, parameters, idempotency_key: key } => {
            let (project, name) = name.parts();
            let parameters = parameters.read()?;
            runs::begin(place, RunRequest::Begin { project, name, parameters, key }, json).await
        }
        PipelineCommand::Runs { name, count } => {
            let (project, name) = name.parts();
            let run = RunRequest::List { project, name, count: usize::from(count) };
            ask(place, PlanRequest::Runs { run }, json).await
        }
        PipelineCommand::Status { run } => ask(place, PlanRequest::Runs { run: RunRequest::Show { run } }, json).await,
        PipelineCommand::Rerun { run, from } => runs::begin(place, RunRequest::Again { run, from }, json).await,
        PipelineCommand::Cancel { run } => {
            let by = who("windlass pipeline cancel");
            ask(place, PlanRequest::Runs { run: RunRequest::Cancel { run, by } }, json).await
        }
        PipelineCommand::Check { files, project } => graph::check(place, &files, project, json).await,
        PipelineCommand::Graph { pipeline, project } => graph::draw(place, project.project, pipeline, json).await,
    }
}
