//! Whether an answer that came from another process keeps to the contract. That process may be out of its mind: a plugin
//! shares its memory with the code that should have looked.

use super::call::{Question, Reply};
use super::host::check_count;
use super::take::{Broken, Taken, cut};
use crate::plugin::contract::{
    Answer, Handle, MOST_CURSOR_BYTES, MOST_HANDLE_BYTES, Observation, Phase, PluginError, RunOutcome,
};

/// The answer to a question, if it is one.
pub(super) fn checked(question: &Question, answer: Answer<Reply>) -> Taken<Answer<Reply>> {
    let mut reply = match answer {
        Ok(reply) => reply,
        Err(error) => return Ok(Err(shortened(error))),
    };
    match (question, &mut reply) {
        (Question::Observe { runs, .. }, Reply::Observations(observations)) => {
            check_count(observations.len(), runs.len())?;
            observations.iter_mut().try_for_each(check_observation)?;
        }
        (Question::Submit { .. }, Reply::Handle(handle)) => check_handle(handle)?,
        (Question::Stop { .. }, Reply::Stopped(handle)) => handle.as_ref().map_or(Ok(()), check_handle)?,
        (Question::Owned { .. }, Reply::Owned(page)) => {
            page.entries.iter().filter_map(|run| run.handle.as_ref()).try_for_each(check_handle)?;
            check_cursor(page.next.as_deref())?;
        }
        (Question::Definitions { .. }, Reply::Definitions(page)) => check_cursor(page.next.as_deref())?,
        (Question::Describe, Reply::Descriptor(_))
        | (Question::Validate { .. }, Reply::Mistakes(_))
        | (Question::Logs { .. }, Reply::Over(_))
        | (Question::Check | Question::Collect { .. } | Question::Remove(_), Reply::Done) => {}
        _ => return Err(Broken("it answered another question".to_owned())),
    }
    Ok(Ok(reply))
}

fn check_observation(observation: &mut Observation) -> Taken<()> {
    match observation {
        Observation::Known(status) => {
            if let Phase::Ended(RunOutcome::NotStarted(error) | RunOutcome::Failed(error)) = &mut status.phase {
                error.message = cut(std::mem::take(&mut error.message));
            }
            status.handle.as_ref().map_or(Ok(()), check_handle)
        }
        Observation::Gone => Ok(()),
        Observation::Unknown(error) => {
            error.message = cut(std::mem::take(&mut error.message));
            Ok(())
        }
    }
}

fn shortened(error: PluginError) -> PluginError {
    PluginError { message: cut(error.message), ..error }
}

fn check_handle(handle: &Handle) -> Taken<()> {
    match handle.data.len() {
        0..=MOST_HANDLE_BYTES => Ok(()),
        len => Err(Broken(format!("a handle has {len} bytes; at most {MOST_HANDLE_BYTES} are allowed"))),
    }
}

fn check_cursor(cursor: Option<&str>) -> Taken<()> {
    match cursor.map_or(0, str::len) {
        0..=MOST_CURSOR_BYTES => Ok(()),
        len => Err(Broken(format!("a cursor has {len} bytes; at most {MOST_CURSOR_BYTES} are allowed"))),
    }
}
