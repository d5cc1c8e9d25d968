//! The observer of a platform: asks after all its runs together, each at its own pace, and tells their attempts.
//!
//! *Architecture invariant:* it writes nothing and decides nothing. Watching 10,000 runs is one call a tick.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, Semaphore, watch};

use super::{Runtime, lock};
use crate::clock::Clock;
use crate::executors::{ContactError, ObserveError, Platform, Run, Seen, Sighting};
use crate::job::{Outcome, RunHandle, Seq, Timestamp};

/// How soon a run is asked after again: a part of the time since something was last new about it, within these bounds.
const PATIENCE: u64 = 8;
const SOONEST_MS: u64 = 5;
const LATEST_MS: u64 = 2_000;
/// The longest that a plugin may put the next question off.
const MOST_PUT_OFF_MS: u64 = 60_000;

/// Runs asked after in one call, and bytes of their handles.
const BATCH: usize = 10_000;
/// Questions in one tick that may come to nothing until the platform is taken to be out of order as a whole: enough to find two
/// bad runs among as many as a batch has.
const FAILURES: u32 = 32;
const BATCH_BYTES: usize = 4 << 20;

/// What is known of a run; each change is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// The platform has answered about it.
    pub(super) known: bool,
    /// It runs.
    pub(super) running: bool,
    /// Why the platform cannot say.
    pub(super) lost: Option<ContactError>,
    /// The handle that the platform gave last.
    pub(super) handle: Option<RunHandle>,
    /// How it ended.
    pub(super) end: Option<End>,
}

/// How a run ended for those who watch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Outcome(Outcome),
    Gone,
}

/// The runs of one platform that are watched.
pub(super) struct Observer {
    pub(super) platform: Arc<dyn Platform>,
    clock: Clock,
    runs: Mutex<HashMap<Seq, Watched>>,
    wake: Notify,
    /// Logs that are followed at once. Each platform has places of its own: one that hangs takes none from others.
    pub(super) followers: Semaphore,
    /// Logs of runs that are over and whose end is read at once: they do not queue behind those that go on.
    pub(super) last_readers: Semaphore,
}

struct Watched {
    run: Run,
    due: Timestamp,
    /// When something was last new about it.
    news_at: Timestamp,
    /// How often in a row the platform broke down over this run alone. It is asked after by itself then, for the others'
    /// sake.
    breakdowns: u32,
    /// It is being asked after by itself.
    asked_alone: bool,
    tell: watch::Sender<Report>,
}

/// One run that is watched; it is forgotten when this is dropped.
pub(super) struct Watch {
    pub(super) observer: Arc<Observer>,
    seq: Seq,
    pub(super) reports: watch::Receiver<Report>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.observer.runs).remove(&self.seq);
    }
}

impl Watch {
    /// The attempt has a newer handle than the platform was asked with.
    pub(super) fn set_handle(&self, handle: RunHandle) {
        if let Some(watched) = lock(&self.observer.runs).get_mut(&self.seq) {
            watched.run.handle = Some(handle.clone());
            // Nor is an older one told any more.
            watched.tell.send_modify(|report| report.handle = Some(handle));
        }
    }

    /// Something was done about the run: it is asked after at once.
    pub(super) fn look_again(&self) {
        let now = self.observer.clock.now();
        if let Some(watched) = lock(&self.observer.runs).get_mut(&self.seq) {
            (watched.due, watched.news_at) = (now, now);
        }
        self.observer.wake.notify_one();
    }
}

impl Observer {
    /// The observer of a platform, whose loop runs from now on.
    pub(super) fn start(runtime: &Arc<Runtime>, platform: Arc<dyn Platform>) -> Arc<Observer> {
        let places = runtime.config.platforms.log_followers.max(1);
        let observer = Arc::new(Observer {
            platform,
            clock: runtime.clock.clone(),
            runs: Mutex::default(),
            wake: Notify::new(),
            followers: Semaphore::new(places),
            last_readers: Semaphore::new(places),
        });
        lock(&runtime.loops).push(tokio::spawn(run(observer.clone())));
        observer
    }

    /// Asks after a run from now on. The first question comes after `first_ms`.
    pub(super) fn watch(self: &Arc<Self>, run: Run, first_ms: u64) -> Watch {
        let now = self.clock.now();
        let (tell, reports) = watch::channel(Report::default());
        let seq = run.name.job.seq();
        let watched =
            Watched { run, due: now.plus_millis(first_ms), news_at: now, breakdowns: 0, asked_alone: false, tell };
        lock(&self.runs).insert(seq, watched);
        self.wake.notify_one();
        Watch { observer: self.clone(), seq, reports }
    }

    fn first_due(&self) -> Option<Timestamp> {
        lock(&self.runs).values().filter(|watched| !watched.asked_alone).map(|watched| watched.due).min()
    }

    /// The runs that are due, or nearly: who is asked a little early needs no call of its own.
    fn due(&self, now: Timestamp) -> Vec<Run> {
        let (mut bytes, mut taken) = (0, 0);
        let runs = lock(&self.runs);
        let nearly = |watched: &&Watched| {
            let early = watched.due.millis_since(watched.news_at) / PATIENCE;
            watched.due <= now.plus_millis(early)
        };
        let together = || runs.values().filter(|watched| watched.breakdowns == 0);
        let is_due = together().any(|watched| watched.due <= now);
        let due = together().filter(nearly).filter(|_| is_due).take(BATCH);
        let within = |watched: &&Watched| {
            bytes += watched.run.handle.as_ref().map_or(0, |handle| handle.0.len());
            taken += 1;
            bytes <= BATCH_BYTES || taken == 1
        };
        due.take_while(within).map(|watched| watched.run.clone()).collect()
    }

    /// The runs that are due and asked after by themselves.
    fn due_alone(&self, now: Timestamp) -> Vec<Run> {
        let mut runs = lock(&self.runs);
        let due = runs.values_mut().filter(|it| it.breakdowns > 0 && !it.asked_alone && it.due <= now);
        due.map(|watched| {
            watched.asked_alone = true;
            watched.run.clone()
        })
        .collect()
    }

    /// The platform broke down over this run alone.
    fn broke_down(&self, run: &Run, error: &ContactError) {
        let breakdowns = {
            let mut runs = lock(&self.runs);
            let Some(watched) = runs.get_mut(&run.name.job.seq()).filter(|it| it.run.name == run.name) else { return };
            watched.breakdowns = watched.breakdowns.saturating_add(1);
            watched.breakdowns
        };
        let pause_ms = (SOONEST_MS << breakdowns.min(20)).min(MOST_PUT_OFF_MS);
        self.lose(std::slice::from_ref(run), error, pause_ms);
    }

    fn saw_all(&self, asked: &[Run], sightings: Vec<Sighting>) {
        let now = self.clock.now();
        for (run, sighting) in asked.iter().zip(sightings) {
            if let Some(watched) = lock(&self.runs).get_mut(&run.name.job.seq()) {
                watched.breakdowns = 0;
            }
            self.saw(run, sighting, now);
        }
    }

    fn saw(&self, run: &Run, sighting: Sighting, now: Timestamp) {
        let mut runs = lock(&self.runs);
        // It may have been forgotten, and another attempt of its job be watched.
        let Some(watched) = runs.get_mut(&run.name.job.seq()).filter(|it| it.run.name == run.name) else { return };
        let before = watched.tell.borrow().clone();
        let mut report = Report { known: true, lost: None, ..before.clone() };
        match sighting.seen {
            Seen::Pending => report.running = false,
            Seen::Running => report.running = true,
            Seen::Ended(outcome) => report.end = Some(End::Outcome(outcome)),
            Seen::Gone => report.end = Some(End::Gone),
            Seen::Unknown(error) => report = Report { lost: Some(error), ..before.clone() },
        }
        // An answer to a question that was asked with another handle knows less than the one that replaced it.
        if let Some(handle) = sighting.handle.filter(|_| watched.run.handle == run.handle) {
            watched.run.handle = Some(handle.clone());
            report.handle = Some(handle);
        }
        // Another handle alone is no news.
        if (Report { handle: None, ..report.clone() }) != (Report { handle: None, ..before.clone() }) {
            watched.news_at = now;
        }
        let pause = (now.millis_since(watched.news_at) / PATIENCE).clamp(SOONEST_MS, LATEST_MS);
        let pause = sighting.ask_after_ms.map_or(pause, |millis| millis.clamp(1, MOST_PUT_OFF_MS));
        // What has ended stays so.
        watched.due = if report.end.is_some() { Timestamp::MAX } else { now.plus_millis(pause) };
        watched.tell.send_if_modified(|told| {
            let news = *told != report;
            *told = report;
            news
        });
    }

    fn lose(&self, asked: &[Run], error: &ContactError, pause_ms: u64) {
        let now = self.clock.now();
        for run in asked {
            let seen = Seen::Unknown(error.clone());
            self.saw(run, Sighting { seen, handle: None, ask_after_ms: Some(pause_ms) }, now);
        }
    }
}

async fn run(observer: Arc<Observer>) {
    let mut pause_ms = SOONEST_MS;
    loop {
        // Register interest, then look, then wait: a run that comes in between is not missed.
        let wake = observer.wake.notified();
        tokio::pin!(wake);
        wake.as_mut().enable();
        let now = observer.clock.now();
        for run in observer.due_alone(now) {
            tokio::spawn(ask_alone(observer.clone(), run));
        }
        let due = observer.due(now);
        if due.is_empty() {
            match observer.first_due().filter(|at| *at < Timestamp::MAX) {
                None => wake.await,
                Some(at) => tokio::select! {
                    () = wake => {}
                    () = observer.clock.sleep_until(at) => {}
                },
            }
            continue;
        }
        pause_ms = match ask(&observer, &due, pause_ms, &mut { FAILURES }).await {
            Answered::Yes => SOONEST_MS,
            Answered::No => (pause_ms * 2).min(LATEST_MS),
        };
    }
}

/// Whether a platform has answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answered {
    Yes,
    No,
}

/// Asks after these runs. Where the platform breaks down over one of them, that one is found; where it breaks down over
/// everything, that is noticed after `patience` questions that came to nothing.
async fn ask(observer: &Observer, runs: &[Run], pause_ms: u64, patience: &mut u32) -> Answered {
    let error = match observer.platform.observe(runs).await {
        Ok(sightings) if sightings.len() == runs.len() => {
            observer.saw_all(runs, sightings);
            return Answered::Yes;
        }
        Ok(sightings) => {
            let message = format!("the platform gave {} answers to {} questions", sightings.len(), runs.len());
            ObserveError { message, may_be_one: false }
        }
        Err(error) => error,
    };
    let contact = ContactError { message: error.message };
    *patience = patience.saturating_sub(1);
    match runs {
        [run] if error.may_be_one && *patience > 0 => observer.broke_down(run, &contact),
        [_, _, ..] if error.may_be_one && *patience > 0 => {
            let (some, others) = runs.split_at(runs.len() / 2);
            let some = Box::pin(ask(observer, some, pause_ms, patience)).await;
            let others = Box::pin(ask(observer, others, pause_ms, patience)).await;
            return if some == Answered::Yes { some } else { others };
        }
        _ => observer.lose(runs, &contact, pause_ms),
    }
    Answered::No
}

/// Asks after a run that the platform breaks down over; it may take its time.
async fn ask_alone(observer: Arc<Observer>, run: Run) {
    ask(&observer, std::slice::from_ref(&run), LATEST_MS, &mut { FAILURES }).await;
    if let Some(watched) = lock(&observer.runs).get_mut(&run.name.job.seq()) {
        watched.asked_alone = false;
    }
    observer.wake.notify_one();
}
