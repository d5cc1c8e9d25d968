//! Between the generated types of the WIT and those of the contract, to which what a plugin says is held on the way.

use super::bindings::exports::windlass::plugin::executor as wit;
use super::bindings::transfer::fetcher::exports::windlass::plugin::fetcher as wit_fetcher;
use super::bindings::transfer::sink::exports::windlass::plugin::sink as wit_sink;
use super::bindings::windlass::plugin::types;
use crate::error::Problem;
use crate::plugin::claims;
use crate::plugin::contract::{
    Answer, Attempt, Definition, Descriptor, ErrorKind, FetchItem, FetchRequest, Fetched, Handle, Observation, Page,
    Phase, PluginError, PluginTask, Retry, Run, RunOutcome, RunStatus, StoreRequest, Stored,
};

/// What a function of the WIT returns that may fail by its own word.
pub(super) fn answer<A, B>(result: Result<A, types::Error>, convert: impl FnOnce(A) -> Answer<B>) -> Answer<B> {
    result.map_err(error_of).and_then(convert)
}

pub(super) fn error_of(error: types::Error) -> PluginError {
    claims::error(of_error(error))
}

fn of_error(error: types::Error) -> PluginError {
    let kind = match error.kind {
        types::ErrorKind::Invalid => ErrorKind::Invalid,
        types::ErrorKind::Unauthenticated => ErrorKind::Unauthenticated,
        types::ErrorKind::Denied => ErrorKind::Denied,
        types::ErrorKind::NotFound => ErrorKind::NotFound,
        types::ErrorKind::Conflict => ErrorKind::Conflict,
        types::ErrorKind::Exhausted => ErrorKind::Exhausted,
        types::ErrorKind::Unavailable => ErrorKind::Unavailable,
        types::ErrorKind::Timeout => ErrorKind::Timeout,
        types::ErrorKind::Cancelled => ErrorKind::Cancelled,
        types::ErrorKind::Unsupported => ErrorKind::Unsupported,
        types::ErrorKind::Internal => ErrorKind::Internal,
    };
    let retry = match error.retry {
        types::Retry::Never => Retry::Never,
        types::Retry::Backoff => Retry::Backoff,
        types::Retry::After(millis) => Retry::After(millis),
    };
    PluginError { kind, retry, message: error.message, code: error.code, details: error.details }
}

pub(super) fn to_wit_error(error: PluginError) -> types::Error {
    let kind = match error.kind {
        ErrorKind::Invalid => types::ErrorKind::Invalid,
        ErrorKind::Unauthenticated => types::ErrorKind::Unauthenticated,
        ErrorKind::Denied => types::ErrorKind::Denied,
        ErrorKind::NotFound => types::ErrorKind::NotFound,
        ErrorKind::Conflict => types::ErrorKind::Conflict,
        ErrorKind::Exhausted => types::ErrorKind::Exhausted,
        ErrorKind::Unavailable => types::ErrorKind::Unavailable,
        ErrorKind::Timeout => types::ErrorKind::Timeout,
        ErrorKind::Cancelled => types::ErrorKind::Cancelled,
        ErrorKind::Unsupported => types::ErrorKind::Unsupported,
        ErrorKind::Internal => types::ErrorKind::Internal,
    };
    let retry = match error.retry {
        Retry::Never => types::Retry::Never,
        Retry::Backoff => types::Retry::Backoff,
        Retry::After(millis) => types::Retry::After(millis),
    };
    types::Error { kind, retry, message: error.message, code: error.code, details: error.details }
}

pub(super) fn handle_of(handle: types::Handle) -> Answer<Handle> {
    claims::handle(of_handle(handle))
}

fn of_handle(handle: types::Handle) -> Handle {
    Handle { schema: handle.schema, data: handle.data }
}

pub(super) fn to_wit_handle(handle: Handle) -> types::Handle {
    types::Handle { schema: handle.schema, data: handle.data }
}

fn to_wit_attempt(attempt: Attempt) -> types::Attempt {
    types::Attempt { job: attempt.job, number: attempt.number }
}

pub(super) fn to_wit_run(run: Run) -> wit::Run {
    wit::Run { attempt: to_wit_attempt(run.attempt), handle: run.handle.map(to_wit_handle) }
}

pub(super) fn to_wit_task(task: PluginTask) -> wit::Task {
    let variable =
        |it: crate::plugin::contract::Variable| wit::Variable { name: it.name, value: it.value, secret: it.secret };
    wit::Task {
        attempt: to_wit_attempt(task.attempt),
        name: task.name,
        chain: task.chain,
        options: task.options,
        environment: task.environment.into_iter().map(variable).collect(),
        grace: task.grace_ms,
        deadline_at: task.deadline_at_ms,
    }
}

pub(super) fn descriptor_of(descriptor: types::Descriptor) -> Answer<Descriptor> {
    let types::Descriptor { name, version, summary, options_schema, features } = descriptor;
    claims::descriptor(Descriptor { name, version, summary, options_schema, features })
}

pub(super) fn problems_of(problems: Vec<types::Problem>) -> Answer<Vec<Problem>> {
    let convert = |types::Problem { field, problem, allowed }| Problem { field, problem, allowed };
    claims::problems(problems.into_iter().map(convert).collect())
}

fn of_outcome(outcome: wit::Outcome) -> RunOutcome {
    match outcome {
        wit::Outcome::Succeeded => RunOutcome::Succeeded,
        wit::Outcome::Exited(code) => RunOutcome::Exited(code),
        wit::Outcome::Signalled(signal) => RunOutcome::Signalled(signal),
        wit::Outcome::OutOfMemory => RunOutcome::OutOfMemory,
        wit::Outcome::NotStarted(error) => RunOutcome::NotStarted(of_error(error)),
        wit::Outcome::Failed(error) => RunOutcome::Failed(of_error(error)),
        wit::Outcome::Stopped => RunOutcome::Stopped,
        wit::Outcome::Lost => RunOutcome::Lost,
    }
}

fn of_status(status: wit::Status) -> RunStatus {
    let phase = match status.phase {
        wit::Phase::Pending(why) => Phase::Pending(why),
        wit::Phase::Running => Phase::Running,
        wit::Phase::Ended(outcome) => Phase::Ended(of_outcome(outcome)),
    };
    RunStatus { phase, handle: status.handle.map(of_handle), ask_after_ms: status.ask_after }
}

pub(super) fn observations_of(asked: usize, answers: Vec<wit::Observation>) -> Answer<Vec<Observation>> {
    let convert = |answer| match answer {
        wit::Observation::Known(status) => Observation::Known(of_status(status)),
        wit::Observation::Gone => Observation::Gone,
        wit::Observation::Unknown(error) => Observation::Unknown(of_error(error)),
    };
    claims::observations(asked, answers.into_iter().map(convert).collect())
}

pub(super) fn definitions_of(page: wit::DefinitionPage) -> Answer<Page<Definition>> {
    let convert = |it: wit::Definition| {
        let wit::Definition { name, version, summary, options } = it;
        Definition { name, version, summary, options }
    };
    let entries = page.definitions.into_iter().map(convert).collect();
    claims::definitions(Page { entries, next: page.next })
}

pub(super) fn owned_of(page: wit::OwnedPage) -> Answer<Page<Run>> {
    let convert = |it: wit::Run| {
        let attempt = Attempt { job: it.attempt.job, number: it.attempt.number };
        Run { attempt, handle: it.handle.map(of_handle) }
    };
    claims::owned(Page { entries: page.runs.into_iter().map(convert).collect(), next: page.next })
}

pub(super) fn stopped_of(handle: Option<types::Handle>) -> Answer<Option<Handle>> {
    handle.map(handle_of).transpose()
}

pub(super) fn to_wit_fetch(request: FetchRequest) -> wit_fetcher::Request {
    wit_fetcher::Request { options: request.options, destination: request.destination }
}

pub(super) fn to_wit_item(item: FetchItem) -> wit_fetcher::Item {
    let FetchItem { name, size, version, reference } = item;
    wit_fetcher::Item { name, size, version, reference }
}

pub(super) fn items_of(page: wit_fetcher::ItemPage) -> Answer<Page<FetchItem>> {
    let convert = |it: wit_fetcher::Item| {
        let wit_fetcher::Item { name, size, version, reference } = it;
        FetchItem { name, size, version, reference }
    };
    claims::items(Page { entries: page.items.into_iter().map(convert).collect(), next: page.next })
}

pub(super) fn fetched_of(fetched: wit_fetcher::Fetched) -> Answer<Fetched> {
    claims::fetched(Fetched { path: fetched.path, bytes: fetched.bytes, version: fetched.version })
}

pub(super) fn to_wit_store(request: StoreRequest) -> wit_sink::Request {
    wit_sink::Request { attempt: to_wit_attempt(request.attempt), options: request.options }
}

pub(super) fn stored_of(stored: Vec<wit_sink::Stored>) -> Answer<Vec<Stored>> {
    let convert = |it: wit_sink::Stored| Stored { location: it.location, bytes: it.bytes, version: it.version };
    claims::stored(stored.into_iter().map(convert).collect())
}
