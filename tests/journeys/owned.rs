//! Schedules that belong to configs and pipelines.

use windlass::job::pipeline::ProcessNode;
use windlass::job::{
    CalendarSpec, DateParts, JobConfig, Overlap, OwnSchedule, Owner, PipelineSpec, Rule, ScheduleSpec, Target,
};
use windlass::testing::{START, TestEngine};
use windlass::{
    Applied, ChainElement, Change, DocumentKind, Error, FunctionError, JobSpec, Plan, Problem, RunOptions, Timestamp,
};

const PROJECT: &str = "default";
const HOUR: u64 = 3_600_000;

async fn engine() -> TestEngine {
    let engine =
        TestEngine::open(|builder| builder.function("nothing", |_, (): ()| async move { Ok::<_, FunctionError>(()) }));
    engine.await.unwrap()
}

fn config() -> JobConfig {
    JobConfig::new(JobSpec::function("nothing", "null"))
}

fn on(cron: &str) -> JobConfig {
    config().on(OwnSchedule::new(CalendarSpec::cron(cron)))
}

fn pipeline(cron: Option<&str>) -> PipelineSpec {
    let process_nodes = vec![ProcessNode::new("only", "step")];
    PipelineSpec { process_nodes, schedule: cron.map(CalendarSpec::cron), ..PipelineSpec::default() }
}

fn schedule(config: &str) -> ScheduleSpec {
    ScheduleSpec::new(CalendarSpec::cron("@daily"), Target::Config(config.into()))
}

async fn apply(engine: &TestEngine, name: &str, config: JobConfig) -> Vec<(DocumentKind, Change)> {
    let applied = engine.apply_configs(vec![(name.to_owned(), config)], false).await.unwrap();
    engine.settle().await;
    assert!(applied.iter().all(|it| it.name == name));
    applied.into_iter().map(|it| (it.kind, it.change)).collect()
}

fn named<T>(name: &str, it: T) -> Vec<(String, String, T)> {
    vec![(PROJECT.to_owned(), name.to_owned(), it)]
}

fn told(applied: Result<Vec<Applied>, Error>) -> Vec<String> {
    match applied {
        Err(Error::Invalid(problems)) => problems.iter().map(Problem::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

/// The hours after the start at which a schedule has fired, oldest first.
fn hours(engine: &TestEngine, name: &str) -> Vec<u64> {
    let fires = engine.schedule(PROJECT, name).unwrap().fires;
    fires.iter().rev().map(|(nominal, _)| nominal.millis_since(START) / HOUR).collect()
}

const CONFIG: DocumentKind = DocumentKind::Config;
const SCHEDULE: DocumentKind = DocumentKind::Schedule;

#[tokio::test]
async fn a_config_brings_changes_and_takes_away_its_schedule() {
    let mut engine = engine().await;
    let created = [(CONFIG, Change::Created), (SCHEDULE, Change::Created)];
    assert_eq!(apply(&engine, "load", on("0 * * * *")).await, created);
    let view = engine.schedule(PROJECT, "load").unwrap();
    assert_eq!((view.owner, &view.spec.target), (Some(Owner::Config), &Target::Config("load".into())));
    engine.advance(2 * HOUR).await;
    engine.crash_and_recover().await.unwrap();
    assert_eq!(hours(&engine, "load"), [1, 2]);
    let job = engine.get(engine.schedule(PROJECT, "load").unwrap().fires[0].1).unwrap().job;
    assert_eq!(job.spec.config.as_deref(), Some("load"));
    let changed = [(CONFIG, Change::Changed), (SCHEDULE, Change::Changed)];
    assert_eq!(apply(&engine, "load", on("0 */3 * * *")).await, changed);
    engine.advance(4 * HOUR).await;
    assert_eq!(hours(&engine, "load"), [1, 2, 3, 6]);
    let gone = [(CONFIG, Change::Changed), (SCHEDULE, Change::Deleted)];
    assert_eq!(apply(&engine, "load", config()).await, gone);
    assert!(matches!(engine.schedule(PROJECT, "load"), Err(Error::Unknown { what: "schedule", .. })));
    // An earlier revision comes back with its schedule, which has fired nothing yet.
    engine.rollback_config(PROJECT, "load", 1).await.unwrap();
    engine.settle().await;
    assert_eq!(engine.config(PROJECT, "load", None).unwrap().config.schedule, on("0 * * * *").schedule);
    engine.advance(HOUR).await;
    assert_eq!(hours(&engine, "load"), [7]);
    engine.delete_config(PROJECT, "load").await.unwrap();
    assert!(engine.schedule(PROJECT, "load").is_err());
    let finished = engine.stats().unwrap().finished;
    engine.advance(HOUR).await;
    assert_eq!((finished, engine.stats().unwrap().finished), (5, 5));
}

#[tokio::test]
async fn a_change_of_something_else_leaves_the_schedule_as_it_stands() {
    let engine = engine().await;
    apply(&engine, "load", on("0 * * * *")).await;
    engine.advance(HOUR).await;
    engine.pause_schedule(PROJECT, "load", "not now").await.unwrap();
    let before = engine.schedule(PROJECT, "load").unwrap();
    let mut other = on("0 * * * *");
    other.spec.priority = 7;
    assert_eq!(apply(&engine, "load", other).await, [(CONFIG, Change::Changed), (SCHEDULE, Change::Unchanged)]);
    let after = engine.schedule(PROJECT, "load").unwrap();
    assert_eq!((&after.status, after.revision), (&before.status, 1));
    // Whatever can be done with a schedule can be done with it.
    engine.resume_schedule(PROJECT, "load").await.unwrap();
    assert_eq!(engine.next_fires(PROJECT, "load", 2).unwrap()[0], START.plus_millis(2 * HOUR));
    engine.fire_schedule(PROJECT, "load").await.unwrap();
    let from = Timestamp::from_millis(START.as_millis() - HOUR);
    let backfill = engine.backfill_schedule(PROJECT, "load", from, START.plus_millis(1), false).await.unwrap();
    assert_eq!(backfill.nominal.len(), 2);
    engine.settle().await;
    assert_eq!(engine.schedule(PROJECT, "load").unwrap().status.fired, 4);
}

#[tokio::test]
async fn runs_that_come_from_elsewhere_do_not_look_at_it() {
    let engine = engine().await;
    let configs = vec![("first".to_owned(), config().then("load")), ("load".to_owned(), on("@daily"))];
    engine.apply_configs(configs, false).await.unwrap();
    let ids = engine.run_config(PROJECT, "first", RunOptions::new(), None).await.unwrap();
    assert_eq!(ids.len(), 2);
    let element = ChainElement { config: "load".into(), options: RunOptions::new() };
    let ids = [ids, engine.run_chain(PROJECT, &[element]).await.unwrap()].concat();
    engine.settle().await;
    assert!(ids.iter().all(|id| engine.get(*id).unwrap().job.spec.fired.is_none()));
    assert_eq!(engine.schedule(PROJECT, "load").unwrap().status.fired, 0);
}

#[tokio::test]
async fn a_pipeline_has_its_schedule_in_the_same_way() {
    let engine = engine().await;
    let apply = async |cron: Option<&str>| {
        let configs = vec![("step".to_owned(), config())];
        let plan = Plan { configs, pipelines: named("tidy", pipeline(cron)), ..Plan::default() };
        let applied = engine.apply_plan(plan, false).await.unwrap();
        applied[1..].iter().map(|it| (it.kind, it.change)).collect::<Vec<_>>()
    };
    let created = [(DocumentKind::Pipeline, Change::Created), (SCHEDULE, Change::Created)];
    assert_eq!(apply(Some("0 * * * *")).await, created);
    let view = engine.schedule(PROJECT, "tidy").unwrap();
    assert_eq!((view.owner, view.spec.target), (Some(Owner::Pipeline), Target::Pipeline("tidy".into())));
    let gone = [(DocumentKind::Pipeline, Change::Changed), (SCHEDULE, Change::Deleted)];
    assert_eq!(apply(None).await, gone);
    engine.rollback_pipeline(PROJECT, "tidy", 1).await.unwrap();
    assert_eq!(engine.schedule(PROJECT, "tidy").unwrap().owner, Some(Owner::Pipeline));
    // Its own schedule is no reason to keep it.
    engine.delete_pipeline(PROJECT, "tidy").await.unwrap();
    assert!(engine.schedule(PROJECT, "tidy").is_err());
}

#[tokio::test]
async fn a_name_that_belongs_elsewhere_is_refused_with_both() {
    let engine = engine().await;
    let configs =
        vec![("load".to_owned(), on("@daily")), ("report".to_owned(), config()), ("step".to_owned(), config())];
    engine.apply_configs(configs, false).await.unwrap();
    // Alone it is neither changed nor deleted.
    let found = told(engine.apply_schedules(PROJECT, vec![("load".into(), schedule("report"))], false).await);
    let belongs = "\"load\".name: schedule \"load\" is stored, which belongs to config \"load\"";
    assert!(found.len() == 1 && found[0].starts_with(belongs), "{found:?}");
    assert!(found[0].contains("change the schedule of config \"load\" in the config"), "{found:?}");
    let refused = engine.delete_schedule(PROJECT, "load").await.unwrap_err();
    assert!(matches!(&refused, Error::Conflict(text) if text.contains("belongs to config \"load\"")), "{refused}");
    let found = told(engine.apply_pipelines(named("load", pipeline(Some("@daily"))), false).await);
    assert!(
        found[0].starts_with("\"load\".schedule: pipeline \"load\" has a schedule, and schedule \"load\""),
        "{found:?}"
    );
    // A schedule of nobody's is nobody's to take.
    engine.apply_schedules(PROJECT, vec![("report".into(), schedule("load"))], false).await.unwrap();
    let found = told(engine.apply_configs(vec![("report".into(), on("@daily"))], false).await);
    assert!(found[0].contains("\"report\" is stored, which belongs to nothing; allowed: to delete"), "{found:?}");
    let plan = Plan {
        configs: vec![("new".into(), on("@daily"))],
        pipelines: named("new", pipeline(Some("@daily"))),
        schedules: named("new", schedule("new")),
        ..Plan::default()
    };
    let found = told(engine.apply_plan(plan, false).await);
    assert!(found.len() == 2 && found.iter().all(|it| it.contains("is given too")), "{found:?}");
    assert!(engine.config(PROJECT, "new", None).is_err());
}

#[tokio::test]
async fn a_schedule_that_its_owner_lets_go_of_is_kept_as_it_stands() {
    let engine = engine().await;
    apply(&engine, "load", on("0 * * * *")).await;
    engine.advance(HOUR).await;
    let plan = Plan {
        configs: vec![("load".into(), config())],
        schedules: named("load", ScheduleSpec::new(CalendarSpec::cron("0 * * * *"), Target::Config("load".into()))),
        ..Plan::default()
    };
    let applied = engine.apply_plan(plan, false).await.unwrap();
    assert_eq!(applied.iter().map(|it| it.change).collect::<Vec<_>>(), [Change::Changed, Change::Changed]);
    let view = engine.schedule(PROJECT, "load").unwrap();
    assert_eq!((view.owner, view.status.fired), (None, 1));
    // From now on it is one like any other.
    engine.delete_schedule(PROJECT, "load").await.unwrap();
}

#[tokio::test]
async fn every_mistake_of_a_schedule_in_a_config_is_told() {
    let engine = engine().await;
    let mut bad = on("61 * * * *");
    bad.spec.queue = "no queue".into();
    if let Some(own) = &mut bad.schedule {
        own.policy.overlap = Overlap::BufferAll { most: 0 };
    }
    let rule = Rule::Parts(DateParts { hour: Some(24), ..DateParts::default() });
    let calendar = CalendarSpec { rule, ..CalendarSpec::cron("") };
    let parts = config().on(OwnSchedule::new(calendar));
    let found = told(engine.apply_configs(vec![("a".into(), bad), ("b".into(), parts)], false).await);
    let starts =
        ["\"a\".queue", "\"a\".schedule.cron.minute", "\"a\".schedule.overlap.most", "\"b\".schedule.parts.hour"];
    assert!(found.len() == 4 && found.iter().zip(starts).all(|(it, start)| it.starts_with(start)), "{found:?}");
}
