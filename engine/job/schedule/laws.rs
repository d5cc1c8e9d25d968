//! The laws of schedules, held against random lives and a simple model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{CatchUp, Decision, Look, Overlap, Pause, Policy, ScheduleState, SkipReason, due};
use crate::job::calendar::{Calendar, CalendarSpec, Rule};
use crate::job::{ScheduleLimits, Timestamp};

/// 2022-03-27T00:20:00Z, forty minutes before clocks are set forward in Paris.
const MADE: u64 = 1_648_340_400_000;
/// No life is longer.
const SPAN_MS: u64 = 86_400_000;

/// One thing that happens between two looks.
#[derive(Clone, Copy, Debug)]
enum Beat {
    Pass(u64),
    Back(u64),
    ToNext,
    End,
    Pause,
    GoOn,
    /// What was found is not stored: the engine dies.
    Crash,
}

fn beat() -> impl Strategy<Value = Beat> {
    prop_oneof![
        4 => (0_u64..200_000).prop_map(Beat::Pass),
        2 => (0_u64..20_000_000).prop_map(Beat::Pass),
        2 => (0_u64..10_000_000).prop_map(Beat::Back),
        4 => Just(Beat::ToNext),
        4 => Just(Beat::End),
        1 => Just(Beat::Pause),
        1 => Just(Beat::GoOn),
        2 => Just(Beat::Crash),
    ]
}

fn calendar() -> impl Strategy<Value = Calendar> {
    let texts = ["* * * * *", "*/7 * * * *", "*/30 1-3 * * *", "30 2 * * *", "@every 95s", "0,1,2 */3 * * *"];
    let crons = prop::sample::select(texts.to_vec()).prop_map(CalendarSpec::cron);
    let times = ["2022-03-27T02:30", "2022-03-27T03:00", "2022-03-27T04:00", "2022-03-28"].map(str::to_owned);
    let times = Just(CalendarSpec::new(Rule::Times(times.to_vec())));
    let until = crons.clone().prop_map(|spec| spec.until("2022-03-27T09:00"));
    prop_oneof![6 => crons, 1 => times, 1 => until]
        .prop_map(|spec| Calendar::parse(&spec.in_zone("Europe/Paris"), &ScheduleLimits::default()).unwrap())
}

fn policy() -> impl Strategy<Value = Policy> {
    let overlap = prop_oneof![
        Just(Overlap::Allow),
        Just(Overlap::Skip),
        Just(Overlap::BufferOne),
        (1_u32..4).prop_map(|most| Overlap::BufferAll { most }),
        Just(Overlap::CancelOther),
    ];
    let catch_up = prop_oneof![
        Just(CatchUp::None),
        Just(CatchUp::One),
        (60_000_u64..8_000_000).prop_map(|ms| CatchUp::Window { ms }),
        (1_u32..6).prop_map(|count| CatchUp::Most { count }),
    ];
    let on_time = prop_oneof![Just(0_u64), 1_000_u64..60_000];
    let jitter = prop_oneof![Just(0_u64), 1_u64..100_000];
    (overlap, catch_up, on_time, jitter).prop_map(|(overlap, catch_up, on_time_ms, jitter_ms)| Policy {
        overlap,
        catch_up,
        on_time_ms,
        jitter_ms,
    })
}

/// What became of each nominal time.
#[derive(Default)]
struct Ledger {
    fired: BTreeMap<u64, u64>,
    skipped: BTreeSet<u64>,
    waiting: BTreeSet<u64>,
}

impl Ledger {
    fn enter(&mut self, look: &Look, nominals: &[u64], now: u64) {
        for decision in &look.decisions {
            match decision {
                Decision::Fire(fire) => {
                    let nominal = fire.nominal.as_millis();
                    assert!(nominal <= fire.due.as_millis());
                    // What waited may fire while the clock is behind.
                    let waited = self.waiting.remove(&nominal);
                    assert!(waited || fire.due.as_millis() <= now);
                    assert!(self.fired.insert(nominal, now).is_none(), "{nominal} fires twice");
                    assert!(!self.skipped.contains(&nominal));
                }
                Decision::Wait(nominal) => {
                    assert!(self.waiting.insert(nominal.as_millis()));
                    assert!(!self.fired.contains_key(&nominal.as_millis()));
                }
                Decision::Skip(it) => {
                    let range = it.first.as_millis()..=it.last.as_millis();
                    let all: Vec<u64> = nominals.iter().copied().filter(|nominal| range.contains(nominal)).collect();
                    assert_eq!(all.len() as u64, it.count);
                    for nominal in all {
                        assert!(!self.fired.contains_key(&nominal) && self.skipped.insert(nominal));
                    }
                }
            }
        }
    }

    /// Nothing is lost: whatever counts as decided has fired, was skipped, or waits.
    fn check(&self, state: &ScheduleState, nominals: &[u64]) {
        let waiting: Vec<u64> = state.waiting.iter().map(|it| it.as_millis()).collect();
        assert_eq!(self.waiting.iter().copied().collect::<Vec<u64>>(), waiting);
        for nominal in nominals {
            let is_known =
                self.fired.contains_key(nominal) || self.skipped.contains(nominal) || self.waiting.contains(nominal);
            assert_eq!(is_known, *nominal <= state.decided.as_millis(), "{nominal}");
        }
    }
}

/// What a look must find, said with lists: for each nominal time in order what becomes of it.
fn modelled(
    dues: &[(u64, u64)],
    policy: &Policy,
    state: &ScheduleState,
    now: u64,
) -> Vec<(u64, Result<&'static str, SkipReason>)> {
    let mut found = Vec::new();
    let mut waiting: Vec<u64> = state.waiting.iter().map(|it| it.as_millis()).collect();
    let mut busy = state.running > 0;
    while state.pause.is_none() && !waiting.is_empty() && (!busy || policy.overlap == Overlap::Allow) {
        found.push((waiting.remove(0), Ok("fire")));
        busy = true;
    }
    let open: Vec<(u64, u64)> =
        dues.iter().copied().filter(|(nominal, due)| *nominal > state.decided.as_millis() && *due <= now).collect();
    let missed: Vec<(u64, u64)> = open.iter().copied().filter(|(_, due)| due + policy.on_time_ms < now).collect();
    let last = |count: usize| missed[missed.len().saturating_sub(count)..].to_vec();
    let made_up = match policy.catch_up {
        CatchUp::None => Vec::new(),
        CatchUp::One => last(1),
        CatchUp::Most { count } => last(count as usize),
        CatchUp::Window { ms } => missed.iter().copied().filter(|(_, due)| due + ms >= now).collect(),
    };
    let fires = |it: &(u64, u64)| !missed.contains(it) || made_up.contains(it);
    let last_to_fire = open.iter().rfind(|it| fires(it)).copied();
    for it in &open {
        let room = match policy.overlap {
            Overlap::BufferOne => 1,
            Overlap::BufferAll { most } => most as usize,
            _ => 0,
        };
        let what = if state.pause.is_some() {
            Err(SkipReason::Paused)
        } else if !fires(it) {
            Err(SkipReason::Missed)
        } else if policy.overlap == Overlap::CancelOther {
            if Some(*it) == last_to_fire { Ok("fire") } else { Err(SkipReason::Superseded) }
        } else if policy.overlap == Overlap::Allow || !busy && waiting.is_empty() {
            Ok("fire")
        } else if policy.overlap == Overlap::Skip {
            Err(SkipReason::Overlap)
        } else if waiting.len() < room {
            waiting.push(it.0);
            Ok("wait")
        } else {
            Err(SkipReason::BufferFull)
        };
        busy |= what == Ok("fire");
        found.push((it.0, what));
    }
    found
}

/// What a look found, for each nominal time.
fn spread(look: &Look, nominals: &[u64]) -> Vec<(u64, Result<&'static str, SkipReason>)> {
    let each = |decision: &Decision| match decision {
        Decision::Fire(fire) => vec![(fire.nominal.as_millis(), Ok("fire"))],
        Decision::Wait(nominal) => vec![(nominal.as_millis(), Ok("wait"))],
        Decision::Skip(it) => {
            let range = it.first.as_millis()..=it.last.as_millis();
            nominals.iter().filter(|it| range.contains(it)).map(|nominal| (*nominal, Err(it.reason))).collect()
        }
    };
    look.decisions.iter().flat_map(each).collect()
}

/// A random life.
struct Life<'a> {
    calendar: &'a Calendar,
    policy: &'a Policy,
    limits: ScheduleLimits,
    nominals: Vec<u64>,
    state: ScheduleState,
    ledger: Ledger,
    now: u64,
    again: Option<Timestamp>,
}

impl<'a> Life<'a> {
    fn new(calendar: &'a Calendar, policy: &'a Policy, seq: u64, limits: ScheduleLimits) -> Self {
        let from = Timestamp::from_millis(MADE + 1);
        let nominals = calendar.fires(from, from.plus_millis(SPAN_MS * 2)).map(Timestamp::as_millis).collect();
        let state = ScheduleState::new(seq, Timestamp::from_millis(MADE));
        Life { calendar, policy, limits, nominals, state, ledger: Ledger::default(), now: MADE, again: None }
    }

    fn look(&self) -> Look {
        due(self.calendar, self.policy, &self.state, Timestamp::from_millis(self.now), &self.limits)
    }

    fn store(&mut self, look: &Look) {
        self.ledger.enter(look, &self.nominals, self.now);
        let decided = self.state.decided;
        self.state = self.state.clone().after(look);
        assert!(self.state.decided >= decided, "what is decided never goes back");
        self.ledger.check(&self.state, &self.nominals);
        let due_or_later = |again: Timestamp| again.as_millis() >= self.now;
        assert!(look.again.is_none_or(due_or_later));
        self.again = look.again;
    }

    /// Whether what happens leaves time for what was found to be stored.
    fn live(&mut self, beat: Beat) -> bool {
        let latest = MADE + SPAN_MS;
        match beat {
            Beat::Pass(ms) => self.now = (self.now + ms).min(latest),
            Beat::Back(ms) => self.now = self.now.saturating_sub(ms).max(MADE - 1_000_000),
            Beat::ToNext => self.now = self.again.map_or(self.now, |again| again.as_millis().min(latest)),
            Beat::End => self.state.running = self.state.running.saturating_sub(1),
            Beat::Pause => {
                let pause = Pause::new("", Timestamp::from_millis(self.now), &self.limits);
                self.state.pause = pause.ok();
            }
            Beat::GoOn => self.state.pause = None,
            Beat::Crash => return false,
        }
        true
    }

    /// Each nominal time with its due time, which a look at nothing but it tells.
    fn dues(&self) -> Vec<(u64, u64)> {
        let tell = |nominal: &u64| {
            let before = Timestamp::from_millis(nominal - 1);
            let state = ScheduleState { decided: before, ..ScheduleState::new(self.state.seq, before) };
            let look = due(self.calendar, self.policy, &state, before, &self.limits);
            (*nominal, look.again.map_or(*nominal, Timestamp::as_millis))
        };
        self.nominals.iter().map(tell).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn a_look_finds_what_the_model_says(
        calendar in calendar(),
        policy in policy(),
        seq in 0_u64..1_000,
        beats in prop::collection::vec(beat(), 1..40),
    ) {
        // The model decides all at once, so a look must be able to: how it gets on in small steps is the other law.
        let all_at_once = ScheduleLimits { look_fires: 10_000, ..ScheduleLimits::default() };
        let mut life = Life::new(&calendar, &policy, seq, all_at_once);
        let dues = life.dues();
        for ((nominal, due), (following, _)) in dues.iter().zip(dues.iter().skip(1)) {
            prop_assert!(nominal <= due && due < following && *due <= nominal + policy.jitter_ms);
        }
        for beat in beats {
            let is_stored = life.live(beat);
            let look = life.look();
            prop_assert_eq!(&look, &life.look(), "a look is pure");
            let expected = modelled(&dues, &policy, &life.state, life.now);
            prop_assert_eq!(spread(&look, &life.nominals), expected);
            let later = |(nominal, due): &&(u64, u64)| *nominal > look.decided.as_millis() && *due > life.now;
            let next = dues.iter().find(later).map(|(_, due)| Timestamp::from_millis(*due));
            prop_assert!(look.again == next || next.is_none(), "{:?} in place of {next:?}", look.again);
            if is_stored {
                life.store(&look);
            }
        }
    }

    /// Looks that may decide little take several steps to the same end.
    #[test]
    fn small_steps_neither_double_nor_lose(
        calendar in calendar(),
        policy in policy(),
        (look_times, look_fires) in (1_usize..6, 1_usize..4),
        beats in prop::collection::vec(beat(), 1..30),
    ) {
        let limits = ScheduleLimits { look_times, look_fires, ..ScheduleLimits::default() };
        let mut life = Life::new(&calendar, &policy, 7, limits);
        for beat in beats {
            if !life.live(beat) {
                continue;
            }
            for _ in 0..life.nominals.len() + 1 {
                let look = life.look();
                let fires = look.decisions.iter().filter(|it| matches!(it, Decision::Fire(_))).count();
                prop_assert!(fires <= look_fires);
                let is_more = look.again == Some(Timestamp::from_millis(life.now));
                prop_assert!(!is_more || look.decided > life.state.decided || fires > 0, "a look gets on");
                life.store(&look);
                if !is_more {
                    break;
                }
            }
            let due_now = life.look();
            prop_assert!(due_now.decided == life.state.decided, "nothing that is due is left");
        }
    }
}
