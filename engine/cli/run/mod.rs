//! `windlass run`: an engine inside this process, for as long as the jobs of some files take.

mod follow;
mod plan;
mod screen;
mod summary;

use std::path::{Path, PathBuf};

use tokio::signal::unix::{Signal, SignalKind, signal};

use self::follow::{Ending, Follower};
use self::plan::{Planned, Started};
use self::screen::Screen;
use super::control::ControlServer;
use super::failure::{Failure, INTERRUPTED, USAGE};
use super::output::note;
use super::store_dir::open_to_run;
use crate::Engine;
use crate::job::{JobId, RunOptions};

/// What is run, and how it is shown.
#[derive(clap::Args)]
pub(super) struct RunArgs {
    /// The job files, YAML or JSON
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// A run option for the first job of each file; may be repeated
    #[arg(short, long = "option", value_name = "KEY=VALUE")]
    option: Vec<String>,
    /// Print only what the jobs print
    #[arg(short, long)]
    quiet: bool,
}

/// Runs the command.
pub(super) async fn run(dir: &Path, args: RunArgs, json: bool) -> Result<u8, Failure> {
    let request = request_options(&args.option)?;
    let planned = plan::read_files(&args.files, &args.option)?;
    let engine = open_to_run(dir).await?;
    let control = listen(dir, &engine);
    let mut screen = Screen::new(json, args.quiet);
    let result = run_planned(&engine, planned, &request, &mut screen).await;
    finish(engine, control, result).await
}

/// Stays until these jobs are over.
pub(super) async fn run_to_end(dir: &Path, engine: Engine, ids: Vec<JobId>, json: bool) -> Result<u8, Failure> {
    let control = listen(dir, &engine);
    let mut screen = Screen::new(json, false);
    let follower = Follower::new(&engine);
    let jobs = Jobs { all: ids.clone(), followed: ids, may_be_over: true };
    let result = follow_to_end(&engine, follower, jobs, &mut screen).await;
    finish(engine, control, result).await
}

fn listen(dir: &Path, engine: &Engine) -> Option<ControlServer> {
    match ControlServer::start(dir, engine.clone()) {
        Ok(server) => Some(server),
        Err(error) => {
            note(&format!("windlass: other commands cannot reach this run: {error}"));
            None
        }
    }
}

/// Lets go of the store, orderly unless the user wants out at once.
async fn finish(
    engine: Engine,
    control: Option<ControlServer>,
    result: Result<Finished, Failure>,
) -> Result<u8, Failure> {
    // The socket goes first: once the store is free it may be another process's.
    drop(control);
    let detach = matches!(&result, Ok(finished) if finished.ending == Ending::Detached);
    if !detach {
        engine.shutdown().await;
    }
    result.map(|finished| finished.code)
}

/// How a run went.
struct Finished {
    ending: Ending,
    code: u8,
}

async fn run_planned(
    engine: &Engine,
    planned: Vec<Planned>,
    request: &RunOptions,
    screen: &mut Screen,
) -> Result<Finished, Failure> {
    // Listening begins before the submission: no event is missed.
    let follower = Follower::new(engine);
    let mut jobs = Jobs::default();
    for file in planned {
        match plan::start(engine, &file, request.clone()).await? {
            Started::Anew(ids) => {
                jobs.all.extend(&ids);
                jobs.followed.extend(ids);
            }
            Started::Resumed { ids, unfinished } => {
                let (count, finished) = (ids.len(), ids.len() - unfinished.len());
                let file = file.path.display();
                screen.note(&format!("{file}: resuming, {finished} of {count} jobs were finished before"));
                jobs.all.extend(ids);
                jobs.followed.extend(unfinished);
            }
        }
    }
    follow_to_end(engine, follower, jobs, screen).await
}

/// The jobs of a run.
#[derive(Default)]
struct Jobs {
    /// Those in the summary.
    all: Vec<JobId>,
    /// Those that are shown as they go.
    followed: Vec<JobId>,
    /// Some may have ended before anybody listened.
    may_be_over: bool,
}

async fn follow_to_end(
    engine: &Engine,
    mut follower: Follower<'_>,
    jobs: Jobs,
    screen: &mut Screen,
) -> Result<Finished, Failure> {
    let mut interrupts = Interrupts::new()?;
    follower.begin(&jobs.followed, screen)?;
    if jobs.may_be_over {
        follower.look_at_all(screen)?;
    }
    let ending = follower.follow(&jobs.followed, screen, &mut interrupts).await?;
    screen.end();
    let mut views = Vec::with_capacity(jobs.all.len());
    for id in jobs.all {
        views.push(engine.get(id)?);
    }
    let code = match ending {
        Ending::Complete => summary::exit_code(&views),
        Ending::Interrupted | Ending::Detached => INTERRUPTED,
    };
    screen.summary(&views, code);
    Ok(Finished { ending, code })
}

/// The signals that end a run.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

/// What a signal asks for.
enum Interrupt {
    /// Ctrl-C: cancel the jobs, then go.
    Cancel,
    /// Go, and leave the jobs to the next run.
    Leave,
}

impl Interrupts {
    fn new() -> Result<Self, Failure> {
        Ok(Interrupts {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Interrupt {
        tokio::select! {
            _ = self.interrupt.recv() => Interrupt::Cancel,
            _ = self.terminate.recv() => Interrupt::Leave,
            _ = self.hang_up.recv() => Interrupt::Leave,
        }
    }
}

fn request_options(pairs: &[String]) -> Result<RunOptions, Failure> {
    let mut options = RunOptions::new();
    for pair in pairs {
        // The pair is not shown: it may be a value whose key was forgotten.
        let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            let problem = "-o: there is no KEY before a '='; allowed: KEY=VALUE";
            return Err(Failure::new(USAGE, problem));
        };
        options.set(name, value);
    }
    Ok(options)
}
