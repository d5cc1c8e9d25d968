//! One attempt on a platform, read top to bottom: claim → open options → submit → watch → collect → finish → remove.
//!
//! Whatever of it a crash cuts off is done again by the next life of the engine, under the same name.

use std::sync::{Arc, Mutex};

use super::attempt::{Begin, claimed, detached, finish, name_of, not_started, note_contact, order_of};
use super::attempts::Control;
use super::follow::Follower;
use super::observer::{End, Report, Watch};
use super::slots::Slot;
use super::{Runtime, lock};
use crate::error::Error;
use crate::executors::{AttemptOrder, BoxFuture, ContactError, Journal, Platform, Run, StartError, SubmitError};
use crate::files::Masker;
use crate::job::{
    Effect, Event, Job, OnCrash, Outcome, RunHandle, RunOptions, State, Step, StopCause, Timestamp, pending_effects,
};
use crate::store::{Moved, Stored};

/// A run that was just submitted is hardly over yet: it is first asked after as many milliseconds later.
const FIRST_LOOK_MS: u64 = 5;

/// How long the engine waits before it tries a call again that changes something: doubling, in milliseconds.
const FIRST_TRY_AGAIN_MS: u64 = 50;
const LAST_TRY_AGAIN_MS: u64 = 30_000;

/// The longest that a plugin may have the engine wait before it tries such a call again, in milliseconds.
const MOST_PUT_OFF_MS: u64 = 3_600_000;

/// How long after its grace time a run that goes on is asked to stop again, in milliseconds.
const STOP_AGAIN_MS: u64 = 10_000;

/// One attempt on a platform.
struct External<'a> {
    runtime: &'a Arc<Runtime>,
    control: &'a Control,
    platform: Arc<dyn Platform>,
    /// The name that the platform is registered under.
    executor: &'a str,
    job: Job,
    order: AttemptOrder,
}

/// How far an attempt has come.
enum Begun {
    /// The platform has it.
    Watched(Watch),
    Over(Outcome),
    /// The engine leaves it to its next life.
    Detached,
}

pub(super) async fn run(
    runtime: &Arc<Runtime>,
    mut stored: Box<Stored>,
    control: &Control,
    slot: Slot,
    begin: Begin,
    executor: &str,
    platform: Arc<dyn Platform>,
) -> Result<(), Error> {
    if begin == Begin::Claim {
        // Intent before effect: the attempt and so its name are on disk before the platform hears of it.
        let moved = runtime.store.change(&stored.job, &[Event::Claim], None, runtime.clock.now()).await?;
        let Some(job) = claimed(moved) else { return Ok(()) };
        stored.job = job;
    }
    let opened = runtime.store.open_options(stored.job.seq(), stored.options.as_ref());
    let (options, refused) = match opened {
        Ok(options) => (options, None),
        Err(error) => (RunOptions::new(), Some(not_started(&error))),
    };
    let order = order_of(&stored.job, options);
    let mut attempt = External { runtime, control, platform, executor, job: stored.job, order };
    let begun = match (refused, begin) {
        (Some(refused), Begin::Claim) => Begun::Over(refused),
        (None, Begin::Claim) => attempt.submit().await?,
        // Without its options it can still be watched; what it prints cannot be shown.
        (refused, Begin::Recover) => attempt.find(refused).await?,
    };
    let outcome = match begun {
        Begun::Watched(watch) => attempt.watch(watch).await?,
        Begun::Over(outcome) => Some(outcome),
        Begun::Detached => None,
    };
    // Without an outcome the engine shuts down and the run goes on; the next life finds it again.
    let Some(outcome) = outcome else { return Ok(()) };
    drop(slot);
    let outcome = attempt.masked_outcome(outcome);
    let run = attempt.run();
    let job = finish(runtime, &attempt.job, outcome, None).await?;
    let succeeded = job.status.state == State::Succeeded;
    if let Err(error) = attempt.platform.remove(&run, succeeded).await {
        tracing::warn!(%error, job = %job.id, "what is left of an attempt could not be removed");
        runtime.orphans.send_replace(());
    }
    Ok(())
}

impl External<'_> {
    fn run(&self) -> Run {
        Run { name: name_of(&self.job), handle: self.job.status.handle.clone() }
    }

    async fn change(&mut self, events: &[Event]) -> Result<(), Error> {
        let now = self.runtime.clock.now();
        if let Moved::Changed(job) = self.runtime.store.change(&self.job, events, None, now).await? {
            self.job = job;
        }
        Ok(())
    }

    fn watched(&self, first_ms: u64) -> Watch {
        self.runtime.observer(self.executor, &self.platform).watch(self.run(), first_ms)
    }

    /// Starts the attempt, or finds that it was started. A platform that cannot be reached is asked again until the job is
    /// stopped: nothing is known to have gone wrong with the attempt.
    async fn submit(&mut self) -> Result<Begun, Error> {
        let mut detach = self.runtime.detach.subscribe();
        let mut pause = FIRST_TRY_AGAIN_MS;
        loop {
            if self.control.stop.is_raised() {
                return self.find(None).await;
            }
            let journal = Arc::new(Checkpoints { runtime: self.runtime.clone(), job: Mutex::new(self.job.clone()) });
            let submitted = tokio::select! {
                submitted = self.platform.submit(&self.order, journal.clone()) => submitted,
                () = detached(&mut detach) => return Ok(Begun::Detached),
                () = self.control.stop.raised() => return self.find(None).await,
            };
            self.job = lock(&journal.job).clone();
            let (error, after) = match submitted {
                Ok(handle) => return self.submitted(handle).await,
                Err(SubmitError::Refused(StartError { message, permanent })) => {
                    return Ok(Begun::Over(Outcome::NotStarted { message, permanent }));
                }
                Err(SubmitError::OutOfContact(error, after)) => (error, after),
            };
            self.lose(&error).await?;
            if self.rests(after.unwrap_or(pause)).await {
                return Ok(Begun::Detached);
            }
            pause = (pause * 2).min(LAST_TRY_AGAIN_MS);
        }
    }

    async fn submitted(&mut self, handle: RunHandle) -> Result<Begun, Error> {
        let attempt = self.job.status.attempt;
        let mut events = vec![Event::Checkpoint { attempt, handle }, Event::Step { attempt, step: Step::Executing }];
        if self.job.status.lost_since.is_some() {
            events.push(Event::ContactFound { attempt });
        }
        self.change(&events).await?;
        Ok(Begun::Watched(self.watched(FIRST_LOOK_MS)))
    }

    /// Looks for a run that an earlier life, or a call that was cut off, may have begun.
    async fn find(&mut self, refused: Option<Outcome>) -> Result<Begun, Error> {
        let mut watch = self.watched(0);
        let mut detach = self.runtime.detach.subscribe();
        loop {
            let report = watch.reports.borrow_and_update().clone();
            match report.end {
                Some(End::Gone) => break,
                _ if report.known && refused.is_none() && self.is_half_begun(&report) => {
                    drop(watch);
                    return Box::pin(self.submit()).await;
                }
                _ if report.known => return Ok(Begun::Watched(watch)),
                _ => {}
            }
            if let Some(error) = &report.lost {
                self.lose(error).await?;
            }
            tokio::select! {
                changed = watch.reports.changed() => if changed.is_err() { return Ok(Begun::Detached) },
                () = detached(&mut detach) => return Ok(Begun::Detached),
            }
        }
        drop(watch);
        if self.control.stop.is_raised() {
            // What is still on its way there is not to start any more; where it does, the sweep finds it.
            self.runtime.orphans.send_replace(());
            let stopped = self.platform.stop(&self.run(), 0).await;
            stopped.inspect_err(|error| tracing::warn!(%error, job = %self.job.id, "a stop did not arrive")).ok();
            return Ok(Begun::Over(Outcome::Stopped));
        }
        let begun = !matches!(pending_effects(&self.job).next(), Some(Effect::Start { .. }));
        match refused {
            Some(refused) => Ok(Begun::Over(refused)),
            // It may have run and be gone: work that is to be done at most once is not submitted a second time.
            None if begun || self.job.spec.on_crash == OnCrash::Fail => Ok(Begun::Over(Outcome::Interrupted)),
            None => Box::pin(self.submit()).await,
        }
    }

    /// The platform has the run and has not started it, and nobody knows whether it ever will: the call that was to see to that
    /// was cut off. It is made again, and finds what the first one made.
    fn is_half_begun(&self, report: &Report) -> bool {
        let is_pending = !report.running && report.end.is_none();
        is_pending && self.job.status.step == Some(Step::Preparing) && !self.control.stop.is_raised()
    }

    /// What a platform says may hold what it was told.
    fn masked(&self, text: &str) -> String {
        let mut masker = Masker::new(self.order.options.secrets());
        let mut masked = masker.push(text.as_bytes());
        masked.extend(masker.flush());
        String::from_utf8_lossy(&masked).into_owned()
    }

    fn masked_outcome(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::NotStarted { message, permanent } => {
                Outcome::NotStarted { message: self.masked(&message), permanent }
            }
            Outcome::Error { message, permanent } => Outcome::Error { message: self.masked(&message), permanent },
            other => other,
        }
    }

    async fn lose(&self, error: &ContactError) -> Result<(), Error> {
        let error = self.masked(&error.to_string());
        tracing::warn!(error, job = %self.job.id, "the platform of an attempt cannot be reached");
        note_contact(self.runtime, &self.job, Event::ContactLost { attempt: self.job.status.attempt }).await
    }

    /// Waits, unless the job is to be stopped. Whether the engine detaches meanwhile.
    async fn rests(&self, millis: u64) -> bool {
        let mut detach = self.runtime.detach.subscribe();
        tokio::select! {
            () = self.runtime.clock.sleep(millis.min(MOST_PUT_OFF_MS)) => false,
            () = self.control.stop.raised() => false,
            () = detached(&mut detach) => true,
        }
    }

    /// Waits for the end of the run, passing on a stop. `None` when the engine detaches from it.
    async fn watch(&mut self, mut watch: Watch) -> Result<Option<Outcome>, Error> {
        let follower = Follower::new(self.runtime, self.platform.clone(), self.run(), &self.order);
        let mut stopping = Stopping { again_at: None, pause_ms: FIRST_TRY_AGAIN_MS };
        let mut lost = self.job.status.lost_since.is_some();
        let mut detach = self.runtime.detach.subscribe();
        let end = loop {
            let report = watch.reports.borrow_and_update().clone();
            lost = self.take_in(&report, lost, &follower).await?;
            if let Some(end) = report.end {
                break end;
            }
            let stop_again = stopping.again_at.unwrap_or(Timestamp::MAX);
            tokio::select! {
                changed = watch.reports.changed() => if changed.is_err() { return Ok(None) },
                () = detached(&mut detach) => return Ok(None),
                () = follower.follow() => {}
                () = self.control.stop.raised(), if stopping.again_at.is_none() => {
                    self.stop(&watch, &mut stopping, &follower).await?;
                }
                () = self.runtime.clock.sleep_until(stop_again), if stopping.again_at.is_some() => {
                    self.stop(&watch, &mut stopping, &follower).await?;
                }
            }
        };
        drop(watch);
        let outcome = match end {
            End::Outcome(Outcome::Stopped) if stopping.again_at.is_none() && !self.control.stop.is_raised() => {
                let message = "the platform stopped the run, and nobody here had asked for it".to_owned();
                Outcome::Error { message, permanent: false }
            }
            End::Outcome(outcome) => outcome,
            End::Gone if self.control.stop.is_raised() => Outcome::Stopped,
            End::Gone => Outcome::Interrupted,
        };
        tokio::select! {
            () = follower.rest() => {}
            () = detached(&mut detach) => return Ok(None),
        }
        self.collected(outcome).await
    }

    /// Stores what is new. Whether contact is lost now.
    async fn take_in(&mut self, report: &Report, was_lost: bool, follower: &Follower) -> Result<bool, Error> {
        let attempt = self.job.status.attempt;
        let mut events = Vec::new();
        match &report.lost {
            Some(error) if !was_lost => self.lose(error).await?,
            None if was_lost && report.known => {
                note_contact(self.runtime, &self.job, Event::ContactFound { attempt }).await?;
            }
            _ => {}
        }
        if let Some(handle) = report.handle.clone().filter(|handle| self.job.status.handle.as_ref() != Some(handle)) {
            follower.set_handle(handle.clone());
            events.push(Event::Checkpoint { attempt, handle });
        }
        if report.running && self.job.status.step == Some(Step::Preparing) {
            events.push(Event::Step { attempt, step: Step::Executing });
        }
        if !events.is_empty() {
            self.change(&events).await?;
        }
        Ok(report.lost.is_some() || (was_lost && !report.known))
    }

    async fn stop(&mut self, watch: &Watch, stopping: &mut Stopping, follower: &Follower) -> Result<(), Error> {
        let grace_ms = self.job.spec.stop_grace_ms;
        let now = self.runtime.clock.now();
        match self.platform.stop(&self.run(), grace_ms).await {
            Ok(handle) => {
                stopping.again_at = Some(now.plus_millis(grace_ms.saturating_add(STOP_AGAIN_MS)));
                if let Some(handle) = handle {
                    let attempt = self.job.status.attempt;
                    self.change(&[Event::Checkpoint { attempt, handle: handle.clone() }]).await?;
                    follower.set_handle(handle.clone());
                    watch.set_handle(handle);
                }
                watch.look_again();
            }
            Err(error) => {
                tracing::warn!(%error, job = %self.job.id, "a stop did not arrive");
                stopping.again_at = Some(now.plus_millis(stopping.pause_ms));
                stopping.pause_ms = (stopping.pause_ms * 2).min(LAST_TRY_AGAIN_MS);
            }
        }
        Ok(())
    }

    /// Brings the outputs of a success in. `None` when the engine detaches meanwhile.
    async fn collected(&mut self, outcome: Outcome) -> Result<Option<Outcome>, Error> {
        let cancelled = |job: &Job| {
            job.status.stopping.as_ref().is_some_and(|stopping| matches!(stopping.cause, StopCause::Cancel { .. }))
        };
        if outcome != Outcome::Succeeded || cancelled(&self.job) {
            return Ok(Some(outcome));
        }
        let mut detach = self.runtime.detach.subscribe();
        let mut pause = FIRST_TRY_AGAIN_MS;
        loop {
            let run = self.run();
            let collected = tokio::select! {
                collected = self.platform.collect(&run) => collected,
                () = detached(&mut detach) => return Ok(None),
            };
            let (error, after) = match collected {
                Ok(()) => return Ok(Some(outcome)),
                Err(SubmitError::Refused(StartError { message, permanent })) => {
                    let message = format!("the outputs could not be collected: {message}");
                    return Ok(Some(Outcome::Error { message, permanent }));
                }
                Err(SubmitError::OutOfContact(error, after)) => (error, after),
            };
            self.lose(&error).await?;
            if self.control.stop.is_raised() {
                return Ok(Some(Outcome::Stopped));
            }
            if self.rests(after.unwrap_or(pause)).await {
                return Ok(None);
            }
            pause = (pause * 2).min(LAST_TRY_AGAIN_MS);
        }
    }
}

/// When the run is asked to stop again.
struct Stopping {
    /// Once it was asked for the first time.
    again_at: Option<Timestamp>,
    pause_ms: u64,
}

/// Writes the checkpoints of a platform that submits.
struct Checkpoints {
    runtime: Arc<Runtime>,
    job: Mutex<Job>,
}

impl Journal for Checkpoints {
    fn checkpoint(&self, handle: RunHandle) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let job = lock(&self.job).clone();
            let checkpoint = Event::Checkpoint { attempt: job.status.attempt, handle };
            let moved = self.runtime.store.change(&job, &[checkpoint], None, self.runtime.clock.now()).await;
            match moved.map_err(|error| error.to_string())? {
                Moved::Changed(job) => *lock(&self.job) = job,
                Moved::Unchanged(_) => {}
                Moved::Late(_) | Moved::Illegal(..) => return Err("the attempt is over".to_owned()),
            }
            Ok(())
        })
    }
}
