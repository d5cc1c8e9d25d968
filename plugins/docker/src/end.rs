//! How a container ended.

use bollard_stubs::models::ContainerState;
use windlass_plugin::prelude::*;

/// The code of a process that was killed.
const KILLED: i64 = 137;
/// What is added to the number of the signal that ended a process.
const SIGNAL: i64 = 128;
/// What a container tells that was never started.
const NEVER: &str = "0001-01-01";
/// The signals that end a process which does not expect them.
const DEADLY: [i64; 21] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 25, 26, 27, 31];

/// How a container ended, and when.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct End {
    pub(crate) code: i64,
    pub(crate) out_of_memory: bool,
    /// The time as the Docker Engine writes it, so that the earlier is the smaller.
    pub(crate) at: String,
    error: String,
    was_started: bool,
}

impl End {
    pub(crate) fn of(state: &ContainerState) -> End {
        End {
            code: state.exit_code.unwrap_or_default(),
            out_of_memory: state.oom_killed.unwrap_or_default(),
            at: state.finished_at.clone().unwrap_or_default(),
            error: state.error.clone().unwrap_or_default(),
            was_started: !state.started_at.as_deref().unwrap_or(NEVER).starts_with(NEVER),
        }
    }

    /// Whether the code is one of those of a command that is not there or cannot be executed.
    pub(crate) fn is_of_command(&self) -> bool {
        self.was_started && [126, 127].contains(&self.code)
    }

    /// The same for a command that was never started.
    pub(crate) fn not_started(self, why: String) -> End {
        End { was_started: false, error: why, ..self }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.was_started && self.code == 0
    }

    pub(crate) fn outcome(&self) -> Outcome {
        if !self.was_started {
            let error = Error::invalid(format!("the container could not be started: {}", self.error));
            return Outcome::NotStarted(crate::refusal::explained(error.code(self.code.to_string())));
        }
        // The flag is up whichever process wanted too much; that it was this one is seen by its end.
        if self.out_of_memory && self.code == KILLED {
            return Outcome::OutOfMemory;
        }
        match i32::try_from(self.code - SIGNAL) {
            Ok(signal) if DEADLY.contains(&i64::from(signal)) => Outcome::Signalled(signal),
            _ => Outcome::of_code(i32::try_from(self.code).unwrap_or(i32::MAX)),
        }
    }

    /// The outcome as part of a sentence.
    pub(crate) fn words(&self) -> String {
        match self.outcome() {
            Outcome::Signalled(signal) => format!("was ended by the signal {signal}"),
            Outcome::OutOfMemory => "wanted more memory than it may have".to_owned(),
            Outcome::NotStarted(error) => format!("did not start: {}", error.message),
            _ => format!("ended with the code {}", self.code),
        }
    }

    /// What there is to say about it that its outcome does not.
    pub(crate) fn note(&self) -> Option<&'static str> {
        let is_hidden = self.out_of_memory && self.outcome() != Outcome::OutOfMemory;
        is_hidden.then_some("a process was killed because the container wanted more memory than it may have")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(code: i64, out_of_memory: bool) -> End {
        End::of(&ContainerState {
            exit_code: Some(code),
            oom_killed: Some(out_of_memory),
            started_at: Some("2026-11-22T08:24:09.785440441Z".to_owned()),
            ..ContainerState::default()
        })
    }

    #[test]
    fn codes_signals_and_memory_are_told_apart() {
        for (code, out_of_memory, outcome, is_noted) in [
            (0, false, Outcome::Succeeded, false),
            (3, false, Outcome::Exited(3), false),
            (137, false, Outcome::Signalled(9), false),
            (143, false, Outcome::Signalled(15), false),
            (137, true, Outcome::OutOfMemory, false),
            (3, true, Outcome::Exited(3), true),
            (0, true, Outcome::Succeeded, true),
            // No signal ends with these.
            (128, false, Outcome::Exited(128), false),
            (145, false, Outcome::Exited(145), false),
            (255, false, Outcome::Exited(255), false),
        ] {
            let end = end(code, out_of_memory);
            assert_eq!(end.outcome(), outcome, "{code} {out_of_memory}");
            assert_eq!((end.is_good(), end.note().is_some()), (code == 0, is_noted), "{code}");
        }
    }

    #[test]
    fn what_was_never_started_says_why() {
        let end = End::of(&ContainerState {
            exit_code: Some(127),
            error: Some("exec: \"nope\": executable file not found in $PATH".to_owned()),
            started_at: Some("0001-01-01T00:00:00Z".to_owned()),
            ..ContainerState::default()
        });
        let Outcome::NotStarted(error) = end.outcome() else { panic!("{:?}", end.outcome()) };
        assert!(error.message.contains("the image has no such command") && !end.is_good(), "{error}");
    }
}
