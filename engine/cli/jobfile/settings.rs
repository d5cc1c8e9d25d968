//! What a job may leave to the defaults of its file.

use crate::job::{
    Backoff, Deadlines, JobSpec, OnCrash, OutcomeKind, ProcessLimits, RetryOn, RetryPolicy, RunOptions, Task,
};

use super::fields::{Field, Fields, Places, shown};
use super::mistake::Mistakes;
use super::node::Value;
use super::options::{Source, read_options};
use super::percent::parse_percent;

/// The fields that both a job and `defaults` may have.
pub(super) const SETTINGS: [&str; 10] =
    ["project", "queue", "priority", "retry", "deadlines", "timeout", "on_crash", "stop_grace", "limits", "options"];

/// These fields as they were given, and where.
#[derive(Default)]
pub(super) struct Settings {
    project: Option<String>,
    queue: Option<String>,
    priority: Option<u8>,
    retry: Option<RetryPolicy>,
    deadlines: Deadlines,
    on_crash: Option<OnCrash>,
    stop_grace_ms: Option<u64>,
    limits: ProcessLimits,
    pub(super) options: RunOptions,
    pub(super) places: Places,
}

impl Settings {
    /// Reads the settings among the fields of a map.
    pub(super) fn read(fields: &Fields<'_>, source: &mut Source<'_>, mistakes: &mut Mistakes) -> Settings {
        let mut settings = Settings::default();
        let places = &mut settings.places;
        let name = "a name";
        if let Some(field) = fields.get_as("project", "project", places) {
            settings.project = field.text(mistakes, name).map(str::to_owned);
        }
        if let Some(field) = fields.get_as("queue", "queue", places) {
            settings.queue = field.text(mistakes, name).map(str::to_owned);
        }
        if let Some(field) = fields.get("priority") {
            settings.priority = field.whole(mistakes, 0, 255).map(|number| number as u8);
        }
        if let Some(field) = fields.get_as("retry", "retry", places) {
            settings.retry = Some(read_retry(&field, places, mistakes));
        }
        settings.deadlines = read_deadlines(fields, places, mistakes);
        if let Some(field) = fields.get("on_crash") {
            let choices = [("rerun", OnCrash::Rerun), ("fail", OnCrash::Fail)];
            settings.on_crash = field.choice(mistakes, &choices);
        }
        if let Some(field) = fields.get_as("stop_grace", "stop_grace", places) {
            settings.stop_grace_ms = field.duration_ms(mistakes, 0);
        }
        if let Some(field) = fields.get_as("limits", "limits", places) {
            settings.limits = read_limits(&field, places, mistakes);
        }
        if let Some(field) = fields.get_as("options", "options", places) {
            settings.options = read_options(&field, source, places, mistakes);
        }
        settings
    }

    /// The project, where it was given.
    pub(super) fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Puts what was given into a spec; what was not given stays as it is there.
    pub(super) fn apply(&self, spec: &mut JobSpec) {
        if let Some(project) = &self.project {
            spec.project.clone_from(project);
        }
        if let Some(queue) = &self.queue {
            spec.queue.clone_from(queue);
        }
        if let Some(retry) = &self.retry {
            spec.retry.clone_from(retry);
        }
        spec.priority = self.priority.unwrap_or(spec.priority);
        spec.on_crash = self.on_crash.unwrap_or(spec.on_crash);
        spec.stop_grace_ms = self.stop_grace_ms.unwrap_or(spec.stop_grace_ms);
        let deadlines = &mut spec.deadlines;
        deadlines.queue_ms = self.deadlines.queue_ms.or(deadlines.queue_ms);
        deadlines.attempt_ms = self.deadlines.attempt_ms.or(deadlines.attempt_ms);
        deadlines.total_ms = self.deadlines.total_ms.or(deadlines.total_ms);
        deadlines.lost_ms = self.deadlines.lost_ms.or(deadlines.lost_ms);
        if let Task::Process(task) = &mut spec.task {
            let limits = &mut task.limits;
            limits.memory_bytes = self.limits.memory_bytes.or(limits.memory_bytes);
            limits.cpu_seconds = self.limits.cpu_seconds.or(limits.cpu_seconds);
            limits.open_files = self.limits.open_files.or(limits.open_files);
            limits.file_size_bytes = self.limits.file_size_bytes.or(limits.file_size_bytes);
        }
        let below = std::mem::take(&mut spec.options);
        spec.options = below.overlaid(self.options.clone());
    }
}

fn read_deadlines(fields: &Fields<'_>, places: &mut Places, mistakes: &mut Mistakes) -> Deadlines {
    let mut deadlines = Deadlines::default();
    if let Some(field) = fields.get_as("deadlines", "deadlines", places) {
        let known = ["queue", "attempt", "total", "lost"];
        if let Some(inner) = Fields::of(field.node, &field.path, &known, mistakes) {
            let mut read = |name: &str| {
                let path = format!("deadlines.{name}");
                let field = inner.get_as(name, &path, places)?;
                field.duration_ms(mistakes, 1)
            };
            deadlines.queue_ms = read("queue");
            deadlines.attempt_ms = read("attempt");
            deadlines.total_ms = read("total");
            deadlines.lost_ms = read("lost");
        }
    }
    if let Some(field) = fields.get("timeout") {
        if deadlines.attempt_ms.is_some() {
            let problem = "the same as deadlines.attempt, which is there too";
            field.fail(mistakes, problem, "one of the two");
        } else {
            let field = fields.get_as("timeout", "deadlines.attempt", places);
            deadlines.attempt_ms = field.and_then(|field| field.duration_ms(mistakes, 1));
        }
    }
    deadlines
}

fn read_limits(field: &Field<'_>, places: &mut Places, mistakes: &mut Mistakes) -> ProcessLimits {
    let mut limits = ProcessLimits::default();
    let known = ["memory", "cpu_time", "open_files", "file_size"];
    let Some(inner) = Fields::of(field.node, &field.path, &known, mistakes) else {
        return limits;
    };
    if let Some(field) = inner.get_as("memory", "limits.memory", places) {
        limits.memory_bytes = field.size_bytes(mistakes);
    }
    if let Some(field) = inner.get_as("cpu_time", "limits.cpu_time", places)
        && let Some(ms) = field.duration_ms(mistakes, 1_000)
    {
        limits.cpu_seconds = Some(ms / 1_000);
        if !ms.is_multiple_of(1_000) {
            field.fail(mistakes, "is not in whole seconds", "whole seconds, such as 90s");
        }
    }
    if let Some(field) = inner.get_as("open_files", "limits.open_files", places) {
        limits.open_files = field.whole(mistakes, 0, 1 << 30);
    }
    if let Some(field) = inner.get_as("file_size", "limits.file_size", places) {
        limits.file_size_bytes = field.size_bytes(mistakes);
    }
    limits
}

/// `retry: 3`, or a map.
fn read_retry(field: &Field<'_>, places: &mut Places, mistakes: &mut Mistakes) -> RetryPolicy {
    let mut retry = RetryPolicy::default();
    let most = u64::from(u32::MAX);
    if matches!(field.node.value, Value::Scalar(_)) {
        let attempts = field.whole(mistakes, 0, most);
        retry.max_attempts = attempts.map_or(retry.max_attempts, |attempts| attempts as u32);
        return retry;
    }
    let known = ["max_attempts", "max_interruptions", "backoff", "on"];
    let Some(inner) = Fields::of(field.node, &field.path, &known, mistakes) else {
        return retry;
    };
    let mut count = |name: &str, default: u32| {
        let path = format!("retry.{name}");
        let field = inner.get_as(name, &path, places)?;
        let number = field.whole(mistakes, 0, most)?;
        Some(u32::try_from(number).unwrap_or(default))
    };
    retry.max_attempts = count("max_attempts", retry.max_attempts).unwrap_or(retry.max_attempts);
    retry.max_interruptions = count("max_interruptions", retry.max_interruptions).unwrap_or(retry.max_interruptions);
    if let Some(field) = inner.get_as("backoff", "retry.backoff", places) {
        retry.backoff = read_backoff(&field, places, mistakes);
    }
    if let Some(field) = inner.get("on") {
        retry.on = read_retry_on(&field, mistakes).unwrap_or_default();
    }
    retry
}

fn read_backoff(field: &Field<'_>, places: &mut Places, mistakes: &mut Mistakes) -> Backoff {
    let mut backoff = Backoff::default();
    let known = ["initial", "factor", "max", "jitter"];
    let Some(inner) = Fields::of(field.node, &field.path, &known, mistakes) else {
        return backoff;
    };
    let mut get = |name: &str| inner.get_as(name, &format!("retry.backoff.{name}"), places);
    let (initial, factor, max, jitter) = (get("initial"), get("factor"), get("max"), get("jitter"));
    if let Some(ms) = initial.and_then(|field| field.duration_ms(mistakes, 0)) {
        backoff.initial_ms = ms;
    }
    if let Some(ms) = max.and_then(|field| field.duration_ms(mistakes, 0)) {
        backoff.max_ms = ms;
    }
    if let Some(percent) = factor.and_then(|field| read_percent(&field, "1 to 100", mistakes)) {
        backoff.factor_percent = percent;
    }
    if let Some(percent) = jitter.and_then(|field| read_percent(&field, "0 to 1", mistakes)) {
        backoff.jitter_percent = percent;
    }
    backoff
}

fn read_percent(field: &Field<'_>, range: &str, mistakes: &mut Mistakes) -> Option<u32> {
    let allowed = format!("a decimal number, {range}");
    let text = field.text(mistakes, &allowed)?;
    let percent = parse_percent(text);
    if percent.is_none() {
        let problem = format!("{} is not a decimal number", shown(text));
        field.fail(mistakes, problem, allowed);
    }
    percent
}

/// `any`, or a list of kinds of outcome and of `{exit_codes: […]}`.
fn read_retry_on(field: &Field<'_>, mistakes: &mut Mistakes) -> Option<RetryOn> {
    let words = OutcomeKind::ALL.map(|kind| (kind.word(), kind));
    let Value::List(nodes) = &field.node.value else {
        let mut choices = vec![("any", None)];
        choices.extend(words.map(|(word, kind)| (word, Some(kind))));
        return field.choice(mistakes, &choices).map(|kind| match kind {
            None => RetryOn::Any,
            Some(kind) => RetryOn::Only { kinds: vec![kind], exit_codes: Vec::new() },
        });
    };
    if nodes.is_empty() {
        field.fail(mistakes, "is empty", "any, or at least one kind of outcome");
    }
    let (mut kinds, mut codes) = (Vec::new(), Vec::new());
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("{}[{index}]", field.path);
        let element = Field { node, path };
        match node.value {
            Value::Map(_) => codes.extend(read_exit_codes(&element, mistakes)),
            _ => kinds.extend(element.choice(mistakes, &words)),
        }
    }
    kinds.dedup();
    Some(RetryOn::Only { kinds, exit_codes: codes })
}

fn read_exit_codes(field: &Field<'_>, mistakes: &mut Mistakes) -> Vec<i32> {
    let inner = Fields::of(field.node, &field.path, &["exit_codes"], mistakes);
    let Some(list) = inner.and_then(|inner| inner.get("exit_codes")) else {
        return Vec::new();
    };
    let Value::List(nodes) = &list.node.value else {
        let problem = format!("is {}", list.node.describe());
        list.fail(mistakes, problem, "a list of exit codes from 1 to 255");
        return Vec::new();
    };
    let numbered = nodes.iter().enumerate();
    let codes = numbered.filter_map(|(index, node)| {
        let path = format!("{}[{index}]", list.path);
        let code = Field { node, path }.whole(mistakes, 1, 255)?;
        i32::try_from(code).ok()
    });
    codes.collect()
}
