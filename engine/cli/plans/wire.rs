//! Configs and schedules as they are shown and go over the control socket.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::{Applied, Backfill, ConfigView, ScheduleView};
use crate::job::schedule::{Skipped, Target};
use crate::job::{CalendarSpec, CatchUp, JobConfig, Overlap, OwnSchedule, Rule, ScheduleSpec, Task, Timestamp};

/// What became of something that was applied.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct AppliedWire {
    /// `config`, `pipeline` or `schedule`.
    pub(super) kind: String,
    pub(super) project: String,
    pub(super) name: String,
    pub(super) revision: u32,
    /// `created`, `changed` or `unchanged`.
    pub(super) change: String,
    /// What differs from before, a line each; only in a diff.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) differences: Vec<String>,
}

impl AppliedWire {
    pub(super) fn new(applied: Applied) -> Self {
        let Applied { kind, project, name, revision, change } = applied;
        AppliedWire {
            kind: kind.word().to_owned(),
            project,
            name,
            revision,
            change: change.word().to_owned(),
            differences: Vec::new(),
        }
    }
}

/// A config. Options are names only: their values are sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct ConfigWire {
    pub(super) name: String,
    pub(super) project: String,
    pub(super) revision: u32,
    pub(super) latest: u32,
    pub(super) stored_at: String,
    /// What it says.
    pub(super) says: Value,
    /// Every revision with the time at which it was stored; only where one config is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) revisions: Vec<RevisionWire>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct RevisionWire {
    pub(super) revision: u32,
    pub(super) stored_at: String,
}

impl RevisionWire {
    pub(super) fn all(revisions: Vec<(u32, Timestamp)>) -> Vec<Self> {
        let wire = |(revision, at): (u32, Timestamp)| RevisionWire { revision, stored_at: at.to_string() };
        revisions.into_iter().map(wire).collect()
    }
}

impl From<&ConfigView> for ConfigWire {
    fn from(view: &ConfigView) -> Self {
        ConfigWire {
            name: view.name.clone(),
            project: view.config.spec.project.clone(),
            revision: view.revision,
            latest: view.latest,
            stored_at: view.stored_at.to_string(),
            says: config_says(&view.config, &view.option_names),
            revisions: Vec::new(),
        }
    }
}

/// What a config says, but for the values of its options and for what it hands to an executor.
pub(super) fn config_says(config: &JobConfig, option_names: &[String]) -> Value {
    let spec = &config.spec;
    let (command, function) = match &spec.task {
        Task::Process(task) => {
            let words: Vec<&String> = std::iter::once(&task.program).chain(&task.args).collect();
            (json!(words), Value::Null)
        }
        Task::Function(task) => (Value::Null, json!(task.name)),
        Task::Named(_) => (Value::Null, Value::Null),
    };
    let limits = match &spec.task {
        Task::Process(task) => json!(task.limits),
        Task::Function(_) | Task::Named(_) => Value::Null,
    };
    json!({
        "executor": spec.task.executor(),
        "command": command,
        "function": function,
        "limits": limits,
        "next": config.next,
        "queue": spec.queue,
        "priority": spec.priority,
        "max_attempts": spec.retry.max_attempts,
        "deadlines_ms": {
            "queue": spec.deadlines.queue_ms,
            "attempt": spec.deadlines.attempt_ms,
            "total": spec.deadlines.total_ms,
            "lost": spec.deadlines.lost_ms,
        },
        "stop_grace_ms": spec.stop_grace_ms,
        "hold": spec.hold,
        "reads": spec.reads,
        "writes": spec.writes,
        "fetch": spec.fetches.iter().map(|it| json!({"from": it.from, "to": it.to})).collect::<Vec<_>>(),
        "deliver": spec.deliveries.iter().map(|it| json!({"to": it.to, "from": it.from, "log": it.log})).collect::<Vec<_>>(),
        "options": option_names,
        "schedule": config.schedule.as_ref().map(times_say),
    })
}

/// A schedule and how it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct ScheduleWire {
    pub(super) name: String,
    pub(super) project: String,
    pub(super) revision: u32,
    pub(super) stored_at: String,
    pub(super) says: Value,
    /// `config` or `pipeline` where it belongs to the one of its name.
    pub(super) owner: Option<String>,
    /// The note of the pause; `null` while it is not paused.
    pub(super) paused: Option<String>,
    pub(super) next: Option<String>,
    /// Fires that wait for an earlier one to end.
    pub(super) waiting: usize,
    pub(super) under_way: usize,
    pub(super) fired: u64,
    pub(super) skipped: u64,
    pub(super) skips: Vec<SkipWire>,
    pub(super) fires: Vec<FireWire>,
    /// Why a fire made no job, the last time that this was so.
    pub(super) trouble: Option<String>,
}

/// Nominal times that did not fire.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct SkipWire {
    pub(super) first: String,
    pub(super) last: String,
    pub(super) count: u64,
    /// `missed`, `overlap`, `buffer_full`, `superseded`, `paused` or `refused`.
    pub(super) reason: String,
}

/// A fire and its first job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct FireWire {
    pub(super) nominal: String,
    pub(super) job: String,
}

impl ScheduleWire {
    pub(super) fn new(name: &str, view: &ScheduleView) -> Self {
        let status = &view.status;
        let skip = |skip: &Skipped| SkipWire {
            first: skip.first.to_string(),
            last: skip.last.to_string(),
            count: skip.count,
            reason: skip.reason.word().to_owned(),
        };
        let fire = |(nominal, job): &(Timestamp, crate::job::JobId)| FireWire {
            nominal: nominal.to_string(),
            job: job.to_string(),
        };
        ScheduleWire {
            name: name.to_owned(),
            project: status.project.clone(),
            revision: view.revision,
            stored_at: view.stored_at.to_string(),
            says: schedule_says(&view.spec, &view.option_names),
            owner: view.owner.map(|owner| owner.word().to_owned()),
            paused: status.state.pause.as_ref().map(|pause| pause.note.clone()),
            next: view.next.map(|next| next.to_string()),
            waiting: status.state.waiting.len(),
            under_way: status.under_way.len(),
            fired: status.fired,
            skipped: status.skipped,
            skips: status.skips.iter().map(skip).collect(),
            fires: view.fires.iter().map(fire).collect(),
            trouble: status.trouble.as_ref().map(|it| format!("{}: {}", it.nominal, it.message)),
        }
    }
}

/// What a schedule says, but for the values of its options.
pub(super) fn schedule_says(spec: &ScheduleSpec, option_names: &[String]) -> Value {
    let ScheduleSpec { calendar, policy, target, options: _ } = spec.clone();
    let mut says = times_say(&OwnSchedule { calendar, policy });
    let (config, chain, pipeline) = match target {
        Target::Config(name) => (json!(name), Value::Null, Value::Null),
        Target::Chain(names) => (Value::Null, json!(names), Value::Null),
        Target::Pipeline(name) => (Value::Null, Value::Null, json!(name)),
    };
    if let Some(fields) = says.as_object_mut() {
        let target = [("config", config), ("chain", chain), ("pipeline", pipeline), ("options", json!(option_names))];
        fields.extend(target.map(|(field, value)| (field.to_owned(), value)));
    }
    says
}

/// When a schedule fires and what happens when fires meet.
fn times_say(own: &OwnSchedule) -> Value {
    let OwnSchedule { calendar: CalendarSpec { rule, start, end, zone }, policy } = own;
    let (cron, at, times) = match rule {
        Rule::Cron(text) => (json!(text), Value::Null, Value::Null),
        Rule::Parts(parts) => (Value::Null, json!(parts), Value::Null),
        Rule::Times(times) => (Value::Null, Value::Null, json!(times)),
    };
    let overlap = match policy.overlap {
        Overlap::Allow => json!("allow"),
        Overlap::Skip => json!("skip"),
        Overlap::BufferOne => json!("buffer_one"),
        Overlap::BufferAll { most } => json!({ "buffer_all": most }),
        Overlap::CancelOther => json!("cancel_other"),
    };
    let catch_up = match policy.catch_up {
        CatchUp::None => json!("none"),
        CatchUp::One => json!("one"),
        CatchUp::Window { ms } => json!({ "window_ms": ms }),
        CatchUp::Most { count } => json!({ "most": count }),
    };
    json!({
        "cron": cron, "at": at, "times": times, "start": start, "end": end, "zone": zone,
        "overlap": overlap, "catch_up": catch_up,
        "on_time_ms": policy.on_time_ms, "jitter_ms": policy.jitter_ms,
    })
}

/// What a backfill does, or would do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct BackfillWire {
    /// Nominal times that fire or wait for their turn.
    pub(super) nominal: Vec<String>,
    /// Those in the range that had fired before.
    pub(super) known: usize,
}

impl From<Backfill> for BackfillWire {
    fn from(backfill: Backfill) -> Self {
        let nominal = backfill.nominal.iter().map(ToString::to_string).collect();
        BackfillWire { nominal, known: backfill.known }
    }
}

/// Lines that tell how two values differ.
pub(super) fn differences(before: &Value, after: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", before, after, &mut lines);
    if lines.is_empty() {
        lines.push("~ something that is not shown, such as the value of an option".to_owned());
    }
    lines
}

fn compare(path: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    if let (Value::Object(one), Value::Object(other)) = (before, after) {
        let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
        for name in names {
            let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let value = |map: &serde_json::Map<String, Value>| map.get(name).cloned().unwrap_or(Value::Null);
            compare(&inner, &value(one), &value(other), lines);
        }
    } else if before != after {
        lines.extend((!before.is_null()).then(|| format!("- {path}: {before}")));
        lines.extend((!after.is_null()).then(|| format!("+ {path}: {after}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_field_by_field() {
        let before = json!({ "a": 1, "b": { "c": [1], "d": null }, "gone": "x" });
        let after = json!({ "a": 1, "b": { "c": [1, 2], "d": 5 } });
        assert_eq!(differences(&before, &after), ["- b.c: [1]", "+ b.c: [1,2]", "+ b.d: 5", "- gone: \"x\""]);
        assert_eq!(differences(&before, &before).len(), 1);
    }
}
