//! What a component says, held to the contract: it may lie. Texts for people are cut; what is too long to be kept or given back
//! as it came breaks the contract.

use super::contract::{
    Answer, Attempt, Definition, Descriptor, ErrorKind, FetchItem, Fetched, Handle, MOST_CURSOR_BYTES,
    MOST_HANDLE_BYTES, MOST_MESSAGE_BYTES, MOST_REFERENCE_BYTES, Observation, Page, Phase, PluginError, Retry, Run,
    RunOutcome, RunStatus, Stored,
};
use crate::error::{Problem, bounded};

/// Entries of one list.
const MOST_ENTRIES: usize = 10_000;
/// Details of one error.
const MOST_DETAILS: usize = 32;
/// Bytes of a name, a word or the cursor of a page.
const MOST_NAME_BYTES: usize = 1_024;
/// Bytes of a log that are handed over at once.
const MOST_LOG_BYTES: usize = 1 << 20;

/// Anything but a good answer.
fn broken<T>(what: impl Into<String>) -> Answer<T> {
    let what = what.into();
    Err(PluginError::new(ErrorKind::Internal, Retry::Never, format!("the plugin broke the contract: {what}")))
}

fn word(text: String) -> String {
    bounded(text, MOST_NAME_BYTES)
}

fn entries<T>(list: Vec<T>, held: impl Fn(T) -> Answer<T>) -> Answer<Vec<T>> {
    if list.len() > MOST_ENTRIES {
        return broken(format!("a list of {}; allowed: at most {MOST_ENTRIES}", list.len()));
    }
    list.into_iter().map(held).collect()
}

fn page<T>(page: Page<T>, held: impl Fn(T) -> Answer<T>) -> Answer<Page<T>> {
    let Page { entries: list, next } = page;
    let bytes = next.as_ref().map_or(0, String::len);
    if bytes > MOST_NAME_BYTES {
        return broken(format!("a cursor of {bytes} bytes; allowed: at most {MOST_NAME_BYTES}"));
    }
    Ok(Page { entries: entries(list, held)?, next })
}

/// An error of its own.
pub(super) fn error(error: PluginError) -> PluginError {
    let details = error.details.into_iter().take(MOST_DETAILS);
    PluginError {
        kind: error.kind,
        retry: error.retry,
        message: bounded(error.message, MOST_MESSAGE_BYTES),
        code: error.code.map(word),
        details: details.map(|(name, value)| (word(name), word(value))).collect(),
    }
}

/// A handle of a run.
pub(super) fn handle(handle: Handle) -> Answer<Handle> {
    match handle.data.len() {
        0..=MOST_HANDLE_BYTES => Ok(handle),
        has => broken(format!("a handle of {has} bytes; allowed: at most {MOST_HANDLE_BYTES}")),
    }
}

/// What it says about itself.
pub(super) fn descriptor(descriptor: Descriptor) -> Answer<Descriptor> {
    Ok(Descriptor {
        name: word(descriptor.name),
        version: word(descriptor.version),
        summary: word(descriptor.summary),
        options_schema: descriptor.options_schema,
        features: entries(descriptor.features, |feature| Ok(word(feature)))?,
    })
}

/// Mistakes in the options of a task.
pub(super) fn problems(problems: Vec<Problem>) -> Answer<Vec<Problem>> {
    entries(problems, |it| Ok(Problem { field: word(it.field), problem: word(it.problem), allowed: word(it.allowed) }))
}

fn phase(phase: Phase) -> Phase {
    match phase {
        Phase::Pending(why) => Phase::Pending(why.map(word)),
        Phase::Ended(RunOutcome::NotStarted(it)) => Phase::Ended(RunOutcome::NotStarted(error(it))),
        Phase::Ended(RunOutcome::Failed(it)) => Phase::Ended(RunOutcome::Failed(error(it))),
        phase => phase,
    }
}

fn status(status: RunStatus) -> Answer<RunStatus> {
    let handle = status.handle.map(handle).transpose()?;
    Ok(RunStatus { phase: phase(status.phase), handle, ask_after_ms: status.ask_after_ms })
}

/// As many answers as there were questions, or none is believed.
pub(super) fn observations(asked: usize, answers: Vec<Observation>) -> Answer<Vec<Observation>> {
    if answers.len() != asked {
        return broken(format!("{} answers to {asked} questions", answers.len()));
    }
    let held = |answer| match answer {
        Observation::Known(it) => status(it).map_or_else(Observation::Unknown, Observation::Known),
        Observation::Gone => Observation::Gone,
        Observation::Unknown(it) => Observation::Unknown(error(it)),
    };
    Ok(answers.into_iter().map(held).collect())
}

/// What its platform can run.
pub(super) fn definitions(definitions: Page<Definition>) -> Answer<Page<Definition>> {
    page(definitions, |it| {
        let (name, version) = (word(it.name), it.version.map(word));
        Ok(Definition { name, version, summary: it.summary.map(word), options: it.options })
    })
}

/// Runs that bear the mark of this engine.
pub(super) fn owned(runs: Page<Run>) -> Answer<Page<Run>> {
    page(runs, |it| {
        let attempt = Attempt { job: word(it.attempt.job), number: it.attempt.number };
        Ok(Run { attempt, handle: it.handle.map(handle).transpose()? })
    })
}

/// Whether a piece of a log may be as long, and the cursor after it; else why not.
pub(super) fn piece(bytes: usize, cursor: &str) -> Result<(), String> {
    if cursor.len() > MOST_CURSOR_BYTES {
        return Err(format!("a cursor of {} bytes; allowed: at most {MOST_CURSOR_BYTES}", cursor.len()));
    }
    if bytes > MOST_LOG_BYTES {
        return Err(format!("{bytes} bytes of log at once; allowed: at most {MOST_LOG_BYTES}"));
    }
    Ok(())
}

/// Names are what outcomes are known by, so they are not cut.
fn whole(what: &str, text: String) -> Answer<String> {
    match text.len() {
        1..=MOST_NAME_BYTES => Ok(text),
        has => broken(format!("{what} of {has} bytes; allowed: 1 to {MOST_NAME_BYTES}")),
    }
}

/// What a fetcher finds.
pub(super) fn items(items: Page<FetchItem>) -> Answer<Page<FetchItem>> {
    page(items, |it| {
        let has = it.reference.len();
        if has > MOST_REFERENCE_BYTES {
            return broken(format!("a reference of {has} bytes; allowed: at most {MOST_REFERENCE_BYTES}"));
        }
        let name = whole("the name of an item", it.name)?;
        Ok(FetchItem { name, size: it.size, version: it.version.map(word), reference: it.reference })
    })
}

/// What a fetcher has brought.
pub(super) fn fetched(fetched: Fetched) -> Answer<Fetched> {
    let path = whole("the path of a file", fetched.path)?;
    Ok(Fetched { path, bytes: fetched.bytes, version: fetched.version.map(word) })
}

/// What a sink has stored.
pub(super) fn stored(stored: Vec<Stored>) -> Answer<Vec<Stored>> {
    entries(stored, |it| {
        let location = whole("a location", it.location)?;
        Ok(Stored { location, bytes: it.bytes, version: it.version.map(word) })
    })
}
