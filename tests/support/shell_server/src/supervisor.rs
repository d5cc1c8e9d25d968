//! The process that starts the command of one run, writes down what it prints and how it ends. It outlives the server.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::Result;
use crate::runs::Run;
use crate::spec::End;

/// The argument that makes a supervisor of this program.
pub(crate) const COMMAND: &str = "supervise";

/// Starts a supervisor in a session of its own, and returns when it has begun.
pub(crate) fn start(run: &Run) -> Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(COMMAND).arg(run.directory());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Commands are told no secret of the server.
    command.env_remove(crate::TOKEN);
    // A group of its own: what is sent to the server's group does not reach it.
    let mut supervisor = command.process_group(0).spawn()?;
    while !run.is_started() {
        if let Some(status) = supervisor.try_wait()? {
            return if run.is_started() { Ok(()) } else { Err(format!("the supervisor ended: {status}").into()) };
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    // Somebody has to take note of its end, or it stays as a zombie while the server lives.
    std::thread::spawn(move || supervisor.wait());
    Ok(())
}

/// Runs the command of a run to its end.
pub(crate) fn supervise(directory: &Path) -> Result<()> {
    let run = Run::at(directory);
    let lock = File::create(run.lock_path())?;
    lock.lock()?;
    // The second of two supervisors ends here.
    if run.is_started() || run.end().is_some() {
        return Ok(());
    }
    let log = OpenOptions::new().create(true).append(true).open(run.log_path())?;
    fs::create_dir_all(run.work().join("output"))?;
    let spec = run.spec()?;
    let (program, arguments) = spec.command.split_first().ok_or("the command is empty")?;
    let mut command = Command::new(program);
    command.args(arguments).envs(spec.environment.iter().map(|(name, value)| (name, value))).env("WORK", run.work());
    command.current_dir(run.work()).process_group(0);
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let end = match spawned {
        Err(error) => {
            run.mark_started(None)?;
            End::NotStarted(error.to_string())
        }
        Ok(mut child) => {
            run.mark_started(Some(child.id()))?;
            let status = follow(&mut child, log)?;
            if run.is_to_stop() { End::Stopped } else { told(status) }
        }
    };
    run.set_end(&end)
}

/// Writes down what the command prints until it ends.
fn follow(child: &mut Child, log: File) -> Result<ExitStatus> {
    let log = Arc::new(Mutex::new(log));
    let stdout = child.stdout.take().ok_or("no stdout")?;
    let stderr = child.stderr.take().ok_or("no stderr")?;
    let pumps = [pump(1, stdout, log.clone()), pump(2, stderr, log)];
    let status = child.wait()?;
    // What it has left behind would hold its outputs open.
    if let Some(group) = Pid::from_raw(i32::try_from(child.id())?) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    for pump in pumps {
        pump.join().map_err(|_| "a log could not be written")?;
    }
    Ok(status)
}

fn pump(channel: u8, mut from: impl Read + Send + 'static, log: Arc<Mutex<File>>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(size @ 1..) = from.read(&mut buffer) {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if buffer.get(..size).is_none_or(|bytes| crate::log::append(&mut log, channel, bytes).is_err()) {
                return;
            }
        }
    })
}

fn told(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, Some(signal)) => End::Signalled(signal),
        (None, None) => End::Lost,
    }
}
