//! What a plugin gives to the engine, which copies it before its function returns.
#![expect(unsafe_code, reason = "functions of the engine are called, with pointers to what lives until they return")]

use std::ptr;

use super::abi;
use crate::bindings::exports_of_executor as wire;
use crate::bindings::types;

pub(super) fn text(text: &str) -> abi::Str {
    bytes(text.as_bytes())
}

pub(super) fn bytes(bytes: &[u8]) -> abi::Bytes {
    abi::Str { ptr: bytes.as_ptr(), len: bytes.len() }
}

fn optional(value: Option<&String>) -> abi::Str {
    value.map_or(abi::Str::NONE, |value| text(value))
}

pub(super) fn handle(handle: &types::Handle) -> abi::Handle {
    abi::Handle { schema: handle.schema, data: bytes(&handle.data) }
}

/// Has `act` see an error as C has it.
fn with_error<T>(error: &types::Error, act: impl FnOnce(&abi::Error) -> T) -> T {
    let details: Vec<abi::Pair> =
        error.details.iter().map(|(name, value)| abi::Pair { name: text(name), value: text(value) }).collect();
    let (retry, retry_after_ms) = match error.retry {
        types::Retry::Never => (1, 0),
        types::Retry::Backoff => (2, 0),
        types::Retry::After(ms) => (3, ms),
    };
    act(&abi::Error {
        kind: kind(error.kind),
        retry,
        retry_after_ms,
        // An error without words would break the contract.
        message: text(if error.message.is_empty() { "the plugin did not say what went wrong" } else { &error.message }),
        code: optional(error.code.as_ref()),
        details: details.as_ptr(),
        details_len: details.len(),
    })
}

fn kind(kind: types::ErrorKind) -> u32 {
    match kind {
        types::ErrorKind::Invalid => 1,
        types::ErrorKind::Unauthenticated => 2,
        types::ErrorKind::Denied => 3,
        types::ErrorKind::NotFound => 4,
        types::ErrorKind::Conflict => 5,
        types::ErrorKind::Exhausted => 6,
        types::ErrorKind::Unavailable => 7,
        types::ErrorKind::Timeout => 8,
        types::ErrorKind::Cancelled => 9,
        types::ErrorKind::Unsupported => 10,
        types::ErrorKind::Internal => 11,
    }
}

pub(super) fn fail(host: &abi::Host, error: &types::Error) {
    // SAFETY: see the top.
    with_error(error, |error| unsafe { (host.fail)(host, error) });
}

pub(super) fn descriptor(host: &abi::Host, descriptor: &types::Descriptor) {
    let features: Vec<abi::Str> = descriptor.features.iter().map(|feature| text(feature)).collect();
    let given = abi::Descriptor {
        name: text(&descriptor.name),
        version: text(&descriptor.version),
        summary: text(&descriptor.summary),
        options_schema: text(&descriptor.options_schema),
        features: features.as_ptr(),
        features_len: features.len(),
    };
    // SAFETY: see the top.
    unsafe { (host.give_descriptor)(host, &given) }
}

pub(super) fn problem(host: &abi::Host, problem: &types::Problem) {
    let given =
        abi::Problem { field: text(&problem.field), problem: text(&problem.problem), allowed: text(&problem.allowed) };
    // SAFETY: see the top.
    unsafe { (host.give_problem)(host, &given) }
}

pub(super) fn definition(host: &abi::Host, definition: &wire::Definition) {
    let given = abi::Definition {
        name: text(&definition.name),
        version: optional(definition.version.as_ref()),
        summary: optional(definition.summary.as_ref()),
        options: text(&definition.options),
    };
    // SAFETY: see the top.
    unsafe { (host.give_definition)(host, &given) }
}

pub(super) fn made(host: &abi::Host, made: &types::Handle) {
    // SAFETY: see the top.
    unsafe { (host.give_handle)(host, handle(made)) }
}

pub(super) fn next(host: &abi::Host, cursor: Option<&String>) {
    if let Some(cursor) = cursor {
        // SAFETY: see the top.
        unsafe { (host.give_next)(host, text(cursor)) }
    }
}

pub(super) fn run(host: &abi::Host, run: &wire::Run) {
    let latest = run.handle.as_ref().map(handle);
    let attempt = abi::Attempt { job: text(&run.attempt.job), number: run.attempt.number };
    let given = abi::Run { attempt, handle: latest.as_ref().map_or(ptr::null(), ptr::from_ref) };
    // SAFETY: see the top.
    unsafe { (host.give_run)(host, &given) }
}

pub(super) fn over(host: &abi::Host) {
    // SAFETY: see the top.
    unsafe { (host.give_over)(host) }
}

pub(super) fn observation(host: &abi::Host, observation: &wire::Observation) {
    let nothing = abi::Observation {
        state: 0,
        code: 0,
        reason: abi::Str::NONE,
        error: ptr::null(),
        handle: ptr::null(),
        ask_after_ms: 0,
    };
    // SAFETY: see the top.
    let give = |given: abi::Observation| unsafe { (host.give_observation)(host, &given) };
    let status = match observation {
        wire::Observation::Known(status) => status,
        wire::Observation::Gone => return give(abi::Observation { state: 11, ..nothing }),
        wire::Observation::Unknown(error) => {
            return with_error(error, |error| give(abi::Observation { state: 12, error, ..nothing }));
        }
    };
    let latest = status.handle.as_ref().map(handle);
    let known = abi::Observation {
        handle: latest.as_ref().map_or(ptr::null(), ptr::from_ref),
        ask_after_ms: status.ask_after.unwrap_or(0),
        ..nothing
    };
    let (state, code, error) = match &status.phase {
        wire::Phase::Pending(reason) => {
            return give(abi::Observation { state: 1, reason: optional(reason.as_ref()), ..known });
        }
        wire::Phase::Running => (2, 0, None),
        wire::Phase::Ended(outcome) => ended(outcome),
    };
    match error {
        Some(error) => with_error(error, |error| give(abi::Observation { state, error, ..known })),
        None => give(abi::Observation { state, code, ..known }),
    }
}

fn ended(outcome: &wire::Outcome) -> (u32, i32, Option<&types::Error>) {
    match outcome {
        wire::Outcome::Succeeded => (3, 0, None),
        wire::Outcome::Exited(code) => (4, *code, None),
        wire::Outcome::Signalled(signal) => (5, *signal, None),
        wire::Outcome::OutOfMemory => (6, 0, None),
        wire::Outcome::NotStarted(error) => (7, 0, Some(error)),
        wire::Outcome::Failed(error) => (8, 0, Some(error)),
        wire::Outcome::Stopped => (9, 0, None),
        wire::Outcome::Lost => (10, 0, None),
    }
}
