//! One call of a plugin in another process.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at};

use super::answer::checked;
use super::call::{Question, Reply, broken};
use super::frame::{Order, Report};
use super::service::{Excess, Service};
use super::take::Broken;
use crate::config::NativeConfig;
use crate::plugin::child::{FrameError, News, Process};
use crate::plugin::contract::{Answer, ErrorKind};

/// How often the memory of a process is looked at.
const LOOK_TIME: Duration = Duration::from_millis(500);
/// No call waits longer for something to happen.
const MOST_WAIT_MS: u64 = 24 * 60 * 60 * 1_000;

/// Why a process is of no use any more.
#[derive(Debug)]
pub(super) enum Failure {
    /// It has closed its socket, most likely by its end.
    Closed,
    Deadline(u64),
    Memory(u64),
    /// It has taken too much of something or does not keep to the protocol.
    Unruly(String),
}

impl Failure {
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Failure::Closed | Failure::Unruly(_) => ErrorKind::Internal,
            Failure::Deadline(_) => ErrorKind::Timeout,
            Failure::Memory(_) => ErrorKind::Exhausted,
        }
    }

    /// What the plugin did. `end` is how its process ended, where it did so by itself.
    pub(super) fn describe(self, end: Option<String>) -> String {
        match self {
            Failure::Closed => end.unwrap_or_else(|| "closed the connection to the engine".to_owned()),
            Failure::Deadline(ms) => format!("did not return within {ms} ms and was killed"),
            Failure::Memory(most) => format!("took more than {most} bytes of memory and was killed"),
            Failure::Unruly(what) => format!("{what} and was killed"),
        }
    }
}

impl From<FrameError> for Failure {
    fn from(error: FrameError) -> Failure {
        Failure::Unruly(error.to_string())
    }
}

impl From<Excess> for Failure {
    fn from(Excess(what): Excess) -> Failure {
        Failure::Unruly(what)
    }
}

/// How long a call may take.
pub(super) fn budget_ms(question: &Question, config: &NativeConfig) -> u64 {
    config.call_ms.saturating_add(question.wait_ms()).min(MOST_WAIT_MS)
}

/// A call under way.
pub(super) struct Conversation<'a> {
    pub(super) process: &'a mut Process,
    pub(super) service: &'a mut Service,
    pub(super) config: &'a NativeConfig,
    deadline: Instant,
    budget_ms: u64,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(
        process: &'a mut Process,
        service: &'a mut Service,
        config: &'a NativeConfig,
        budget_ms: u64,
    ) -> Conversation<'a> {
        let deadline = Instant::now() + Duration::from_millis(budget_ms);
        Conversation { process, service, config, deadline, budget_ms }
    }

    /// Asks and serves the plugin until it has answered. An error means that the process is to be ended.
    pub(super) async fn ask(mut self, question: Question) -> Result<Answer<Reply>, Failure> {
        self.process.begin_call();
        let order = Order::Ask(question);
        self.send(&order).await?;
        let Order::Ask(question) = order else { return Err(Failure::Closed) };
        loop {
            match self.next().await? {
                Report::Answered(answer) => {
                    return Ok(checked(&question, answer).unwrap_or_else(|Broken(what)| Err(broken(&question, &what))));
                }
                Report::Log(level, message) => self.service.log(level, message)?,
                Report::Checkpoint(handle) => {
                    let since = Instant::now();
                    let answer = self.service.checkpoint(handle).await?;
                    self.deadline += since.elapsed();
                    self.send(&Order::Kept(answer)).await?;
                }
                Report::Write { stream, bytes, cursor } => {
                    let since = Instant::now();
                    let wants_more = self.service.write(stream, &bytes, &cursor).await?;
                    self.deadline += since.elapsed();
                    self.send(&Order::Written { wants_more }).await?;
                }
                Report::Opened(_) => return Err(Failure::Unruly("sent a message out of turn".to_owned())),
            }
        }
    }

    async fn send(&mut self, order: &Order) -> Result<(), Failure> {
        match timeout_at(self.deadline, self.process.send(order)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Failure::Closed),
            Err(_) => Err(Failure::Deadline(self.budget_ms)),
        }
    }

    /// The next message, within all limits.
    pub(super) async fn next(&mut self) -> Result<Report, Failure> {
        let mut look = interval(LOOK_TIME);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.reset();
        loop {
            let news = tokio::select! {
                news = self.process.listen() => news?,
                _ = look.tick() => {
                    self.check_memory()?;
                    News::Sign
                }
                () = sleep_until(self.deadline) => return Err(Failure::Deadline(self.budget_ms)),
            };
            match news {
                News::Report(report) => return Ok(report),
                News::Closed => return Err(Failure::Closed),
                News::Sign => self.check_output()?,
            }
            // A plugin that never stops talking is not to outlive its time.
            if Instant::now() >= self.deadline {
                return Err(Failure::Deadline(self.budget_ms));
            }
        }
    }

    fn check_output(&self) -> Result<(), Failure> {
        let most = self.config.output_bytes;
        if self.process.printed_bytes() <= most {
            return Ok(());
        }
        Err(Failure::Unruly(format!("printed more than {most} bytes")))
    }

    fn check_memory(&self) -> Result<(), Failure> {
        let most = self.config.memory_bytes;
        if self.process.memory_bytes() > most { Err(Failure::Memory(most)) } else { Ok(()) }
    }
}
