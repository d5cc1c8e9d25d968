//! The launch order: all a supervisor is told of a run, over its standard input.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe::Receiver;
use tokio::time::timeout;

use crate::files::LogLimits;
use crate::job::ProcessLimits;

/// The environment alone may be megabytes; more than this is no order.
const MAX_ORDER_BYTES: u32 = 256 * 1024 * 1024;

/// Read at once; nearly every order is shorter.
const FIRST_READ_BYTES: u32 = 64 * 1024;

/// What to run, and how.
#[derive(Clone, Serialize, Deserialize)]
pub struct LaunchOrder {
    /// Where the supervisor keeps its records. One per attempt: it is what makes a launch idempotent.
    pub run_dir: PathBuf,
    /// The working directory of the job; it has to exist.
    pub work_dir: PathBuf,
    /// Where the log is written; created at the first byte of output.
    pub log_dir: PathBuf,
    /// The program: a path, or a name that is looked up in the `PATH` of `env`.
    pub program: String,
    /// Its arguments, without the program's name.
    pub args: Vec<String>,
    /// Its whole environment; nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Values to mask in the log.
    pub secrets: Vec<String>,
    /// How much of the log is kept.
    pub log_limits: LogLimits,
    /// What the job may use.
    pub limits: ProcessLimits,
}

impl LaunchOrder {
    /// The order as it goes over the pipe: its length, then JSON. Paths are those of this process: the supervisor works in a
    /// directory of its own.
    pub(super) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut order = self.clone();
        for path in [&mut order.run_dir, &mut order.work_dir, &mut order.log_dir] {
            *path = std::path::absolute(&path)?;
        }
        let mut bytes = vec![0; 4];
        serde_json::to_writer(&mut bytes, &order)?;
        let len = u32::try_from(bytes.len() - 4).ok().filter(|len| *len <= MAX_ORDER_BYTES);
        let len = len.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the launch order is too long"))?;
        bytes.splice(..4, len.to_le_bytes());
        Ok(bytes)
    }
}

/// The orders that a supervisor gets, one after the other.
pub(super) struct Orders<R = Receiver> {
    pipe: R,
}

impl Orders {
    pub(super) fn from_stdin() -> io::Result<Self> {
        Ok(Self { pipe: Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)? })
    }
}

impl<R: AsyncRead + Unpin> Orders<R> {
    /// The next order, begun within `patience`; an error when none comes or the launcher died half way.
    pub(super) async fn next(&mut self, patience: Duration) -> io::Result<LaunchOrder> {
        let mut len = [0; 4];
        timeout(patience, self.pipe.read_exact(&mut len)).await??;
        let len = u32::from_le_bytes(len);
        if len > MAX_ORDER_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // No more than that on the word of four bytes.
        let mut json = Vec::with_capacity(len.min(FIRST_READ_BYTES) as usize);
        (&mut self.pipe).take(u64::from(len)).read_to_end(&mut json).await?;
        if json.len() < len as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_slice(&json)?)
    }
}

/// Shows neither the values of the environment nor the secrets. Arguments are shown: they are visible to every user of the
/// machine anyway.
impl fmt::Debug for LaunchOrder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        formatter
            .debug_struct("LaunchOrder")
            .field("run_dir", &self.run_dir)
            .field("work_dir", &self.work_dir)
            .field("log_dir", &self.log_dir)
            .field("program", &self.program)
            .field("args", &self.args)
            .field("env", &names)
            .field("secrets", &self.secrets.len())
            .field("log_limits", &self.log_limits)
            .field("limits", &self.limits)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> LaunchOrder {
        LaunchOrder {
            run_dir: "/run".into(),
            work_dir: "/work".into(),
            log_dir: "/log".into(),
            program: "/bin/true".into(),
            args: vec!["shown".into()],
            env: vec![("NAME".into(), "env-value".into())],
            secrets: vec!["secret-value".into()],
            log_limits: LogLimits { head_bytes: 1, tail_bytes: 2 },
            limits: ProcessLimits::default(),
        }
    }

    #[test]
    fn debug_shows_no_values() {
        let shown = format!("{:?}", order());
        assert!(shown.contains("NAME") && shown.contains("shown"), "{shown}");
        assert!(!shown.contains("env-value") && !shown.contains("secret-value"), "{shown}");
    }

    #[tokio::test]
    async fn a_cut_order_is_refused() {
        let bytes = order().to_bytes().unwrap();
        let two = [bytes.clone(), bytes.clone()].concat();
        let patience = Duration::from_secs(10);
        let mut orders = Orders { pipe: two.as_slice() };
        for _ in 0..2 {
            let read = orders.next(patience).await.unwrap();
            assert_eq!((read.env, read.secrets), (order().env, order().secrets));
        }
        for len in [0, 3, 4, 50, bytes.len() - 1] {
            assert!(Orders { pipe: &bytes[..len] }.next(patience).await.is_err(), "{len} bytes");
        }
    }

    #[tokio::test]
    async fn paths_leave_as_absolute_ones() {
        let order = LaunchOrder { run_dir: "run".into(), ..order() };
        let read = Orders { pipe: order.to_bytes().unwrap().as_slice() }.next(Duration::from_secs(10)).await.unwrap();
        assert_eq!(read.run_dir, std::env::current_dir().unwrap().join("run"));
    }
}
