//! What a user writes for a pretended run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use windlass_plugin::{Channel, Error, ErrorKind, Outcome, Result, Retry};

/// What a run does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How long it waits before it runs.
    #[serde(skip_serializing_if = "is_default")]
    pub pending_ms: u64,
    /// Why it waits.
    #[serde(skip_serializing_if = "is_default")]
    pub pending_reason: Option<String>,
    /// How long it runs.
    #[serde(skip_serializing_if = "is_default")]
    pub run_ms: u64,
    /// How it ends.
    #[serde(skip_serializing_if = "is_default")]
    pub outcome: End,
    /// Attempts from this one on succeed, whatever `outcome` says.
    #[serde(skip_serializing_if = "is_default")]
    pub succeeds_from: Option<u32>,
    /// A line that it prints; `{n}` is the number of the line, from 1.
    #[serde(skip_serializing_if = "is_default")]
    pub print: Option<String>,
    /// How often it prints that, evenly over the time that it runs.
    #[serde(skip_serializing_if = "is_default")]
    pub lines: Option<u64>,
    /// Where it prints to.
    #[serde(skip_serializing_if = "is_default")]
    pub to: Printing,
    /// How long it goes on after a stop, unless the grace is over before.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_ms: u64,
    /// The engine is told to ask no sooner than after this.
    #[serde(skip_serializing_if = "is_default")]
    pub ask_after_ms: Option<u64>,
    /// `submit` makes its handle durable before it returns it.
    #[serde(skip_serializing_if = "is_default")]
    pub checkpoint: bool,
    /// So many bytes more in the handle.
    #[serde(skip_serializing_if = "is_default")]
    pub handle_bytes: usize,
    /// The files that `collect` brings, by their path under `output`.
    #[serde(skip_serializing_if = "is_default")]
    pub output: BTreeMap<String, String>,
    /// The calls that go wrong.
    #[serde(skip_serializing_if = "is_default")]
    pub faults: BTreeMap<Call, When>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How a run ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// It did its work.
    #[default]
    Succeeded,
    /// With a code other than 0.
    Exited(i32),
    /// By a signal.
    Signalled(i32),
    /// It wanted too much memory.
    OutOfMemory,
    /// It was never started.
    NotStarted(Fault),
    /// In another way.
    Failed(Fault),
    /// Somebody has stopped it.
    Stopped,
    /// Its machine is gone.
    Lost,
    /// The platform forgets it.
    Gone,
    /// It runs until it is stopped.
    Never,
}

impl End {
    /// As the engine is told; none for the ends that are no outcomes.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        Some(match self {
            End::Succeeded => Outcome::Succeeded,
            End::Exited(code) => Outcome::Exited(*code),
            End::Signalled(signal) => Outcome::Signalled(*signal),
            End::OutOfMemory => Outcome::OutOfMemory,
            End::NotStarted(fault) => Outcome::NotStarted(fault.error()),
            End::Failed(fault) => Outcome::Failed(fault.error()),
            End::Stopped => Outcome::Stopped,
            End::Lost => Outcome::Lost,
            End::Gone | End::Never => return None,
        })
    }
}

/// Where a run prints to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Printing {
    /// All to one.
    #[default]
    Stdout,
    /// All to the other.
    Stderr,
    /// The odd lines to the one, the even ones to the other.
    Both,
}

impl Printing {
    pub(crate) fn channel(self, line: u64) -> Channel {
        match self {
            Printing::Stdout => Channel::Stdout,
            Printing::Both if line % 2 == 1 => Channel::Stdout,
            Printing::Stderr | Printing::Both => Channel::Stderr,
        }
    }
}

/// A call that can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is what it is called in the contract")]
pub enum Call {
    Submit,
    Observe,
    Logs,
    Stop,
    Collect,
    Remove,
}

/// How a call goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// It answers with an error.
    Error(Fault),
    /// The plugin breaks down.
    Panic,
    /// It waits for ever.
    Hang,
    /// It computes for ever.
    Spin,
}

/// An error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// What kind, as the contract calls it; `internal` for whatever it does not know.
    pub kind: String,
    /// Whether another call may go well.
    pub retry: Retrying,
    /// What to say.
    pub message: String,
    /// The platform's own code.
    pub code: Option<String>,
}

/// Whether another call may go well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is what it is called in the contract")]
pub enum Retrying {
    #[default]
    Never,
    Backoff,
    After(u64),
}

impl Fault {
    pub(crate) fn error(&self) -> Error {
        let kind = match self.kind.as_str() {
            "invalid" => ErrorKind::Invalid,
            "unauthenticated" => ErrorKind::Unauthenticated,
            "denied" => ErrorKind::Denied,
            "not-found" => ErrorKind::NotFound,
            "conflict" => ErrorKind::Conflict,
            "exhausted" => ErrorKind::Exhausted,
            "unavailable" => ErrorKind::Unavailable,
            "timeout" => ErrorKind::Timeout,
            "cancelled" => ErrorKind::Cancelled,
            "unsupported" => ErrorKind::Unsupported,
            _ => ErrorKind::Internal,
        };
        let retry = match self.retry {
            Retrying::Never => Retry::Never,
            Retrying::Backoff => Retry::Backoff,
            Retrying::After(ms) => Retry::After(ms),
        };
        Error { code: self.code.clone(), ..Error::new(kind, self.message.clone()).retry(retry) }
    }
}

impl Options {
    /// Goes wrong if this call is to.
    pub(crate) fn fault(&self, call: Call) -> Result<()> {
        match self.faults.get(&call) {
            None => Ok(()),
            Some(When::Error(fault)) => Err(fault.error()),
            Some(When::Panic) => break_down(call),
            Some(When::Hang) => loop {
                std::thread::sleep(std::time::Duration::from_secs(1));
            },
            Some(When::Spin) => loop {
                std::hint::spin_loop();
            },
        }
    }
}

#[expect(clippy::panic, reason = "the options asked for it")]
fn break_down(call: Call) -> ! {
    panic!("the options say that {call:?} breaks down")
}

/// The JSON Schema of the options.
pub(crate) fn schema() -> Value {
    let millis = json!({ "type": "integer", "minimum": 0 });
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "pending_ms": millis,
            "pending_reason": { "type": "string" },
            "run_ms": millis,
            "outcome": {},
            "succeeds_from": { "type": "integer", "minimum": 1 },
            "print": { "type": "string" },
            "lines": { "type": "integer", "minimum": 0 },
            "to": { "enum": ["stdout", "stderr", "both"] },
            "stop_ms": millis,
            "ask_after_ms": millis,
            "checkpoint": { "type": "boolean" },
            "handle_bytes": { "type": "integer", "minimum": 0 },
            "output": { "type": "object", "additionalProperties": { "type": "string" } },
            "faults": { "type": "object" },
        },
    })
}
