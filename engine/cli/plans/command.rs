//! The commands.

use std::path::PathBuf;

use super::files::{Files, Part, named_file};
use super::request::{ElementPiece, PlanReply, PlanRequest, PrunePiece};
use super::show;
use crate::cli::failure::{FAILED, Failure, USAGE};
use crate::cli::jobfile::{MOMENT_ALLOWED, parse_rfc3339};
use crate::cli::manage::run_on;
use crate::cli::output::print;
use crate::cli::run::request_options;
use crate::cli::store_dir::{Place, open_to_change, open_to_manage};
use crate::cli::table::printable;
use crate::cli::target::Target;
use crate::job::Timestamp;

/// The files with configs and schedules.
#[derive(clap::Args)]
pub(in crate::cli) struct ApplyArgs {
    /// A file with configs and schedules, YAML or JSON; may be repeated
    #[arg(short, long = "file", value_name = "FILE", required = true)]
    file: Vec<PathBuf>,
    /// Also delete those of the project that the files do not name, with the same write
    #[arg(long, requires = "project")]
    prune: bool,
    /// The project that is pruned
    #[arg(long, requires = "prune")]
    project: Option<String>,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
}

/// The files with configs, schedules and pipelines.
#[derive(clap::Args)]
pub(in crate::cli) struct ApplyAllArgs {
    /// A file with configs and schedules, YAML or JSON; may be repeated
    #[arg(short, long = "file", value_name = "FILE", required_unless_present = "pipeline")]
    file: Vec<PathBuf>,
    /// A pipeline and the file that it is in; may be repeated
    #[arg(long, value_name = "NAME=FILE")]
    pipeline: Vec<String>,
    /// The project of the pipelines, and the one that is pruned [default: default]
    #[arg(long)]
    project: Option<String>,
    /// Also delete the configs, pipelines and schedules of the project that are not named, with the same write
    #[arg(long, requires = "project")]
    prune: bool,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
}

/// The project of what is named.
#[derive(clap::Args)]
pub(in crate::cli) struct ProjectArg {
    /// The project
    #[arg(long, default_value = crate::job::spec::DEFAULT_NAME)]
    pub(super) project: String,
}

/// Something with a name.
#[derive(clap::Args)]
pub(in crate::cli) struct NameArgs {
    /// The name
    name: String,
    #[command(flatten)]
    project: ProjectArg,
}

#[derive(clap::Subcommand)]
pub(in crate::cli) enum ConfigCommand {
    /// Store the configs of files; what changes gets a new revision
    Apply(ApplyArgs),
    /// Show what applying the configs of files would change
    Diff(DiffArgs),
    /// List configs
    List(ProjectArg),
    /// Show a config and its revisions
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
    /// Delete a config that nothing names
    Delete(NameArgs),
    /// Run a config and those that are its `next`
    Run {
        #[command(flatten)]
        name: NameArgs,
        /// A run option for the first job; may be repeated
        #[arg(short, long = "option", value_name = "KEY=VALUE")]
        option: Vec<String>,
        /// A second run with this key gets the jobs of the first
        #[arg(long)]
        idempotency_key: Option<String>,
    },
}

/// The files that are compared.
#[derive(clap::Args)]
pub(in crate::cli) struct DiffArgs {
    /// A file with configs and schedules, YAML or JSON; may be repeated
    #[arg(short, long = "file", value_name = "FILE", required = true)]
    file: Vec<PathBuf>,
}

#[derive(clap::Subcommand)]
pub(in crate::cli) enum ChainCommand {
    /// Run configs one after the other, whatever their own `next` is
    Run {
        /// A config; what follows it as KEY=VALUE are its run options: `load DAY=monday report`
        #[arg(value_name = "CONFIG", required = true)]
        words: Vec<String>,
        #[command(flatten)]
        project: ProjectArg,
    },
}

#[derive(clap::Subcommand)]
pub(in crate::cli) enum ScheduleCommand {
    /// Store the schedules of files
    Apply(ApplyArgs),
    /// Show what applying the schedules of files would change
    Diff(DiffArgs),
    /// List schedules
    List(ProjectArg),
    /// Show a schedule, its latest fires and what it has skipped
    Show(NameArgs),
    /// Show the next nominal times
    Next {
        #[command(flatten)]
        name: NameArgs,
        /// How many
        #[arg(short = 'n', long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1_000))]
        count: u16,
    },
    /// Pause a schedule: nominal times that come meanwhile are skipped
    Pause {
        #[command(flatten)]
        name: NameArgs,
        /// Why
        #[arg(long, default_value = "")]
        note: String,
    },
    /// End a pause
    Resume(NameArgs),
    /// Fire a schedule now, beside its calendar
    Fire(NameArgs),
    /// Fire a schedule at the nominal times of a range that has passed; those that have fired do not again
    Backfill {
        #[command(flatten)]
        name: NameArgs,
        /// From this time on, such as 2026-11-21T10:00:00Z
        #[arg(long, value_name = "TIME")]
        from: String,
        /// Before this time
        #[arg(long, value_name = "TIME")]
        until: String,
        /// Only tell what would fire
        #[arg(long)]
        dry_run: bool,
    },
    /// Delete a schedule; its jobs stay as they are
    Delete(NameArgs),
}

/// Stores the configs, pipelines and schedules of files.
pub(in crate::cli) async fn apply(place: &Place, args: ApplyAllArgs, json: bool) -> Result<u8, Failure> {
    let ApplyAllArgs { file, pipeline, project, prune, dry_run } = args;
    let pipelines = pipeline.iter().map(|text| named_file(text)).collect::<Result<Vec<_>, _>>()?;
    let project = project.unwrap_or_else(|| crate::job::spec::DEFAULT_NAME.to_owned());
    let files = Files { plans: file, pipelines, project };
    apply_files(place, files, How { part: Part::All, prune, dry_run }, json).await
}

/// `windlass config`.
pub(in crate::cli) async fn config(place: &Place, command: ConfigCommand, json: bool) -> Result<u8, Failure> {
    match command {
        ConfigCommand::Apply(args) => apply_part(place, args, Part::Configs, json).await,
        ConfigCommand::Diff(args) => diff_part(place, args, Part::Configs, json).await,
        ConfigCommand::List(ProjectArg { project }) => ask(place, PlanRequest::Configs { project }, json).await,
        ConfigCommand::Show { name, revision } => {
            let (project, name) = name.parts();
            ask(place, PlanRequest::Config { project, name, revision }, json).await
        }
        ConfigCommand::Rollback { name, revision } => {
            let (project, name) = name.parts();
            ask(place, PlanRequest::Rollback { project, name, revision }, json).await
        }
        ConfigCommand::Delete(name) => {
            let (project, name) = name.parts();
            ask(place, PlanRequest::DeleteConfig { project, name }, json).await
        }
        ConfigCommand::Run { name, option, idempotency_key: key } => {
            let (project, name) = name.parts();
            let options = request_options(&option)?;
            begin(place, PlanRequest::RunConfig { project, name, options, key }, json).await
        }
    }
}

/// `windlass chain`.
pub(in crate::cli) async fn chain(place: &Place, command: ChainCommand, json: bool) -> Result<u8, Failure> {
    let ChainCommand::Run { words, project: ProjectArg { project } } = command;
    let mut elements: Vec<ElementPiece> = Vec::new();
    for word in words {
        match elements.last_mut() {
            Some(element) if word.contains('=') => {
                let own = std::mem::take(&mut element.options);
                element.options = own.overlaid(request_options(&[word])?);
            }
            None if word.contains('=') => {
                return Err(Failure::new(USAGE, "an option comes before the first config; allowed: CONFIG KEY=VALUE"));
            }
            _ => elements.push(ElementPiece { config: word, options: Default::default() }),
        }
    }
    begin(place, PlanRequest::RunChain { project, elements }, json).await
}

/// `windlass schedule`.
pub(in crate::cli) async fn schedule(place: &Place, command: ScheduleCommand, json: bool) -> Result<u8, Failure> {
    match command {
        ScheduleCommand::Apply(args) => apply_part(place, args, Part::Schedules, json).await,
        ScheduleCommand::Diff(args) => diff_part(place, args, Part::Schedules, json).await,
        ScheduleCommand::List(ProjectArg { project }) => ask(place, PlanRequest::Schedules { project }, json).await,
        ScheduleCommand::Show(name) => {
            let (project, name) = name.parts();
            ask(place, PlanRequest::Schedule { project, name }, json).await
        }
        ScheduleCommand::Next { name, count } => {
            let (project, name) = name.parts();
            ask(place, PlanRequest::Next { project, name, count: usize::from(count) }, json).await
        }
        ScheduleCommand::Pause { name, note } => {
            let (project, name) = name.parts();
            ask(place, PlanRequest::Pause { project, name, note }, json).await
        }
        ScheduleCommand::Resume(name) => {
            let (project, name) = name.parts();
            ask(place, PlanRequest::Resume { project, name }, json).await
        }
        ScheduleCommand::Fire(name) => {
            let (project, name) = name.parts();
            begin(place, PlanRequest::Fire { project, name }, json).await
        }
        ScheduleCommand::Backfill { name, from, until, dry_run } => {
            let (project, name) = name.parts();
            let (from, until) = (moment("--from", &from)?, moment("--until", &until)?);
            ask(place, PlanRequest::Backfill { project, name, from, until, dry_run }, json).await
        }
        ScheduleCommand::Delete(name) => {
            let (project, name) = name.parts();
            ask(place, PlanRequest::DeleteSchedule { project, name }, json).await
        }
    }
}

impl NameArgs {
    pub(super) fn parts(self) -> (String, String) {
        (self.project.project, self.name)
    }
}

fn moment(option: &str, text: &str) -> Result<Timestamp, Failure> {
    parse_rfc3339(text).ok_or_else(|| {
        let shown = printable(text);
        Failure::new(USAGE, format!("{option}: \"{shown}\" is not a time; allowed: {MOMENT_ALLOWED}"))
    })
}

/// How files are applied.
pub(super) struct How {
    pub(super) part: Part,
    pub(super) prune: bool,
    pub(super) dry_run: bool,
}

async fn apply_part(place: &Place, args: ApplyArgs, part: Part, json: bool) -> Result<u8, Failure> {
    let ApplyArgs { file, prune, project, dry_run } = args;
    let files = Files { plans: file, pipelines: Vec::new(), project: project.unwrap_or_default() };
    apply_files(place, files, How { part, prune, dry_run }, json).await
}

async fn diff_part(place: &Place, DiffArgs { file }: DiffArgs, part: Part, json: bool) -> Result<u8, Failure> {
    let files = Files { plans: file, pipelines: Vec::new(), project: String::new() };
    apply_files(place, files, How { part, prune: false, dry_run: true }, json).await
}

/// Stores what files say, all or none.
pub(super) async fn apply_files(place: &Place, files: Files, how: How, json: bool) -> Result<u8, Failure> {
    let How { part, prune, dry_run } = how;
    let pieces = files.read(part)?;
    let prune = prune.then_some(PrunePiece { project: files.project, part });
    let mut target = open_to_change(place).await?;
    let reply = target.plan(PlanRequest::Apply { pieces, prune, dry_run }).await;
    target.close().await;
    show::reply(&reply?, json)?;
    Ok(0)
}

pub(super) async fn ask(place: &Place, request: PlanRequest, json: bool) -> Result<u8, Failure> {
    let mut target = open_to_manage(place).await?;
    let reply = target.plan(request).await;
    target.close().await;
    show::reply(&reply?, json)?;
    Ok(0)
}

/// Submits jobs. Where no process runs the jobs of the store this one runs them to their end.
async fn begin(place: &Place, request: PlanRequest, json: bool) -> Result<u8, Failure> {
    let mut target = open_to_manage(place).await?;
    let reply = target.plan(request).await;
    let is_own = matches!(target, Target::Own(_));
    target.close().await;
    let PlanReply::Jobs { ids } = reply? else {
        return Err(Failure::new(FAILED, "the process that holds the store gave an answer to something else"));
    };
    if is_own {
        return run_on(place, &ids, json).await;
    }
    if json {
        show::print_as_json(&PlanReply::Jobs { ids })?;
    } else {
        print(&ids.iter().map(|id| format!("{id}\n")).collect::<String>())?;
    }
    Ok(0)
}
