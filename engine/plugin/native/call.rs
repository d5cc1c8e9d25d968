//! One call: what is asked, what is answered, and the way through the table of functions of a plugin.

use serde::{Deserialize, Serialize};

use super::abi::{self, Host, Table};
use super::host::{HostCalls, Surroundings, Visit};
use super::lend::Loan;
use crate::plugin::contract::{
    Answer, Attempt, Definition, Descriptor, ErrorKind, Handle, Observation, Page, PluginError, PluginTask, Retry, Run,
};

/// What a plugin is asked.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Question {
    Describe,
    Check,
    Definitions { cursor: Option<String> },
    Validate { options: String },
    Submit { task: PluginTask, work: Option<String> },
    Observe { runs: Vec<Run>, wait_ms: u64 },
    Logs { run: Run, cursor: Option<String>, wait_ms: u64 },
    Stop { run: Run, grace_ms: u64 },
    Collect { run: Run, work: Option<String> },
    Remove(Run),
    Owned { cursor: Option<String> },
}

impl Question {
    /// As the contract names it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Question::Describe => "describe",
            Question::Check => "check",
            Question::Definitions { .. } => "definitions",
            Question::Validate { .. } => "validate",
            Question::Submit { .. } => "submit",
            Question::Observe { .. } => "observe",
            Question::Logs { .. } => "logs",
            Question::Stop { .. } => "stop",
            Question::Collect { .. } => "collect",
            Question::Remove(_) => "remove",
            Question::Owned { .. } => "owned",
        }
    }

    /// How long it may wait for something to happen.
    pub(super) fn wait_ms(&self) -> u64 {
        match self {
            Question::Observe { wait_ms, .. } | Question::Logs { wait_ms, .. } => *wait_ms,
            _ => 0,
        }
    }

    /// The run that it is about.
    pub(super) fn attempt(&self) -> Option<&Attempt> {
        match self {
            Question::Submit { task, .. } => Some(&task.attempt),
            Question::Logs { run, .. }
            | Question::Stop { run, .. }
            | Question::Collect { run, .. }
            | Question::Remove(run) => Some(&run.attempt),
            _ => None,
        }
    }

    /// The work tree that the plugin may use.
    fn work(&self) -> Option<&str> {
        match self {
            Question::Submit { work, .. } | Question::Collect { work, .. } => work.as_deref(),
            _ => None,
        }
    }

    /// The secrets that it tells the plugin, which must not come back in a message.
    pub(super) fn secrets(&self) -> Vec<&str> {
        let Question::Submit { task, .. } = self else {
            return Vec::new();
        };
        task.environment.iter().filter(|variable| variable.secret).map(|variable| variable.value.as_str()).collect()
    }
}

/// A mistake, as [`crate::error::Problem`] has it: field, problem, allowed.
pub(super) type Mistake = (String, String, String);

/// What a plugin answers.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Reply {
    Done,
    Descriptor(Descriptor),
    Definitions(Page<Definition>),
    Mistakes(Vec<Mistake>),
    Handle(Handle),
    Observations(Vec<Observation>),
    Over(bool),
    Stopped(Option<Handle>),
    Owned(Page<Run>),
}

/// What every call is told of the engine.
#[derive(Clone)]
pub(super) struct About {
    pub(super) settings: String,
    pub(super) engine_id: String,
    /// Bytes of one answer.
    pub(super) answer_bytes: usize,
}

/// The error for a plugin that breaks the contract.
pub(super) fn broken(question: &Question, what: &str) -> PluginError {
    let message = format!("the plugin broke the contract: `{}`: {what}", question.name());
    PluginError::new(ErrorKind::Internal, Retry::Backoff, message)
}

/// Asks a plugin, on this thread.
///
/// # Safety
/// The table is that of a sound plugin, no other call of it is under way unless it is fine with that.
#[expect(unsafe_code, reason = "functions of the plugin are called")]
pub(super) unsafe fn ask(
    table: &Table,
    about: &About,
    question: &Question,
    calls: &mut dyn HostCalls,
) -> Answer<Reply> {
    let mut loan = Loan::default();
    let surroundings = Surroundings {
        settings: loan.text(&about.settings),
        engine_id: loan.text(&about.engine_id),
        work: loan.optional(question.work()),
    };
    let mut visit = Visit::new(question, about.answer_bytes, calls);
    let host = visit.host(surroundings);
    // SAFETY: everything that is lent lives until `loan` and `visit` go.
    let status = unsafe { enter(table, &host, question, &mut loan) };
    match status {
        Some(status) => visit.leave(status, table),
        None => without_function(question),
    }
}

/// Calls the function of a question; `None` when the plugin does not have it.
#[expect(unsafe_code, reason = "functions of the plugin are called")]
unsafe fn enter(table: &Table, host: &Host, question: &Question, loan: &mut Loan) -> Option<i32> {
    // SAFETY: as the caller says, for every one of them.
    unsafe {
        Some(match question {
            Question::Describe => table.describe?(host),
            Question::Check => table.check?(host),
            Question::Definitions { cursor } => table.definitions?(host, loan.optional(cursor.as_deref())),
            Question::Validate { options } => table.validate?(host, loan.text(options)),
            Question::Submit { task, .. } => table.submit?(host, &loan.task(task)),
            Question::Observe { runs, wait_ms } => {
                let (runs, len) = loan.runs(runs);
                table.observe?(host, runs, len, *wait_ms)
            }
            Question::Logs { run, cursor, wait_ms } => {
                let cursor = loan.optional(cursor.as_deref());
                table.logs?(host, &loan.run(run), cursor, *wait_ms)
            }
            Question::Stop { run, grace_ms } => table.stop?(host, &loan.run(run), *grace_ms),
            Question::Collect { run, .. } => table.collect?(host, &loan.run(run)),
            Question::Remove(run) => table.remove?(host, &loan.run(run)),
            Question::Owned { cursor } => table.owned?(host, loan.optional(cursor.as_deref())),
        })
    }
}

/// The answer where an optional function is left out. The others are there, or the plugin would not be loaded.
fn without_function(question: &Question) -> Answer<Reply> {
    match question {
        Question::Check | Question::Collect { .. } => Ok(Reply::Done),
        Question::Validate { .. } => Ok(Reply::Mistakes(Vec::new())),
        _ => {
            let message = format!("the plugin has no function `{}`", question.name());
            Err(PluginError::new(ErrorKind::Unsupported, Retry::Never, message))
        }
    }
}

// What a table may leave out, by the feature that says that it is there.
pub(super) fn has_feature(table: &Table, feature: &str) -> bool {
    match feature {
        "definitions" => table.definitions.is_some(),
        "logs" => table.logs.is_some(),
        "collect" => table.collect.is_some(),
        "owned" => table.owned.is_some(),
        _ => true,
    }
}

/// An answer of a call that the plugin said went well.
pub(super) fn is_ok(status: i32) -> Option<bool> {
    match status {
        abi::OK => Some(true),
        abi::FAILED => Some(false),
        _ => None,
    }
}
