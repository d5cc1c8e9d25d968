//! Job configs: revisions, chains by `next`, chains put together.

use windlass::job::{ChainState, JobConfig, Reason};
use windlass::testing::TestEngine;
use windlass::{
    ChainElement, Change, Error, FunctionContext, FunctionError, JobId, JobSpec, Problem, RunOptions, State,
};

const PROJECT: &str = "default";

async fn engine() -> TestEngine {
    let engine = TestEngine::open(|builder| {
        builder
            .function("show", |context: FunctionContext, names: Vec<String>| async move {
                let of = |name: &String| context.option(name).map(|value| format!("{name}={value}"));
                Ok::<_, FunctionError>(names.iter().filter_map(of).collect::<Vec<_>>())
            })
            .function("fails", |_, (): ()| async { Err::<(), _>(FunctionError::new("no")) })
    });
    engine.await.unwrap()
}

fn shows(names: &[&str]) -> JobSpec {
    JobSpec::function("show", serde_json::to_vec(names).unwrap())
}

fn options(pairs: &[(&str, &str)]) -> RunOptions {
    pairs.iter().copied().collect()
}

async fn apply(engine: &TestEngine, configs: &[(&str, JobConfig)]) -> Vec<(u32, Change)> {
    let configs = configs.iter().map(|(name, config)| ((*name).to_owned(), config.clone())).collect();
    let applied = engine.apply_configs(configs, false).await.unwrap();
    applied.into_iter().map(|it| (it.revision, it.change)).collect()
}

async fn told(engine: &TestEngine, configs: &[(&str, JobConfig)]) -> Vec<String> {
    let configs = configs.iter().map(|(name, config)| ((*name).to_owned(), config.clone())).collect();
    match engine.apply_configs(configs, false).await {
        Err(Error::Invalid(problems)) => problems.iter().map(Problem::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

fn output(engine: &TestEngine, id: JobId) -> Vec<String> {
    serde_json::from_slice(&engine.output(id).unwrap().unwrap()).unwrap()
}

#[tokio::test]
async fn a_revision_never_changes_and_a_job_says_which_it_is_of() {
    let mut engine = engine().await;
    let config = |value: &str| JobConfig::new(shows(&["A"]).option("A", value));
    assert_eq!(apply(&engine, &[("load", config("1"))]).await, [(1, Change::Created)]);
    assert_eq!(apply(&engine, &[("load", config("1"))]).await, [(1, Change::Unchanged)]);
    let first = engine.run_config(PROJECT, "load", RunOptions::new(), None).await.unwrap();
    // Nothing but the value of an option differs, which nobody is shown.
    assert_eq!(apply(&engine, &[("load", config("2"))]).await, [(2, Change::Changed)]);
    engine.crash_and_recover().await.unwrap();
    let second = engine.run_config(PROJECT, "load", RunOptions::new(), None).await.unwrap();
    engine.settle().await;
    for (ids, revision, shown) in [(&first, 1, "A=1"), (&second, 2, "A=2")] {
        let job = engine.get(ids[0]).unwrap().job;
        assert_eq!((job.spec.config.as_deref(), job.spec.config_revision), (Some("load"), Some(revision)));
        assert_eq!(output(&engine, ids[0]), [shown]);
    }
    let applied = engine.rollback_config(PROJECT, "load", 1).await.unwrap();
    assert_eq!((applied.revision, applied.change), (3, Change::Changed));
    let third = engine.run_config(PROJECT, "load", RunOptions::new(), None).await.unwrap();
    engine.settle().await;
    assert_eq!(output(&engine, third[0]), ["A=1"]);
    let view = engine.config(PROJECT, "load", Some(2)).unwrap();
    assert_eq!((view.revision, view.latest, view.option_names), (2, 3, vec!["A".to_owned()]));
    assert!(view.config.spec.options.is_empty());
    let revisions = engine.config_revisions(PROJECT, "load").unwrap();
    assert_eq!(revisions.iter().map(|(revision, _)| *revision).collect::<Vec<_>>(), [1, 2, 3]);
    // Numbers go on where one of this name was before.
    engine.delete_config(PROJECT, "load").await.unwrap();
    assert!(matches!(engine.config(PROJECT, "load", None), Err(Error::Unknown { what: "config", .. })));
    assert_eq!(apply(&engine, &[("load", config("3"))]).await.len(), 1);
    assert_eq!(engine.config(PROJECT, "load", None).unwrap().revision, 4);
    assert!(engine.config(PROJECT, "load", Some(1)).is_err());
}

#[tokio::test]
async fn a_chain_gets_the_options_of_a_request_in_its_first_job_only() {
    let engine = engine().await;
    let names = ["key1", "key2", "key3", "jobId"];
    let load = JobConfig::new(shows(&names).option("key1", "valueFromConfig").option("key2", "value2")).then("report");
    let report = JobConfig::new(shows(&names).option("key1", "other"));
    apply(&engine, &[("load", load), ("report", report)]).await;
    let request = options(&[("key1", "valueFromJob"), ("key3", "value3"), ("jobId", "42")]);
    let ids = engine.run_config(PROJECT, "load", request, None).await.unwrap();
    engine.settle().await;
    let own = |id: JobId| format!("jobId={id}");
    let merged = ["key1=valueFromJob".to_owned(), "key2=value2".into(), "key3=value3".into(), own(ids[0])];
    assert_eq!(output(&engine, ids[0]), merged);
    assert_eq!(output(&engine, ids[1]), ["key1=other".to_owned(), own(ids[1])]);
    assert_eq!(engine.chain(ids[0]).unwrap().summary.state, ChainState::Succeeded);
}

#[tokio::test]
async fn a_member_that_fails_ends_the_rest_with_its_word_and_a_crash_repeats_none() {
    let mut engine = engine().await;
    let fails = JobConfig::new(JobSpec::function("fails", "null")).then("c");
    let configs = [("a", JobConfig::new(shows(&[])).then("b")), ("b", fails), ("c", JobConfig::new(shows(&[])))];
    apply(&engine, &configs).await;
    let ids = engine.run_config(PROJECT, "a", RunOptions::new(), Some("once".into())).await.unwrap();
    assert_eq!(ids.len(), 3);
    // What the configs say later makes no difference to jobs that are there.
    apply(&engine, &[("b", JobConfig::new(shows(&[])))]).await;
    engine.crash_and_recover().await.unwrap();
    engine.settle().await;
    let jobs: Vec<_> = ids.iter().map(|id| engine.get(*id).unwrap().job).collect();
    let states: Vec<State> = jobs.iter().map(|job| job.status.state).collect();
    assert_eq!(states, [State::Succeeded, State::Failed, State::Failed]);
    assert_eq!(jobs.iter().map(|job| job.status.attempt).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!(jobs[2].status.reason, Some(Reason::PreviousJob(ids[1], State::Failed)));
    assert_eq!(jobs[1].spec.name.as_deref(), Some("b"));
}

#[tokio::test]
async fn a_request_with_a_key_makes_one_chain() {
    let engine = engine().await;
    apply(&engine, &[("a", JobConfig::new(shows(&[])).then("b")), ("b", JobConfig::new(shows(&[])))]).await;
    let run = || engine.run_config(PROJECT, "a", options(&[("X", "1")]), Some("today".into()));
    let ids = run().await.unwrap();
    assert_eq!(run().await.unwrap(), ids);
    let other = engine.run_config(PROJECT, "a", RunOptions::new(), Some("today".into())).await;
    assert!(matches!(other, Err(Error::Conflict(_))), "{other:?}");
}

#[tokio::test]
async fn a_chain_that_is_put_together_has_an_order_and_options_of_its_own() {
    let engine = engine().await;
    let a = JobConfig::new(shows(&["X"]).option("X", "config")).then("b");
    apply(&engine, &[("a", a), ("b", JobConfig::new(shows(&["X"])))]).await;
    let element =
        |config: &str, pairs: &[(&str, &str)]| ChainElement { config: config.into(), options: options(pairs) };
    let elements = [element("b", &[("X", "1")]), element("a", &[("X", "2")]), element("a", &[]), element("b", &[])];
    let ids = engine.run_chain(PROJECT, &elements).await.unwrap();
    engine.settle().await;
    let shown: Vec<Vec<String>> = ids.iter().map(|id| output(&engine, *id)).collect();
    assert_eq!(shown, [vec!["X=1".to_owned()], vec!["X=2".into()], vec!["X=config".into()], vec![]]);
    let names: Vec<_> = ids.iter().map(|id| engine.get(*id).unwrap().job.spec.name.clone().unwrap()).collect();
    assert_eq!(names, ["b", "a", "a@2", "b@2"]);
    let answer = engine.run_chain(PROJECT, &[element("x", &[]), element("a", &[]), element("y", &[])]).await;
    let Err(Error::Invalid(problems)) = answer else { panic!("{answer:?}") };
    assert_eq!(problems.iter().map(|it| it.field.as_str()).collect::<Vec<_>>(), ["chain[0].config", "chain[2].config"]);
    assert!(engine.run_chain(PROJECT, &[]).await.is_err());
}

#[tokio::test]
async fn circles_and_successors_that_are_not_there_are_refused_with_the_path() {
    let engine = engine().await;
    let to = |next: &str| JobConfig::new(shows(&[])).then(next);
    let allowed = "; allowed: configs that are stored in this project";
    assert_eq!(
        told(&engine, &[("a", to("x"))]).await,
        [format!("\"a\".next: the last of \"a\" -> \"x\" is not there{allowed}")]
    );
    apply(&engine, &[("c", JobConfig::new(shows(&[]))), ("b", to("c")), ("a", to("b"))]).await;
    let circle = "\"c\".next: configs follow each other in a circle: \"c\" -> \"a\" -> \"b\" -> \"c\"";
    let found = told(&engine, &[("c", to("a"))]).await;
    assert!(found.len() == 1 && found[0].starts_with(circle), "{found:?}");
    assert!(told(&engine, &[("d", to("d"))]).await[0].contains("\"d\" -> \"d\""));
    // What was refused has changed nothing, and what is named is not deleted.
    assert_eq!(engine.config(PROJECT, "c", None).unwrap().config.next, None);
    let answer = engine.delete_config(PROJECT, "c").await.unwrap_err();
    assert!(matches!(&answer, Error::Conflict(text) if text.contains("config \"b\"")), "{answer}");
    // Of another project it would be another config.
    let mut elsewhere = to("c");
    elsewhere.spec.project = "other".into();
    assert_eq!(told(&engine, &[("e", elsewhere)]).await.len(), 1);
    let answer = engine.run_config(PROJECT, "nobody", RunOptions::new(), None).await;
    assert!(matches!(answer, Err(Error::Unknown { what: "config", .. })));
}

#[tokio::test]
async fn every_mistake_is_told_and_a_dry_run_stores_nothing() {
    let engine = engine().await;
    let bad = JobConfig::new(JobSpec { queue: "no queue".into(), ..shows(&[]) }.named("x"));
    let mut named = JobConfig::new(shows(&[]));
    named.spec.task =
        windlass::job::Task::Named(windlass::job::NamedTask { executor: "dokcer".into(), params: b"{}".to_vec() });
    let found = told(&engine, &[("a b", bad), ("n", named)]).await;
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found.iter().any(|it| it.contains("dokcer")), "{found:?}");
    let configs = vec![("a".to_owned(), JobConfig::new(shows(&[])))];
    let applied = engine.apply_configs(configs, true).await.unwrap();
    assert_eq!((applied[0].revision, applied[0].change), (1, Change::Created));
    assert!(engine.config(PROJECT, "a", None).is_err());
}

#[tokio::test]
async fn lists_are_of_one_project_in_the_order_of_names_page_by_page() {
    let engine = engine().await;
    let of = |project: &str| {
        let mut config = JobConfig::new(shows(&[]));
        config.spec.project = project.to_owned();
        config
    };
    apply(&engine, &[("b", of("p")), ("a", of("p")), ("c", of("p")), ("x", of("o")), ("y", of("p-1"))]).await;
    engine.delete_config("p", "b").await.unwrap();
    let names = |after: Option<&str>, most| {
        engine.configs("p", after, most).unwrap().into_iter().map(|it| it.name).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 10), ["a", "c"]);
    assert_eq!(names(None, 1), ["a"]);
    assert_eq!(names(Some("a"), 1), ["c"]);
}

#[tokio::test]
async fn options_of_configs_are_sealed_and_a_new_key_seals_all_revisions() {
    let engine = engine().await;
    let config = |value: &str| JobConfig::new(shows(&["TOKEN"]).option("TOKEN", value));
    apply(&engine, &[("a", config("hush-hush-one"))]).await;
    apply(&engine, &[("a", config("hush-hush-two"))]).await;
    assert_eq!(engine.rotate_key().await.unwrap().resealed, 2);
    let ids = engine.run_config(PROJECT, "a", RunOptions::new(), None).await.unwrap();
    engine.rollback_config(PROJECT, "a", 1).await.unwrap();
    let again = engine.run_config(PROJECT, "a", RunOptions::new(), None).await.unwrap();
    engine.settle().await;
    assert_eq!(output(&engine, ids[0]), ["TOKEN=hush-hush-two"]);
    assert_eq!(output(&engine, again[0]), ["TOKEN=hush-hush-one"]);
}
