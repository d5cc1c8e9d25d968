//! What the engine passes, copied. The engine keeps to its interface, so it is believed.

use super::abi;
use crate::bindings::exports_of_executor as wire;
use crate::bindings::types;

#[expect(unsafe_code, reason = "the engine passes pointers")]
fn slice<'a, T>(first: *const T, len: usize) -> &'a [T] {
    if first.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: the engine passes as many as it says; they are copied before the call returns.
    unsafe { std::slice::from_raw_parts(first, len) }
}

pub(super) fn text(text: abi::Str) -> String {
    String::from_utf8_lossy(slice(text.ptr, text.len)).into_owned()
}

pub(super) fn optional(value: abi::Str) -> Option<String> {
    (!value.ptr.is_null()).then(|| text(value))
}

fn attempt(attempt: &abi::Attempt) -> types::Attempt {
    types::Attempt { job: text(attempt.job), number: attempt.number }
}

fn variable(variable: &abi::Variable) -> wire::Variable {
    wire::Variable { name: text(variable.name), value: text(variable.value), secret: variable.secret != 0 }
}

pub(super) fn task(task: *const abi::Task) -> Option<wire::Task> {
    let task = slice(task, 1).first()?;
    Some(wire::Task {
        attempt: attempt(&task.attempt),
        name: optional(task.name),
        chain: optional(task.chain),
        options: text(task.options),
        environment: slice(task.environment, task.environment_len).iter().map(variable).collect(),
        grace: task.grace_ms,
        deadline_at: Some(task.deadline_at_ms).filter(|at| *at > 0),
    })
}

fn one_run(run: &abi::Run) -> wire::Run {
    let handle = slice(run.handle, 1).first();
    let handle = handle.map(|it| types::Handle { schema: it.schema, data: slice(it.data.ptr, it.data.len).to_vec() });
    wire::Run { attempt: attempt(&run.attempt), handle }
}

pub(super) fn run(run: *const abi::Run) -> Option<wire::Run> {
    slice(run, 1).first().map(one_run)
}

pub(super) fn runs(first: *const abi::Run, len: usize) -> Vec<wire::Run> {
    slice(first, len).iter().map(one_run).collect()
}
