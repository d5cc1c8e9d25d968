//! One attempt on a platform, read top to bottom: claim → open options → submit → watch → collect → finalize → finish →
//! remove.
//!
//! Whatever of it a crash cuts off is done again by the next life of the engine, under the same name.

use std::sync::{Arc, Mutex};

use super::attempt::{Begin, claimed, detached, finish, name_of, not_started, note_contact, order_of};
use super::attempts::Control;
use super::fetch::bring;
use super::finalize::finalize;
use super::follow::Follower;
use super::observer::{End, Report, Watch};
use super::slots::Slot;
use super::transfer::open_private;
use super::{Runtime, lock};
use crate::error::Error;
use crate::executors::{AttemptOrder, BoxFuture, ContactError, Journal, Platform, Run, StartError, SubmitError};
use crate::files::Masker;
use crate::job::{
    Effect, Event, Job, OnCrash, Outcome, Private, RunHandle, State, Step, StopCause, Timestamp, pending_effects,
};
use crate::store::{Moved, Stored};

/// A run that was just submitted is hardly over yet: it is first asked after as many milliseconds later.
const FIRST_LOOK_MS: u64 = 5;

/// How long the engine waits before it tries a call again that changes something: doubling, in milliseconds.
const FIRST_TRY_AGAIN_MS: u64 = 50;
const LAST_TRY_AGAIN_MS: u64 = 30_000;

/// The longest that a plugin may have the engine wait before it tries such a call again, in milliseconds.
const MOST_PUT_OFF_MS: u64 = 3_600_000;

/// How often a run that the platform does not have is asked to stop where the answer is an error.
const STOPS_OF_NOTHING: u32 = 8;

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
    /// What fetchers are told, until they have been.
    private: Private,
    /// What nobody is to see; `None` where the run options cannot be opened.
    secrets: Option<Vec<String>>,
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
    let opened = open_private(runtime, &stored);
    let (private, refused) = match opened {
        Ok(private) => (private, None),
        Err(error) => (Private::default(), Some(not_started(&error))),
    };
    let secrets = refused.is_none().then(|| private.options.secrets().map(str::to_owned).collect());
    let order = order_of(runtime, &stored.job, &private);
    let mut attempt = External { runtime, control, platform, executor, job: stored.job, order, private, secrets };
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
    let run = attempt.run();
    let work = attempt.platform.work(run.name);
    let (outcome, left) = finalize(runtime, &attempt.job, outcome, work, control).await?;
    let job = finish(runtime, &attempt.job, outcome, left).await?;
    let succeeded = job.status.state == State::Succeeded;
    if let Err(error) = attempt.in_time(attempt.platform.remove(&run, succeeded)).await {
        tracing::warn!(error = attempt.masked(&error.message), job = %job.id, "an attempt could not be removed");
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

    /// A call that is to get through if it can: a shutdown waits for it no longer than for functions.
    async fn in_time<T>(&self, call: BoxFuture<'_, Result<T, ContactError>>) -> Result<T, ContactError> {
        tokio::select! {
            answer = call => answer,
            () = self.runtime.handed_back() => Err(ContactError { message: "the engine shuts down".to_owned() }),
        }
    }

    /// What a platform says, as it may be shown: it was told the secrets of the job and may repeat them.
    fn masked(&self, message: &str) -> String {
        let Some(secrets) = &self.secrets else { return "it cannot be shown without the run options".to_owned() };
        let mut masker = Masker::new(secrets);
        let mut shown = masker.push(message.as_bytes());
        shown.extend(masker.flush());
        String::from_utf8_lossy(&shown).into_owned()
    }

    fn masked_outcome(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::NotStarted { message, permanent } => {
                Outcome::NotStarted { message: self.masked(&message), permanent }
            }
            Outcome::Error { message, permanent } => Outcome::Error { message: self.masked(&message), permanent },
            outcome => outcome,
        }
    }

    fn watched(&self, first_ms: u64) -> Watch {
        self.runtime.observer(self.executor, &self.platform).watch(self.run(), first_ms)
    }

    /// Starts the attempt, or finds that it was started. A platform that cannot be reached is asked again until the job is
    /// stopped: nothing is known to have gone wrong with the attempt.
    async fn submit(&mut self) -> Result<Begun, Error> {
        let mut detach = self.runtime.detach.subscribe();
        let brought = tokio::select! {
            brought = bring(self.runtime, &self.job, &self.private, self.control) => brought,
            () = detached(&mut detach) => return Ok(Begun::Detached),
        };
        match brought {
            Ok(()) => {}
            // What an earlier call has begun is asked to stop.
            Err(Outcome::Stopped) => return self.find(None).await,
            Err(outcome) => return Ok(Begun::Over(outcome)),
        }
        let mut pause = FIRST_TRY_AGAIN_MS;
        loop {
            if self.control.stop.is_raised() {
                return self.find(None).await;
            }
            let journal = Arc::new(Checkpoints { runtime: self.runtime.clone(), job: Mutex::new(self.job.clone()) });
            let submitted = tokio::select! {
                submitted = self.platform.submit(&self.order, journal.clone()) => Some(submitted),
                () = detached(&mut detach) => return Ok(Begun::Detached),
                () = self.control.stop.raised() => None,
            };
            let Some(submitted) = submitted else {
                self.catch_up().await?;
                return self.find(None).await;
            };
            self.job = lock(&journal.job).clone();
            let (error, after) = match submitted {
                Ok(handle) => return self.submitted(handle).await,
                Err(SubmitError::Refused(StartError { message, permanent })) => {
                    let message = self.masked(&message);
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

    /// Takes over the checkpoint that a call which was cut off may have made: without it the run may not be found.
    async fn catch_up(&mut self) -> Result<(), Error> {
        self.runtime.store.flush().await?;
        if let Some(stored) = self.runtime.store.find(self.job.id)? {
            self.job = stored.job;
        }
        Ok(())
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
        let mut pause = FIRST_TRY_AGAIN_MS;
        for _ in 0..STOPS_OF_NOTHING {
            if let Some(begun) = self.look_for(refused.is_none()).await? {
                return Ok(begun);
            }
            if !self.control.stop.is_raised() {
                break;
            }
            // What is still on its way there is not to start any more; where it does, the sweep finds it.
            self.runtime.orphans.send_replace(());
            let Err(error) = self.in_time(self.platform.stop(&self.run(), 0)).await else { break };
            tracing::warn!(error = self.masked(&error.message), job = %self.job.id, "a stop did not arrive");
            if self.pauses(pause).await {
                return Ok(Begun::Detached);
            }
            pause = (pause * 2).min(LAST_TRY_AGAIN_MS);
        }
        if self.control.stop.is_raised() {
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

    /// Waits until the platform says what it knows of the run. `None` when it has none.
    async fn look_for(&mut self, may_submit: bool) -> Result<Option<Begun>, Error> {
        let mut watch = self.watched(0);
        let mut detach = self.runtime.detach.subscribe();
        loop {
            let report = watch.reports.borrow_and_update().clone();
            match report.end {
                Some(End::Gone) => return Ok(None),
                _ if report.known && may_submit && self.is_half_begun(&report) => {
                    drop(watch);
                    return Box::pin(self.submit()).await.map(Some);
                }
                _ if report.known => return Ok(Some(Begun::Watched(watch))),
                _ => {}
            }
            if let Some(error) = &report.lost {
                self.lose(error).await?;
            }
            tokio::select! {
                changed = watch.reports.changed() => if changed.is_err() { return Ok(Some(Begun::Detached)) },
                () = detached(&mut detach) => return Ok(Some(Begun::Detached)),
            }
        }
    }

    /// The platform has the run and has not started it, and nobody knows whether it ever will: the call that was to see to that
    /// was cut off. It is made again, and finds what the first one made.
    fn is_half_begun(&self, report: &Report) -> bool {
        let is_pending = !report.running && report.end.is_none();
        is_pending && self.job.status.step == Some(Step::Preparing) && !self.control.stop.is_raised()
    }

    async fn lose(&self, error: &ContactError) -> Result<(), Error> {
        let error = self.masked(&error.message);
        tracing::warn!(error, job = %self.job.id, "the platform of an attempt cannot be reached");
        note_contact(self.runtime, &self.job, Event::ContactLost { attempt: self.job.status.attempt }).await
    }

    /// Waits, unless the job is to be stopped. Whether the engine detaches meanwhile.
    async fn rests(&self, millis: u64) -> bool {
        tokio::select! {
            detaches = self.pauses(millis) => detaches,
            () = self.control.stop.raised() => false,
        }
    }

    /// Waits. Whether the engine detaches meanwhile.
    async fn pauses(&self, millis: u64) -> bool {
        let mut detach = self.runtime.detach.subscribe();
        tokio::select! {
            () = self.runtime.clock.sleep(millis.min(MOST_PUT_OFF_MS)) => false,
            () = detached(&mut detach) => true,
        }
    }

    /// Waits for the end of the run, passing on a stop. `None` when the engine detaches from it.
    async fn watch(&mut self, mut watch: Watch) -> Result<Option<Outcome>, Error> {
        let follower = Follower::new(self.runtime, &watch.observer, self.run(), self.secrets.as_deref());
        let mut stopping = Stopping { again_at: None, pause_ms: FIRST_TRY_AGAIN_MS };
        let mut lost = self.job.status.lost_since.is_some();
        let mut detach = self.runtime.detach.subscribe();
        // News of the run does not cut off who reads its log.
        let mut follow = Box::pin(follower.follow());
        let end = loop {
            let report = watch.reports.borrow_and_update().clone();
            lost = self.take_in(&report, lost, &follower).await?;
            if let Some(end) = report.end {
                break end;
            }
            tokio::select! {
                changed = watch.reports.changed() => if changed.is_err() { return Ok(None) },
                () = detached(&mut detach) => return Ok(None),
                () = &mut follow => {}
                () = self.stop_is_due(stopping.again_at) => {
                    // A place among the followers is not held meanwhile.
                    follow.set(follower.follow());
                    self.stop(&watch, &mut stopping, &follower).await?;
                }
            }
        };
        drop((follow, watch));
        let is_gone = end == End::Gone;
        let outcome = match end {
            End::Outcome(Outcome::Stopped) if stopping.again_at.is_none() && !self.control.stop.is_raised() => {
                let message = "the platform stopped the run, and nobody here had asked for it".to_owned();
                Outcome::Error { message, permanent: false }
            }
            End::Outcome(outcome) => self.masked_outcome(outcome),
            End::Gone if self.control.stop.is_raised() => Outcome::Stopped,
            End::Gone => Outcome::Interrupted,
        };
        tokio::select! {
            () = follower.rest(is_gone) => {}
            () = detached(&mut detach) => return Ok(None),
        }
        self.collected(outcome).await
    }

    /// Returns when the run is to be asked to stop: when that is wanted, and then when it was not enough.
    async fn stop_is_due(&self, again_at: Option<Timestamp>) {
        match again_at {
            None => self.control.stop.raised().await,
            Some(at) => self.runtime.clock.sleep_until(at).await,
        }
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
        match self.in_time(self.platform.stop(&self.run(), grace_ms)).await {
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
                tracing::warn!(error = self.masked(&error.message), job = %self.job.id, "a stop did not arrive");
                stopping.again_at = Some(now.plus_millis(stopping.pause_ms));
                stopping.pause_ms = (stopping.pause_ms * 2).min(LAST_TRY_AGAIN_MS);
            }
        }
        Ok(())
    }

    /// Brings the outputs of a success in. `None` when the engine detaches meanwhile.
    async fn collected(&mut self, outcome: Outcome) -> Result<Option<Outcome>, Error> {
        if outcome != Outcome::Succeeded {
            return Ok(Some(outcome));
        }
        let mut detach = self.runtime.detach.subscribe();
        let mut pause = FIRST_TRY_AGAIN_MS;
        loop {
            let run = self.run();
            let collected = tokio::select! {
                biased;
                () = detached(&mut detach) => return Ok(None),
                () = self.outputs_are_unwanted() => return Ok(Some(Outcome::Stopped)),
                collected = self.platform.collect(&run) => collected,
            };
            let (error, after) = match collected {
                Ok(()) => return Ok(Some(outcome)),
                Err(SubmitError::Refused(StartError { message, permanent })) => {
                    let message = format!("the outputs could not be collected: {}", self.masked(&message));
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

    /// Returns when outputs are waited for no longer: at once after a cancel, which outweighs a success; after the grace time
    /// when a deadline has passed, since a success that comes late is one.
    async fn outputs_are_unwanted(&self) {
        self.control.stop.raised().await;
        if !self.is_cancelled() {
            self.runtime.clock.sleep(self.job.spec.stop_grace_ms).await;
        }
    }

    /// Whether somebody has cancelled the job; what the attempt has in hand may not know.
    fn is_cancelled(&self) -> bool {
        let found = self.runtime.store.find(self.job.id);
        let stopping = found.ok().flatten().and_then(|stored| stored.job.status.stopping);
        stopping.is_some_and(|stopping| matches!(stopping.cause, StopCause::Cancel { .. }))
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
