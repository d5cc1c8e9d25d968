//! What a plugin sees of the engine during a call: the functions of `wl_host`.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};

use super::abi::{self, Host};
use super::call::{Question, Reply, broken, has_feature, is_ok};
use super::take::{Broken, Taken, Taker, cut};
use crate::files::LogStream;
use crate::plugin::contract::{
    Answer, Definition, Descriptor, Handle, MOST_MESSAGE_BYTES, Observation, Page, PluginError, Run,
};

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// What a plugin may ask of the engine while it is called, on the thread of the call.
pub(super) trait HostCalls {
    fn log(&mut self, level: Level, message: String);
    fn checkpoint(&mut self, handle: Handle) -> Answer<()>;
    fn write(&mut self, stream: LogStream, bytes: Vec<u8>, cursor: String) -> bool;
}

/// What a call is told beside its question.
pub(super) struct Surroundings {
    pub(super) settings: abi::Str,
    pub(super) engine_id: abi::Str,
    pub(super) work: abi::Str,
}

/// A call under way.
pub(super) struct Visit<'a> {
    question: &'a Question,
    calls: &'a mut dyn HostCalls,
    taker: Taker,
    /// For what is passed on at once and not kept: its own bytes.
    passing: Taker,
    piece_bytes: usize,
    given: Given,
    error: Option<PluginError>,
    /// Why the engine did not make a handle durable.
    no_checkpoint: Option<PluginError>,
    broken: Option<Broken>,
}

/// What was given so far.
#[derive(Default)]
struct Given {
    descriptor: Option<Descriptor>,
    mistakes: Vec<(String, String, String)>,
    definitions: Vec<Definition>,
    handle: Option<Handle>,
    observations: Vec<Observation>,
    runs: Vec<Run>,
    next: Option<String>,
    over: bool,
}

impl<'a> Visit<'a> {
    pub(super) fn new(question: &'a Question, answer_bytes: usize, calls: &'a mut dyn HostCalls) -> Visit<'a> {
        Visit {
            question,
            calls,
            taker: Taker::new(answer_bytes),
            passing: Taker::new(answer_bytes.max(MOST_MESSAGE_BYTES)),
            piece_bytes: answer_bytes,
            given: Given::default(),
            error: None,
            no_checkpoint: None,
            broken: None,
        }
    }

    /// What the plugin gets. It must not be used after this value is moved or gone.
    pub(super) fn host(&mut self, Surroundings { settings, engine_id, work }: Surroundings) -> Host {
        Host {
            abi: abi::ABI,
            size: u32::try_from(size_of::<Host>()).unwrap_or(u32::MAX),
            ctx: (&raw mut *self).cast::<c_void>(),
            settings,
            engine_id,
            work,
            log,
            checkpoint,
            write_log,
            fail,
            give_descriptor,
            give_problem,
            give_definition,
            give_handle,
            give_observation,
            give_run,
            give_next,
            give_over,
        }
    }

    /// What the call comes to.
    pub(super) fn leave(self, status: i32, table: &abi::Table) -> Answer<Reply> {
        let question = self.question;
        if let Some(Broken(what)) = self.broken {
            return Err(broken(question, &what));
        }
        match (is_ok(status), self.error.or(self.no_checkpoint)) {
            (Some(true), None) => self.given.reply(question, table).map_err(|Broken(what)| broken(question, &what)),
            (Some(false), Some(error)) => Err(error),
            (Some(true), Some(error)) => {
                Err(broken(question, &format!("it returned WL_OK after this had failed: {error}")))
            }
            (Some(false), None) => Err(broken(question, "it returned WL_FAILED and did not say why")),
            (None, _) => Err(broken(question, &format!("it returned {status}, neither WL_OK nor WL_FAILED"))),
        }
    }

    /// A function that belongs to some calls only.
    fn only(&self, function: &str, belongs: bool) -> Taken<()> {
        if belongs { Ok(()) } else { Err(Broken(format!("it called `{function}`, which does not belong there"))) }
    }
}

impl Given {
    fn reply(self, question: &Question, table: &abi::Table) -> Taken<Reply> {
        let missing = |what: &str| Broken(format!("it returned WL_OK and gave no {what}"));
        Ok(match question {
            Question::Describe => {
                let descriptor = self.descriptor.ok_or_else(|| missing("descriptor"))?;
                if let Some(feature) = descriptor.features.iter().find(|feature| !has_feature(table, feature)) {
                    return Err(Broken(format!("it names the feature `{feature}` and has no function of that name")));
                }
                Reply::Descriptor(descriptor)
            }
            Question::Validate { .. } => Reply::Mistakes(self.mistakes),
            Question::Definitions { .. } => Reply::Definitions(Page { entries: self.definitions, next: self.next }),
            Question::Submit { .. } => Reply::Handle(self.handle.ok_or_else(|| missing("handle"))?),
            Question::Observe { runs, .. } => {
                check_count(self.observations.len(), runs.len())?;
                Reply::Observations(self.observations)
            }
            Question::Logs { .. } => Reply::Over(self.over),
            Question::Stop { .. } => Reply::Stopped(self.handle),
            Question::Owned { .. } => Reply::Owned(Page { entries: self.runs, next: self.next }),
            Question::Check | Question::Collect { .. } | Question::Remove(_) => Reply::Done,
        })
    }
}

pub(super) fn check_count(observations: usize, runs: usize) -> Taken<()> {
    if observations == runs {
        return Ok(());
    }
    Err(Broken(format!("it was asked about {runs} runs and gave {observations} observations")))
}

/// Does something for the plugin. What it must not ask for is remembered and fails the call; a panic of the engine must
/// not cross the border either.
#[expect(unsafe_code, reason = "the plugin passes back what it was given")]
unsafe fn visited<T>(host: *const Host, refused: T, act: impl FnOnce(&mut Visit<'_>) -> Taken<T>) -> T {
    if host.is_null() || !host.is_aligned() {
        return refused;
    }
    // SAFETY: it is the host of the call under way, as the header demands, and so is the visit behind it; the plugin, which
    // is in here, holds no reference to it.
    let visit = unsafe { &mut *(*host).ctx.cast::<Visit<'_>>() };
    let outcome = catch_unwind(AssertUnwindSafe(|| act(visit)));
    match outcome.unwrap_or_else(|_| Err(Broken("the engine panicked while it did what was asked".to_owned()))) {
        Ok(done) => done,
        Err(broken) => {
            visit.broken.get_or_insert(broken);
            refused
        }
    }
}

fn level(number: u32) -> Taken<Level> {
    Ok(match number {
        1 => Level::Trace,
        2 => Level::Debug,
        3 => Level::Info,
        4 => Level::Warn,
        5 => Level::Error,
        other => return Err(Broken(format!("{other} is no level of a message"))),
    })
}

fn stream(number: u32) -> Taken<LogStream> {
    Ok(match number {
        1 => LogStream::Stdout,
        2 => LogStream::Stderr,
        3 => LogStream::System,
        other => return Err(Broken(format!("{other} is no channel of a log"))),
    })
}

#[expect(unsafe_code, reason = "called by the plugin")]
unsafe extern "C" fn log(host: *const Host, number: u32, message: abi::Str) {
    // SAFETY: the plugin passes what it was given, and a text as the header describes it.
    unsafe {
        visited(host, (), |visit| {
            visit.passing.refund();
            let message = visit.passing.text(message, "a message")?;
            visit.calls.log(level(number)?, cut(message));
            Ok(())
        });
    }
}

#[expect(unsafe_code, reason = "called by the plugin")]
unsafe extern "C" fn checkpoint(host: *const Host, handle: abi::Handle) -> i32 {
    // SAFETY: as in `log`.
    unsafe {
        visited(host, abi::FAILED, |visit| {
            visit.only("checkpoint", matches!(visit.question, Question::Submit { .. }))?;
            visit.passing.refund();
            let handle = visit.passing.handle(handle)?;
            match visit.calls.checkpoint(handle) {
                Ok(()) => Ok(abi::OK),
                Err(error) => {
                    visit.no_checkpoint = Some(error);
                    Ok(abi::FAILED)
                }
            }
        })
    }
}

#[expect(unsafe_code, reason = "called by the plugin")]
unsafe extern "C" fn write_log(host: *const Host, channel: u32, bytes: abi::Bytes, cursor: abi::Str) -> i32 {
    // SAFETY: as in `log`.
    unsafe {
        visited(host, 0, |visit| {
            visit.only("write_log", matches!(visit.question, Question::Logs { .. }))?;
            visit.passing.refund();
            let cursor = visit.passing.cursor(cursor)?;
            visit.passing.refund();
            let bytes = visit.passing.bytes(bytes, "a piece of a log", visit.piece_bytes)?;
            Ok(i32::from(visit.calls.write(stream(channel)?, bytes, cursor)))
        })
    }
}

#[expect(unsafe_code, reason = "called by the plugin")]
unsafe extern "C" fn fail(host: *const Host, error: *const abi::Error) -> i32 {
    // SAFETY: as in `log`.
    unsafe {
        visited(host, abi::FAILED, |visit| {
            visit.error = Some(visit.taker.error(error)?);
            Ok(abi::FAILED)
        })
    }
}

#[expect(unsafe_code, reason = "called by the plugin")]
unsafe extern "C" fn give_descriptor(host: *const Host, descriptor: *const abi::Descriptor) {
    // SAFETY: as in `log`.
    unsafe {
        visited(host, (), |visit| {
            visit.only("give_descriptor", matches!(visit.question, Question::Describe))?;
            visit.given.descriptor = Some(visit.taker.descriptor(descriptor)?);
            Ok(())
        });
    }
}

#[expect(unsafe_code, reason = "called by the plugin")]
unsafe extern "C" fn give_problem(host: *const Host, problem: *const abi::Problem) {
    // SAFETY: as in `log`.
    unsafe {
        visited(host, (), |visit| {
            visit.only("give_problem", matches!(visit.question, Question::Validate { .. }))?;
            let problem = visit.taker.problem(problem)?;
            visit.given.mistakes.push((problem.field, problem.problem, problem.allowed));
            Ok(())
        });
    }
}

#[expect(unsafe_code, reason = "called by the plugin")]
unsafe extern "C" fn give_definition(host: *const Host, definition: *const abi::Definition) {
    // SAFETY: as in `log`.
    unsafe {
        visited(host, (), |visit| {
            visit.only("give_definition", matches!(visit.question, Question::Definitions { .. }))?;
            let definition = visit.taker.definition(definition)?;
            visit.given.definitions.push(definition);
            Ok(())
        });
    }
}

#[expect(unsafe_code, reason = "called by the plugin")]
unsafe extern "C" fn give_handle(host: *const Host, handle: abi::Handle) {
    // SAFETY: as in `log`.
    unsafe {
        visited(host, (), |visit| {
            let belongs = matches!(visit.question, Question::Submit { .. } | Question::Stop { .. });
            visit.only("give_handle", belongs)?;
            visit.given.handle = Some(visit.taker.handle(handle)?);
            Ok(())
        });
    }
}

#[expect(unsafe_code, reason = "called by the plugin")]
unsafe extern "C" fn give_observation(host: *const Host, observation: *const abi::Observation) {
    // SAFETY: as in `log`.
    unsafe {
        visited(host, (), |visit| {
            visit.only("give_observation", matches!(visit.question, Question::Observe { .. }))?;
            let observation = visit.taker.observation(observation)?;
            visit.given.observations.push(observation);
            Ok(())
        });
    }
}

#[expect(unsafe_code, reason = "called by the plugin")]
unsafe extern "C" fn give_run(host: *const Host, run: *const abi::Run) {
    // SAFETY: as in `log`.
    unsafe {
        visited(host, (), |visit| {
            visit.only("give_run", matches!(visit.question, Question::Owned { .. }))?;
            let run = visit.taker.run(run)?;
            visit.given.runs.push(run);
            Ok(())
        });
    }
}

#[expect(unsafe_code, reason = "called by the plugin")]
unsafe extern "C" fn give_next(host: *const Host, cursor: abi::Str) {
    // SAFETY: as in `log`.
    unsafe {
        visited(host, (), |visit| {
            let belongs = matches!(visit.question, Question::Definitions { .. } | Question::Owned { .. });
            visit.only("give_next", belongs)?;
            visit.given.next = Some(visit.taker.cursor(cursor)?);
            Ok(())
        });
    }
}

#[expect(unsafe_code, reason = "called by the plugin")]
unsafe extern "C" fn give_over(host: *const Host) {
    // SAFETY: as in `log`.
    unsafe {
        visited(host, (), |visit| {
            visit.only("give_over", matches!(visit.question, Question::Logs { .. }))?;
            visit.given.over = true;
            Ok(())
        });
    }
}
