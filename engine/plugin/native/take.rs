//! Takes over what a plugin gives, and trusts it no further than C makes unavoidable: a pointer is believed to point to
//! what its length says, and nothing else is believed.

use super::abi;
use crate::error::Problem;
use crate::plugin::contract::{
    Attempt, Definition, Descriptor, ErrorKind, Handle, MOST_CURSOR_BYTES, MOST_HANDLE_BYTES, MOST_MESSAGE_BYTES,
    Observation, Phase, PluginError, Retry, Run, RunOutcome, RunStatus,
};

/// What everything given costs besides its texts, so that empty things are not free.
const COST_OF_ANYTHING: usize = 32;

/// How a plugin has broken the contract.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) String);

pub(super) type Taken<T> = Result<T, Broken>;

fn broken<T>(what: impl Into<String>) -> Taken<T> {
    Err(Broken(what.into()))
}

/// Takes things over, as many bytes as are left for this call.
///
/// # Safety
/// Every method believes that a pointer points to as much as its type and length say, for as long as the method runs.
pub(super) struct Taker {
    most: usize,
    left: usize,
}

impl Taker {
    pub(super) fn new(most: usize) -> Taker {
        Taker { most, left: most }
    }

    fn spend(&mut self, bytes: usize) -> Taken<()> {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => return broken(format!("it answered with more than {} bytes", self.most)),
        }
        Ok(())
    }

    /// For something that the call does not keep.
    pub(super) fn refund(&mut self) {
        self.left = self.most;
    }

    #[expect(unsafe_code, reason = "what the plugin gives is behind a pointer")]
    pub(super) unsafe fn bytes(&mut self, bytes: abi::Bytes, what: &str, most: usize) -> Taken<Vec<u8>> {
        if bytes.len == 0 {
            return Ok(Vec::new());
        }
        if bytes.ptr.is_null() {
            return broken(format!("{what} has {} bytes and no pointer", bytes.len));
        }
        if bytes.len > most {
            return broken(format!("{what} has {} bytes; at most {most} are allowed", bytes.len));
        }
        self.spend(bytes.len)?;
        // SAFETY: it is not null, and the length is believed.
        Ok(unsafe { std::slice::from_raw_parts(bytes.ptr, bytes.len) }.to_vec())
    }

    /// A text; nothing is an empty one.
    #[expect(unsafe_code, reason = "what the plugin gives is behind a pointer")]
    pub(super) unsafe fn text(&mut self, text: abi::Str, what: &str) -> Taken<String> {
        // SAFETY: as the caller says.
        let bytes = unsafe { self.bytes(text, what, self.most) }?;
        String::from_utf8(bytes).or_else(|_| broken(format!("{what} is not UTF-8")))
    }

    #[expect(unsafe_code, reason = "what the plugin gives is behind a pointer")]
    unsafe fn optional(&mut self, text: abi::Str, what: &str) -> Taken<Option<String>> {
        if text.ptr.is_null() && text.len == 0 {
            return Ok(None);
        }
        // SAFETY: as the caller says.
        unsafe { self.text(text, what) }.map(Some)
    }

    #[expect(unsafe_code, reason = "what the plugin gives is behind a pointer")]
    unsafe fn needed(&mut self, text: abi::Str, what: &str) -> Taken<String> {
        // SAFETY: as the caller says.
        let text = unsafe { self.text(text, what) }?;
        if text.is_empty() { broken(format!("{what} is missing")) } else { Ok(text) }
    }

    #[expect(unsafe_code, reason = "what the plugin gives is behind a pointer")]
    pub(super) unsafe fn cursor(&mut self, cursor: abi::Str) -> Taken<String> {
        // SAFETY: as the caller says.
        let text = unsafe { self.needed(cursor, "a cursor") }?;
        let len = text.len();
        if len > MOST_CURSOR_BYTES {
            return broken(format!("a cursor has {len} bytes; at most {MOST_CURSOR_BYTES} are allowed"));
        }
        Ok(text)
    }

    #[expect(unsafe_code, reason = "what the plugin gives is behind a pointer")]
    pub(super) unsafe fn record<T: Copy>(&mut self, record: *const T, what: &str) -> Taken<T> {
        if record.is_null() || !record.is_aligned() {
            return broken(format!("{what} is no valid pointer"));
        }
        self.spend(COST_OF_ANYTHING)?;
        // SAFETY: it is neither null nor between the places where one can be.
        Ok(unsafe { record.read() })
    }

    #[expect(unsafe_code, reason = "what the plugin gives is behind a pointer")]
    unsafe fn records<T: Copy>(&mut self, first: *const T, len: usize, what: &str) -> Taken<Vec<T>> {
        if len == 0 {
            return Ok(Vec::new());
        }
        if first.is_null() || !first.is_aligned() {
            return broken(format!("{what}: {len} of them, and no valid pointer"));
        }
        self.spend(len.saturating_mul(size_of::<T>()))?;
        // SAFETY: the pointer may point to some, and the length is believed.
        Ok(unsafe { std::slice::from_raw_parts(first, len) }.to_vec())
    }

    #[expect(unsafe_code, reason = "what the plugin gives is behind a pointer")]
    pub(super) unsafe fn handle(&mut self, handle: abi::Handle) -> Taken<Handle> {
        self.spend(COST_OF_ANYTHING)?;
        // SAFETY: as the caller says.
        let data = unsafe { self.bytes(handle.data, "a handle", MOST_HANDLE_BYTES) }?;
        Ok(Handle { schema: handle.schema, data })
    }

    #[expect(unsafe_code, reason = "what the plugin gives is behind a pointer")]
    unsafe fn optional_handle(&mut self, handle: *const abi::Handle) -> Taken<Option<Handle>> {
        if handle.is_null() {
            return Ok(None);
        }
        // SAFETY: as the caller says.
        let handle = unsafe { self.record(handle, "a handle") }?;
        // SAFETY: as the caller says.
        unsafe { self.handle(handle) }.map(Some)
    }

    #[expect(unsafe_code, reason = "what the plugin gives is behind a pointer")]
    pub(super) unsafe fn error(&mut self, error: *const abi::Error) -> Taken<PluginError> {
        // SAFETY: as the caller says.
        let error = unsafe { self.record(error, "an error") }?;
        // SAFETY: as the caller says.
        let (message, code, pairs) = unsafe {
            let message = self.needed(error.message, "the message of an error")?;
            let code = self.optional(error.code, "the code of an error")?;
            (message, code, self.records(error.details, error.details_len, "the details of an error")?)
        };
        let mut details = Vec::with_capacity(pairs.len());
        for pair in pairs {
            // SAFETY: as the caller says.
            let pair = unsafe { (self.text(pair.name, "a detail")?, self.text(pair.value, "a detail")?) };
            details.push(pair);
        }
        let kind = kind(error.kind)?;
        let retry = retry(error.retry, error.retry_after_ms)?;
        Ok(PluginError { kind, retry, message: cut(message), code, details })
    }

    #[expect(unsafe_code, reason = "what the plugin gives is behind a pointer")]
    pub(super) unsafe fn descriptor(&mut self, descriptor: *const abi::Descriptor) -> Taken<Descriptor> {
        // SAFETY: as the caller says.
        let given = unsafe { self.record(descriptor, "a descriptor") }?;
        // SAFETY: as the caller says.
        let names = unsafe { self.records(given.features, given.features_len, "the features") }?;
        let mut features = Vec::with_capacity(names.len());
        for name in names {
            // SAFETY: as the caller says.
            features.push(unsafe { self.needed(name, "a feature") }?);
        }
        // SAFETY: as the caller says.
        unsafe {
            Ok(Descriptor {
                name: self.needed(given.name, "the name of the plugin")?,
                version: self.needed(given.version, "the version of the plugin")?,
                summary: self.text(given.summary, "the summary of the plugin")?,
                options_schema: self.text(given.options_schema, "the schema of options")?,
                features,
            })
        }
    }

    #[expect(unsafe_code, reason = "what the plugin gives is behind a pointer")]
    pub(super) unsafe fn problem(&mut self, problem: *const abi::Problem) -> Taken<Problem> {
        // SAFETY: as the caller says.
        unsafe {
            let given = self.record(problem, "a problem")?;
            Ok(Problem {
                field: self.text(given.field, "the field of a problem")?,
                problem: self.needed(given.problem, "the text of a problem")?,
                allowed: self.text(given.allowed, "what a problem allows")?,
            })
        }
    }

    #[expect(unsafe_code, reason = "what the plugin gives is behind a pointer")]
    pub(super) unsafe fn definition(&mut self, definition: *const abi::Definition) -> Taken<Definition> {
        // SAFETY: as the caller says.
        unsafe {
            let given = self.record(definition, "a definition")?;
            Ok(Definition {
                name: self.needed(given.name, "the name of a definition")?,
                version: self.optional(given.version, "the version of a definition")?,
                summary: self.optional(given.summary, "the summary of a definition")?,
                options: self.needed(given.options, "the options of a definition")?,
            })
        }
    }

    #[expect(unsafe_code, reason = "what the plugin gives is behind a pointer")]
    pub(super) unsafe fn run(&mut self, run: *const abi::Run) -> Taken<Run> {
        // SAFETY: as the caller says.
        unsafe {
            let given = self.record(run, "a run")?;
            let job = self.needed(given.attempt.job, "the job of a run")?;
            let attempt = Attempt { job, number: given.attempt.number };
            Ok(Run { attempt, handle: self.optional_handle(given.handle)? })
        }
    }

    #[expect(unsafe_code, reason = "what the plugin gives is behind a pointer")]
    pub(super) unsafe fn observation(&mut self, observation: *const abi::Observation) -> Taken<Observation> {
        // SAFETY: as the caller says.
        let given = unsafe { self.record(observation, "an observation") }?;
        // SAFETY: as the caller says. Only states 7, 8 and 12 read the error.
        let mut error = || unsafe { self.error(given.error) };
        let ended = |outcome| Ok(Phase::Ended(outcome));
        let phase: Taken<Phase> = match given.state {
            1 => {
                // SAFETY: as the caller says.
                let reason = unsafe { self.optional(given.reason, "the reason of a run") }?;
                Ok(Phase::Pending(reason))
            }
            2 => Ok(Phase::Running),
            3 => ended(RunOutcome::Succeeded),
            4 if given.code == 0 => broken("a run exited with 0, which is a success"),
            4 => ended(RunOutcome::Exited(given.code)),
            5 => ended(RunOutcome::Signalled(given.code)),
            6 => ended(RunOutcome::OutOfMemory),
            7 => ended(RunOutcome::NotStarted(error()?)),
            8 => ended(RunOutcome::Failed(error()?)),
            9 => ended(RunOutcome::Stopped),
            10 => ended(RunOutcome::Lost),
            11 => return Ok(Observation::Gone),
            12 => return Ok(Observation::Unknown(error()?)),
            other => broken(format!("{other} is no state of a run")),
        };
        // SAFETY: as the caller says.
        let handle = unsafe { self.optional_handle(given.handle) }?;
        let ask_after_ms = Some(given.ask_after_ms).filter(|after| *after > 0);
        Ok(Observation::Known(RunStatus { phase: phase?, handle, ask_after_ms }))
    }
}

fn kind(number: u32) -> Taken<ErrorKind> {
    Ok(match number {
        1 => ErrorKind::Invalid,
        2 => ErrorKind::Unauthenticated,
        3 => ErrorKind::Denied,
        4 => ErrorKind::NotFound,
        5 => ErrorKind::Conflict,
        6 => ErrorKind::Exhausted,
        7 => ErrorKind::Unavailable,
        8 => ErrorKind::Timeout,
        9 => ErrorKind::Cancelled,
        10 => ErrorKind::Unsupported,
        11 => ErrorKind::Internal,
        other => return broken(format!("{other} is no kind of error")),
    })
}

fn retry(number: u32, after_ms: u64) -> Taken<Retry> {
    Ok(match number {
        1 => Retry::Never,
        2 => Retry::Backoff,
        3 => Retry::After(after_ms),
        other => return broken(format!("{other} is no word on trying again")),
    })
}

/// The part of a message that is kept.
pub(super) fn cut(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MOST_MESSAGE_BYTES));
    message
}
