//! The `windlass` command.
//!
//! One file per group of commands. `run` holds the store itself; the others ask a target, which is the store
//! opened by this process or the process that holds it.

#[cfg(feature = "wasm")]
mod configuration;
mod control;
mod doctor;
mod failure;
mod files;
mod items;
pub mod jobfile;
mod jobs;
mod key;
mod lines;
mod logs;
mod manage;
mod output;
mod output_wire;
mod outputs;
mod plans;
#[cfg(feature = "wasm")]
mod plugin;
mod request;
mod run;
mod serve;
mod store_dir;
mod table;
mod target;
mod wire;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::failure::{EXIT_CODES, FAILED, Failure};
use self::store_dir::{Place, StoreArg};

/// A durable job engine: one binary, one file, an acknowledged write is on disk.
#[derive(Parser)]
#[command(name = "windlass", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    store: StoreArg,
    #[cfg(feature = "wasm")]
    #[command(flatten)]
    config: configuration::ConfigArg,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the jobs of files and show how they go
    Run(run::RunArgs),
    /// Run the jobs of the store and fire its schedules, until interrupted
    Serve,
    /// Store the configs, pipelines and schedules of files
    Apply(plans::ApplyAllArgs),
    /// Look after job configs
    #[command(subcommand)]
    Config(plans::ConfigCommand),
    /// Run chains of configs
    #[command(subcommand)]
    Chain(plans::ChainCommand),
    /// Look after pipelines
    #[command(subcommand)]
    Pipeline(plans::PipelineCommand),
    /// Look after schedules
    #[command(subcommand)]
    Schedule(plans::ScheduleCommand),
    /// List jobs, or show one
    Jobs(jobs::JobsArgs),
    /// List the items of a job with what became of them
    Items(items::ItemsArgs),
    /// Show the output records of a job
    Outputs(outputs::OutputsArgs),
    /// Look after the types of output records
    #[command(subcommand)]
    OutputType(outputs::OutputTypeCommand),
    /// Show the log of a job
    Logs(logs::LogsArgs),
    /// Cancel jobs
    Cancel(manage::Ids),
    /// Submit jobs again, as new jobs with the same spec
    Retry(manage::Ids),
    /// Release jobs that are held
    Release(manage::Ids),
    /// Give up attempts whose executor cannot be reached: the jobs run again, or fail when they must not
    GiveUp(manage::Ids),
    /// Put, get, list and delete the files of projects
    Files(files::FilesArgs),
    /// Manage the keys that seal run options
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Look after the plugins
    #[cfg(feature = "wasm")]
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Check that this machine and the store are fit to run jobs
    Doctor,
}

/// Runs the command that the arguments of this process name; the process should end with what it returns.
pub fn main() -> ExitCode {
    // clap ends the process itself for `--help` and for wrong usage, with 0 and 2.
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let code = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(dispatch(cli));
            // Whatever still runs here is no longer of use: what has to outlive this process lives in others.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(Failure::new(FAILED, error)),
    };
    match code {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if !failure.message.is_empty() {
                output::note(&format!("windlass: {}", failure.message));
            }
            ExitCode::from(failure.code)
        }
    }
}

async fn dispatch(cli: Cli) -> Result<u8, Failure> {
    let place = Place::of(
        &cli.store,
        #[cfg(feature = "wasm")]
        cli.config,
    )?;
    match cli.command {
        Command::Run(args) => run::run(&place, args, cli.json).await,
        Command::Serve => serve::serve(&place).await,
        Command::Apply(args) => plans::apply(&place, args, cli.json).await,
        Command::Config(command) => plans::config(&place, command, cli.json).await,
        Command::Chain(command) => plans::chain(&place, command, cli.json).await,
        Command::Pipeline(command) => plans::pipeline(&place, command, cli.json).await,
        Command::Schedule(command) => plans::schedule(&place, command, cli.json).await,
        Command::Jobs(args) => jobs::jobs(&place, args, cli.json).await,
        Command::Items(args) => items::items(&place, args, cli.json).await,
        Command::Outputs(args) => outputs::outputs(&place, args, cli.json).await,
        Command::OutputType(command) => outputs::output_type(&place, command, cli.json).await,
        Command::Logs(args) => logs::logs(&place, args, cli.json).await,
        Command::Cancel(ids) => manage::cancel(&place, ids, cli.json).await,
        Command::Retry(ids) => manage::retry(&place, ids, cli.json).await,
        Command::Release(ids) => manage::release(&place, ids, cli.json).await,
        Command::GiveUp(ids) => manage::give_up(&place, ids, cli.json).await,
        Command::Files(args) => files::files(&place, args, cli.json).await,
        Command::Key(command) => key::key(&place, command, cli.json).await,
        #[cfg(feature = "wasm")]
        Command::Plugin(command) => plugin::plugin(&place, command, cli.json).await,
        Command::Doctor => doctor::doctor(&place, cli.json).await,
    }
}
