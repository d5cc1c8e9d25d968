//! A run that is nothing but times and what its options say.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use windlass_plugin::cursor::Offset;
use windlass_plugin::{Channel, Handle, LogSink, Outcome, Phase};

use crate::options::{End, Options};

/// The most bytes that are pushed at once.
const PIECE: usize = 16 << 10;

/// All there is of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pretended {
    pub(crate) options: Options,
    submitted: Duration,
    attempt: u32,
    /// When it was to stop, and when that has an effect.
    stopped: Option<Duration>,
    /// What the engine was told last.
    pub(crate) seen: Option<Seen>,
    padding: String,
}

impl Handle for Pretended {}

/// A phase in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Seen {
    Pending,
    Running,
    Ended,
}

impl Seen {
    pub(crate) fn of(phase: &Phase) -> Seen {
        match phase {
            Phase::Pending(_) => Seen::Pending,
            Phase::Running => Seen::Running,
            Phase::Ended(_) => Seen::Ended,
        }
    }
}

impl Pretended {
    pub(crate) fn new(options: Options, attempt: u32, now: Duration) -> Pretended {
        let padding = "x".repeat(options.handle_bytes);
        Pretended { options, submitted: now, attempt, stopped: None, seen: None, padding }
    }

    /// The same after a stop; one that is over stays as it is.
    pub(crate) fn stopped(self, now: Duration, grace: Duration) -> Pretended {
        let is_over = matches!(self.phase(now), Phase::Ended(_));
        if is_over || self.stopped.is_some() {
            return self;
        }
        // What was not started ends at once.
        let lingers = if now < self.starts() { Duration::ZERO } else { Duration::from_millis(self.options.stop_ms) };
        Pretended { stopped: Some(now + lingers.min(grace)), ..self }
    }

    /// The same after the engine was told.
    pub(crate) fn told(self, seen: Seen) -> Pretended {
        Pretended { seen: Some(seen), ..self }
    }

    fn starts(&self) -> Duration {
        self.submitted + Duration::from_millis(self.options.pending_ms)
    }

    /// When it ends; none for one that goes on for ever.
    fn ends(&self) -> Option<Duration> {
        let by_itself = match self.end() {
            End::Never => None,
            End::NotStarted(_) => Some(self.starts()),
            _ => Some(self.starts() + Duration::from_millis(self.options.run_ms)),
        };
        [by_itself, self.stopped].into_iter().flatten().min()
    }

    fn end(&self) -> &End {
        match self.options.succeeds_from {
            Some(attempt) if self.attempt >= attempt => &End::Succeeded,
            _ => &self.options.outcome,
        }
    }

    pub(crate) fn phase(&self, now: Duration) -> Phase {
        let ends = self.ends().filter(|ends| *ends <= now);
        match ends {
            Some(ends) if self.stopped == Some(ends) => Phase::Ended(Outcome::Stopped),
            Some(_) => Phase::Ended(self.end().outcome().unwrap_or(Outcome::Lost)),
            None if now < self.starts() => Phase::Pending(self.options.pending_reason.clone()),
            None => Phase::Running,
        }
    }

    /// Whether the platform has forgotten it.
    pub(crate) fn is_gone(&self, phase: &Phase) -> bool {
        matches!(phase, Phase::Ended(_)) && *self.end() == End::Gone && self.stopped.is_none()
    }

    /// When its phase changes next.
    pub(crate) fn next_change(&self, now: Duration) -> Option<Duration> {
        [Some(self.starts()), self.ends()].into_iter().flatten().filter(|at| *at > now).min()
    }

    fn lines(&self) -> u64 {
        let lines = self.options.lines.unwrap_or(1);
        if self.options.print.is_some() { lines } else { 0 }
    }

    /// When it prints a line, from 1; the last one when it ends.
    fn prints(&self, line: u64) -> Duration {
        let lines = u32::try_from(self.lines()).unwrap_or(u32::MAX).max(1);
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        self.starts() + Duration::from_millis(self.options.run_ms) * line / lines
    }

    fn is_printed(&self, line: u64, now: Duration) -> bool {
        let at = self.prints(line);
        at <= now && self.stopped.is_none_or(|stopped| at <= stopped)
    }

    /// When it prints next.
    pub(crate) fn next_line(&self, now: Duration) -> Option<Duration> {
        let next = (1..=self.lines()).map(|line| self.prints(line)).find(|at| *at > now);
        [next, self.ends()].into_iter().flatten().filter(|at| *at > now).min()
    }

    /// Pushes what is printed by now and not yet pushed. False when no more is wanted.
    pub(crate) fn print(&self, cursor: &mut Offset, now: Duration, to: &mut LogSink<'_>) -> bool {
        let Some(text) = &self.options.print else { return true };
        let mut skip = usize::try_from(cursor.0).unwrap_or(usize::MAX);
        let mut piece: (Channel, Vec<u8>) = (Channel::Stdout, Vec::new());
        for line in (1..=self.lines()).take_while(|line| self.is_printed(*line, now)) {
            let whole = format!("{}\n", text.replace("{n}", &line.to_string()));
            let Some(rest) = whole.as_bytes().get(skip..).filter(|rest| !rest.is_empty()) else {
                skip -= whole.len();
                continue;
            };
            skip = 0;
            let channel = self.options.to.channel(line);
            if (piece.0 != channel || piece.1.len() + rest.len() > PIECE) && !push(&mut piece, cursor, to) {
                return false;
            }
            piece.0 = channel;
            piece.1.extend_from_slice(rest);
        }
        push(&mut piece, cursor, to)
    }
}

fn push(piece: &mut (Channel, Vec<u8>), cursor: &mut Offset, to: &mut LogSink<'_>) -> bool {
    let bytes = std::mem::take(&mut piece.1);
    bytes.is_empty() || to.write(piece.0, &bytes, cursor.advance(bytes.len()))
}
