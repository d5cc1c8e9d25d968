//! What the engine should do, told a second time and as simply as it can be: no store, no tasks, one instant after
//! the other. Written from the documentation, not from `engine/job/transition.rs`.
//!
//! Two things are left to the engine and checked for their limits: which of the ready jobs of a full queue get its
//! slots, and the random part of a retry delay.

mod successors;

use std::collections::{BTreeMap, VecDeque};

use windlass::job::{
    Deadline, End, Job, JobId, JobSpec, On, OnCrash, Outcome, Reason, RetryOn, Seq, State, Task, Timestamp, Wait,
};

/// One job as it should be.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) id: JobId,
    pub(crate) chain: Option<JobId>,
    /// With all options, those of the request included.
    pub(crate) spec: JobSpec,
    pub(crate) state: State,
    pub(crate) attempt: u32,
    pub(crate) interruptions: u32,
    pub(crate) handed_back: u32,
    pub(crate) created: Timestamp,
    pub(crate) ready: Timestamp,
    pub(crate) started: Option<Timestamp>,
    pub(crate) attempt_started: Option<Timestamp>,
    pub(crate) finished: Option<Timestamp>,
    pub(crate) open: bool,
    pub(crate) held: bool,
    pub(crate) after: BTreeMap<Seq, Option<On>>,
    /// Ends that did not fit, by the jobs that they were of.
    pub(crate) unmet: BTreeMap<JobId, (On, End)>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) is_retry: bool,
    pub(crate) reason: Option<Reason>,
    pub(crate) stop: Option<Cause>,
    pub(crate) lost: Option<Timestamp>,
    pub(crate) items: u32,
    pub(crate) run: Option<Run>,
    pub(crate) output: Option<Vec<u8>>,
}

/// Why an attempt is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Cancel,
    Deadline(Deadline),
}

/// An attempt under way.
#[derive(Clone, Debug)]
pub(crate) enum Run {
    /// On the platform of the test. `watched`: the engine hears of its end at once.
    Far { ended: Option<Outcome>, there: bool, watched: bool },
    /// A function that sleeps; it is dropped when its grace time is over.
    Call { ends: Timestamp, dropped: Option<Timestamp> },
}

/// The whole engine as it should be.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) jobs: BTreeMap<Seq, Told>,
    pub(crate) now: Timestamp,
    pub(crate) slots: BTreeMap<&'static str, usize>,
    pub(crate) cut: bool,
    pub(crate) refusing: bool,
    pub(crate) ignoring_stops: bool,
    /// Ends that successors have not heard of yet.
    pub(crate) ends: VecDeque<(JobId, End)>,
}

/// What the functions of the test do, by name and input.
struct Call {
    sleeps_ms: u64,
    polite: bool,
    outcome: Outcome,
    output: Option<Vec<u8>>,
}

fn call_of(job: &Told) -> Option<Call> {
    let Task::Function(task) = &job.spec.task else { return None };
    let number = || serde_json::from_slice::<u64>(&task.input).unwrap();
    let mut call = Call { sleeps_ms: 0, polite: false, outcome: Outcome::Succeeded, output: None };
    match task.name.as_str() {
        "echo" => call.output = Some(task.input.clone()),
        "flaky" if u64::from(job.attempt) < number() => {
            call.outcome = Outcome::Error { message: "not yet".into(), permanent: false };
        }
        "hopeless" => call.outcome = Outcome::Error { message: "never".into(), permanent: true },
        "panics" => call.outcome = Outcome::Panicked { message: "told to".into() },
        "sleeps" => call.sleeps_ms = number(),
        "polite" => (call.sleeps_ms, call.polite) = (number(), true),
        _ => {}
    }
    Some(call)
}

impl Told {
    pub(crate) fn accept(
        id: JobId,
        chain: Option<JobId>,
        spec: JobSpec,
        after: BTreeMap<Seq, Option<On>>,
        now: Timestamp,
    ) -> Told {
        let mut job = Told {
            id,
            chain,
            state: State::Waiting,
            attempt: 0,
            interruptions: 0,
            handed_back: 0,
            created: now,
            ready: now,
            started: None,
            attempt_started: None,
            finished: None,
            open: spec.open_items,
            held: spec.hold,
            after,
            unmet: BTreeMap::new(),
            until: spec.start_at.filter(|at| *at > now),
            is_retry: false,
            reason: None,
            stop: None,
            lost: None,
            items: 0,
            run: None,
            output: None,
            spec,
        };
        job.queue_if_ready(now);
        job
    }

    fn queue_if_ready(&mut self, now: Timestamp) {
        if !self.open && !self.held && self.after.is_empty() && self.until.is_none() {
            (self.state, self.ready, self.is_retry) = (State::Queued, now, false);
        }
    }

    pub(crate) fn wait(&self) -> Option<Wait> {
        if self.state != State::Waiting {
            None
        } else if self.open {
            Some(Wait::Items)
        } else if self.held {
            Some(Wait::Release)
        } else if !self.after.is_empty() {
            Some(Wait::After)
        } else {
            self.until.map(|at| if self.is_retry { Wait::Retry(at) } else { Wait::Until(at) })
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        matches!(self.state, State::Running | State::Cancelling)
    }

    fn is_past(&self, deadline: Deadline, now: Timestamp) -> bool {
        let limits = &self.spec.deadlines;
        let (from, most) = match deadline {
            Deadline::Queue => (Some(self.ready), limits.queue_ms),
            Deadline::Attempt => (self.attempt_started, limits.attempt_ms),
            Deadline::Total => (Some(self.created), limits.total_ms),
            Deadline::Lost => (self.lost, limits.lost_ms),
        };
        matches!((from, most), (Some(from), Some(most)) if from.plus_millis(most) <= now)
    }

    /// Everything a caller may see of it, next to what the engine shows.
    pub(crate) fn compare(&self, shown: &Job) {
        let status = &shown.status;
        let seen = (status.state, status.attempt, status.interruptions, status.handed_back, status.reason.clone());
        let told = (self.state, self.attempt, self.interruptions, self.handed_back, self.reason.clone());
        assert_eq!(seen, told, "{}: the engine, then the model {self:#?}", self.id);
        let times = |created, started, attempt, finished| (created, started, attempt, finished);
        assert_eq!(
            times(shown.created_at, status.started_at, status.attempt_started_at, status.finished_at),
            times(self.created, self.started, self.attempt_started, self.finished),
            "times of {}: the engine, then the model {self:#?}",
            self.id
        );
        assert_eq!(status.wait(), self.wait(), "wait of {}: the engine, then the model {self:#?}", self.id);
        assert_eq!((status.lost_since, status.items.total), (self.lost, self.items), "{self:#?}");
        assert_eq!((shown.id, shown.chain), (self.id, self.chain));
        assert!(status.items.adds_up() && shown.spec.options.is_empty());
        let public = JobSpec { options: Default::default(), ..self.spec.clone() };
        assert_eq!(*shown.spec, public);
    }
}

impl Model {
    pub(crate) fn job(&self, id: JobId) -> &Told {
        &self.jobs[&id.seq()]
    }

    pub(crate) fn job_mut(&mut self, id: JobId) -> &mut Told {
        self.jobs.get_mut(&id.seq()).unwrap()
    }

    pub(crate) fn ids(&self, wanted: impl Fn(&Told) -> bool) -> Vec<JobId> {
        self.jobs.values().filter(|job| wanted(job)).map(|job| job.id).collect()
    }

    pub(crate) fn slots(&self, queue: &str) -> usize {
        self.slots.get(queue).copied().unwrap_or(usize::MAX)
    }

    pub(crate) fn free_slots(&self, queue: &str) -> usize {
        let used = self.jobs.values().filter(|job| job.spec.queue == queue && job.is_active()).count();
        assert!(used <= self.slots(queue), "the queue {queue} has {used} attempts under way");
        self.slots(queue) - used
    }

    /// The time is `now`: what is due happens, and functions do what they do.
    pub(crate) fn at(&mut self, now: Timestamp) {
        self.now = now;
        for id in self.ids(|_| true) {
            self.end_sleep(id);
            self.tick(id);
        }
        self.run_functions();
    }

    fn end_sleep(&mut self, id: JobId) {
        let now = self.now;
        match self.job(id).run {
            Some(Run::Call { ends, .. }) if ends <= now => self.end_call(id),
            Some(Run::Call { dropped: Some(at), .. }) if at <= now => self.ended(id, Outcome::Stopped),
            _ => {}
        }
    }

    fn end_call(&mut self, id: JobId) {
        let Call { outcome, output, .. } = call_of(self.job(id)).unwrap();
        if outcome == Outcome::Succeeded && self.job(id).stop != Some(Cause::Cancel) {
            self.job_mut(id).output = output;
        }
        self.ended(id, outcome);
    }

    fn tick(&mut self, id: JobId) {
        let now = self.now;
        let job = self.job_mut(id);
        let past = |deadline| job.is_past(deadline, now);
        match job.state {
            State::Waiting | State::Queued if past(Deadline::Total) => self.time_out(id, Deadline::Total),
            State::Queued if past(Deadline::Queue) => self.time_out(id, Deadline::Queue),
            State::Running if past(Deadline::Total) => self.stop(id, Cause::Deadline(Deadline::Total), None),
            State::Running if past(Deadline::Attempt) => self.stop(id, Cause::Deadline(Deadline::Attempt), None),
            State::Waiting if job.until.is_some_and(|at| at <= now) => {
                job.until = None;
                job.queue_if_ready(now);
            }
            _ => {}
        }
    }

    fn time_out(&mut self, id: JobId, deadline: Deadline) {
        self.finish(id, State::TimedOut, Some(Reason::Deadline(deadline)));
    }

    /// Queues of functions have slots for all. What does not sleep is over in the instant in which it begins.
    pub(crate) fn run_functions(&mut self) {
        loop {
            let ready = self.ids(|job| job.state == State::Queued && matches!(job.spec.task, Task::Function(_)));
            if ready.is_empty() {
                return;
            }
            for id in ready {
                self.claim(id);
            }
        }
    }

    /// An attempt begins.
    pub(crate) fn claim(&mut self, id: JobId) {
        let now = self.now;
        let queue = self.job(id).spec.queue.clone();
        assert!(self.free_slots(&queue) > 0, "{id} was started without a slot");
        let job = self.job_mut(id);
        assert_eq!(job.state, State::Queued, "{id} was started");
        assert!(!job.is_past(Deadline::Queue, now) && !job.is_past(Deadline::Total, now), "{id} was started late");
        job.state = State::Running;
        job.attempt += 1;
        job.reason = None;
        job.started.get_or_insert(now);
        job.attempt_started = Some(now);
        match call_of(job) {
            Some(call) if call.sleeps_ms == 0 => self.end_call(id),
            Some(call) => job.run = Some(Run::Call { ends: now.plus_millis(call.sleeps_ms), dropped: None }),
            None if self.refusing => {
                self.ended(id, Outcome::NotStarted { message: "the platform is full".into(), permanent: false });
            }
            None => {
                let watched = !self.cut;
                let lost = self.cut.then_some(now);
                let job = self.job_mut(id);
                (job.run, job.lost) = (Some(Run::Far { ended: None, there: true, watched }), lost);
            }
        }
    }

    /// A run on the platform ends, or is lost by it when there is no outcome.
    pub(crate) fn far_end(&mut self, id: JobId, outcome: Option<Outcome>) {
        let job = self.job_mut(id);
        let Some(Run::Far { ended, there, watched }) = &mut job.run else { panic!("{id} has no run") };
        (*there, *ended) = (outcome.is_some(), outcome);
        if *watched {
            let outcome = ended.clone().unwrap_or(Outcome::Interrupted);
            self.ended(id, outcome);
        }
    }

    /// The engine reaches the platform again and asks for a run.
    pub(crate) fn found(&mut self, id: JobId) {
        let ignoring = self.ignoring_stops;
        let job = self.job_mut(id);
        job.lost = None;
        let stopping = job.stop.is_some();
        let Some(Run::Far { ended, there, watched }) = &mut job.run else { panic!("{id} has no run") };
        *watched = true;
        match ended.clone() {
            Some(outcome) => self.ended(id, outcome),
            None if !*there && stopping => self.ended(id, Outcome::Stopped),
            None if !*there => self.ended(id, Outcome::Interrupted),
            None if stopping && !ignoring => self.ended(id, Outcome::Stopped),
            None => {}
        }
    }

    pub(crate) fn cancel(&mut self, id: JobId, by: &str) {
        let job = self.job(id);
        match (job.state, job.stop) {
            (State::Running | State::Cancelling, Some(Cause::Cancel)) => {}
            (State::Running | State::Cancelling, _) => self.stop(id, Cause::Cancel, Some(by)),
            (state, _) if state.is_final() => {}
            _ => self.finish(id, State::Cancelled, Some(Reason::CancelledBy(by.into()))),
        }
    }

    fn stop(&mut self, id: JobId, cause: Cause, by: Option<&str>) {
        let (now, cut, ignoring) = (self.now, self.cut, self.ignoring_stops);
        let job = self.job_mut(id);
        let is_first = job.stop.replace(cause).is_none();
        job.state = State::Cancelling;
        job.reason = Some(match cause {
            Cause::Cancel => Reason::CancelledBy(by.unwrap_or_default().into()),
            Cause::Deadline(deadline) => Reason::Deadline(deadline),
        });
        if !is_first {
            return;
        }
        let polite = call_of(job).is_some_and(|call| call.polite);
        let grace_ms = job.spec.stop_grace_ms;
        match &mut job.run {
            Some(Run::Call { .. }) if polite => self.end_call(id),
            Some(Run::Call { .. }) if grace_ms == 0 => self.ended(id, Outcome::Stopped),
            Some(Run::Call { dropped, .. }) => *dropped = Some(now.plus_millis(grace_ms)),
            Some(Run::Far { watched, .. }) if *watched && cut => {
                *watched = false;
                job.lost = Some(now);
            }
            Some(Run::Far { watched: true, .. }) if !ignoring => self.ended(id, Outcome::Stopped),
            _ => {}
        }
    }

    pub(crate) fn release(&mut self, id: JobId) {
        let now = self.now;
        let job = self.job_mut(id);
        if job.state == State::Waiting && std::mem::take(&mut job.held) {
            job.queue_if_ready(now);
        }
    }

    pub(crate) fn close_items(&mut self, id: JobId) {
        let now = self.now;
        let job = self.job_mut(id);
        if job.state == State::Waiting && std::mem::take(&mut job.open) {
            job.queue_if_ready(now);
        }
    }

    /// How an attempt ended, and what that makes of its job.
    fn ended(&mut self, id: JobId, outcome: Outcome) {
        let job = self.job(id);
        let again = job.spec.on_crash == OnCrash::Rerun;
        match (job.stop, &outcome) {
            (Some(Cause::Cancel), _) => self.finish(id, State::Cancelled, job.reason.clone()),
            (_, Outcome::Succeeded) => self.finish(id, State::Succeeded, None),
            (Some(Cause::Deadline(Deadline::Attempt)), _) => self.retry_or(id, &outcome, State::TimedOut),
            (Some(Cause::Deadline(deadline)), _) => self.time_out(id, deadline),
            (None, Outcome::HandedBack) if again => self.requeue(id, |job| job.handed_back += 1),
            (None, Outcome::Interrupted) if again && job.interruptions < job.spec.retry.max_interruptions => {
                self.requeue(id, |job| job.interruptions += 1);
            }
            (None, Outcome::HandedBack | Outcome::Interrupted) => {
                self.finish(id, State::Failed, Some(Reason::Interrupted));
            }
            (None, _) => self.retry_or(id, &outcome, State::Failed),
        }
    }

    fn requeue(&mut self, id: JobId, count: impl Fn(&mut Told)) {
        let now = self.now;
        let job = self.job_mut(id);
        count(job);
        (job.reason, job.lost, job.run, job.stop) = (Some(Reason::Interrupted), None, None, None);
        job.queue_if_ready(now);
    }

    fn retry_or(&mut self, id: JobId, outcome: &Outcome, end: State) {
        let now = self.now;
        let timed_out = end == State::TimedOut;
        let job = self.job_mut(id);
        let reason = if timed_out { Some(Reason::Deadline(Deadline::Attempt)) } else { outcome.reason() };
        let counted = job.attempt - job.interruptions - job.handed_back;
        let worth = match (&job.spec.retry.on, outcome) {
            (RetryOn::Any, _) => true,
            (RetryOn::Only { kinds, .. }, _) if timed_out => kinds.contains(&windlass::job::OutcomeKind::TimedOut),
            (RetryOn::Only { exit_codes, .. }, Outcome::Exit { code }) if exit_codes.contains(code) => true,
            (RetryOn::Only { kinds, .. }, outcome) => outcome.kind().is_some_and(|kind| kinds.contains(&kind)),
        };
        let permanent = !timed_out
            && matches!(outcome, Outcome::Error { permanent: true, .. } | Outcome::NotStarted { permanent: true, .. });
        if counted >= job.spec.retry.max_attempts || !worth || permanent {
            return self.finish(id, end, reason);
        }
        let backoff = job.spec.retry.backoff;
        let grown = (1..counted)
            .fold(backoff.initial_ms, |delay, _| (delay * u64::from(backoff.factor_percent) / 100).min(backoff.max_ms));
        let delay = grown.min(backoff.max_ms);
        (job.state, job.reason, job.lost, job.run, job.stop) = (State::Waiting, reason, None, None, None);
        (job.until, job.is_retry) = ((delay > 0).then(|| now.plus_millis(delay)), true);
        job.queue_if_ready(now);
    }

    /// The engine was away, politely or not, and is back.
    pub(crate) fn reopened(&mut self, politely: bool) {
        for id in self.ids(Told::is_active) {
            let stopping = self.job(id).stop.is_some();
            let (now, cut) = (self.now, self.cut);
            match &mut self.job_mut(id).run {
                Some(Run::Call { .. }) if politely => self.ended(id, Outcome::HandedBack),
                Some(Run::Call { .. }) if stopping => self.ended(id, Outcome::Stopped),
                Some(Run::Call { .. }) => self.ended(id, Outcome::Interrupted),
                Some(Run::Far { watched, .. }) if cut => {
                    *watched = false;
                    self.job_mut(id).lost.get_or_insert(now);
                }
                Some(Run::Far { .. }) => self.found(id),
                None => panic!("{id} is active and has no run"),
            }
        }
        self.run_functions();
    }

    /// Where starts are refused, whatever is ready and gets a slot fails at once.
    pub(crate) fn refuse_ready(&mut self) {
        while let Some(id) =
            self.ids(|job| job.state == State::Queued && self.free_slots(&job.spec.queue) > 0).first().copied()
        {
            self.claim(id);
        }
    }
}
