//! Between the generated types of the WIT and those of the contract. What a plugin says is checked here: it may lie.

use super::bindings::exports::windlass::plugin::executor as wit;
use super::bindings::transfer::fetcher::exports::windlass::plugin::fetcher as wit_fetcher;
use super::bindings::transfer::sink::exports::windlass::plugin::sink as wit_sink;
use super::bindings::windlass::plugin::types;
use crate::error::{Problem, bounded};
use crate::plugin::contract::{
    Answer, Attempt, Definition, Descriptor, ErrorKind, FetchItem, FetchRequest, Fetched, Handle, MOST_HANDLE_BYTES,
    MOST_MESSAGE_BYTES, MOST_REFERENCE_BYTES, Observation, Page, Phase, PluginError, PluginTask, Retry, Run,
    RunOutcome, RunStatus, StoreRequest, Stored,
};

/// Entries of one list that a plugin returns.
const MOST_ENTRIES: usize = 10_000;
/// Details of one error.
const MOST_DETAILS: usize = 32;
/// Bytes of a name, a word or a cursor that a plugin returns.
const MOST_NAME_BYTES: usize = 1_024;

/// Anything but a good answer.
fn broken(what: impl Into<String>) -> PluginError {
    let what = what.into();
    PluginError::new(ErrorKind::Internal, Retry::Never, format!("the plugin broke the contract: {what}"))
}

/// What a function of the WIT returns that may fail by its own word.
pub(super) fn answer<A, B>(result: Result<A, types::Error>, convert: impl FnOnce(A) -> Answer<B>) -> Answer<B> {
    result.map_err(error_of).and_then(convert)
}

fn word(text: String) -> String {
    bounded(text, MOST_NAME_BYTES)
}

/// A cursor is given back as it came, so it is not cut.
fn cursor(next: Option<String>) -> Answer<Option<String>> {
    match next {
        Some(next) if next.len() > MOST_NAME_BYTES => {
            Err(broken(format!("a cursor of {} bytes; allowed: at most {MOST_NAME_BYTES}", next.len())))
        }
        next => Ok(next),
    }
}

fn entries<A, B>(list: Vec<A>, convert: impl Fn(A) -> Answer<B>) -> Answer<Vec<B>> {
    if list.len() > MOST_ENTRIES {
        return Err(broken(format!("a list of {}; allowed: at most {MOST_ENTRIES}", list.len())));
    }
    list.into_iter().map(convert).collect()
}

pub(super) fn error_of(error: types::Error) -> PluginError {
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
    let details = error.details.into_iter().take(MOST_DETAILS);
    PluginError {
        kind,
        retry,
        message: bounded(error.message, MOST_MESSAGE_BYTES),
        code: error.code.map(word),
        details: details.map(|(name, value)| (word(name), word(value))).collect(),
    }
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
    if handle.data.len() > MOST_HANDLE_BYTES {
        let has = handle.data.len();
        return Err(broken(format!("a handle of {has} bytes; allowed: at most {MOST_HANDLE_BYTES}")));
    }
    Ok(Handle { schema: handle.schema, data: handle.data })
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
    Ok(Descriptor {
        name: word(descriptor.name),
        version: word(descriptor.version),
        summary: word(descriptor.summary),
        options_schema: descriptor.options_schema,
        features: entries(descriptor.features, |feature| Ok(word(feature)))?,
    })
}

pub(super) fn problem_of(problem: types::Problem) -> Answer<Problem> {
    Ok(Problem { field: word(problem.field), problem: word(problem.problem), allowed: word(problem.allowed) })
}

pub(super) fn problems_of(problems: Vec<types::Problem>) -> Answer<Vec<Problem>> {
    entries(problems, problem_of)
}

fn outcome_of(outcome: wit::Outcome) -> RunOutcome {
    match outcome {
        wit::Outcome::Succeeded => RunOutcome::Succeeded,
        wit::Outcome::Exited(code) => RunOutcome::Exited(code),
        wit::Outcome::Signalled(signal) => RunOutcome::Signalled(signal),
        wit::Outcome::OutOfMemory => RunOutcome::OutOfMemory,
        wit::Outcome::NotStarted(error) => RunOutcome::NotStarted(error_of(error)),
        wit::Outcome::Failed(error) => RunOutcome::Failed(error_of(error)),
        wit::Outcome::Stopped => RunOutcome::Stopped,
        wit::Outcome::Lost => RunOutcome::Lost,
    }
}

fn status_of(status: wit::Status) -> Answer<RunStatus> {
    let phase = match status.phase {
        wit::Phase::Pending(why) => Phase::Pending(why.map(word)),
        wit::Phase::Running => Phase::Running,
        wit::Phase::Ended(outcome) => Phase::Ended(outcome_of(outcome)),
    };
    Ok(RunStatus { phase, handle: status.handle.map(handle_of).transpose()?, ask_after_ms: status.ask_after })
}

/// As many answers as there were questions, or none is believed.
pub(super) fn observations_of(asked: usize, answers: Vec<wit::Observation>) -> Answer<Vec<Observation>> {
    if answers.len() != asked {
        return Err(broken(format!("{} answers to {asked} questions", answers.len())));
    }
    let convert = |answer| match answer {
        wit::Observation::Known(status) => status_of(status).map_or_else(Observation::Unknown, Observation::Known),
        wit::Observation::Gone => Observation::Gone,
        wit::Observation::Unknown(error) => Observation::Unknown(error_of(error)),
    };
    Ok(answers.into_iter().map(convert).collect())
}

pub(super) fn definitions_of(page: wit::DefinitionPage) -> Answer<Page<Definition>> {
    let convert = |it: wit::Definition| {
        Ok(Definition {
            name: word(it.name),
            version: it.version.map(word),
            summary: it.summary.map(word),
            options: it.options,
        })
    };
    Ok(Page { entries: entries(page.definitions, convert)?, next: cursor(page.next)? })
}

pub(super) fn owned_of(page: wit::OwnedPage) -> Answer<Page<Run>> {
    let convert = |it: wit::Run| {
        let attempt = Attempt { job: word(it.attempt.job), number: it.attempt.number };
        Ok(Run { attempt, handle: it.handle.map(handle_of).transpose()? })
    };
    Ok(Page { entries: entries(page.runs, convert)?, next: cursor(page.next)? })
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

/// Names are what outcomes are known by, so they are not cut.
fn whole(what: &str, text: String) -> Answer<String> {
    if text.is_empty() || text.len() > MOST_NAME_BYTES {
        return Err(broken(format!("{what} of {} bytes; allowed: 1 to {MOST_NAME_BYTES}", text.len())));
    }
    Ok(text)
}

pub(super) fn items_of(page: wit_fetcher::ItemPage) -> Answer<Page<FetchItem>> {
    let convert = |it: wit_fetcher::Item| {
        let has = it.reference.len();
        if has > MOST_REFERENCE_BYTES {
            return Err(broken(format!("a reference of {has} bytes; allowed: at most {MOST_REFERENCE_BYTES}")));
        }
        let (name, version) = (whole("the name of an item", it.name)?, it.version.map(word));
        Ok(FetchItem { name, size: it.size, version, reference: it.reference })
    };
    Ok(Page { entries: entries(page.items, convert)?, next: cursor(page.next)? })
}

pub(super) fn fetched_of(fetched: wit_fetcher::Fetched) -> Answer<Fetched> {
    let path = whole("the path of a file", fetched.path)?;
    Ok(Fetched { path, bytes: fetched.bytes, version: fetched.version.map(word) })
}

pub(super) fn to_wit_store(request: StoreRequest) -> wit_sink::Request {
    wit_sink::Request { attempt: to_wit_attempt(request.attempt), options: request.options }
}

pub(super) fn stored_of(stored: Vec<wit_sink::Stored>) -> Answer<Vec<Stored>> {
    entries(stored, |it| {
        let location = whole("a location", it.location)?;
        Ok(Stored { location, bytes: it.bytes, version: it.version.map(word) })
    })
}
