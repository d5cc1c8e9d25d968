//! Starts the job process.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::limits::LIMIT_ARG;
use super::order::LaunchOrder;

/// This program, also after its file was replaced.
pub(super) const THIS_PROGRAM: &str = "/proc/self/exe";
/// Where a name is looked up when the job's environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Starts the job as the leader of its own process group; the error says why it cannot be started.
pub(super) fn start_job(order: &LaunchOrder) -> Result<Child, String> {
    let path = find_program(order)?;
    match order.limits.to_arg() {
        None => {
            let mut command = Command::new(&path);
            command.arg0(&order.program).args(&order.args).stdin(Stdio::null());
            prepare(&mut command, order).spawn().map_err(|error| describe(order, &error))
        }
        Some(limits) => start_limited(order, &path, &limits),
    }
}

/// Starts the helper that sets the limits, and waits until it has become the job or says why not.
fn start_limited(order: &LaunchOrder, path: &Path, limits: &str) -> Result<Child, String> {
    let (mut failure, stdin) = io::pipe().map_err(|error| describe(order, &error))?;
    let mut command = Command::new(THIS_PROGRAM);
    command.arg(LIMIT_ARG).arg(limits).arg(path).arg(&order.program).args(&order.args).stdin(stdin);
    let mut child = prepare(&mut command, order).spawn().map_err(|error| describe(order, &error))?;
    // The command holds our copy of the writing end.
    drop(command);
    let mut message = String::new();
    let read = failure.read_to_string(&mut message);
    if message.is_empty() && read.is_ok() {
        return Ok(child);
    }
    // It is ending, if it has not ended yet.
    let _ = child.wait();
    Err(format!("cannot start {:?}: {message}", order.program))
}

fn prepare<'a>(command: &'a mut Command, order: &LaunchOrder) -> &'a mut Command {
    let env = order.env.iter().map(|(name, value)| (name, value));
    command.env_clear().envs(env).current_dir(&order.work_dir).process_group(0);
    command.stdout(Stdio::piped()).stderr(Stdio::piped())
}

/// The path of the program. Looked up here and not left to the system: with a path the job is started without a copy of
/// this process, and what is wrong can be told.
fn find_program(order: &LaunchOrder) -> Result<PathBuf, String> {
    if order.program.contains('/') {
        // Joining keeps an absolute path as it is.
        return Ok(order.work_dir.join(&order.program));
    }
    let path = order.env.iter().rfind(|(name, _)| name == "PATH").map_or(DEFAULT_PATH, |(_, value)| value);
    let found = std::env::split_paths(OsStr::new(path))
        .map(|dir| order.work_dir.join(dir).join(&order.program))
        .find(|candidate| is_executable(candidate));
    found.ok_or_else(|| format!("cannot start {:?}: no such program in the PATH {path:?}", order.program))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn describe(order: &LaunchOrder, error: &io::Error) -> String {
    if !order.work_dir.is_dir() {
        return format!("cannot start {:?}: no such working directory: {:?}", order.program, order.work_dir);
    }
    format!("cannot start {:?}: {error}", order.program)
}
