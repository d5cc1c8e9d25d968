//! Schedules by example.

use super::{CatchUp, Decision, Look, Overlap, Pause, Policy, ScheduleState, SkipReason, backfill, due};
use crate::job::calendar::{Calendar, CalendarSpec};
use crate::job::{ScheduleLimits, Timestamp};

const MINUTE: u64 = 60_000;
/// 2026-11-21T00:00:00Z.
const MADE: Timestamp = Timestamp::from_millis(1_795_219_200_000);

fn minutely() -> Calendar {
    Calendar::parse(&CalendarSpec::cron("* * * * *"), &ScheduleLimits::default()).unwrap()
}

fn minute(minutes: u64) -> Timestamp {
    MADE.plus_millis(minutes * MINUTE)
}

/// A schedule that is looked at.
struct Watched {
    policy: Policy,
    state: ScheduleState,
}

impl Watched {
    fn new(overlap: Overlap, catch_up: CatchUp) -> Self {
        Watched { policy: Policy { overlap, catch_up, ..Policy::default() }, state: ScheduleState::new(7, MADE) }
    }

    /// Looks, stores what was found, and tells it in short: `fire 1`, `wait 2`, `skip 3-5 Missed`.
    fn look(&mut self, now: Timestamp) -> Vec<String> {
        let look = due(&minutely(), &self.policy, &self.state, now, &ScheduleLimits::default());
        self.state = self.state.clone().after(&look);
        told(&look)
    }
}

fn told(look: &Look) -> Vec<String> {
    let number = |at: Timestamp| at.millis_since(MADE) / MINUTE;
    let tell = |decision: &Decision| match decision {
        Decision::Fire(fire) => {
            let kind = if fire.made_up { "make up for" } else { "fire" };
            let cancels = if fire.cancels_others { ", cancel others" } else { "" };
            format!("{kind} {}{cancels}", number(fire.nominal))
        }
        Decision::Wait(nominal) => format!("wait {}", number(*nominal)),
        Decision::Skip(it) => format!("skip {}-{} ({}) {:?}", number(it.first), number(it.last), it.count, it.reason),
    };
    look.decisions.iter().map(tell).collect()
}

#[test]
fn each_minute_fires_once_and_the_next_look_is_named() {
    let mut it = Watched::new(Overlap::Allow, CatchUp::None);
    let look = due(&minutely(), &it.policy, &it.state, minute(1), &ScheduleLimits::default());
    assert_eq!(look.again, Some(minute(2)));
    assert_eq!(it.look(minute(1)), ["fire 1"]);
    assert_eq!(it.look(minute(1)), [] as [&str; 0]);
    assert_eq!(it.look(minute(2).plus_millis(999)), ["fire 2"]);
    assert_eq!(it.state.running, 2);
}

#[test]
fn what_was_missed_is_met_by_the_policy() {
    let after_ten_minutes = |catch_up| Watched::new(Overlap::Allow, catch_up).look(minute(10));
    let on_time = ["fire 9", "fire 10"];
    let with = |before: &[&str]| [before, &on_time].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(after_ten_minutes(CatchUp::None), with(&["skip 1-8 (8) Missed"]));
    assert_eq!(after_ten_minutes(CatchUp::One), with(&["skip 1-7 (7) Missed", "make up for 8"]));
    let two = ["skip 1-6 (6) Missed", "make up for 7", "make up for 8"];
    assert_eq!(after_ten_minutes(CatchUp::Most { count: 2 }), with(&two));
    assert_eq!(after_ten_minutes(CatchUp::Window { ms: 3 * MINUTE }), with(&two));
    let all = after_ten_minutes(CatchUp::Most { count: 100 });
    assert_eq!(all.len(), 10);
    assert!(all[0] == "make up for 1" && all[9] == "fire 10", "{all:?}");
}

#[test]
fn overlaps_are_met_by_the_policy() {
    let mut skip = Watched::new(Overlap::Skip, CatchUp::None);
    assert_eq!(skip.look(minute(2)), ["fire 1", "skip 2-2 (1) Overlap"]);
    skip.state.running = 0;
    assert_eq!(skip.look(minute(3)), ["fire 3"]);

    let mut one = Watched::new(Overlap::BufferOne, CatchUp::Most { count: 9 });
    assert_eq!(one.look(minute(4)), ["make up for 1", "wait 2", "skip 3-4 (2) BufferFull"]);
    assert_eq!(one.look(minute(4)), [] as [&str; 0]);
    one.state.running = 0;
    assert_eq!(one.look(minute(5)), ["fire 2", "wait 5"]);

    let mut all = Watched::new(Overlap::BufferAll { most: 2 }, CatchUp::None);
    assert_eq!(all.look(minute(2)), ["fire 1", "wait 2"]);
    assert_eq!(all.look(minute(4)), ["wait 3", "skip 4-4 (1) BufferFull"]);
    all.state.running = 0;
    assert_eq!(all.look(minute(4)), ["fire 2"]);
    assert_eq!(all.state.waiting, [minute(3)]);

    let mut cancel = Watched::new(Overlap::CancelOther, CatchUp::None);
    assert_eq!(cancel.look(minute(1)), ["fire 1"]);
    assert_eq!(cancel.look(minute(3)), ["skip 2-2 (1) Superseded", "fire 3, cancel others"]);
}

#[test]
fn what_comes_in_a_pause_is_skipped_and_told() {
    let mut it = Watched::new(Overlap::BufferOne, CatchUp::Most { count: 9 });
    assert_eq!(it.look(minute(2)), ["fire 1", "wait 2"]);
    it.state.pause = Some(Pause::new("moving house", minute(2), &ScheduleLimits::default()).unwrap());
    it.state.running = 0;
    assert_eq!(it.look(minute(9)), ["skip 3-9 (7) Paused"], "what waits goes on waiting");
    it.state.pause = None;
    assert_eq!(it.look(minute(9)), ["fire 2"]);
    let note = "x".repeat(1_001);
    let problem = Pause::new(note, MADE, &ScheduleLimits::default()).unwrap_err();
    assert_eq!(problem.to_string(), "note: it has 1001 characters; allowed: at most 1000 characters");
}

#[test]
fn a_clock_that_jumps_neither_doubles_nor_loses() {
    let mut it = Watched::new(Overlap::Allow, CatchUp::Most { count: 100 });
    assert_eq!(it.look(minute(1)), ["fire 1"]);
    assert_eq!(it.look(minute(4)).len(), 3, "set forward");
    assert_eq!(it.look(minute(2)), [] as [&str; 0], "set back");
    let back = due(&minutely(), &it.policy, &it.state, minute(2), &ScheduleLimits::default());
    assert_eq!(back.again, Some(minute(5)));
    assert_eq!(it.look(MADE), [] as [&str; 0], "set back to before");
    assert_eq!(it.look(minute(5)), ["fire 5"]);
}

#[test]
fn a_year_away_is_decided_in_steps() {
    let mut it = Watched::new(Overlap::Allow, CatchUp::One);
    let now = minute(366 * 1_440);
    let (mut looks, mut fires, mut skipped) = (0, 0, 0);
    loop {
        let look = due(&minutely(), &it.policy, &it.state, now, &ScheduleLimits::default());
        for decision in &look.decisions {
            match decision {
                Decision::Fire(_) => fires += 1,
                Decision::Skip(it) => {
                    assert_eq!(it.reason, SkipReason::Missed);
                    skipped += it.count;
                }
                Decision::Wait(_) => panic!("nothing waits: {look:?}"),
            }
        }
        it.state = it.state.after(&look);
        looks += 1;
        if look.again != Some(now) {
            assert_eq!(look.again, Some(now.plus_millis(MINUTE)));
            break;
        }
    }
    assert_eq!((fires, skipped), (3, 366 * 1_440 - 3));
    assert_eq!(looks, 53);
}

#[test]
fn jitter_spreads_schedules_and_stays_the_same() {
    let limits = ScheduleLimits::default();
    let policy = Policy { jitter_ms: 30_000, ..Policy::default() };
    let put_off = |seq: u64| {
        let state = ScheduleState::new(seq, MADE);
        let again = due(&minutely(), &policy, &state, MADE, &limits).again.unwrap();
        let early = due(&minutely(), &policy, &state, Timestamp::from_millis(again.as_millis() - 1), &limits);
        assert!(early.decisions.is_empty() && early.again == Some(again));
        let on_time = due(&minutely(), &policy, &state, again, &limits);
        let [Decision::Fire(fire)] = on_time.decisions.as_slice() else { panic!("{on_time:?}") };
        assert_eq!((fire.nominal, fire.due), (minute(1), again));
        again.millis_since(minute(1))
    };
    let all: Vec<u64> = (1..=1_000).map(put_off).collect();
    assert!(all.iter().all(|ms| *ms <= 30_000));
    let mean = all.iter().sum::<u64>() / 1_000;
    assert!((13_500..16_500).contains(&mean), "{mean}");
    assert_eq!(all[..3], [put_off(1), put_off(2), put_off(3)]);
    assert_eq!(all[0], 7_445, "another version must not move fires");
}

#[test]
fn jitter_never_reaches_the_next_time() {
    let policy = Policy { jitter_ms: 86_400_000, on_time_ms: 86_400_000, ..Policy::default() };
    for seq in 0..200 {
        let look = due(&minutely(), &policy, &ScheduleState::new(seq, MADE), minute(100), &ScheduleLimits::default());
        let Decision::Fire(last) = look.decisions.last().unwrap() else { panic!("{look:?}") };
        assert!(last.nominal >= minute(99), "{last:?}");
    }
}

#[test]
fn a_calendar_that_is_over_is_not_looked_at_again() {
    let spec = CalendarSpec::cron("* * * * *").until("2026-11-21T00:02:00Z");
    let calendar = Calendar::parse(&spec, &ScheduleLimits::default()).unwrap();
    let look = due(&calendar, &Policy::default(), &ScheduleState::new(7, MADE), minute(1), &ScheduleLimits::default());
    assert_eq!((told(&look).len(), look.again), (1, None));
}

#[test]
fn policies_that_are_refused() {
    let limits = ScheduleLimits { least_interval_ms: 120_000, ..ScheduleLimits::default() };
    let policy = Policy {
        overlap: Overlap::BufferAll { most: 0 },
        catch_up: CatchUp::Most { count: 1_001 },
        on_time_ms: u64::MAX,
        jitter_ms: 86_400_001,
    };
    let found = policy.check(&minutely(), &limits).unwrap_err();
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    let expected = [
        "calendar: it fires again after 60000 ms; allowed: at least 120000 ms between two fires",
        "overlap.most: 0 is out of range; allowed: 1 to 1000",
        "catch_up.count: 1001 is out of range; allowed: 1 to 1000",
        "on_time_ms: 18446744073709551615 ms; allowed: at most 86400000 ms",
        "jitter_ms: 86400001 ms; allowed: at most 86400000 ms",
    ];
    assert_eq!(found, expected);
    let policy = Policy { catch_up: CatchUp::Window { ms: 60_000 }, ..Policy::default() };
    assert!(policy.check(&minutely(), &ScheduleLimits::default()).is_err(), "older than on time");
    assert!(Policy::default().check(&minutely(), &ScheduleLimits::default()).is_ok());
    let json = r#"{"overlap":{"buffer_all":{"most":3}},"catch_up":"one"}"#;
    let policy: Policy = serde_json::from_str(json).unwrap();
    assert_eq!((policy.overlap, policy.catch_up), (Overlap::BufferAll { most: 3 }, CatchUp::One));
}

#[test]
fn a_backfill_is_a_range_and_bounded() {
    let limits = ScheduleLimits { backfill: 3, ..ScheduleLimits::default() };
    let times = backfill(&minutely(), minute(1), minute(4), &limits).unwrap();
    assert_eq!(times, [minute(1), minute(2), minute(3)]);
    let problem = backfill(&minutely(), minute(1), minute(5), &limits).unwrap_err();
    assert!(problem.to_string().ends_with("allowed: a range with at most 3 fires"), "{problem}");
}
