//! What the commands print.

use serde_json::Value;

use super::pipeline_wire::PipelineWire;
use super::request::PlanReply;
use super::run_wire::RunWire;
use super::wire::{AppliedWire, ConfigWire, RevisionWire, ScheduleWire};
use crate::cli::failure::{FAILED, Failure};
use crate::cli::output::{print, print_json};
use crate::cli::table::{printable, seconds, table};

/// Prints an answer.
pub(super) fn reply(reply: &PlanReply, json: bool) -> Result<(), Failure> {
    if json {
        return print_as_json(reply);
    }
    match reply {
        PlanReply::Applied { applied } => print(&applied.iter().map(applied_lines).collect::<String>()),
        PlanReply::Configs { configs } => match configs.as_slice() {
            [one] if !one.revisions.is_empty() => print(&config_lines(one)),
            configs => print_configs(configs),
        },
        PlanReply::Pipelines { pipelines } => match pipelines.as_slice() {
            [one] if one.text.is_some() => print(&pipeline_lines(one)),
            pipelines => print_pipelines(pipelines),
        },
        PlanReply::Missing { processors, sources } => print(&[lines(processors), lines(sources)].concat()),
        PlanReply::Schedules { schedules } => match schedules.as_slice() {
            [one] => print(&schedule_lines(one)),
            schedules => print_schedules(schedules),
        },
        PlanReply::Times { times } => print(&lines(times)),
        PlanReply::Jobs { ids } => print(&lines(ids)),
        PlanReply::Began { run, .. } => print(&format!("{run}\n")),
        PlanReply::Runs { runs } => match runs.as_slice() {
            [one] if !one.nodes.is_empty() => print(&run_lines(one)),
            runs => print_runs(runs),
        },
        PlanReply::Backfill { backfill } => {
            let known = match backfill.known {
                0 => String::new(),
                known => format!("{known} had fired before\n"),
            };
            print(&format!("{}{known}", lines(&backfill.nominal)))
        }
        PlanReply::Done => Ok(()),
    }
}

/// Prints what an answer holds, without the name that it has on the socket.
pub(super) fn print_as_json(reply: &PlanReply) -> Result<(), Failure> {
    let mut value = serde_json::to_value(reply).map_err(|error| Failure::new(FAILED, error))?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("planned");
    }
    print_json(&value)
}

fn lines(texts: &[String]) -> String {
    texts.iter().map(|text| format!("{text}\n")).collect()
}

fn applied_lines(applied: &AppliedWire) -> String {
    let AppliedWire { kind, project, name, revision, change, differences } = applied;
    let place = if project == crate::job::spec::DEFAULT_NAME { String::new() } else { format!("{project}/") };
    let mut text = format!("{kind} {place}{name}: {change}, revision {revision}\n");
    differences.iter().for_each(|line| text.push_str(&format!("  {}\n", printable(line))));
    text
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => printable(text),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(" "),
        other => printable(&other.to_string()),
    }
}

fn print_configs(configs: &[ConfigWire]) -> Result<(), Failure> {
    let row = |config: &ConfigWire| {
        let says = |field: &str| config.says.get(field).map(shown).unwrap_or_default();
        let runs = [says("command"), says("function")].concat();
        vec![config.name.clone(), config.revision.to_string(), says("executor"), runs, says("next")]
    };
    print(&table(&["name", "revision", "executor", "runs", "next"], &configs.iter().map(row).collect::<Vec<_>>()))
}

/// What is said, a line each, without what is not.
fn says_lines(says: &Value) -> String {
    let Value::Object(fields) = says else { return String::new() };
    let is_there = |value: &Value| match value {
        Value::Null => false,
        Value::Array(values) => !values.is_empty(),
        Value::Object(fields) => fields.values().any(|value| !value.is_null()),
        _ => true,
    };
    let line = |(name, value): (&String, &Value)| format!("{name}: {}\n", shown(value));
    fields.iter().filter(|(_, value)| is_there(value)).map(line).collect()
}

fn config_lines(config: &ConfigWire) -> String {
    let mut text = format!("config {}, revision {} of {}\n", config.name, config.revision, config.latest);
    text.push_str(&says_lines(&config.says));
    text.push_str(&revision_lines(&config.revisions));
    text
}

fn revision_lines(revisions: &[RevisionWire]) -> String {
    let line = |it: &RevisionWire| format!("  {} {}\n", it.revision, seconds(&it.stored_at));
    format!("revisions:\n{}", revisions.iter().map(line).collect::<String>())
}

fn print_pipelines(pipelines: &[PipelineWire]) -> Result<(), Failure> {
    let row = |it: &PipelineWire| {
        let cron = it.cron.as_deref().map(printable).unwrap_or_default();
        vec![it.name.clone(), it.revision.to_string(), it.nodes.to_string(), cron, seconds(&it.stored_at)]
    };
    let headings = ["name", "revision", "nodes", "when", "stored"];
    print(&table(&headings, &pipelines.iter().map(row).collect::<Vec<_>>()))
}

/// The pipeline is a text that can be applied again; what is known of it stands before it as remarks.
fn pipeline_lines(it: &PipelineWire) -> String {
    let mut text = format!("# pipeline {}, revision {} of {}\n", it.name, it.revision, it.latest);
    revision_lines(&it.revisions).lines().for_each(|line| text.push_str(&format!("# {line}\n")));
    text.push_str(it.text.as_deref().unwrap_or_default());
    text
}

fn print_runs(runs: &[RunWire]) -> Result<(), Failure> {
    let row = |it: &RunWire| {
        let again = it.again_of.clone().unwrap_or_default();
        vec![
            it.run.clone(),
            it.revision.to_string(),
            it.state.clone(),
            it.counts.clone(),
            seconds(&it.created_at),
            again,
        ]
    };
    let headings = ["run", "revision", "state", "nodes", "begun", "again of"];
    print(&table(&headings, &runs.iter().map(row).collect::<Vec<_>>()))
}

/// The graph, then each node that has something to say.
fn run_lines(it: &RunWire) -> String {
    let mut text = format!("run {} of pipeline {}, revision {}: {}\n", it.run, it.pipeline, it.revision, it.state);
    if let Some(again) = &it.again_of {
        text.push_str(&format!("runs again a part of {again}\n"));
    }
    text.push_str(&format!("{}\n", it.counts));
    text.push_str(&lines(&it.graph));
    for node in it.nodes.iter().filter(|node| node.reason.is_some()) {
        let reason = node.reason.as_deref().map(printable).unwrap_or_default();
        text.push_str(&format!("{} as {}: {reason}\n", node.name, node.job));
    }
    text
}

fn print_schedules(schedules: &[ScheduleWire]) -> Result<(), Failure> {
    let row = |it: &ScheduleWire| {
        let says = |field: &str| it.says.get(field).map(shown).unwrap_or_default();
        let when = [says("cron"), says("at"), says("times")].concat();
        let next = match &it.paused {
            Some(note) if note.is_empty() => "paused".to_owned(),
            Some(note) => format!("paused: {}", printable(note)),
            None => it.next.as_deref().map(seconds).unwrap_or_default(),
        };
        let runs = [says("config"), says("chain"), says("pipeline")].concat();
        vec![it.name.clone(), when, says("zone"), runs, next, it.fired.to_string(), it.skipped.to_string()]
    };
    let headings = ["name", "when", "zone", "runs", "next", "fired", "skipped"];
    print(&table(&headings, &schedules.iter().map(row).collect::<Vec<_>>()))
}

fn schedule_lines(it: &ScheduleWire) -> String {
    let mut text = format!("schedule {}, revision {}\n", it.name, it.revision);
    if let Some(owner) = &it.owner {
        text.push_str(&format!("belongs to {owner} {}\n", it.name));
    }
    text.push_str(&says_lines(&it.says));
    match &it.paused {
        Some(note) => text.push_str(&format!("paused: {}\n", printable(note))),
        None => text.push_str(&format!("next: {}\n", it.next.as_deref().unwrap_or("never"))),
    }
    text.push_str(&format!("fired {} times, {} under way, {} waiting\n", it.fired, it.under_way, it.waiting));
    if let Some(trouble) = &it.trouble {
        text.push_str(&format!("refused: {}\n", printable(trouble)));
    }
    for fire in &it.fires {
        text.push_str(&format!("  {} as {}\n", fire.nominal, fire.job));
    }
    if it.skipped > 0 {
        text.push_str(&format!("skipped {}, the latest:\n", it.skipped));
    }
    for skip in &it.skips {
        let more = if skip.count > 1 { format!(" to {} ({})", skip.last, skip.count) } else { String::new() };
        text.push_str(&format!("  {}{more}: {}\n", skip.first, skip.reason));
    }
    text
}
