//! Resource limits of a job, set by a helper process that becomes the job.
//!
//! Limits have to be in force at the first instruction of the job and must not bind its supervisor. So the supervisor starts
//! this program once more; that sets the limits on itself and executes the job in its place.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::job::ProcessLimits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The hidden first argument: `--windlass-limit LIMITS PROGRAM-PATH PROGRAM-NAME ARGS…`.
pub(super) const LIMIT_ARG: &str = "--windlass-limit";

impl ProcessLimits {
    /// The limits as an argument of the helper; `None` when there are none.
    pub(super) fn to_arg(self) -> Option<String> {
        let named = [
            ("AS", self.memory_bytes),
            ("CPU", self.cpu_seconds),
            ("NOFILE", self.open_files),
            ("FSIZE", self.file_size_bytes),
        ];
        let set: Vec<String> =
            named.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect();
        if set.is_empty() { None } else { Some(set.join(",")) }
    }
}

/// The helper: sets the limits, then becomes the job. Returns only if that failed, with the exit code. Its standard input
/// is the pipe on which it says why; the kernel closes that when the job has taken its place.
pub(super) fn run_limited(mut args: impl Iterator<Item = OsString>) -> i32 {
    let Ok(report) = io::stdin().as_fd().try_clone_to_owned() else {
        return 1;
    };
    let message = match (args.next(), args.next(), args.next()) {
        (Some(limits), Some(path), Some(name)) => match become_job(&limits, &path, &name, args) {
            Ok(never) => match never {},
            Err(error) => error.to_string(),
        },
        _ => "arguments are missing".to_owned(),
    };
    // The supervisor that would read it may be gone.
    let _ = File::from(report).write_all(message.as_bytes());
    1
}

fn become_job(
    limits: &OsStr,
    path: &OsStr,
    name: &OsStr,
    args: impl Iterator<Item = OsString>,
) -> io::Result<std::convert::Infallible> {
    let limits = parse_limits(limits).ok_or_else(|| io::Error::other("the limits cannot be read"))?;
    // Everything that takes memory or a file comes before the limits do.
    let mut job = Command::new(path);
    let stdin = OpenOptions::new().read(true).open("/dev/null")?;
    job.arg0(name).args(args).stdin(Stdio::from(stdin));
    for (resource, value) in limits {
        set_limit(resource, value)?;
    }
    Err(job.exec())
}

fn set_limit(resource: Resource, value: u64) -> io::Result<()> {
    // What the engine itself may not have the job cannot get; asking for it is no mistake.
    let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let current = value.min(most);
    // At the hard limit the kernel kills: with room between the two the job dies of a SIGXCPU that can be told apart.
    let maximum = if resource == Resource::Cpu { current.saturating_add(1).min(most) } else { current };
    setrlimit(resource, Rlimit { current: Some(current), maximum: Some(maximum) })?;
    Ok(())
}

fn parse_limits(text: &OsStr) -> Option<Vec<(Resource, u64)>> {
    text.to_str()?.split(',').map(parse_limit).collect()
}

fn parse_limit(text: &str) -> Option<(Resource, u64)> {
    let (name, value) = text.split_once('=')?;
    let resource = match name {
        "AS" => Resource::As,
        "CPU" => Resource::Cpu,
        "NOFILE" => Resource::Nofile,
        "FSIZE" => Resource::Fsize,
        _ => return None,
    };
    Some((resource, value.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_survive_the_argument() {
        let limits = ProcessLimits { memory_bytes: Some(1), file_size_bytes: Some(4), ..ProcessLimits::default() };
        let arg = limits.to_arg().unwrap();
        assert_eq!(arg, "AS=1,FSIZE=4");
        assert_eq!(parse_limits(OsStr::new(&arg)), Some(vec![(Resource::As, 1), (Resource::Fsize, 4)]));
        assert_eq!(ProcessLimits::default().to_arg(), None);
        assert_eq!(parse_limits(OsStr::new("AS=1,NICE=3")), None);
    }
}
