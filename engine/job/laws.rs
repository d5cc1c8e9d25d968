//! The laws of the job machine, held against random lives.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::after::{End, Unmet};
use super::attempt_laws::{check_attempt, check_fence};
use super::effect::{Effect, next_tick, pending_effects};
use super::event::{Event, EventKind, JobFact, fact_of};
use super::outcome::Outcome;
use super::status::{Job, State, Step, Wait};
use super::stories::{Beat, LONGEST, anything, beats, ended, id_of, jobs};
use super::time::Timestamp;
use super::transition::{Illegal, TABLE, Verdict, apply};

type Changes = BTreeSet<(State, EventKind, State)>;

/// A job on its way, with what an observer remembers of it.
struct Life {
    job: Job,
    now: Timestamp,
    /// Somebody was told that it will be cancelled.
    cancel_accepted: bool,
    changes: Changes,
}

impl Life {
    fn begin(job: Job) -> Life {
        check_shape(&job);
        Life { now: job.created_at, job, cancel_accepted: false, changes: Changes::new() }
    }

    /// Everything that could happen now is tried and judged, then what does happen.
    fn live(&mut self, beat: &Beat) {
        self.now = beat.time(&self.job, self.now);
        let event = beat.event(&self.job);
        for other in anything(&self.job, self.now.as_millis() as u32) {
            self.judge(&other);
        }
        check_ticks(&self.job, self.now);
        self.check_end_is_near();
        let was_final = self.job.state().is_final();
        let (accepted, next) = self.judge(&event);
        self.cancel_accepted |= event.kind() == EventKind::Cancel && accepted && !was_final;
        self.job = next.unwrap_or_else(|| self.job.clone());
        if self.cancel_accepted {
            let stops = matches!(self.job.state(), State::Cancelling | State::Cancelled);
            assert!(stops, "cancelled and yet {:?}", self.job.status);
        }
    }

    /// Holds the verdict on `event` to the laws: whether it was accepted, and the job after it.
    fn judge(&mut self, event: &Event) -> (bool, Option<Job>) {
        let verdict = apply(&self.job, event, self.now);
        assert_eq!(verdict, apply(&self.job, event, self.now), "apply is pure");
        check_fence(&self.job, event, &verdict);
        check_final(&self.job, event, &verdict);
        check_repeats(&self.job, event, &verdict);
        match verdict {
            Ok(Verdict::Changed(after)) => {
                self.changes.insert(check_change(&self.job, event, &after, self.now));
                check_shape(&after);
                (true, Some(after))
            }
            Ok(Verdict::Unchanged | Verdict::Late) => (true, None),
            Err(illegal) => {
                let (state, event) = (self.job.state(), event.kind());
                assert_eq!(illegal, Illegal { state, event });
                (false, None)
            }
        }
    }

    /// Liveness: with a little good will every job ends, and soon.
    fn check_end_is_near(&self) {
        let (mut job, mut now) = (self.job.clone(), self.now);
        let longest = 12 + job.status.waits.after.len();
        for _ in 0..longest {
            if job.state().is_final() {
                assert!(!self.cancel_accepted || job.state() == State::Cancelled);
                return;
            }
            let event = help(&job);
            if event == Event::Tick {
                now = now.max(next_tick(&job).unwrap());
            }
            // A claim that comes after a deadline is refused; the tick is due then.
            let verdict = apply(&job, &event, now).or_else(|_| apply(&job, &Event::Tick, now));
            let Ok(Verdict::Changed(next)) = verdict else {
                panic!("{event:?} does not help {:?}: {verdict:?}", job.status)
            };
            job = next;
        }
        panic!("no end after {longest} events: {:?}", job.status);
    }
}

/// What brings a job nearer to its end.
fn help(job: &Job) -> Event {
    match (job.state(), job.status.wait()) {
        (_, Some(Wait::Items)) => Event::ItemsClosed,
        (_, Some(Wait::Release)) => Event::Release,
        (_, Some(Wait::After)) => {
            let before = job.status.waits.after[0];
            Event::Predecessor { id: id_of(before.seq), end: End::Succeeded }
        }
        (_, Some(Wait::Until(_) | Wait::Retry(_))) => Event::Tick,
        (State::Queued, _) => Event::Claim,
        _ => ended(job.status.attempt, Outcome::Succeeded, 0),
    }
}

fn check_final(job: &Job, event: &Event, verdict: &Result<Verdict, Illegal>) {
    if !job.state().is_final() {
        return;
    }
    let changed = matches!(verdict, Ok(Verdict::Changed(_)));
    assert!(!changed, "{event:?} changed the end: {verdict:?}");
    // These are on their way while a job ends; none of them is a mistake.
    let harmless = matches!(event, Event::Cancel { .. } | Event::Tick | Event::Predecessor { .. });
    if harmless {
        assert_eq!(verdict, &Ok(Verdict::Unchanged));
    }
}

/// What was done before or comes too late to matter is no mistake.
fn check_repeats(job: &Job, event: &Event, verdict: &Result<Verdict, Illegal>) {
    let status = &job.status;
    let counts = event.attempt() == Some(status.attempt);
    let nothing_to_do = match event {
        Event::Release => !status.waits.held,
        Event::ItemsClosed => !status.waits.items_open,
        Event::Step { .. } | Event::ItemBegan { .. } => counts && status.state == State::Cancelling,
        _ => false,
    };
    if nothing_to_do && !status.state.is_final() {
        assert_eq!(verdict, &Ok(Verdict::Unchanged), "{event:?} on {status:?}");
    }
}

/// The laws of one change.
fn check_change(before: &Job, event: &Event, after: &Job, now: Timestamp) -> (State, EventKind, State) {
    let (old, new, kind) = (&before.status, &after.status, event.kind());
    assert_eq!(new.rev, old.rev + 1);
    let constant = |job: &Job| (job.id, job.chain, job.created_at, job.spec.clone());
    assert_eq!(constant(before), constant(after));

    let listed = |row: &&(State, EventKind, &[State])| (row.0, row.1) == (old.state, kind);
    let row = TABLE.iter().find(listed);
    let to = row.map_or(&[][..], |row| row.2);
    assert!(to.contains(&new.state), "not in the table: {old:?} {event:?} {new:?}");

    let claimed = u32::from(kind == EventKind::Claim);
    assert_eq!(new.attempt, old.attempt + claimed);
    assert_eq!(new.started_at, old.started_at.or((claimed > 0).then_some(now)));
    if claimed > 0 {
        assert!(next_tick(before).is_none_or(|due| due > now), "claimed after a deadline");
    }
    let finished_at = new.state.is_final().then_some(now);
    assert_eq!((old.finished_at, new.finished_at), (None, finished_at));
    if new.state == State::Queued {
        assert_eq!(new.ready_at, now);
    }
    check_waits(before, event, after, now);
    check_attempt(before, event, after, now);
    let words = (poller_rank(before), poller_rank(after));
    assert!(words.0 <= words.1, "a poller sees it go backwards: {words:?}");
    check_fact(before, after);
    (old.state, kind, new.state)
}

/// Nothing is waited for in vain, and nothing is forgotten: each wait is ended by its own event.
fn check_waits(before: &Job, event: &Event, after: &Job, now: Timestamp) {
    let (old, new) = (&before.status.waits, &after.status.waits);
    if before.state() != State::Waiting || after.state().is_final() {
        return;
    }
    let mut expected = old.clone();
    match event {
        Event::Release => expected.held = false,
        Event::ItemsClosed => expected.items_open = false,
        Event::ItemsAdded(_) => assert!(old.items_open),
        Event::Tick => expected.until = old.until.filter(|until| *until > now),
        Event::Predecessor { id, end } => {
            let at = old.after.iter().position(|before| before.seq == id.seq()).unwrap();
            let on = expected.after.remove(at).on;
            if let Some(on) = on.filter(|on| !on.holds(*end)) {
                let unmet = Unmet { job: *id, on, end: *end };
                let first = |known: Unmet| if known.job.seq() <= id.seq() { known } else { unmet };
                expected.unmet = Some(old.unmet.map_or(unmet, first));
            }
            assert!(!new.after.is_empty() || new.unmet.is_none(), "skipped when all is over");
        }
        other => panic!("{other:?} ends no wait"),
    }
    expected.retry = new.retry;
    assert_eq!(new, &expected, "{event:?}");
}

fn check_fact(before: &Job, after: &Job) {
    let (old, new) = (&before.status, &after.status);
    match fact_of(before, after) {
        Some(JobFact::Finished { state, reason }) => {
            assert_eq!((state, reason), (new.state, new.reason.clone()));
        }
        Some(JobFact::AttemptFailed { attempt, retry_at, .. }) => {
            assert_eq!((attempt, retry_at), (old.attempt, new.waits.until));
        }
        Some(JobFact::Started { attempt }) => assert_eq!(attempt, old.attempt + 1),
        Some(_) => assert!(!new.state.is_final()),
        None => assert_eq!(old.state, new.state, "an untold change of state"),
    }
}

/// The laws of every job at rest.
fn check_shape(job: &Job) {
    let status = &job.status;
    let state = status.state;
    let runs = matches!(state, State::Running | State::Cancelling);
    assert_eq!(status.wait().is_some(), state == State::Waiting, "{status:?}");
    assert_eq!(status.waits.is_over(), state != State::Waiting, "{status:?}");
    assert_eq!(status.step.is_some(), state == State::Running);
    assert_eq!(status.stopping.is_some(), state == State::Cancelling);
    assert_eq!(status.finished_at.is_some(), state.is_final());
    assert!(runs || status.handle.is_none() && status.lost_since.is_none());
    let explained = status.reason.is_some();
    match state {
        State::Succeeded | State::Running => assert!(!explained),
        State::Waiting | State::Queued => assert_eq!(explained, status.attempt > 0),
        _ => assert!(explained, "{state} without a reason"),
    }
    assert!(!status.waits.retry || status.attempt > 0);
    assert_eq!(status.started_at.is_some(), status.attempt > 0);
    assert_eq!(status.attempt_started_at.is_some(), status.attempt > 0);

    let retry = &job.spec.retry;
    let uncounted = status.interruptions + status.handed_back;
    assert!(uncounted <= status.attempt);
    assert!(status.attempt <= retry.max_attempts + uncounted);
    assert!(status.interruptions <= retry.max_interruptions);
    let items = status.items;
    assert!(items.adds_up(), "{items:?}");
    assert!(runs || items.running == 0);
    let dropped_all = items.pending + items.running == 0;
    assert!(!state.is_final() || dropped_all, "{items:?}");
    assert!(state.is_final() || items.dropped == 0);
    check_effects(job);
    check_deadlines(job);
}

fn check_effects(job: &Job) {
    let attempt = job.status.attempt;
    let effects: Vec<Effect> = pending_effects(job).collect();
    assert_eq!(effects, pending_effects(&job.clone()).collect::<Vec<_>>());
    let main = match job.state() {
        State::Waiting => None,
        State::Queued => Some(Effect::Offer),
        State::Running if job.status.step == Some(Step::Preparing) => Some(Effect::Start { attempt }),
        State::Running => Some(Effect::Observe { attempt }),
        State::Cancelling => Some(Effect::Stop { attempt }),
        _ => Some(Effect::TellSuccessors),
    };
    let tick = next_tick(job).map(Effect::TickAt);
    assert!(tick.is_none() || !job.state().is_final());
    assert_eq!(effects, main.into_iter().chain(tick).collect::<Vec<_>>());
}

/// No tick too early, none for nothing, and no loop of ticks.
fn check_ticks(job: &Job, now: Timestamp) {
    let Some(due) = next_tick(job) else {
        assert_eq!(apply(job, &Event::Tick, Timestamp::MAX), Ok(Verdict::Unchanged));
        return;
    };
    if let Some(early) = due.as_millis().checked_sub(1) {
        let verdict = apply(job, &Event::Tick, Timestamp::from_millis(early));
        assert_eq!(verdict, Ok(Verdict::Unchanged), "before {due}");
    }
    for time in [due, due.max(now), Timestamp::MAX] {
        let mut ticked = job.clone();
        let mut ticks = 0;
        while next_tick(&ticked).is_some_and(|due| due <= time) {
            let verdict = apply(&ticked, &Event::Tick, time);
            let Ok(Verdict::Changed(next)) = verdict else {
                panic!("a tick that is due changes nothing: {:?}", ticked.status)
            };
            ticked = next;
            ticks += 1;
            assert!(ticks <= 5, "{:?}", ticked.status);
        }
        assert!(ticks > 0);
    }
}

/// Every deadline whose clock runs is kept by a tick.
fn check_deadlines(job: &Job) {
    let deadlines = &job.spec.deadlines;
    let clocks = [
        (&[State::Waiting, State::Queued, State::Running][..], Some(job.created_at), deadlines.total_ms),
        (&[State::Queued], Some(job.status.ready_at), deadlines.queue_ms),
        (&[State::Running], job.status.attempt_started_at, deadlines.attempt_ms),
        (&[State::Running, State::Cancelling], job.status.lost_since, deadlines.lost_ms),
    ];
    for (states, from, millis) in clocks {
        if let (true, Some(from), Some(millis)) = (states.contains(&job.state()), from, millis) {
            let due = next_tick(job);
            assert!(due.is_some_and(|due| due <= from.plus_millis(millis)));
        }
    }
}

/// How far a job is in the words of two public flavours; what rises only, never goes backwards.
/// One says Started, InProgress and the end; the other knows no job that still waits, then says Pending,
/// Running and Finished.
fn poller_rank(job: &Job) -> (u8, u8) {
    let begun = job.status.attempt > 0;
    match job.state() {
        State::Waiting if !begun => (0, 0),
        State::Queued if !begun => (0, 1),
        State::Waiting | State::Queued | State::Running | State::Cancelling => (1, 2),
        State::Succeeded | State::Failed | State::Cancelled | State::TimedOut => (2, 3),
    }
}

fn live(job: Job, beats: &[Beat]) -> Life {
    let mut life = Life::begin(job);
    for beat in beats {
        life.live(beat);
    }
    life
}

proptest! {
    #![proptest_config(Config { cases: 3_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn every_life_keeps_the_laws(job in jobs(), beats in beats()) {
        live(job, &beats);
    }
}

#[test]
fn every_row_of_the_table_is_lived() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut changes = Changes::new();
    for _ in 0..3_000 {
        let job = jobs().new_tree(&mut runner).unwrap().current();
        let beats = beats().new_tree(&mut runner).unwrap().current();
        assert!(beats.len() < LONGEST);
        changes.extend(live(job, &beats).changes);
    }
    let rows = TABLE.iter();
    let targets = |row: &(State, EventKind, &'static [State])| {
        let (from, kind, to) = *row;
        to.iter().map(move |to| (from, kind, *to))
    };
    let listed: Changes = rows.clone().flat_map(targets).collect();
    assert_eq!(listed.len(), rows.map(|row| row.2.len()).sum::<usize>(), "a row is there twice");
    let never: Vec<_> = listed.difference(&changes).collect();
    assert!(never.is_empty(), "never happened: {never:?}");
}
