//! Follows jobs to their end: their events, and their logs as they grow.

use std::collections::HashMap;
use std::time::Duration;

use super::screen::Screen;
use super::{Interrupt, Interrupts};
use crate::cli::failure::Failure;
use crate::cli::lines::Lines;
use crate::cli::request::log_piece;
use crate::engine::{Engine, Subscription};
use crate::error::Error;
use crate::job::{JobEvent, JobFact, JobId, State, Status};

/// How often the logs of running jobs are looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// How following ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// All jobs are over.
    Complete,
    /// All jobs are over because the user wanted it.
    Interrupted,
    /// Jobs go on; the next run finds them.
    Detached,
}

/// Follows jobs of an engine.
pub(super) struct Follower<'e> {
    engine: &'e Engine,
    events: Subscription,
    jobs: HashMap<JobId, Followed>,
    unfinished: usize,
}

/// What has been shown of a job.
struct Followed {
    title: String,
    is_running: bool,
    is_over: bool,
    /// The attempt whose log is read; 0 before the first.
    attempt: u32,
    offset: u64,
    dropped_bytes: u64,
    lines: Lines,
}

impl<'e> Follower<'e> {
    /// Events are kept for it from now on.
    pub(super) fn new(engine: &'e Engine) -> Self {
        Follower { engine, events: engine.subscribe(), jobs: HashMap::new(), unfinished: 0 }
    }

    /// Shows how these jobs go until they are over or the user has seen enough.
    pub(super) async fn follow(
        &mut self,
        ids: &[JobId],
        screen: &mut Screen,
        interrupts: &mut Interrupts,
    ) -> Result<Ending, Failure> {
        let mut ending = Ending::Complete;
        let mut ticks = tokio::time::interval(PAUSE);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while self.unfinished > 0 {
            tokio::select! {
                event = self.events.next() => match event {
                    Some(Ok(event)) => self.take(&event, screen)?,
                    Some(Err(_missed)) => self.look_at(ids, screen)?,
                    None => return Err(Error::Closed.into()),
                },
                _ = ticks.tick() => self.read_running(screen)?,
                interrupt = interrupts.next() => match (interrupt, ending) {
                    (Interrupt::Cancel, Ending::Complete) => {
                        ending = Ending::Interrupted;
                        screen.note("cancelling the jobs; Ctrl-C again leaves them running");
                        self.cancel_all(ids).await;
                    }
                    _ => {
                        screen.note("leaving; the next run of the same files goes on from here");
                        return Ok(Ending::Detached);
                    }
                },
            }
        }
        Ok(ending)
    }

    /// Takes the jobs that are to be followed.
    pub(super) fn begin(&mut self, ids: &[JobId], screen: &mut Screen) -> Result<(), Failure> {
        for id in ids {
            let view = self.engine.get(*id)?;
            let title = view.job.spec.name.clone().unwrap_or_else(|| id.to_string());
            screen.add_job(&title);
            let followed = Followed {
                title,
                is_running: has_attempt(view.job.state()),
                is_over: false,
                attempt: 0,
                offset: 0,
                dropped_bytes: 0,
                lines: Lines::default(),
            };
            if followed.is_running {
                screen.started(*id, &followed.title);
            }
            self.jobs.insert(*id, followed);
            self.unfinished += 1;
        }
        Ok(())
    }

    /// Shows the end of those that ended before their events were listened for, or while too many came.
    pub(super) fn look_at(&mut self, ids: &[JobId], screen: &mut Screen) -> Result<(), Failure> {
        for id in ids.iter().copied() {
            let status = self.look(id, screen)?;
            let (true, Some(at)) = (status.state.is_final(), status.finished_at) else {
                continue;
            };
            let (state, reason) = (status.state, status.reason);
            let fact = JobFact::Finished { state, reason };
            self.end(&JobEvent { id, at, fact }, screen);
        }
        Ok(())
    }

    fn take(&mut self, event: &JobEvent, screen: &mut Screen) -> Result<(), Failure> {
        let Some(job) = self.jobs.get(&event.id).filter(|job| !job.is_over) else {
            return Ok(());
        };
        match &event.fact {
            JobFact::Finished { .. } => {
                self.look(event.id, screen)?;
                self.end(event, screen);
            }
            // What the attempt wrote comes before the news of its end.
            JobFact::AttemptFailed { .. } => {
                let title = job.title.clone();
                self.look(event.id, screen)?;
                screen.event(&title, event);
            }
            _ => {
                screen.event(&job.title, event);
                self.look(event.id, screen)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, event: &JobEvent, screen: &mut Screen) {
        let Some(job) = self.jobs.get_mut(&event.id).filter(|job| !job.is_over) else {
            return;
        };
        job.is_over = true;
        job.is_running = false;
        self.unfinished -= 1;
        job.flush(event.id, screen);
        screen.event(&job.title, event);
    }

    fn read_running(&mut self, screen: &mut Screen) -> Result<(), Failure> {
        for (id, job) in self.jobs.iter_mut().filter(|(_, job)| job.is_running) {
            job.read(self.engine, *id, screen)?;
        }
        Ok(())
    }

    /// Shows everything that a job has written up to its current attempt.
    fn look(&mut self, id: JobId, screen: &mut Screen) -> Result<Status, Failure> {
        let status = self.engine.get(id)?.job.status;
        if let Some(job) = self.jobs.get_mut(&id).filter(|job| !job.is_over) {
            job.is_running = has_attempt(status.state);
            job.read(self.engine, id, screen)?;
            while job.attempt < status.attempt {
                job.flush(id, screen);
                job.attempt += 1;
                job.offset = 0;
                job.read(self.engine, id, screen)?;
            }
        }
        Ok(status)
    }

    /// The last jobs first, so that none becomes ready because one before it ended.
    async fn cancel_all(&self, ids: &[JobId]) {
        for id in ids.iter().rev() {
            // One that is over cannot be cancelled, and needs not be.
            let _ = self.engine.cancel(*id, "Ctrl-C").await;
        }
    }
}

fn has_attempt(state: State) -> bool {
    matches!(state, State::Running | State::Cancelling)
}

impl Followed {
    /// Shows what the attempt has written since the last time.
    fn read(&mut self, engine: &Engine, id: JobId, screen: &mut Screen) -> Result<(), Failure> {
        while self.attempt > 0 {
            let piece = log_piece(engine, id, Some(self.attempt), self.offset)?;
            self.offset = self.offset.max(piece.next_offset);
            self.dropped_bytes += piece.dropped_bytes;
            if piece.chunks.is_empty() {
                break;
            }
            for chunk in piece.chunks {
                for line in self.lines.push(chunk) {
                    screen.log(id, &self.title, self.attempt, &line);
                }
            }
        }
        Ok(())
    }

    /// Shows lines that did not end with the attempt.
    fn flush(&mut self, id: JobId, screen: &mut Screen) {
        for line in self.lines.flush() {
            screen.log(id, &self.title, self.attempt, &line);
        }
        if self.dropped_bytes > 0 {
            let (title, bytes) = (&self.title, self.dropped_bytes);
            screen.note(&format!("{title}: {bytes} bytes in the middle of the log were not kept"));
            self.dropped_bytes = 0;
        }
    }
}
