//! `windlass jobs`: list jobs, or show one.

use super::failure::{Failure, USAGE};
use super::jobfile::{MOMENT_ALLOWED, parse_rfc3339};
use super::output::{note, print, print_json};
use super::request::{ListRequest, MAX_PAGE};
use super::store_dir::{Place, open_to_manage};
use super::table::{duration, printable, seconds, table};
use super::target::Target;
use super::wire::{EventWire, ItemCountsWire, JobDetailWire, JobListWire, JobWire};

/// What `windlass jobs` shows.
#[derive(clap::Args)]
pub(super) struct JobsArgs {
    /// Show this job with its events
    #[arg(value_name = "ID", conflicts_with_all = ["state", "config", "chain", "project", "queue", "since", "until", "cursor"])]
    id: Option<String>,
    /// Only jobs in this state: waiting, queued, running, cancelling, succeeded, failed, cancelled or timed_out;
    /// may be repeated
    #[arg(long, value_name = "STATE")]
    state: Vec<String>,
    /// Only jobs of this config
    #[arg(long)]
    config: Option<String>,
    /// Only jobs of this chain
    #[arg(long, value_name = "ID")]
    chain: Option<String>,
    /// Only jobs of this project
    #[arg(long)]
    project: Option<String>,
    /// Only jobs of this queue
    #[arg(long)]
    queue: Option<String>,
    /// Only jobs submitted at this time or later, such as 2026-11-21T10:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only jobs submitted before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How many jobs are listed, newest first
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=MAX_PAGE as u64))]
    limit: u64,
    /// Go on where the previous list ended
    #[arg(long)]
    cursor: Option<String>,
}

/// Runs the command.
pub(super) async fn jobs(place: &Place, args: JobsArgs, json: bool) -> Result<u8, Failure> {
    let since_ms = moment("--since", args.since.as_deref())?;
    let until_ms = moment("--until", args.until.as_deref())?;
    let mut target = open_to_manage(place).await?;
    let result = match &args.id {
        Some(id) => show_one(&mut target, id, json).await,
        None => {
            let request = ListRequest {
                states: args.state,
                config: args.config,
                chain: args.chain,
                project: args.project,
                queue: args.queue,
                since_ms,
                until_ms,
                cursor: args.cursor,
                limit: usize::try_from(args.limit).unwrap_or(MAX_PAGE),
            };
            show_list(&mut target, request, json).await
        }
    };
    target.close().await;
    result.map(|()| 0)
}

fn moment(option: &str, text: Option<&str>) -> Result<Option<u64>, Failure> {
    let Some(text) = text else { return Ok(None) };
    match parse_rfc3339(text) {
        Some(at) => Ok(Some(at.as_millis())),
        None => {
            let shown = printable(text);
            let problem = format!("{option}: \"{shown}\" is not a time; allowed: {MOMENT_ALLOWED}");
            Err(Failure::new(USAGE, problem))
        }
    }
}

async fn show_list(target: &mut Target, request: ListRequest, json: bool) -> Result<(), Failure> {
    let list = target.list(request).await?;
    if json {
        return print_json(&list);
    }
    print_list(&list)
}

fn print_list(list: &JobListWire) -> Result<(), Failure> {
    let rows: Vec<Vec<String>> = list.jobs.iter().map(row).collect();
    let headings = ["id", "name", "state", "attempts", "created", "took", "reason"];
    print(&table(&headings, &rows))?;
    if let Some(cursor) = &list.next_cursor {
        note(&format!("there are more: --cursor {cursor}"));
    }
    Ok(())
}

fn row(job: &JobWire) -> Vec<String> {
    vec![
        job.id.clone(),
        job.name.clone().unwrap_or_default(),
        job.condition(),
        attempts(job),
        seconds(&job.created_at),
        job.duration_ms.map(duration).unwrap_or_default(),
        why(job),
    ]
}

/// `2/3`: the attempts begun of those allowed.
pub(super) fn attempts(job: &JobWire) -> String {
    format!("{}/{}", job.attempts, job.max_attempts + job.interruptions)
}

/// Why a job is in its state, what it waits for, and that it is out of contact.
pub(super) fn why(job: &JobWire) -> String {
    let why = match (&job.waits_for, &job.reason) {
        (Some(waits_for), _) => format!("waits for {waits_for}"),
        (None, Some(reason)) => reason.message.clone(),
        (None, None) => String::new(),
    };
    match &job.lost_since {
        None => why,
        Some(since) if why.is_empty() => format!("out of contact since {}", seconds(since)),
        Some(since) => format!("{why}; out of contact since {}", seconds(since)),
    }
}

async fn show_one(target: &mut Target, id: &str, json: bool) -> Result<(), Failure> {
    let detail = target.get(id).await?;
    if json {
        return print_json(&detail);
    }
    print(&detail_text(&detail))
}

/// `3 of 10 succeeded, 1 failed, 2 running, 4 pending`.
fn counted(items: &ItemCountsWire) -> String {
    let mut text = format!("{} of {} succeeded", items.succeeded, items.total);
    let others =
        [(items.failed, "failed"), (items.running, "running"), (items.pending, "pending"), (items.dropped, "dropped")];
    for (count, word) in others.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {count} {word}"));
    }
    text
}

fn detail_text(detail: &JobDetailWire) -> String {
    let job = &detail.job;
    let words = |words: &Vec<String>| words.join(" ");
    let fields = [
        ("id", Some(job.id.clone())),
        ("name", job.name.clone()),
        ("state", Some(job.condition())),
        ("reason", Some(why(job)).filter(|why| !why.is_empty())),
        ("command", job.command.as_ref().map(words)),
        ("function", job.function.clone()),
        ("project", Some(job.project.clone())),
        ("queue", Some(job.queue.clone())),
        ("priority", Some(job.priority.to_string())),
        ("config", job.config.clone()),
        ("pipeline", job.pipeline.clone()),
        ("reads", Some(job.reads.join(" ")).filter(|paths| !paths.is_empty())),
        ("writes", Some(job.writes.join(" ")).filter(|paths| !paths.is_empty())),
        ("fetch", Some(job.fetch.join(", ")).filter(|what| !what.is_empty())),
        ("deliver", Some(job.deliver.join(", ")).filter(|what| !what.is_empty())),
        ("items", job.items.as_ref().map(counted)),
        ("item", job.item.clone()),
        ("item of", job.item_of.clone()),
        ("chain", job.chain.clone()),
        ("attempts", Some(attempts(job))),
        ("created", Some(seconds(&job.created_at))),
        ("started", job.started_at.as_deref().map(seconds)),
        ("finished", job.finished_at.as_deref().map(seconds)),
        ("took", job.duration_ms.map(duration)),
        ("progress", job.progress.as_ref().map(|p| format!("{} % {}", p.percent, p.message))),
    ];
    let mut text = String::new();
    for (name, value) in fields {
        if let Some(value) = value {
            text.push_str(&format!("{name:<9} {}\n", printable(&value)));
        }
    }
    text.push('\n');
    let rows: Vec<Vec<String>> = detail.events.iter().map(event_row).collect();
    text.push_str(&table(&["at", "event", "attempt", "detail"], &rows));
    text
}

fn event_row(event: &EventWire) -> Vec<String> {
    let state = event.state.clone();
    let reason = event.reason.as_ref().map(|reason| reason.message.clone());
    let next = event.retry_at.as_deref().map(|at| format!("next attempt at {}", seconds(at)));
    let output = event.output.as_ref().map(|output| format!("{}: {}", output.file, output.why));
    let detail: Vec<String> = [state, reason, next, output].into_iter().flatten().collect();
    vec![
        event.at.clone(),
        event.event.clone(),
        event.attempt.map(|attempt| attempt.to_string()).unwrap_or_default(),
        detail.join(", "),
    ]
}
