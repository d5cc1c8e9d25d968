//! Finds a run again, from its run directory alone.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::ProcessError;
use super::record::ExitRecord;
use super::run_dir::{RunDir, RunRecord};
use super::running::RunningProcess;
use crate::files::remove_tree;

/// A supervisor may end between two looks at it; it can do so once.
const MAX_LOOKS: usize = 10;

/// What a run directory tells.
#[derive(Debug)]
pub enum Attached {
    /// The supervisor lives.
    Running(RunningProcess),
    /// The run has ended.
    Ended(ExitRecord),
    /// Nothing was started there. That is final after [`remove`] only: a launcher that was killed may have left a supervisor
    /// behind which is just about to claim the run, and fails to once the directory is gone.
    NeverStarted,
    /// The supervisor is gone without a record. What was left of the job has been killed.
    Lost,
}

/// Finds the run of `run_dir`, whoever launched it. Does not wait, but for leftovers of a lost run to die.
pub fn attach(run_dir: &Path) -> Result<Attached, ProcessError> {
    let run_dir = RunDir::new(run_dir);
    for _ in 0..MAX_LOOKS {
        if let Some(attached) = look(&run_dir)? {
            return Ok(attached);
        }
    }
    let source = io::Error::other("it is locked, but not by the supervisor it names");
    Err(ProcessError::io("use", &run_dir.lock_path())(source))
}

/// Removes the directory of a run that has ended. One that is not there is a success.
pub fn remove(run_dir: &Path) -> Result<(), ProcessError> {
    let still_running = || ProcessError::StillRunning { run_dir: run_dir.to_owned() };
    if is_alive(&RunDir::new(run_dir))? {
        return Err(still_running());
    }
    // It goes out of the way first and at once: half of it would be a lost run, or none that may still be claimed.
    let gone = run_dir.with_extension("gone");
    let moved = remove_tree(&gone).and_then(|()| absent_is_fine(fs::rename(run_dir, &gone)));
    moved.map_err(ProcessError::io("remove", run_dir))?;
    if is_alive(&RunDir::new(&gone))? {
        // Claimed in the last moment, by a supervisor whose engine has died.
        fs::rename(&gone, run_dir).map_err(ProcessError::io("put back", run_dir))?;
        return Err(still_running());
    }
    remove_tree(&gone).map_err(ProcessError::io("remove", run_dir))
}

fn is_alive(run: &RunDir) -> Result<bool, ProcessError> {
    Ok(!has_ended(run)? && is_locked(run)? == Some(true) && !has_ended(run)?)
}

fn absent_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// What to make of the end of a supervisor: its record, or that the run is lost.
pub(super) fn after_end(run_dir: &RunDir) -> Result<Option<ExitRecord>, ProcessError> {
    let Some(RunRecord { owner, ended, .. }) = read(run_dir)? else { return Ok(None) };
    if ended.is_none() {
        owner.kill_leftovers().map_err(ProcessError::io("kill what is left of", run_dir.path()))?;
    }
    Ok(ended)
}

/// `None` when the run changed while it was looked at.
fn look(run_dir: &RunDir) -> Result<Option<Attached>, ProcessError> {
    match read(run_dir)? {
        None => return Ok(Some(Attached::NeverStarted)),
        Some(RunRecord { ended: Some(ended), .. }) => return Ok(Some(Attached::Ended(ended))),
        Some(_) => {}
    }
    match is_locked(run_dir)? {
        None => Ok(None),
        Some(true) => Ok(find_running(run_dir)?.map(Attached::Running)),
        // The end is the last thing a supervisor writes before it lets go of the lock: look for it once more.
        Some(false) => Ok(Some(after_end(run_dir)?.map_or(Attached::Lost, Attached::Ended))),
    }
}

fn find_running(run_dir: &RunDir) -> Result<Option<RunningProcess>, ProcessError> {
    let watch = match run_dir.watch() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        watch => watch.map_err(ProcessError::io("watch", run_dir.path()))?,
    };
    let Some(RunRecord { owner, started, ended: None }) = read(run_dir)? else { return Ok(None) };
    let process = owner.supervisor.open().map_err(ProcessError::io("reach the supervisor of", run_dir.path()))?;
    let job = started.map(|started| started.job);
    Ok(process.map(|process| RunningProcess::attached(run_dir.clone(), job, process, watch)))
}

fn read(run_dir: &RunDir) -> Result<Option<RunRecord>, ProcessError> {
    run_dir.read().map_err(ProcessError::io("read", &run_dir.lock_path()))
}

fn has_ended(run_dir: &RunDir) -> Result<bool, ProcessError> {
    Ok(read(run_dir)?.is_some_and(|record| record.ended.is_some()))
}

/// Whether the supervisor lives; `None` when there never was one.
fn is_locked(run_dir: &RunDir) -> Result<Option<bool>, ProcessError> {
    let path = run_dir.lock_path();
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(ProcessError::io("open", &path))?,
    };
    // Shared: two engines that look at the same time do not take each other for the supervisor.
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(false)),
        Err(TryLockError::WouldBlock) => Ok(Some(true)),
        Err(TryLockError::Error(error)) => Err(ProcessError::io("lock", &path)(error)),
    }
}
