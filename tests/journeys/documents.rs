//! Pipelines as stored documents, and what documents name of each other.

use windlass::job::pipeline::{Parameter, ProcessNode};
use windlass::job::{CalendarSpec, JobConfig, OwnSchedule, PipelineSpec, ScheduleSpec, Target};
use windlass::testing::TestEngine;
use windlass::{Applied, Change, DocumentKind, Error, FunctionError, JobSpec, Plan, Problem, Prune};

const PROJECT: &str = "default";

async fn engine() -> TestEngine {
    let engine =
        TestEngine::open(|builder| builder.function("nothing", |_, (): ()| async move { Ok::<_, FunctionError>(()) }));
    engine.await.unwrap()
}

fn config() -> JobConfig {
    JobConfig::new(JobSpec::function("nothing", "null"))
}

/// A pipeline with a node for each of these configs.
fn pipeline(processors: &[&str]) -> PipelineSpec {
    let node = |(at, processor): (usize, &&str)| ProcessNode::new(format!("n{at}"), *processor);
    PipelineSpec { process_nodes: processors.iter().enumerate().map(node).collect(), ..PipelineSpec::default() }
}

/// A pipeline with parameters: a name alone has no default.
fn with_parameters(names: &[(&str, Option<&str>)]) -> PipelineSpec {
    let parameter = |(name, default): &(&str, Option<&str>)| Parameter {
        name: (*name).to_owned(),
        default: default.map(Into::into),
    };
    PipelineSpec { parameters: names.iter().map(parameter).collect(), ..pipeline(&["a"]) }
}

fn hourly(target: Target) -> ScheduleSpec {
    ScheduleSpec::new(CalendarSpec::cron("0 * * * *"), target)
}

/// An hourly schedule of pipeline `p` with these options.
fn runs_p(options: &[(&str, &str)]) -> ScheduleSpec {
    ScheduleSpec { options: options.iter().copied().collect(), ..hourly(Target::Pipeline("p".into())) }
}

fn configs(names: &[&str]) -> Vec<(String, JobConfig)> {
    names.iter().map(|name| ((*name).to_owned(), config())).collect()
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

fn changes(applied: &[Applied]) -> Vec<(DocumentKind, &str, Change)> {
    applied.iter().map(|it| (it.kind, it.name.as_str(), it.change)).collect()
}

#[tokio::test]
async fn a_pipeline_has_revisions_that_outlive_a_crash() {
    let mut engine = engine().await;
    engine.apply_configs(configs(&["a", "b"]), false).await.unwrap();
    let apply = async |engine: &TestEngine, spec| {
        let applied = engine.apply_pipelines(named("p", spec), false).await.unwrap();
        (applied[0].revision, applied[0].change)
    };
    let full = PipelineSpec { parameters: with_parameters(&[("DAY", Some("1.10"))]).parameters, ..pipeline(&["a"]) };
    assert_eq!(apply(&engine, full.clone()).await, (1, Change::Created));
    assert_eq!(apply(&engine, full.clone()).await, (1, Change::Unchanged));
    assert_eq!(apply(&engine, pipeline(&["a", "b"])).await, (2, Change::Changed));
    engine.crash_and_recover().await.unwrap();
    let first = engine.pipeline(PROJECT, "p", Some(1)).unwrap();
    assert_eq!((first.revision, first.latest, &first.spec), (1, 2, &full));
    assert_eq!(engine.pipeline(PROJECT, "p", None).unwrap().spec, pipeline(&["a", "b"]));
    let applied = engine.rollback_pipeline(PROJECT, "p", 1).await.unwrap();
    assert_eq!((applied.kind, applied.revision, applied.change), (DocumentKind::Pipeline, 3, Change::Changed));
    let revisions = engine.pipeline_revisions(PROJECT, "p").unwrap();
    assert_eq!(revisions.iter().map(|(revision, _)| *revision).collect::<Vec<_>>(), [1, 2, 3]);
    engine.apply_pipelines(named("q", pipeline(&["a"])), false).await.unwrap();
    let names: Vec<String> = engine.pipelines(PROJECT, None, 10).unwrap().into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["p", "q"]);
    assert_eq!(engine.pipelines(PROJECT, Some("p"), 10).unwrap().len(), 1);
    assert!(engine.pipelines("other", None, 10).unwrap().is_empty());
    engine.delete_pipeline(PROJECT, "p").await.unwrap();
    assert!(matches!(engine.pipeline(PROJECT, "p", None), Err(Error::Unknown { what: "pipeline", .. })));
    assert!(matches!(engine.delete_pipeline(PROJECT, "p").await, Err(Error::Unknown { what: "pipeline", .. })));
}

#[tokio::test]
async fn every_mistake_of_pipelines_is_told_and_nothing_is_stored() {
    let engine = engine().await;
    let mut bad = pipeline(&["", "a"]);
    bad.process_nodes[1].name = "no name".into();
    let pipelines = vec![(PROJECT.to_owned(), "a b".to_owned(), bad), ("p q".to_owned(), "r".into(), pipeline(&["a"]))];
    let found = told(engine.apply_pipelines(pipelines, false).await);
    let starts =
        ["\"a b\".name: ", "\"a b\".processNodes.n0.processor: ", "\"a b\".processNodes.no name: ", "\"r\".project: "];
    assert_eq!(found.len(), starts.len(), "{found:?}");
    assert!(found.iter().zip(starts).all(|(found, start)| found.starts_with(start)), "{found:?}");
    let twice = [named("p", pipeline(&["a"])), named("p", pipeline(&["a"]))].concat();
    assert!(told(engine.apply_pipelines(twice, false).await)[0].contains("it is given twice"));
    // Each processor is told once.
    let found = told(engine.apply_pipelines(named("p", pipeline(&["x", "y", "x"])), false).await);
    let missing = |node: &str, config: &str| {
        let allowed = "configs that are stored in this project";
        format!("\"p\".processNodes.{node}.processor: there is no config \"{config}\"; allowed: {allowed}")
    };
    assert_eq!(found, [missing("n0", "x"), missing("n1", "y")]);
    assert!(engine.pipeline(PROJECT, "p", None).is_err());
}

#[tokio::test]
async fn a_plan_of_all_kinds_is_stored_together_or_not_at_all() {
    let engine = engine().await;
    let plan = |target: &str| Plan {
        configs: configs(&["a"]),
        pipelines: named("p", pipeline(&["a"])),
        schedules: named("s", hourly(Target::Pipeline(target.into()))),
        ..Plan::default()
    };
    let found = told(engine.apply_plan(plan("nobody"), false).await);
    assert!(found.len() == 1 && found[0].starts_with("\"s\".pipeline: there is no pipeline \"nobody\""), "{found:?}");
    assert!(engine.config(PROJECT, "a", None).is_err() && engine.pipeline(PROJECT, "p", None).is_err());
    let dry = engine.apply_plan(plan("p"), true).await.unwrap();
    assert!(engine.pipeline(PROJECT, "p", None).is_err());
    let applied = engine.apply_plan(plan("p"), false).await.unwrap();
    assert_eq!(applied, dry);
    let of = |kind, name| (kind, name, Change::Created);
    let expected = [of(DocumentKind::Config, "a"), of(DocumentKind::Pipeline, "p"), of(DocumentKind::Schedule, "s")];
    assert_eq!(changes(&applied), expected);
}

#[tokio::test]
async fn what_a_pipeline_or_a_schedule_names_is_not_deleted() {
    let engine = engine().await;
    let schedules = named("s", hourly(Target::Pipeline("p".into())));
    let plan = Plan { configs: configs(&["a"]), pipelines: named("p", pipeline(&["a"])), schedules, ..Plan::default() };
    engine.apply_plan(plan, false).await.unwrap();
    let refused = engine.delete_config(PROJECT, "a").await.unwrap_err();
    assert!(matches!(&refused, Error::Conflict(text) if text.contains("needed by pipeline \"p\"")), "{refused}");
    let refused = engine.delete_pipeline(PROJECT, "p").await.unwrap_err();
    assert!(matches!(&refused, Error::Conflict(text) if text.contains("needed by schedule \"s\"")), "{refused}");
    engine.delete_schedule(PROJECT, "s").await.unwrap();
    engine.delete_pipeline(PROJECT, "p").await.unwrap();
    engine.delete_config(PROJECT, "a").await.unwrap();
}

#[tokio::test]
async fn options_of_a_schedule_are_parameters_of_its_pipeline() {
    let engine = engine().await;
    engine.apply_configs(configs(&["a"]), false).await.unwrap();
    let spec = with_parameters(&[("DAY", None), ("PLACE", Some("here"))]);
    engine.apply_pipelines(named("p", spec), false).await.unwrap();
    let apply = async |options: &[(&str, &str)]| {
        engine.apply_schedules(PROJECT, vec![("s".into(), runs_p(options))], false).await
    };
    let found = told(apply(&[("MONTH", "May")]).await);
    assert_eq!(
        found,
        [
            "\"s\".options.MONTH: the pipeline has no such parameter; allowed: DAY, PLACE",
            "\"s\".options.DAY: there is no value; allowed: a value for each parameter without a default",
        ]
    );
    apply(&[("DAY", "monday")]).await.unwrap();
    // A pipeline does not change under its schedules either, unless they change with it.
    let other = with_parameters(&[("MONTH", None)]);
    let found = told(engine.apply_pipelines(named("p", other.clone()), false).await);
    assert!(
        found.len() == 2 && found.iter().all(|it| it.starts_with("\"p\".parameters: for schedule \"s\"")),
        "{found:?}"
    );
    let schedules = named("s", runs_p(&[("MONTH", "May")]));
    let plan = Plan { pipelines: named("p", other), schedules, ..Plan::default() };
    assert_eq!(engine.apply_plan(plan, false).await.unwrap().len(), 2);
    assert_eq!(engine.schedule(PROJECT, "s").unwrap().option_names, ["MONTH"]);
}

/// A plan that prunes these kinds of the default project.
fn prunes(kinds: &[DocumentKind], plan: Plan) -> Plan {
    Plan { prune: Some(Prune { project: PROJECT.into(), kinds: kinds.to_vec() }), ..plan }
}

fn all_names(engine: &TestEngine) -> Vec<String> {
    let configs = engine.configs(PROJECT, None, 100).unwrap().into_iter().map(|it| format!("config {}", it.name));
    let pipelines = engine.pipelines(PROJECT, None, 100).unwrap().into_iter().map(|it| format!("pipeline {}", it.name));
    let schedules =
        engine.schedules(PROJECT, None, 100).unwrap().into_iter().map(|(name, _)| format!("schedule {name}"));
    configs.chain(pipelines).chain(schedules).collect()
}

/// Configs `a` and `own`, which has a schedule, pipeline `p` of `a`, schedule `s` of `p`; and config `a` elsewhere.
async fn engine_to_prune() -> TestEngine {
    let engine = engine().await;
    let own = config().on(OwnSchedule::new(CalendarSpec::cron("@daily")));
    let mut elsewhere = config();
    elsewhere.spec.project = "other".into();
    let plan = Plan {
        configs: vec![("a".into(), config()), ("own".into(), own), ("a".into(), elsewhere)],
        pipelines: named("p", pipeline(&["a"])),
        schedules: named("s", runs_p(&[])),
        ..Plan::default()
    };
    engine.apply_plan(plan, false).await.unwrap();
    engine
}

#[tokio::test]
async fn what_a_plan_does_not_name_goes_with_the_same_write() {
    let engine = engine_to_prune().await;
    let all = [DocumentKind::Config, DocumentKind::Pipeline, DocumentKind::Schedule];
    let plan = || prunes(&all, Plan { configs: configs(&["b"]), ..Plan::default() });
    let before = all_names(&engine);
    assert_eq!(before, ["config a", "config own", "pipeline p", "schedule own", "schedule s"]);
    let dry = engine.apply_plan(plan(), true).await.unwrap();
    assert_eq!(all_names(&engine), before);
    let applied = engine.apply_plan(plan(), false).await.unwrap();
    assert_eq!(applied, dry);
    let gone = |kind, name| (kind, name, Change::Deleted);
    let expected = [
        (DocumentKind::Config, "b", Change::Created),
        gone(DocumentKind::Config, "a"),
        gone(DocumentKind::Config, "own"),
        gone(DocumentKind::Schedule, "own"),
        gone(DocumentKind::Schedule, "s"),
        gone(DocumentKind::Pipeline, "p"),
    ];
    assert_eq!(changes(&applied), expected);
    assert_eq!(all_names(&engine), ["config b"]);
    // Only the named project is looked at.
    assert!(engine.config("other", "a", None).is_ok());
    assert_eq!(engine.apply_plan(plan(), false).await.unwrap().len(), 1);
}

#[tokio::test]
async fn only_the_kinds_that_are_named_are_pruned_and_no_schedule_that_belongs_to_something() {
    let engine = engine_to_prune().await;
    let plan = Plan { schedules: named("t", hourly(Target::Config("a".into()))), ..Plan::default() };
    let applied = engine.apply_plan(prunes(&[DocumentKind::Schedule], plan), false).await.unwrap();
    let expected = [(DocumentKind::Schedule, "t", Change::Created), (DocumentKind::Schedule, "s", Change::Deleted)];
    assert_eq!(changes(&applied), expected);
    assert_eq!(all_names(&engine), ["config a", "config own", "pipeline p", "schedule own", "schedule t"]);
}

#[tokio::test]
async fn nothing_is_pruned_while_something_that_stays_names_it() {
    let engine = engine_to_prune().await;
    let before = all_names(&engine);
    for dry_run in [true, false] {
        let plan = prunes(&[DocumentKind::Config], Plan { configs: configs(&["b"]), ..Plan::default() });
        let refused = engine.apply_plan(plan, dry_run).await.unwrap_err();
        let expected = "config \"a\" is needed by pipeline \"p\"; change or delete those first";
        assert!(matches!(&refused, Error::Conflict(text) if text == expected), "{refused}");
    }
    // What the plan itself names has to be in it.
    let plan = Plan { configs: vec![("b".into(), config().then("own"))], ..Plan::default() };
    let found = told(engine.apply_plan(prunes(&[DocumentKind::Config], plan), false).await);
    assert!(found[0].starts_with("\"b\".next: the last of \"b\" -> \"own\" is not there"), "{found:?}");
    let plan = Plan { pipelines: named("q", pipeline(&["a"])), ..Plan::default() };
    let refused = engine.apply_plan(prunes(&[DocumentKind::Pipeline], plan), false).await.unwrap_err();
    assert!(refused.to_string().contains("pipeline \"p\" is needed by schedule \"s\""), "{refused}");
    assert_eq!(all_names(&engine), before);
}
