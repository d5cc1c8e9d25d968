//! `windlass pipeline`.

use std::path::PathBuf;

use super::command::{How, NameArgs, ProjectArg, apply_files, ask};
use super::files::{Files, Part, name_of};
use super::graph;
use super::request::PlanRequest;
use crate::cli::failure::{Failure, USAGE};
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
        /// Also find configs that they name and that are not stored in this project
        #[arg(long)]
        project: Option<String>,
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
        PipelineCommand::Check { files, project } => graph::check(place, &files, project, json).await,
        PipelineCommand::Graph { pipeline, project } => graph::draw(place, project.project, pipeline, json).await,
    }
}
