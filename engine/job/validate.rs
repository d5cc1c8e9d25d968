//! Checks of what a caller submits: every mistake at once, each with the field, what is wrong, what is allowed.

mod files;
mod items;
mod transfers;

pub(crate) use items::{is_item_name, item_name_allowed};

use super::chain::{self, GraphError, Link, Node};
use super::limits::JobLimits;
use super::options::RunOptions;
use super::outcome::OutcomeKind;
use super::retry::RetryPolicy;
use super::spec::{Deadlines, JobSpec, ProcessLimits, Task};
use crate::error::Problem;

/// Collects problems under a path of fields.
struct Check<'a> {
    problems: &'a mut Vec<Problem>,
    /// Of which job of several.
    position: Option<usize>,
}

impl Check<'_> {
    fn fail(&mut self, field: &str, problem: impl Into<String>, allowed: impl Into<String>) {
        let field = field_of(self.position, field);
        self.problems.push(Problem { field, problem: problem.into(), allowed: allowed.into() });
    }

    fn require(
        &mut self,
        holds: bool,
        field: &str,
        problem: impl FnOnce() -> String,
        allowed: impl FnOnce() -> String,
    ) {
        if !holds {
            self.fail(field, problem(), allowed());
        }
    }

    fn name(&mut self, field: &str, name: &str, limits: &JobLimits) {
        let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let valid = starts_well && name.chars().all(ok) && name.len() <= limits.name_chars;
        self.require(
            valid,
            field,
            || format!("{} is not a name", shown(name)),
            || {
                let most = limits.name_chars;
                format!("1 to {most} letters, digits, '_', '-', '.' and '@', the first a letter, a digit or '_'")
            },
        );
    }
}

/// Checks a name that stands for itself.
pub(crate) fn check_name(field: &str, name: &str, limits: &JobLimits, problems: &mut Vec<Problem>) {
    Check { problems, position: None }.name(field, name, limits);
}

/// Checks run options that belong to no job yet.
pub(crate) fn check_run_options(options: &RunOptions, limits: &JobLimits, problems: &mut Vec<Problem>) {
    check_options(options, limits, &mut Check { problems, position: None });
}

/// The name of a field, of one job of several where `position` says which.
pub(crate) fn field_of(position: Option<usize>, field: &str) -> String {
    position.map_or_else(|| field.to_owned(), |position| format!("jobs[{position}].{field}"))
}

/// A text as an error shows it: quoted, escaped, and cut when it is long.
pub(crate) fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(40).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("{cut:?}")
}

/// Checks a whole submission: each job, and the `after` edges between them. For each job the positions it
/// comes after.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check_submission(specs: &[JobSpec], limits: &JobLimits) -> Result<Vec<Vec<Link>>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut whole = Check { problems: &mut problems, position: None };
    let allowed = || format!("1 to {} jobs", limits.submission);
    whole.require(!specs.is_empty(), "jobs", || "there is none".into(), allowed);
    whole.require(specs.len() <= limits.submission, "jobs", || format!("there are {}", specs.len()), allowed);
    if specs.len() <= limits.submission {
        for (position, spec) in specs.iter().enumerate() {
            let position = (specs.len() > 1).then_some(position);
            check_spec(spec, limits, &mut Check { problems: &mut problems, position });
        }
    }
    let edges = check_edges(specs, &mut problems);
    if problems.is_empty() { Ok(edges) } else { Err(problems) }
}

fn check_edges(specs: &[JobSpec], problems: &mut Vec<Problem>) -> Vec<Vec<Link>> {
    if specs.iter().all(|spec| spec.after.is_empty() && spec.name.is_none()) {
        return vec![Vec::new(); specs.len()];
    }
    let nodes: Vec<Node<'_>> =
        specs.iter().map(|spec| Node { name: spec.name.as_deref(), after: &spec.after }).collect();
    let errors = match chain::resolve(&nodes) {
        Ok(edges) => return edges,
        Err(errors) => errors,
    };
    problems.extend(errors.iter().map(|error| {
        let (field, allowed) = match error {
            GraphError::Duplicate { positions, .. } => {
                (format!("jobs[{}].name", positions.1), "names that are unique within one submission")
            }
            GraphError::Dangling { position, .. } => {
                (format!("jobs[{position}].after"), "names of jobs of the same submission")
            }
            GraphError::Cycle { position, .. } => (format!("jobs[{position}].after"), "edges without a circle"),
            GraphError::Contradiction { position, .. } => {
                (format!("jobs[{position}].after"), "one condition for each job")
            }
        };
        Problem { field, problem: error.to_string(), allowed: allowed.to_owned() }
    }));
    Vec::new()
}

fn check_spec(spec: &JobSpec, limits: &JobLimits, check: &mut Check<'_>) {
    let optional = [("name", &spec.name), ("config", &spec.config)];
    for (field, value) in optional {
        if let Some(value) = value {
            check.name(field, value, limits);
        }
    }
    check.name("project", &spec.project, limits);
    check.name("queue", &spec.queue, limits);
    if let Some(key) = &spec.idempotency_key {
        let valid = !key.is_empty() && key.len() <= 255 && !key.chars().any(char::is_control);
        check.require(
            valid,
            "idempotency_key",
            || format!("{} is not a key", shown(key)),
            || "1 to 255 bytes without control characters".into(),
        );
    }
    check_task(&spec.task, limits, check);
    files::check_files(spec, limits, check);
    transfers::check_transfers(spec, limits, check);
    items::check_items(spec, limits, check);
    check_options(&spec.options, limits, check);
    check_retry(&spec.retry, limits, check);
    check_deadlines(&spec.deadlines, limits, check);
    millis(check, "stop_grace", spec.stop_grace_ms, 0, limits);
    let count = spec.after.len();
    let allowed = || format!("at most {} jobs", limits.predecessors);
    check.require(count <= limits.predecessors, "after", || format!("there are {count}"), allowed);
}

fn check_task(task: &Task, limits: &JobLimits, check: &mut Check<'_>) {
    let input_allowed = || format!("at most {} bytes", limits.input_bytes);
    match task {
        Task::Process(task) => {
            let words = std::iter::once(&task.program).chain(&task.args);
            let bytes: usize = words.clone().map(|word| word.len() + 1).sum();
            let count = 1 + task.args.len();
            check.require(
                !task.program.is_empty(),
                "command",
                || "the program is empty".into(),
                || "a path, or a name that is looked up in PATH".into(),
            );
            check.require(
                !words.clone().any(|word| word.contains('\0')),
                "command",
                || "it holds a NUL character".into(),
                || "any text without NUL".into(),
            );
            check.require(
                count <= limits.arguments,
                "command",
                || format!("{count} words"),
                || format!("at most {} words", limits.arguments),
            );
            check.require(
                bytes <= limits.command_bytes,
                "command",
                || format!("{bytes} bytes"),
                || format!("at most {} bytes", limits.command_bytes),
            );
            check_process_limits(&task.limits, check);
        }
        Task::Function(task) => {
            check.name("function", &task.name, limits);
            json(check, "input", &task.input);
            let size = task.input.len();
            check.require(size <= limits.input_bytes, "input", || format!("{size} bytes"), input_allowed);
        }
        Task::Named(task) => {
            check.name("executor", &task.executor, limits);
            json(check, "params", &task.params);
            let size = task.params.len();
            check.require(size <= limits.input_bytes, "params", || format!("{size} bytes"), input_allowed);
        }
    }
}

fn json(check: &mut Check<'_>, field: &str, text: &[u8]) {
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(text) {
        check.fail(field, format!("not JSON: {error}"), "one JSON value");
    }
}

fn check_process_limits(limits: &ProcessLimits, check: &mut Check<'_>) {
    let fields = [
        ("limits.memory", limits.memory_bytes, 1 << 20),
        ("limits.cpu_time", limits.cpu_seconds, 1),
        ("limits.open_files", limits.open_files, 8),
        ("limits.file_size", limits.file_size_bytes, 0),
    ];
    for (field, value, least) in fields {
        let Some(value) = value else { continue };
        check.require(value >= least, field, || format!("{value} is too small"), || format!("{least} or more"));
    }
}

fn check_options(options: &RunOptions, limits: &JobLimits, check: &mut Check<'_>) {
    let count = options.len();
    check.require(
        count <= limits.options,
        "options",
        || format!("there are {count}"),
        || format!("at most {} options", limits.options),
    );
    let mut bytes = 0;
    for (name, value) in options.iter() {
        bytes += name.len() + value.value.len();
        let named = |problem: &str| format!("the name {} {problem}", shown(name));
        let field = format!("options.{}", name.escape_debug().take(40).collect::<String>());
        let allowed_name =
            || format!("1 to {} bytes without '=', NUL and control characters", limits.option_name_bytes);
        let bad_name = if name.is_empty() {
            Some("is empty")
        } else if name.contains('=') {
            Some("holds '='")
        } else if name.contains(|c: char| c.is_control()) {
            Some("holds NUL or another control character")
        } else if name.len() > limits.option_name_bytes {
            Some("is too long")
        } else {
            None
        };
        if let Some(problem) = bad_name {
            check.fail(&field, named(problem), allowed_name());
        }
        // The value itself is never shown: it may be a secret.
        check.require(
            !value.value.contains('\0'),
            &field,
            || "the value holds NUL".into(),
            || "any text without NUL".into(),
        );
        let size = value.value.len();
        check.require(
            size <= limits.option_value_bytes,
            &field,
            || format!("the value has {size} bytes"),
            || format!("at most {} bytes", limits.option_value_bytes),
        );
    }
    check.require(
        bytes <= limits.options_bytes,
        "options",
        || format!("{bytes} bytes in all"),
        || format!("at most {} bytes in all", limits.options_bytes),
    );
}

fn check_retry(retry: &RetryPolicy, limits: &JobLimits, check: &mut Check<'_>) {
    let most = limits.max_attempts;
    let attempts = |count: u32| format!("{count} is out of range");
    check.require(
        (1..=most).contains(&retry.max_attempts),
        "retry.max_attempts",
        || attempts(retry.max_attempts),
        || format!("1 to {most}"),
    );
    check.require(
        retry.max_interruptions <= most,
        "retry.max_interruptions",
        || attempts(retry.max_interruptions),
        || format!("0 to {most}"),
    );
    check.require(
        !retry.on.lists(OutcomeKind::Interrupted),
        "retry.on",
        || "crashes are decided by on_crash and max_interruptions".into(),
        || "the kinds of outcome but interrupted".into(),
    );
    let delays = [("retry.backoff.initial", retry.backoff.initial_ms), ("retry.backoff.max", retry.backoff.max_ms)];
    for (field, value) in delays {
        millis(check, field, value, 0, limits);
    }
    let factor = retry.backoff.factor_percent;
    check.require(
        (100..=10_000).contains(&factor),
        "retry.backoff.factor",
        || format!("{factor} percent"),
        || "1 to 100 (100 to 10000 percent)".into(),
    );
    let jitter = retry.backoff.jitter_percent;
    check.require(
        jitter <= 100,
        "retry.backoff.jitter",
        || format!("{jitter} percent"),
        || "0 to 1 (0 to 100 percent)".into(),
    );
}

fn check_deadlines(deadlines: &Deadlines, limits: &JobLimits, check: &mut Check<'_>) {
    let fields = [
        ("deadlines.queue", deadlines.queue_ms),
        ("deadlines.attempt", deadlines.attempt_ms),
        ("deadlines.total", deadlines.total_ms),
        ("deadlines.lost", deadlines.lost_ms),
    ];
    for (field, value) in fields {
        if let Some(value) = value {
            millis(check, field, value, 1, limits);
        }
    }
}

fn millis(check: &mut Check<'_>, field: &str, value: u64, least: u64, limits: &JobLimits) {
    let most = limits.max_delay_ms;
    check.require(
        (least..=most).contains(&value),
        field,
        || format!("{value} ms"),
        || format!("{least} to {most} ms ({} days)", most / 86_400_000),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::retry::{Backoff, RetryOn};

    fn problems(spec: JobSpec) -> Vec<String> {
        let checked = check_submission(&[spec], &JobLimits::default());
        checked.err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    fn job() -> JobSpec {
        JobSpec::process("true", [] as [&str; 0])
    }

    #[test]
    fn a_plain_job_is_fine() {
        assert_eq!(problems(job()), [] as [&str; 0]);
    }

    #[test]
    fn option_names_and_values() {
        for (name, says) in [("A=B", "holds '='"), ("", "is empty"), ("A\0", "holds NUL")] {
            let found = problems(job().option(name, "value-never-shown"));
            assert!(found.len() == 1 && found[0].contains(says) && !found[0].contains("never-shown"), "{found:?}");
        }
        let found = problems(job().option("BIG", "x".repeat(1 << 20)));
        assert!(found[0].starts_with("options.BIG: the value has 1048576 bytes"), "{found:?}");
        assert!(found[1].contains("in all"), "{found:?}");
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let mut spec = job();
        spec.project = "../x".into();
        spec.retry.max_attempts = 0;
        spec.retry.backoff = Backoff { initial_ms: u64::MAX, factor_percent: 0, max_ms: 1, jitter_percent: 101 };
        let (kinds, exit_codes) = (OutcomeKind::ALL.to_vec(), Vec::new());
        spec.retry.on = RetryOn::Only { kinds, exit_codes };
        spec.deadlines.attempt_ms = Some(0);
        spec.task = Task::Process(crate::job::ProcessTask {
            program: String::new(),
            args: vec!["a\0b".into()],
            limits: ProcessLimits { memory_bytes: Some(0), ..ProcessLimits::default() },
        });
        let found = problems(spec).join("\n");
        for field in [
            "project:",
            "retry.max_attempts:",
            "retry.backoff.initial:",
            "retry.backoff.factor:",
            "retry.backoff.jitter:",
            "retry.on: crashes are decided by on_crash",
            "deadlines.attempt:",
            "command: the program is empty",
            "command: it holds a NUL",
            "limits.memory:",
        ] {
            assert!(found.contains(field), "{field} is missing in {found}");
        }
    }

    #[test]
    fn edges_are_named_by_position() {
        let specs = [job().named("a").after("b"), job().named("b").after("a"), job().named("a").after("c")];
        let found = check_submission(&specs, &JobLimits::default()).unwrap_err();
        let fields: Vec<&str> = found.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields[..2], ["jobs[2].name", "jobs[2].after"]);
    }

    #[test]
    fn an_empty_or_huge_submission_is_refused() {
        assert!(check_submission(&[], &JobLimits::default()).is_err());
        let limits = JobLimits { submission: 2, ..JobLimits::default() };
        assert!(check_submission(&[job(), job(), job()], &limits).is_err());
    }
}
