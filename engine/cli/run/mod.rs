//! `windlass run`: an engine inside this process, for as long as the jobs of some files take.

mod follow;
mod outputs;
mod plan;
mod screen;
mod summary;
mod unseen;

use std::path::PathBuf;

use tokio::signal::unix::{Signal, SignalKind, signal};

use self::follow::{Ending, Follower};
use self::outputs::Outputs;
use self::plan::{Planned, Started};
use self::screen::Screen;
use self::unseen::Unseen;
use super::control::ControlServer;
use super::failure::{FAILED, Failure, INTERRUPTED, USAGE};
use super::output::note;
use super::store_dir::{Place, open_to_run_with};
use crate::clock::Clock;
use crate::config::{EngineConfig, KeepWork};
use crate::engine::{Engine, JobView};
use crate::job::{JobId, RunOptions, Timestamp};

/// What is run, and how it is shown.
#[derive(clap::Args)]
pub(super) struct RunArgs {
    /// The job files, YAML or JSON
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// A run option for the first job of each file; may be repeated
    #[arg(short, long = "option", value_name = "KEY=VALUE")]
    option: Vec<String>,
    /// Copy what successful jobs leave in `output` to DIR/NAME
    #[arg(short = 'O', long, value_name = "DIR")]
    outputs: Option<PathBuf>,
    /// Print only what the jobs print
    #[arg(short, long)]
    quiet: bool,
}

/// Runs the command.
pub(super) async fn run(place: &Place, args: RunArgs, json: bool) -> Result<u8, Failure> {
    let request = request_options(&args.option)?;
    let planned = plan::read_files(&args.files, &args.option)?;
    let opened_at = Clock::system().now();
    let dir = place.dir();
    let outputs = args.outputs.map(|to| Outputs::new(dir, to));
    let keep_work = if outputs.is_some() { KeepWork::All } else { KeepWork::default() };
    let engine = open_to_run_with(place, EngineConfig { keep_work, ..EngineConfig::default() }).await?;
    let control = listen(place, &engine);
    let mut screen = Screen::new(json, args.quiet);
    let notes: Vec<Unseen> = planned.iter().map(|file| Unseen::of(dir, &file.config)).collect();
    // Listening begins before the submission: no event is missed.
    let follower = Follower::new(&engine);
    let result = match submit(&engine, &planned, &notes, &request, opened_at, &mut screen).await {
        Ok(jobs) => follow_to_end(&engine, follower, jobs, outputs, &mut screen).await,
        Err(failure) => Err(failure),
    };
    if matches!(&result, Ok(finished) if finished.ending != Ending::Detached) {
        notes.iter().for_each(Unseen::remove);
    }
    finish(engine, control, result).await
}

/// Stays until these jobs are over.
pub(super) async fn run_to_end(place: &Place, engine: Engine, ids: Vec<JobId>, json: bool) -> Result<u8, Failure> {
    let control = listen(place, &engine);
    let mut screen = Screen::new(json, false);
    let follower = Follower::new(&engine);
    let jobs = Jobs { all: ids.clone(), followed: ids.clone(), early: ids };
    let result = follow_to_end(&engine, follower, jobs, None, &mut screen).await;
    finish(engine, control, result).await
}

fn listen(place: &Place, engine: &Engine) -> Option<ControlServer> {
    match ControlServer::start(place, engine.clone()) {
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

/// Submits the jobs of all files, or finds those of an earlier run.
async fn submit(
    engine: &Engine,
    planned: &[Planned],
    notes: &[Unseen],
    request: &RunOptions,
    opened_at: Timestamp,
    screen: &mut Screen,
) -> Result<Jobs, Failure> {
    let mut jobs = Jobs::default();
    for (file, unseen) in planned.iter().zip(notes) {
        match plan::start(engine, file, unseen, request.clone()).await? {
            Started::Anew(ids) => {
                jobs.all.extend(&ids);
                jobs.followed.extend(ids);
            }
            Started::Resumed(views) => {
                // What ended at the opening of the store was not over when the earlier run was there.
                let was_over = |view: &&JobView| view.job.status.finished_at.is_some_and(|at| at < opened_at);
                let (finished, count) = (views.iter().filter(was_over).count(), views.len());
                let path = file.path.display();
                screen.note(&format!("{path}: resuming, {finished} of {count} jobs were finished before"));
                let unfinished = views.iter().filter(|view| !was_over(view)).map(|view| view.job.id);
                jobs.all.extend(views.iter().map(|view| view.job.id));
                jobs.followed.extend(unfinished.clone());
                jobs.early.extend(unfinished);
            }
        }
    }
    Ok(jobs)
}

/// The jobs of a run.
#[derive(Default)]
struct Jobs {
    /// Those in the summary.
    all: Vec<JobId>,
    /// Those that are shown as they go.
    followed: Vec<JobId>,
    /// Those of them that may have ended before anybody listened.
    early: Vec<JobId>,
}

async fn follow_to_end(
    engine: &Engine,
    mut follower: Follower<'_>,
    jobs: Jobs,
    outputs: Option<Outputs>,
    screen: &mut Screen,
) -> Result<Finished, Failure> {
    let mut interrupts = Interrupts::new()?;
    follower.begin(&jobs.followed, screen)?;
    follower.look_at(&jobs.early, screen)?;
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
    if let Some(outputs) = outputs {
        outputs.bring(&views).map_err(|error| Failure::new(FAILED, format!("the outputs are not there: {error}")))?;
    }
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

pub(super) fn request_options(pairs: &[String]) -> Result<RunOptions, Failure> {
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
