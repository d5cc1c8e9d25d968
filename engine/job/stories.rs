//! Random lives for the laws: which jobs are asked for, and what happens to them.

use std::sync::Arc;

use proptest::prelude::*;

use super::after::{Before, End, On};
use super::effect::next_tick;
use super::event::Event;
use super::id::JobId;
use super::outcome::{Outcome, OutcomeKind};
use super::retry::{Backoff, RetryOn, RetryPolicy};
use super::spec::{Deadlines, JobSpec, OnCrash};
use super::status::{Job, RunHandle, State, Step};
use super::time::Timestamp;

/// When every life begins.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_000_000);

/// The most events of one life.
pub(crate) const LONGEST: usize = 60;

/// How the time moves before an event.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Jump {
    Forward(u64),
    /// Clocks are set back.
    Back(u64),
    /// To the time at which a tick is due.
    ToTick,
    /// To the last moment before that.
    BeforeTick,
}

/// One thing that happens. What it is depends on the job too, so that most of what happens is legal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beat {
    jump: Jump,
    choice: u8,
    data: u32,
}

impl Beat {
    pub(crate) fn time(&self, job: &Job, now: Timestamp) -> Timestamp {
        let due = next_tick(job).unwrap_or(now);
        match self.jump {
            Jump::Forward(millis) => now.plus_millis(millis),
            Jump::Back(millis) => Timestamp::from_millis(now.as_millis().saturating_sub(millis)),
            Jump::ToTick => due.max(now),
            Jump::BeforeTick => Timestamp::from_millis(due.as_millis().saturating_sub(1)).max(now),
        }
    }

    pub(crate) fn event(&self, job: &Job) -> Event {
        let all = anything(job, self.data);
        let likely = likely(job, self.data);
        let choice = usize::from(self.choice);
        if choice % 8 == 0 || likely.is_empty() {
            all[choice / 8 % all.len()].clone()
        } else {
            likely[choice % likely.len()].clone()
        }
    }
}

pub(crate) fn beats() -> impl Strategy<Value = Vec<Beat>> {
    let jump = prop_oneof![
        4 => Just(Jump::Forward(0)),
        4 => (1_u64..20).prop_map(Jump::Forward),
        1 => (1_u64..100_000).prop_map(Jump::Forward),
        1 => prop_oneof![Just(1 << 40), Just(u64::MAX)].prop_map(Jump::Forward),
        1 => (1_u64..2_000).prop_map(Jump::Back),
        2 => Just(Jump::ToTick),
        1 => Just(Jump::BeforeTick),
    ];
    let beat = (jump, any::<u8>(), any::<u32>());
    let beat = beat.prop_map(|(jump, choice, data)| Beat { jump, choice, data });
    proptest::collection::vec(beat, 0..LONGEST)
}

pub(crate) fn jobs() -> impl Strategy<Value = Job> {
    let waits = (any::<bool>(), any::<bool>(), start(), 0_u64..=4, 0_u8..4);
    let limits = (deadlines(), retries(), any::<bool>());
    (waits, limits).prop_map(|(waits, (deadlines, retry, fail))| {
        let (hold, open_items, start_at, after, plain) = waits;
        let mut spec = JobSpec::process("true", [] as [&str; 0]);
        spec.deadlines = deadlines;
        spec.retry = retry;
        spec.on_crash = if fail { OnCrash::Fail } else { OnCrash::Rerun };
        let mut before = Vec::new();
        // A quarter of the jobs waits for nothing, so that many lives are spent running.
        if plain > 0 {
            (spec.hold, spec.open_items, spec.start_at) = (hold, open_items, start_at);
            // What the conditions are depends on the jobs alone, so all are met.
            let on = |seq: u64| {
                [None, Some(On::Success), Some(On::Failure), Some(On::Always)][(seq + u64::from(plain)) as usize % 4]
            };
            before = (1..=after).map(|seq| Before { seq, on: on(seq) }).collect();
        }
        Job::accept(id_of(100), None, Arc::new(spec), before, START)
    })
}

fn start() -> impl Strategy<Value = Option<Timestamp>> {
    let at = prop_oneof![Just(0), Just(START.as_millis()), 1_000_001_u64..1_000_100];
    proptest::option::of(at.prop_map(Timestamp::from_millis))
}

fn deadlines() -> impl Strategy<Value = Deadlines> {
    let millis = || {
        prop_oneof![
            4 => Just(None),
            1 => prop_oneof![Just(1), 2_u64..30, Just(10_000), Just(u64::MAX)].prop_map(Some),
        ]
    };
    let lost = prop_oneof![1 => Just(None), 1 => (1_u64..200).prop_map(Some)];
    (millis(), millis(), millis(), lost).prop_map(|(queue_ms, attempt_ms, total_ms, lost_ms)| Deadlines {
        queue_ms,
        attempt_ms,
        total_ms,
        lost_ms,
    })
}

fn retries() -> impl Strategy<Value = RetryPolicy> {
    // All but the last, which a submission may not name.
    let allowed = &OutcomeKind::ALL[..OutcomeKind::ALL.len() - 1];
    let kinds = proptest::sample::subsequence(allowed, 0..=allowed.len());
    let codes = proptest::sample::subsequence(vec![1, 2, 75], 0..=3);
    let only = (kinds, codes).prop_map(|(kinds, exit_codes)| RetryOn::Only { kinds, exit_codes });
    let on = prop_oneof![Just(RetryOn::Any), only];
    let backoff = (prop_oneof![Just(0), 1_u64..2_000], 100_u32..=1_000, 0_u64..5_000, 0_u32..=100);
    (1_u32..=5, 0_u32..=3, backoff, on).prop_map(|(max_attempts, max_interruptions, backoff, on)| {
        let (initial_ms, factor_percent, max_ms, jitter_percent) = backoff;
        let backoff = Backoff { initial_ms, factor_percent, max_ms, jitter_percent };
        RetryPolicy { max_attempts, max_interruptions, backoff, on }
    })
}

pub(crate) fn id_of(seq: u64) -> JobId {
    JobId::new(seq, START, 7)
}

/// One event of every kind, those kinds that matter in several forms, and the reports of every attempt: the
/// current one, the one before, one to come, and none.
pub(crate) fn anything(job: &Job, data: u32) -> Vec<Event> {
    let attempt = job.status.attempt;
    let mut all = vec![
        Event::Release,
        Event::ItemsAdded(data % 4),
        Event::ItemsAdded(u32::MAX),
        Event::ItemsClosed,
        predecessor(data, ENDS[data as usize % 5]),
        predecessor(data, End::Succeeded),
        Event::Tick,
        Event::Claim,
        cancel(data),
    ];
    for attempt in [attempt, attempt.saturating_sub(1), attempt + 1 + data % 2, 0] {
        all.extend(reports(attempt, data));
        all.push(ended(attempt, Outcome::Succeeded, data));
        all.push(give_up(attempt, data));
    }
    all
}

/// Everything that an attempt can report; its end is the last.
fn reports(attempt: u32, data: u32) -> Vec<Event> {
    let steps = [Step::Preparing, Step::Executing, Step::Finalizing];
    vec![
        Event::Step { attempt, step: steps[data as usize % 3] },
        Event::Checkpoint { attempt, handle: RunHandle(vec![data as u8 % 3]) },
        Event::ItemBegan { attempt },
        Event::ItemEnded { attempt, succeeded: data.is_multiple_of(2) },
        Event::ContactLost { attempt },
        Event::ContactFound { attempt },
        ended(attempt, outcome(data), data),
    ]
}

fn likely(job: &Job, data: u32) -> Vec<Event> {
    let attempt = job.status.attempt;
    let mut likely = reports(attempt, data);
    let rarely = data.is_multiple_of(5);
    let now = |event: Event| if rarely { cancel(data) } else { event };
    match job.status.state {
        State::Waiting => vec![
            Event::Release,
            Event::ItemsAdded(data % 4),
            now(Event::ItemsClosed),
            predecessor(data, End::Succeeded),
            predecessor(data / 4, End::Succeeded),
            predecessor(data, ENDS[if rarely { data as usize / 5 % 5 } else { 0 }]),
            Event::Tick,
        ],
        State::Queued => vec![Event::Claim, now(Event::Claim), Event::Tick],
        State::Running => {
            let fails = ended(attempt, outcome(data), data);
            likely.extend([Event::ItemsAdded(2), Event::Tick]);
            likely.extend([fails.clone(), now(fails), now(give_up(attempt, data))]);
            likely
        }
        State::Cancelling => {
            likely.push(ended(attempt, Outcome::Succeeded, data));
            likely.extend([Event::Tick, cancel(data), give_up(attempt, data)]);
            likely
        }
        _ => anything(job, data),
    }
}

fn predecessor(data: u32, end: End) -> Event {
    let id = id_of(1 + u64::from(data % 5));
    Event::Predecessor { id, end }
}

const ENDS: [End; 5] = [End::Succeeded, End::Failed, End::TimedOut, End::Cancelled, End::Skipped];

fn cancel(data: u32) -> Event {
    let by = format!("user {}", data % 3);
    Event::Cancel { by }
}

fn give_up(attempt: u32, data: u32) -> Event {
    let by = format!("operator {}", data % 3);
    Event::GiveUp { attempt, by }
}

pub(crate) fn ended(attempt: u32, outcome: Outcome, roll: u32) -> Event {
    Event::Ended { attempt, outcome, roll }
}

fn outcome(data: u32) -> Outcome {
    let message = "went wrong".to_owned();
    let permanent = data.is_multiple_of(3);
    match data / 8 % 11 {
        0 => Outcome::Succeeded,
        1 => Outcome::Signal { signal: 9 },
        2 => Outcome::OutOfMemory,
        3 => Outcome::Panicked { message },
        4 => Outcome::Error { message, permanent },
        5 => Outcome::NotStarted { message, permanent },
        6 => Outcome::Stopped,
        7 => Outcome::Interrupted,
        8 => Outcome::HandedBack,
        _ => Outcome::Exit { code: if permanent { 75 } else { 1 } },
    }
}
