//! Configs, chains and schedules from the command line.

use serde_json::Value;

use crate::windlass::{Place, wait_for};

const PLAN: &str = r#"
configs:
  load:
    shell: 'echo "load $DAY $FROM"'
    options: { DAY: monday, TOKEN: { secret: hush-hush } }
    next: report
  report: { shell: 'echo "report $DAY"', options: { DAY: sunday } }
schedules:
  nightly: { cron: "30 2 * * *", zone: Europe/Paris, config: load }
"#;

fn place() -> Place {
    let place = Place::new();
    place.file("plan.yaml", PLAN);
    place
}

pub(crate) fn changes(answer: &Value) -> Vec<String> {
    let line =
        |it: &Value| format!("{} {} {}", it["name"].as_str().unwrap(), it["change"].as_str().unwrap(), it["revision"]);
    answer["applied"].as_array().unwrap().iter().map(line).collect()
}

#[test]
fn files_are_applied_compared_and_rolled_back() {
    let place = place();
    let dry = place.json(&["apply", "-f", "plan.yaml", "--dry-run"]);
    assert_eq!(changes(&dry), ["load created 1", "report created 1", "nightly created 1"]);
    assert_eq!(
        changes(&place.json(&["apply", "-f", "plan.yaml"])),
        ["load created 1", "report created 1", "nightly created 1"]
    );
    assert_eq!(
        changes(&place.json(&["config", "apply", "-f", "plan.yaml"])),
        ["load unchanged 1", "report unchanged 1"]
    );
    place.file(
        "plan.yaml",
        &PLAN.replace("echo \"load", "echo \"lade").replace("30 2", "40 2").replace("hush-hush", "hush"),
    );
    let diff = place.run(&["config", "diff", "-f", "plan.yaml"]).expect(0).stdout;
    assert!(
        diff.contains("config load: changed, revision 2") && diff.contains("lade $DAY") && !diff.contains("hush"),
        "{diff}"
    );
    assert!(diff.contains("config report: unchanged, revision 1"), "{diff}");
    let diff = place.run(&["schedule", "diff", "-f", "plan.yaml"]).expect(0).stdout;
    assert!(diff.contains("- cron: \"30 2 * * *\"") && diff.contains("+ cron: \"40 2 * * *\""), "{diff}");
    place.run(&["apply", "-f", "plan.yaml"]).expect(0);
    let shown = place.json(&["config", "show", "load"]);
    assert_eq!((&shown["configs"][0]["latest"], &shown["configs"][0]["says"]["next"]), (&2.into(), &"report".into()));
    let shown = place.run(&["config", "show", "load", "--revision", "1"]).expect(0).stdout;
    assert!(shown.contains("revision 1 of 2") && shown.contains("TOKEN") && !shown.contains("hush"), "{shown}");
    place.run(&["config", "rollback", "load", "--revision", "1"]).expect(0);
    assert_eq!(place.json(&["config", "show", "load"])["configs"][0]["latest"], 3);
    let list = place.run(&["config", "list"]).expect(0).stdout;
    assert!(list.contains("load") && list.contains("report"), "{list}");
}

#[test]
fn a_config_and_a_chain_run_to_their_end_where_nobody_else_runs_jobs() {
    let place = place();
    place.run(&["apply", "-f", "plan.yaml"]).expect(0);
    let done = place.run(&["config", "run", "load", "-o", "DAY=friday"]).expect(0).stdout;
    assert!(done.contains("load friday") && done.contains("report sunday"), "{done}");
    let done = place.run(&["chain", "run", "report", "DAY=one", "load", "FROM=me", "report"]).expect(0).stdout;
    for line in ["report one", "load monday me", "report sunday"] {
        assert!(done.contains(line), "{line}: {done}");
    }
    let done = place.run(&["schedule", "fire", "nightly"]).expect(0).stdout;
    assert!(done.contains("load monday") && done.contains("report sunday"), "{done}");
    let fires = place.json(&["schedule", "show", "nightly"]);
    assert_eq!(fires["schedules"][0]["fires"].as_array().unwrap().len(), 1);
    let unknown = place.run(&["config", "run", "lode"]).expect(4).stderr;
    assert!(unknown.contains("there is no config \"lode\""), "{unknown}");
    place.run(&["chain", "run", "A=1", "load"]).expect(2);
}

#[test]
fn schedules_are_looked_after() {
    let place = place();
    place.run(&["apply", "-f", "plan.yaml"]).expect(0);
    let next = place.json(&["schedule", "next", "nightly", "-n", "3"]);
    assert_eq!(next["times"].as_array().unwrap().len(), 3);
    place.run(&["schedule", "pause", "nightly", "--note", "the disk is full"]).expect(0);
    let list = place.run(&["schedule", "list"]).expect(0).stdout;
    assert!(list.contains("paused: the disk is full"), "{list}");
    place.run(&["schedule", "resume", "nightly"]).expect(0);
    let range = ["--from", "2022-03-26T00:00:00Z", "--until", "2022-03-28T00:00:00Z"];
    let dry = [["schedule", "backfill", "nightly"].as_slice(), &range, &["--dry-run"]].concat();
    let plan = place.json(&dry);
    // On the second day clocks are set forward over it.
    let expected = ["2022-03-26T01:30:00.000Z", "2022-03-27T01:00:00.000Z"];
    assert_eq!(plan["backfill"]["nominal"], serde_json::json!(expected));
    let refused = place.run(&["config", "delete", "load"]).expect(1).stderr;
    assert!(refused.contains("schedule \"nightly\""), "{refused}");
    place.run(&["schedule", "delete", "nightly"]).expect(0);
    place.run(&["schedule", "show", "nightly"]).expect(4);
    place.run(&["config", "delete", "load"]).expect(0);
}

#[test]
fn mistakes_of_all_files_are_told_at_once() {
    let place = place();
    place.file("one.yaml", "configs: { load: { comand: x, next: 'no name' } }");
    place.file("two.yaml", "schedules: { s: { cron: '61 * * * *', config: nobody } }");
    let told = place.run(&["apply", "-f", "one.yaml", "-f", "two.yaml"]).expect(2).stderr;
    for part in ["one.yaml:1:", "did you mean \"command\"", "\"no name\"", "two.yaml:1:", "\"61\""] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let told = place.run(&["schedule", "apply", "-f", "plan.yaml"]).expect(2).stderr;
    assert!(told.contains("there is no config \"load\""), "{told}");
}

#[test]
fn a_server_fires_schedules_and_answers_until_it_is_told_to_end() {
    let place = place();
    place.file("often.yaml", "configs: { tick: { shell: 'echo tick $WINDLASS_NOMINAL_TIME' } }\nschedules: { often: { cron: '@every 1s', config: tick } }");
    let mut server = place.start(&["serve"]);
    server.wait_for_note("runs the jobs and schedules");
    place.run(&["apply", "-f", "often.yaml"]).expect(0);
    let fires = || {
        let shown = place.json(&["schedule", "show", "often"]);
        Some(shown["schedules"][0]["fires"].as_array().unwrap().clone()).filter(|fires| fires.len() >= 2)
    };
    let fires = wait_for("two fires", fires);
    let (nominal, job) = (fires[1]["nominal"].as_str().unwrap(), fires[1]["job"].as_str().unwrap());
    let log = || Some(place.run(&["logs", job]).expect(0).stdout).filter(|log| !log.is_empty());
    assert_eq!(wait_for("its log", log), format!("tick {nominal}\n"));
    place.run(&["schedule", "pause", "often"]).expect(0);
    // Somebody runs the jobs: the command need not stay.
    let id = place.run(&["schedule", "fire", "often"]).expect(0).stdout;
    wait_for("the job", || (place.json(&["jobs", id.trim()])["state"] == "succeeded").then_some(()));
    server.signal("TERM");
    server.end().expect(0);
    assert_eq!(place.json(&["schedule", "show", "often"])["schedules"][0]["paused"], "");
}

#[test]
fn a_config_has_a_schedule_of_its_own() {
    let place = Place::new();
    let plan =
        |cron: &str| format!("configs: {{ load: {{ shell: 'echo load', schedule: {{ {cron} overlap: skip }} }} }}");
    place.file("plan.yaml", &plan("at: { day_of_week: wednesday, hour: 21 },"));
    let applied = place.json(&["config", "apply", "-f", "plan.yaml"]);
    assert_eq!(changes(&applied), ["load created 1", "load created 1"]);
    assert_eq!(
        (&applied["applied"][0]["kind"], &applied["applied"][1]["kind"]),
        (&"config".into(), &"schedule".into())
    );
    let shown = place.run(&["schedule", "show", "load"]).expect(0).stdout;
    assert!(shown.contains("belongs to config load\n") && shown.contains("config: load\n"), "{shown}");
    let says = &place.json(&["config", "show", "load"])["configs"][0]["says"]["schedule"];
    assert_eq!((&says["at"]["hour"], &says["overlap"]), (&21.into(), &"skip".into()));
    let refused = place.run(&["schedule", "delete", "load"]).expect(1).stderr;
    assert!(refused.contains("belongs to config \"load\""), "{refused}");
    place.file("alone.yaml", "schedules: { load: { cron: '@daily', config: load } }");
    let refused = place.run(&["apply", "-f", "alone.yaml"]).expect(2).stderr;
    assert!(refused.contains("is stored, which belongs to config \"load\""), "{refused}");
    place.run(&["schedule", "pause", "load"]).expect(0);
    place.file("plan.yaml", &plan("cron: '@daily',"));
    let diff = place.run(&["config", "diff", "-f", "plan.yaml"]).expect(0).stdout;
    assert!(diff.contains("+ schedule.cron: \"@daily\"") && diff.contains("schedule load: changed"), "{diff}");
    place.run(&["apply", "-f", "plan.yaml"]).expect(0);
    assert_eq!(place.json(&["schedule", "show", "load"])["schedules"][0]["paused"], "");
    place.file("plan.yaml", "configs: { load: { shell: 'echo load' } }");
    let applied = place.json(&["apply", "-f", "plan.yaml"]);
    assert_eq!(changes(&applied), ["load changed 3", "load deleted 2"]);
    place.run(&["schedule", "show", "load"]).expect(4);
}

#[test]
fn what_files_do_not_name_is_pruned() {
    let place = place();
    place.file("tidy.yaml", "processNodes: { only: { processor: report } }");
    place.run(&["apply", "-f", "plan.yaml", "--pipeline", "tidy=tidy.yaml"]).expect(0);
    place.file("less.yaml", "configs: { report: { shell: 'echo report $DAY', options: { DAY: sunday } } }");
    // Which project is never guessed.
    place.run(&["apply", "-f", "less.yaml", "--prune"]).expect(2);
    let config = ["config", "apply", "-f", "less.yaml", "--prune", "--project", "default"];
    let refused = place.run(&config).expect(1).stderr;
    assert!(refused.contains("config \"load\" is needed by schedule \"nightly\""), "{refused}");
    let all = ["apply", "-f", "less.yaml", "--prune", "--project", "default"];
    let dry = place.json(&[all.as_slice(), &["--dry-run"]].concat());
    let gone = ["report changed 2", "load deleted 1", "nightly deleted 1", "tidy deleted 1"];
    assert_eq!(changes(&dry), gone);
    let text = place.run(&all).expect(0).stdout;
    assert!(text.contains("config load: deleted, revision 1\n"), "{text}");
    assert_eq!(place.json(&["schedule", "list"])["schedules"], serde_json::json!([]));
    place.run(&["pipeline", "apply", "-f", "tidy.yaml"]).expect(0);
    place.file("other.yaml", "processNodes: { only: { processor: report } }");
    let applied = place.json(&["pipeline", "apply", "-f", "other.yaml", "--prune"]);
    assert_eq!(changes(&applied), ["other created 1", "tidy deleted 2"]);
    place.run(&["config", "show", "report"]).expect(0);
}
