//! Schedules on the clock of the test: what fires, what is skipped, and that crashes change nothing.

use std::sync::Arc;

use windlass::job::schedule::{SkipReason, UnderWay};
use windlass::job::{
    CalendarSpec, CatchUp, JobConfig, NamedTask, Outcome, Overlap, Policy, Reason, ScheduleSpec, Target, Task,
};
use windlass::testing::{FakeExecutor, START, TestEngine};
use windlass::{Change, Error, FunctionContext, FunctionError, JobId, JobSpec, State, Timestamp};

const PROJECT: &str = "default";
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// An engine with the configs `quick`, a function, and `long`, a run that the test ends.
async fn engine() -> (TestEngine, FakeExecutor) {
    let fake = FakeExecutor::new();
    let registered = fake.clone();
    let engine = TestEngine::open(move |builder| {
        builder.executor("fake", Arc::new(registered.clone())).function(
            "when",
            |context: FunctionContext, (): ()| async move {
                let nominal = context.option("WINDLASS_NOMINAL_TIME").map(str::to_owned);
                Ok::<_, FunctionError>((nominal, context.option("FROM").map(str::to_owned)))
            },
        )
    });
    let engine = engine.await.unwrap();
    let long = Task::Named(NamedTask { executor: "fake".into(), params: b"null".to_vec() });
    let configs = vec![
        ("quick".to_owned(), JobConfig::new(JobSpec::function("when", "null"))),
        ("long".to_owned(), JobConfig::new(JobSpec::new(long))),
        ("first".to_owned(), JobConfig::new(JobSpec::function("when", "null")).then("quick")),
    ];
    engine.apply_configs(configs, false).await.unwrap();
    (engine, fake)
}

fn of(cron: &str, config: &str) -> ScheduleSpec {
    ScheduleSpec::new(CalendarSpec::cron(cron), Target::Config(config.into()))
}

fn with(cron: &str, config: &str, overlap: Overlap, catch_up: CatchUp) -> ScheduleSpec {
    ScheduleSpec { policy: Policy { overlap, catch_up, ..Policy::default() }, ..of(cron, config) }
}

async fn apply(engine: &TestEngine, spec: ScheduleSpec) -> Change {
    let applied = engine.apply_schedules(PROJECT, vec![("s".into(), spec)], false).await.unwrap();
    engine.settle().await;
    applied[0].change
}

/// Minutes after the start at which fires were due, in the order of the jobs.
fn fired(engine: &TestEngine) -> Vec<u64> {
    let filter = windlass::job::Filter { order: windlass::job::Order::OldestFirst, ..Default::default() };
    let jobs = engine.list(&filter, None, 1_000).unwrap().jobs;
    let nominals = jobs.iter().filter_map(|view| view.job.spec.fired.as_ref().map(|fired| fired.nominal));
    nominals.map(|nominal| nominal.millis_since(START) / MINUTE).collect()
}

fn skips(engine: &TestEngine) -> Vec<(SkipReason, u64)> {
    let status = engine.schedule(PROJECT, "s").unwrap().status;
    status.skips.iter().map(|skip| (skip.reason, skip.count)).collect()
}

fn output(engine: &TestEngine, id: JobId) -> (Option<String>, Option<String>) {
    serde_json::from_slice(&engine.output(id).unwrap().unwrap()).unwrap()
}

#[tokio::test]
async fn each_nominal_time_fires_once_also_across_crashes() {
    let (mut engine, _) = engine().await;
    assert_eq!(apply(&engine, of("*/10 * * * *", "quick")).await, Change::Created);
    assert_eq!(apply(&engine, of("*/10 * * * *", "quick")).await, Change::Unchanged);
    for _ in 0..6 {
        engine.advance(5 * MINUTE).await;
        engine.crash_and_recover().await.unwrap();
        engine.settle().await;
        engine.advance(5 * MINUTE).await;
    }
    assert_eq!(fired(&engine), [10, 20, 30, 40, 50, 60]);
    let view = engine.schedule(PROJECT, "s").unwrap();
    assert_eq!((view.status.fired, view.status.skipped, view.revision), (6, 0, 1));
    assert_eq!(view.next, Some(START.plus_millis(70 * MINUTE)));
    assert_eq!(view.fires.len(), 6);
    assert_eq!(output(&engine, view.fires[0].1).0.as_deref(), Some("2026-01-01T01:00:00.000Z"));
}

#[tokio::test]
async fn a_fire_runs_the_whole_chain_and_its_options_reach_the_first_job() {
    let (engine, _) = engine().await;
    let mut spec = of("0 * * * *", "first");
    spec.options.set("FROM", "schedule");
    apply(&engine, spec).await;
    engine.advance(HOUR).await;
    let view = engine.schedule(PROJECT, "s").unwrap();
    assert_eq!(view.option_names, ["FROM"]);
    let chain = engine.chain(view.fires[0].1).unwrap();
    assert_eq!(chain.jobs.len(), 2);
    let from: Vec<_> = chain.jobs.iter().map(|view| output(&engine, view.job.id).1).collect();
    assert_eq!(from, [Some("schedule".to_owned()), None]);
    // A chain of its own order.
    let target = Target::Chain(vec!["quick".into(), "first".into(), "quick".into()]);
    assert_eq!(apply(&engine, ScheduleSpec { target, ..of("0 * * * *", "quick") }).await, Change::Changed);
    engine.advance(HOUR).await;
    let view = engine.schedule(PROJECT, "s").unwrap();
    assert_eq!(engine.chain(view.fires[0].1).unwrap().jobs.len(), 3);
    assert_eq!(view.revision, 2);
}

#[tokio::test]
async fn fires_that_overlap_are_met_as_the_policy_says() {
    let minute = |overlap| with("* * * * *", "long", overlap, CatchUp::None);
    let (engine, fake) = engine().await;
    apply(&engine, minute(Overlap::Skip)).await;
    engine.advance(3 * MINUTE).await;
    assert_eq!(fired(&engine), [1]);
    assert_eq!(skips(&engine), [(SkipReason::Overlap, 1), (SkipReason::Overlap, 1)]);
    fake.end(fake.running()[0], Outcome::Succeeded);
    engine.settle().await;
    engine.advance(MINUTE).await;
    assert_eq!(fired(&engine), [1, 4]);
    // The next policy counts from the next time on.
    apply(&engine, minute(Overlap::BufferOne)).await;
    engine.advance(3 * MINUTE).await;
    assert_eq!(fired(&engine), [1, 4]);
    assert_eq!(engine.schedule(PROJECT, "s").unwrap().status.state.waiting.len(), 1);
    fake.end(fake.running()[0], Outcome::Succeeded);
    engine.settle().await;
    assert_eq!(fired(&engine), [1, 4, 5]);
    assert_eq!(skips(&engine)[2..], [(SkipReason::BufferFull, 1), (SkipReason::BufferFull, 1)]);
}

#[tokio::test]
async fn all_that_wait_have_their_turn_also_after_a_crash() {
    let (mut engine, fake) = engine().await;
    apply(&engine, with("* * * * *", "long", Overlap::BufferAll { most: 10 }, CatchUp::None)).await;
    engine.advance(4 * MINUTE).await;
    engine.pause_schedule(PROJECT, "s", "").await.unwrap();
    engine.resume_schedule(PROJECT, "s").await.unwrap();
    for count in 1..4 {
        assert_eq!(fired(&engine).len(), count);
        fake.end(fake.running()[0], Outcome::Succeeded);
        // It may have ended while nobody was there.
        engine.crash_and_recover().await.unwrap();
        engine.settle().await;
    }
    assert_eq!(fired(&engine), [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_later_fire_cancels_the_earlier_one() {
    let (engine, fake) = engine().await;
    apply(&engine, with("* * * * *", "long", Overlap::CancelOther, CatchUp::None)).await;
    engine.advance(MINUTE).await;
    let first = engine.schedule(PROJECT, "s").unwrap().fires[0].1;
    engine.advance(MINUTE).await;
    let status = engine.get(first).unwrap().job.status;
    assert_eq!((status.state, status.reason), (State::Cancelled, Some(Reason::CancelledBy("schedule s".into()))));
    assert_eq!(fake.running().len(), 1);
    assert_eq!(fired(&engine), [1, 2]);
}

#[tokio::test]
async fn what_was_missed_is_made_up_for_as_the_policy_says() {
    for (catch_up, expected, skipped) in [
        (CatchUp::None, vec![], 8),
        (CatchUp::One, vec![8 * 60], 7),
        (CatchUp::Most { count: 3 }, vec![6 * 60, 7 * 60, 8 * 60], 5),
        (CatchUp::Window { ms: 2 * HOUR + 40 * MINUTE }, vec![6 * 60, 7 * 60, 8 * 60], 5),
    ] {
        let (engine, _) = engine().await;
        apply(&engine, with("0 * * * *", "quick", Overlap::Allow, catch_up)).await;
        // Eight hours and a half go by while nobody is there, or the clock is set forward.
        engine.clock().advance_to(START.plus_millis(8 * HOUR + 30 * MINUTE));
        engine.settle().await;
        assert_eq!(fired(&engine), expected, "{catch_up:?}");
        assert_eq!(engine.schedule(PROJECT, "s").unwrap().status.skipped, skipped, "{catch_up:?}");
        engine.advance(30 * MINUTE).await;
        assert_eq!(fired(&engine).last(), Some(&(9 * 60)));
    }
}

#[tokio::test]
async fn a_pause_skips_and_is_told() {
    let (engine, _) = engine().await;
    apply(&engine, of("0 * * * *", "quick")).await;
    engine.advance(90 * MINUTE).await;
    let view = engine.pause_schedule(PROJECT, "s", "the disk is full").await.unwrap();
    assert_eq!(view.status.state.pause.as_ref().map(|pause| pause.note.as_str()), Some("the disk is full"));
    assert_eq!(view.next, None);
    engine.advance(2 * HOUR).await;
    engine.resume_schedule(PROJECT, "s").await.unwrap();
    engine.advance(HOUR).await;
    assert_eq!(fired(&engine), [60, 4 * 60]);
    assert_eq!(skips(&engine), [(SkipReason::Paused, 1), (SkipReason::Paused, 1)]);
    assert!(matches!(engine.pause_schedule(PROJECT, "s", &"x".repeat(1_001)).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn one_can_fire_now_and_a_range_can_be_made_up_for() {
    let (engine, fake) = engine().await;
    apply(&engine, of("0 * * * *", "quick")).await;
    engine.advance(3 * HOUR + 30 * MINUTE).await;
    let ids = engine.fire_schedule(PROJECT, "s").await.unwrap();
    let again = engine.fire_schedule(PROJECT, "s").await.unwrap();
    engine.settle().await;
    let nominal = |id: JobId| engine.get(id).unwrap().job.spec.fired.clone().unwrap().nominal;
    assert_eq!(nominal(again[0]).millis_since(nominal(ids[0])), 1);
    let range = |from: u64, until: u64| (Timestamp::from_millis(START.as_millis() - from), START.plus_millis(until));
    let (from, until) = range(2 * HOUR, 3 * HOUR);
    let plan = engine.backfill_schedule(PROJECT, "s", from, until, true).await.unwrap();
    assert_eq!((plan.nominal.len(), plan.known), (3, 2));
    assert_eq!(fired(&engine).len(), 5);
    assert_eq!(engine.backfill_schedule(PROJECT, "s", from, until, false).await.unwrap(), plan);
    engine.settle().await;
    assert_eq!(fired(&engine).len(), 8);
    let known = engine.backfill_schedule(PROJECT, "s", from, until, false).await.unwrap();
    assert_eq!((known.nominal.len(), known.known), (0, 5));
    let future = engine.backfill_schedule(PROJECT, "s", from, START.plus_millis(DAY), false).await;
    assert!(matches!(future, Err(Error::Invalid(_))));
    // One after the other where fires may not overlap.
    apply(&engine, with("*/15 * * * *", "long", Overlap::Skip, CatchUp::None)).await;
    let (from, until) = range(HOUR, 0);
    let plan = engine.backfill_schedule(PROJECT, "s", from, until, false).await.unwrap();
    assert_eq!((plan.nominal.len(), plan.known), (3, 1));
    for left in [2, 1, 0] {
        engine.settle().await;
        assert_eq!(fake.running().len(), 1);
        assert_eq!(engine.schedule(PROJECT, "s").unwrap().status.state.waiting.len(), left);
        fake.end(fake.running()[0], Outcome::Succeeded);
    }
}

#[tokio::test]
async fn a_fire_that_can_make_no_job_is_told_and_the_next_one_fires() {
    let (engine, _) = engine().await;
    let function = |name: &str| vec![("f".to_owned(), JobConfig::new(JobSpec::function(name, "null")))];
    // Functions are those of the process that runs the job: that this one is not there shows when it fires.
    engine.apply_configs(function("not_here"), false).await.unwrap();
    apply(&engine, of("0 * * * *", "f")).await;
    engine.advance(HOUR).await;
    assert_eq!((fired(&engine), skips(&engine)), (vec![], vec![(SkipReason::Refused, 1)]));
    let trouble = engine.schedule(PROJECT, "s").unwrap().status.trouble.unwrap();
    assert!(trouble.message.contains("not_here"), "{trouble:?}");
    engine.apply_configs(function("when"), false).await.unwrap();
    engine.advance(HOUR).await;
    assert_eq!(fired(&engine), [120]);
}

#[tokio::test]
async fn a_config_that_a_schedule_names_is_not_deleted_and_a_schedule_is_gone_with_its_name() {
    let (mut engine, _) = engine().await;
    apply(&engine, of("0 * * * *", "quick")).await;
    let refused = engine.delete_config(PROJECT, "quick").await.unwrap_err().to_string();
    assert!(refused.contains("schedule \"s\"") && refused.contains("config \"first\""), "{refused}");
    engine.advance(HOUR).await;
    engine.delete_schedule(PROJECT, "s").await.unwrap();
    assert!(matches!(engine.schedule(PROJECT, "s"), Err(Error::Unknown { what: "schedule", .. })));
    engine.crash_and_recover().await.unwrap();
    engine.advance(DAY).await;
    assert_eq!(fired(&engine), [60]);
    // Another one of the same name has its own fires.
    apply(&engine, of("0 * * * *", "quick")).await;
    assert_eq!(engine.schedule(PROJECT, "s").unwrap().fires, []);
    engine.advance(HOUR).await;
    assert_eq!(engine.schedule(PROJECT, "s").unwrap().fires.len(), 1);
}

#[tokio::test]
async fn every_mistake_is_told() {
    let (engine, _) = engine().await;
    let mut spec = with("61 * * * *", "no config", Overlap::BufferAll { most: 0 }, CatchUp::None);
    spec.calendar.zone = "Europe/Pariss".into();
    let answer = engine.apply_schedules(PROJECT, vec![("a b".into(), spec)], false).await;
    let Err(Error::Invalid(problems)) = answer else { panic!("{answer:?}") };
    let fields: Vec<&str> = problems.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(
        fields,
        ["\"a b\".name", "\"a b\".config", "\"a b\".zone", "\"a b\".cron.minute", "\"a b\".overlap.most"]
    );
    let answer = engine.apply_schedules(PROJECT, vec![("s".into(), of("0 * * * *", "nobody"))], false).await;
    assert!(matches!(&answer, Err(Error::Invalid(problems)) if problems[0].problem.contains("nobody")), "{answer:?}");
    let often = engine.apply_schedules(PROJECT, vec![("s".into(), of("@every 1s", "quick"))], true).await;
    assert_eq!(often.unwrap()[0].change, Change::Created);
    assert!(engine.schedule(PROJECT, "s").is_err());
}

/// Twenty schedules with all policies, crashes wherever: each nominal time of each is decided once.
#[tokio::test]
async fn nothing_is_missed_or_doubled_however_often_the_power_fails_and_the_clock_is_set() {
    let (mut engine, fake) = engine().await;
    let overlaps =
        [Overlap::Allow, Overlap::Skip, Overlap::BufferOne, Overlap::BufferAll { most: 5 }, Overlap::CancelOther];
    let schedules: Vec<_> = (0..20)
        .map(|at: usize| {
            let config = if at.is_multiple_of(3) { "long" } else { "quick" };
            let catch_up = CatchUp::Window { ms: DAY };
            (format!("s{at}"), with(&format!("*/{} * * * *", 1 + at % 7), config, overlaps[at % 5], catch_up))
        })
        .collect();
    engine.apply_schedules(PROJECT, schedules.clone(), false).await.unwrap();
    let (mut steps, mut latest) = (17_u64, START);
    for round in 0..60 {
        steps = steps.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round);
        engine.advance(steps >> 47).await;
        for run in fake.running().into_iter().take((steps >> 20) as usize % 4) {
            fake.end(run, Outcome::Succeeded);
        }
        latest = latest.max(engine.clock().now());
        if round % 3 == 0 {
            engine.crash_and_recover().await.unwrap();
        }
        if round % 4 == 1 {
            // By up to an hour and a half, and never before the beginning.
            let back = latest.as_millis().saturating_sub(1 + (steps >> 33) % (90 * MINUTE));
            engine.clock().set_back_to(Timestamp::from_millis(back.max(START.as_millis())));
        }
    }
    engine.settle().await;
    let passed = latest.millis_since(START) / MINUTE;
    for (name, spec) in &schedules {
        let view = engine.schedule(PROJECT, name).unwrap();
        let CalendarSpec { rule: windlass::job::Rule::Cron(text), .. } = &spec.calendar else { panic!() };
        let every: u64 = text.split(['/', ' ']).nth(1).unwrap().parse().unwrap();
        let all = (1..=passed).filter(|minute| minute % 60 % every == 0).count() as u64;
        let status = &view.status;
        let known = status.fired + status.skipped + status.state.waiting.len() as u64;
        assert_eq!(known, all, "{name}: {status:?}");
        let nominals = fired_of(&engine, name);
        assert_eq!(nominals.len() as u64, status.fired, "{name}");
        assert!(nominals.iter().all(|minute| minute % 60 % every == 0));
        assert!(status.under_way.iter().all(|UnderWay { count, .. }| *count == 1));
    }
}

/// The nominal times at which it fired, each once.
fn fired_of(engine: &TestEngine, name: &str) -> std::collections::BTreeSet<u64> {
    let filter = windlass::job::Filter::default();
    let (mut nominals, mut cursor) = (std::collections::BTreeSet::new(), None);
    loop {
        let page = engine.list(&filter, cursor, 1_000).unwrap();
        for fired in page.jobs.iter().filter_map(|view| view.job.spec.fired.as_ref()).filter(|it| it.name == name) {
            assert!(
                nominals.insert(fired.nominal.millis_since(START) / MINUTE),
                "{name} fired twice at {}",
                fired.nominal
            );
        }
        cursor = page.next;
        if cursor.is_none() {
            return nominals;
        }
    }
}
