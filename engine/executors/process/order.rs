//! The launch order: all a supervisor is told, over its standard input.

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::files::LogLimits;
use crate::job::ProcessLimits;

/// The environment alone may be megabytes; more than this is no order.
const MAX_ORDER_BYTES: u32 = 256 * 1024 * 1024;

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
    /// How long a stop waits between asking and killing, unless the stop says otherwise.
    pub grace_ms: u64,
}

impl LaunchOrder {
    /// The order as it goes over the pipe: its length, then JSON.
    pub(super) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let json = serde_json::to_vec(self)?;
        let len = u32::try_from(json.len()).ok().filter(|len| *len <= MAX_ORDER_BYTES);
        let len = len.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the launch order is too long"))?;
        let mut bytes = Vec::with_capacity(json.len() + 4);
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&json);
        Ok(bytes)
    }

    /// Reads what [`Self::to_bytes`] made; an error when the launcher died half way.
    pub(super) fn read_from(reader: &mut impl Read) -> io::Result<Self> {
        let mut len = [0; 4];
        reader.read_exact(&mut len)?;
        let len = u32::from_le_bytes(len);
        if len > MAX_ORDER_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut json = Vec::new();
        reader.take(u64::from(len)).read_to_end(&mut json)?;
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
            .field("grace_ms", &self.grace_ms)
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
            grace_ms: 5,
        }
    }

    #[test]
    fn debug_shows_no_values() {
        let shown = format!("{:?}", order());
        assert!(shown.contains("NAME") && shown.contains("shown"), "{shown}");
        assert!(!shown.contains("env-value") && !shown.contains("secret-value"), "{shown}");
    }

    #[test]
    fn a_cut_order_is_refused() {
        let bytes = order().to_bytes().unwrap();
        let read = LaunchOrder::read_from(&mut bytes.as_slice()).unwrap();
        assert_eq!((read.env, read.secrets), (order().env, order().secrets));
        for len in [0, 3, 4, 50, bytes.len() - 1] {
            assert!(LaunchOrder::read_from(&mut &bytes[..len]).is_err(), "{len} bytes");
        }
    }
}
