//! The runs, each in a directory of its own.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;

use crate::Result;
use crate::archive;
use crate::spec::{End, Listing, Spec, State, Told};

/// How many runs are on one page of a listing.
const PAGE: usize = 100;

/// All runs of a server.
pub(crate) struct Runs {
    directory: PathBuf,
}

impl Runs {
    pub(crate) fn at(directory: &Path) -> Result<Runs> {
        let directory = directory.join("runs");
        fs::create_dir_all(&directory)?;
        Ok(Runs { directory })
    }

    /// The run of this name, there or not; none for a name that cannot be one.
    pub(crate) fn named(&self, name: &str) -> Option<Run> {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_name.then(|| Run { directory: self.directory.join(name) })
    }

    /// Kills what was asked to stop and has not, and says when the next is due.
    pub(crate) fn kill_the_overdue(&self) -> Result<Option<Duration>> {
        let mut next: Option<Duration> = None;
        for entry in fs::read_dir(&self.directory)? {
            let run = Run { directory: entry?.path() };
            let Some(at) = run.kill_at()? else { continue };
            match at.duration_since(SystemTime::now()) {
                Ok(left) if !left.is_zero() => next = Some(next.map_or(left, |next| next.min(left))),
                _ => run.kill()?,
            }
        }
        Ok(next)
    }

    /// The runs of an engine by their names, after a name.
    pub(crate) fn of(&self, engine: &str, after: &str) -> Result<Listing> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        let mut runs = Vec::new();
        for name in names.into_iter().filter(|name| name.as_str() > after) {
            let Some(run) = self.named(&name) else { continue };
            if let (Ok(spec), Some(state)) = (run.spec(), run.state()?)
                && spec.engine == engine
            {
                runs.push(Told { name, state });
            }
        }
        let next = (runs.len() > PAGE).then(|| runs.get(PAGE - 1).map(|run| run.name.clone())).flatten();
        runs.truncate(PAGE);
        Ok(Listing { runs, next })
    }
}

/// What came of asking for a run to be made.
#[derive(Debug, PartialEq)]
pub(crate) enum Made {
    New,
    Found,
    /// There is one of that name that is something else.
    Other,
}

/// One run.
pub(crate) struct Run {
    directory: PathBuf,
}

impl Run {
    pub(crate) fn at(directory: &Path) -> Run {
        Run { directory: directory.to_owned() }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What it works on.
    pub(crate) fn work(&self) -> PathBuf {
        self.directory.join("work")
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// Its supervisor holds a lock on this as long as it lives.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.directory.join("lock")
    }

    pub(crate) fn spec(&self) -> Result<Spec> {
        Ok(serde_json::from_slice(&fs::read(self.directory.join("spec"))?)?)
    }

    pub(crate) fn is_there(&self) -> bool {
        self.directory.join("spec").exists()
    }

    pub(crate) fn make(&self, spec: &Spec) -> Result<Made> {
        if self.is_there() {
            return Ok(if self.spec()? == *spec { Made::Found } else { Made::Other });
        }
        fs::create_dir_all(self.work())?;
        self.write("spec", spec)?;
        Ok(Made::New)
    }

    /// How far it is; none where there is no such run.
    pub(crate) fn state(&self) -> Result<Option<State>> {
        if !self.is_there() {
            return Ok(None);
        }
        if let Some(end) = self.end() {
            return Ok(Some(State::Ended(end)));
        }
        if !self.is_started() {
            return Ok(Some(State::Created));
        }
        if self.is_supervised()? {
            return Ok(Some(State::Running));
        }
        // It may have ended between the two looks.
        Ok(Some(State::Ended(self.end().unwrap_or(End::Lost))))
    }

    pub(crate) fn end(&self) -> Option<End> {
        serde_json::from_slice(&fs::read(self.directory.join("end")).ok()?).ok()
    }

    pub(crate) fn set_end(&self, end: &End) -> Result<()> {
        self.write("end", end)
    }

    pub(crate) fn is_started(&self) -> bool {
        self.directory.join("started").exists()
    }

    /// Says that it runs, as the leader of this process group.
    pub(crate) fn mark_started(&self, group: Option<u32>) -> Result<()> {
        self.write("started", &group)
    }

    pub(crate) fn is_to_stop(&self) -> bool {
        self.directory.join("stop").exists()
    }

    /// When it is to be killed; none unless it was asked to stop and still runs.
    pub(crate) fn kill_at(&self) -> Result<Option<SystemTime>> {
        if self.state()? != Some(State::Running) || !self.is_to_stop() {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&fs::read(self.directory.join("stop"))?)?))
    }

    /// Asks it to stop; one that was not started never will be. The first grace counts.
    pub(crate) fn stop(&self, grace: Duration) -> Result<()> {
        match self.state()? {
            Some(State::Created) => self.set_end(&End::Stopped),
            Some(State::Running) if !self.is_to_stop() => {
                self.write("stop", &(SystemTime::now() + grace))?;
                self.signal(Signal::TERM);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Ends it by force, unless it is over.
    pub(crate) fn kill(&self) -> Result<()> {
        if self.state()? == Some(State::Running) {
            self.signal(Signal::KILL);
        }
        Ok(())
    }

    pub(crate) fn remove(&self) -> Result<()> {
        self.kill()?;
        while self.state()? == Some(State::Running) {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        archive::remove(&self.directory)
    }

    fn signal(&self, signal: Signal) {
        let group = fs::read(self.directory.join("started")).ok();
        let group = group.and_then(|text| serde_json::from_slice::<Option<i32>>(&text).ok()).flatten();
        if let Some(group) = group.and_then(Pid::from_raw) {
            // It may be over.
            let _ = kill_process_group(group, signal);
        }
    }

    fn is_supervised(&self) -> Result<bool> {
        let lock = match File::open(self.lock_path()) {
            Ok(lock) => lock,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Whole or not at all; for nobody else to read, since environments hold secrets.
    fn write(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let staged = self.directory.join(format!("{name}.{}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        fs::rename(&staged, self.directory.join(name))?;
        Ok(())
    }
}
