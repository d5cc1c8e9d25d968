//! Lends values of the engine to a plugin for one call.

use super::abi;
use crate::plugin::contract::{Handle, PluginTask, Run};

/// Keeps what is lent until the call is over.
#[derive(Default)]
pub(super) struct Loan {
    /// Each followed by a NUL, so that C can read it as a string of its own.
    texts: Vec<Vec<u8>>,
    /// Each alone: its place must not change.
    handles: Vec<Box<[abi::Handle]>>,
    variables: Vec<abi::Variable>,
    runs: Vec<abi::Run>,
}

impl Loan {
    pub(super) fn text(&mut self, text: &str) -> abi::Str {
        self.bytes(text.as_bytes())
    }

    pub(super) fn optional(&mut self, text: Option<&str>) -> abi::Str {
        text.map_or(abi::Str::NONE, |text| self.text(text))
    }

    fn bytes(&mut self, bytes: &[u8]) -> abi::Bytes {
        let mut terminated = Vec::with_capacity(bytes.len() + 1);
        terminated.extend_from_slice(bytes);
        terminated.push(0);
        let lent = abi::Str { ptr: terminated.as_ptr(), len: bytes.len() };
        self.texts.push(terminated);
        lent
    }

    fn handle(&mut self, handle: &Handle) -> *const abi::Handle {
        let data = self.bytes(&handle.data);
        self.handles.push(Box::new([abi::Handle { schema: handle.schema, data }]));
        self.handles.last().map_or(std::ptr::null(), |handle| handle.as_ptr())
    }

    pub(super) fn run(&mut self, run: &Run) -> abi::Run {
        let attempt = abi::Attempt { job: self.text(&run.attempt.job), number: run.attempt.number };
        let handle = run.handle.as_ref().map_or(std::ptr::null(), |handle| self.handle(handle));
        abi::Run { attempt, handle }
    }

    /// Once in a loan.
    pub(super) fn runs(&mut self, runs: &[Run]) -> (*const abi::Run, usize) {
        self.runs = runs.iter().map(|run| self.run(run)).collect();
        (self.runs.as_ptr(), self.runs.len())
    }

    /// Once in a loan.
    pub(super) fn task(&mut self, task: &PluginTask) -> abi::Task {
        let variables = task.environment.iter().map(|variable| abi::Variable {
            name: self.text(&variable.name),
            value: self.text(&variable.value),
            secret: u32::from(variable.secret),
        });
        self.variables = variables.collect();
        abi::Task {
            attempt: abi::Attempt { job: self.text(&task.attempt.job), number: task.attempt.number },
            name: self.optional(task.name.as_deref()),
            chain: self.optional(task.chain.as_deref()),
            options: self.text(&task.options),
            environment: self.variables.as_ptr(),
            environment_len: self.variables.len(),
            grace_ms: task.grace_ms,
            deadline_at_ms: task.deadline_at_ms.unwrap_or(0),
        }
    }
}
