//! Plan files: what a good one says, and every mistake of a bad one.

use super::{PlanFile, parse_plan_file};
use crate::job::{CatchUp, Overlap, Rule, Target};

fn parse(text: &str) -> Result<PlanFile, String> {
    let env = |name: &str| (name == "KEY").then(|| "hush".to_owned());
    parse_plan_file(text.as_bytes(), "p.yaml", &env)
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

const GOOD: &str = r#"
defaults:
  project: lab
  retry: 3
configs:
  load:
    command: [load, --all]
    options: { TOKEN: { secret_env: KEY }, DAY: monday }
    next: report
  report: { shell: "make report", timeout: 5m, reads: data, writes: [report.html] }
  weekly_load:
    command: [load]
    schedule: { at: { day_of_week: Wednesday, hour: 21 }, zone: Europe/Paris, end: 2030-01-01, overlap: skip }
schedules:
  nightly:
    cron: "30 2 * * *"
    zone: Europe/Paris
    start: 2026-01-01
    config: load
    overlap: buffer_all
    buffer: 5
    catch_up: { window: 2h }
    jitter: 5m
    options: { DAY: any }
  weekly: { at: { day_of_week: Wednesday, hour: 21 }, chain: [report, load], catch_up: one, project: other }
  once: { times: 2026-11-21T10:00:00, config: load, on_time: 10s, catch_up: { most: 2 } }
  whole: { cron: "@daily", pipeline: clean_all, options: { DAY: monday } }
"#;

#[test]
fn a_file_says_configs_and_schedules() {
    let file = parse(GOOD).unwrap();
    let [(load, config), (report, other), (_, weekly)] = file.configs.as_slice() else { panic!("{file:?}") };
    assert_eq!((load.as_str(), report.as_str(), config.next.as_deref()), ("load", "report", Some("report")));
    assert_eq!((config.spec.project.as_str(), config.spec.retry.max_attempts, &config.spec.name), ("lab", 3, &None));
    assert_eq!(config.spec.options.get("TOKEN").map(|it| (it.value.as_str(), it.secret)), Some(("hush", true)));
    assert_eq!(other.spec.deadlines.attempt_ms, Some(300_000));
    assert_eq!((other.spec.reads.join(" "), other.spec.writes.join(" ")), ("data".into(), "report.html".into()));
    let own = weekly.schedule.as_ref().unwrap();
    assert!(matches!(&own.calendar.rule, Rule::Parts(parts) if parts.hour == Some(21)));
    assert_eq!((own.calendar.end.as_deref(), own.policy.overlap), (Some("2030-01-01"), Overlap::Skip));
    assert_eq!((&config.schedule, &other.schedule), (&None, &None));
    let [nightly, weekly, once, whole] = file.schedules.as_slice() else { panic!("{file:?}") };
    assert_eq!((nightly.0.as_str(), nightly.1.as_str()), ("lab", "nightly"));
    assert_eq!(nightly.2.policy.overlap, Overlap::BufferAll { most: 5 });
    assert_eq!(nightly.2.policy.catch_up, CatchUp::Window { ms: 7_200_000 });
    assert_eq!((nightly.2.policy.jitter_ms, nightly.2.options.len()), (300_000, 1));
    assert_eq!((weekly.0.as_str(), &weekly.2.target), ("other", &Target::Chain(vec!["report".into(), "load".into()])));
    assert!(matches!(&weekly.2.calendar.rule, Rule::Parts(parts) if parts.hour == Some(21)));
    assert_eq!((once.2.policy.on_time_ms, once.2.policy.catch_up), (10_000, CatchUp::Most { count: 2 }));
    assert_eq!((&whole.2.target, whole.2.options.len()), (&Target::Pipeline("clean_all".into()), 1));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let text = r#"
configs:
  load:
    command: [load]
    after: [other]
    next: "no name"
    queue: "a b"
  "b d": { comand: x }
  twice: { command: [x], schedule: { cron: "61 * * * *", config: load, jitter: 3x } }
  never: { command: [x], schedule: { overlap: skip } }
  daily: { command: [x], schedule: "@daily" }
schedules:
  one: { cron: "61 * * * *", config: load, overlap: buffer_one, buffer: 3, zone: Europe/Pariss }
  two: { config: load, chain: [x], catch_up: later }
  three: { at: { hour: 24 }, cron: "@daily", jitter: 3x }
  five: { at: { hour: 24 }, config: load }
  six: { cron: "@daily", config: load, pipeline: "no name" }
  seven: { cron: "@daily", pipeline: "no name" }
  four: { times: [2026-01-01, tomorrow], config: load, catch_up: { window: 1s } }
"#;
    let told = parse(text).unwrap_err();
    let expected = [
        "p.yaml:5:5: configs.load.after: unknown field",
        "p.yaml:6:11: configs.load.next: \"no name\" is not a name",
        "p.yaml:7:12: configs.load.queue: \"a b\" is not a name",
        "configs.b d.comand: unknown field, did you mean \"command\"?",
        "p.yaml:9:58: configs.twice.schedule.config: unknown field",
        "p.yaml:9:44: configs.twice.schedule.cron: \"61\" is out of range",
        "configs.twice.schedule.jitter: \"3x\"",
        "configs.never.schedule.cron: there is none; allowed: one of cron, at, times",
        "configs.daily.schedule: is a text; allowed: a map with the fields cron, at, times",
        "p.yaml:13:16: schedules.one.cron: \"61\" is out of range",
        "schedules.one.buffer: it is for buffer_all only",
        "schedules.one.zone: \"Europe/Pariss\" is not a time zone",
        "schedules.two.chain: there is config already",
        "schedules.two.cron: there is none; allowed: one of cron, at, times",
        "schedules.two.catch_up: \"later\" is not known",
        "schedules.three.at: there is cron already",
        "schedules.three.config: there is none; allowed: one of config, chain, pipeline",
        "schedules.three.jitter: \"3x\"",
        "schedules.five.at.hour: \"24\" is out of range",
        "schedules.six.pipeline: there is config already; allowed: one of config, chain, pipeline",
        "schedules.seven.pipeline: \"no name\" is not a name",
        "schedules.four.times: \"tomorrow\"",
        "schedules.four.catch_up.window: 1000 ms",
    ];
    for expected in expected {
        assert!(told.contains(expected), "{expected}\nis not in\n{told}");
    }
    assert!(parse("jobs: []").unwrap_err().contains("unknown field"));
    assert!(parse("{}").unwrap_err().contains("a map with configs, schedules or both"));
    assert!(parse("configs: []").unwrap_err().contains("a map of names"));
}
