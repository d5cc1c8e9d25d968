//! What is left to say when all jobs are over.

use serde::Serialize;

use crate::cli::failure::FAILED;
use crate::cli::jobs::{attempts, why};
use crate::cli::table::{duration, table};
use crate::cli::wire::JobWire;
use crate::engine::JobView;
use crate::job::{End, Reason, State};

/// The last line of `run --json`.
#[derive(Serialize)]
pub(super) struct SummaryWire {
    event: &'static str,
    exit_code: u8,
    succeeded: usize,
    jobs: Vec<JobWire>,
}

impl SummaryWire {
    pub(super) fn new(views: &[JobView], exit_code: u8) -> Self {
        SummaryWire {
            event: "summary",
            exit_code,
            succeeded: views.iter().filter(|view| view.state() == State::Succeeded).count(),
            jobs: views.iter().map(JobWire::from).collect(),
        }
    }
}

/// The table of all jobs.
pub(super) fn summary_table(views: &[JobView]) -> String {
    let row = |view: &JobView| {
        let job = JobWire::from(view);
        vec![
            job.title().to_owned(),
            job.condition(),
            attempts(&job),
            job.duration_ms.map(duration).unwrap_or_default(),
            why(&job),
        ]
    };
    let rows: Vec<Vec<String>> = views.iter().map(row).collect();
    table(&["job", "state", "attempts", "took", "reason"], &rows)
}

fn is_good(view: &JobView) -> bool {
    matches!(End::of(&view.job.status), Some(End::Succeeded | End::Skipped))
}

/// 0 when all is well, the exit code of the program that failed first when it is 1 to 125, else 1.
pub(super) fn exit_code(views: &[JobView]) -> u8 {
    if views.iter().all(is_good) {
        return 0;
    }
    let failed = views.iter().filter(|view| !is_good(view));
    // Those that failed only because an earlier one did say nothing of their own.
    let own = failed.filter(|view| {
        let reason = &view.job.status.reason;
        !matches!(reason, Some(Reason::PreviousJob(..) | Reason::Skipped { .. }))
    });
    let first = own.min_by_key(|view| (view.job.status.finished_at, view.job.id));
    match first.and_then(|view| view.job.status.reason.as_ref()) {
        Some(Reason::ExitCode(code)) => {
            u8::try_from(*code).ok().filter(|code| (1..=125).contains(code)).unwrap_or(FAILED)
        }
        _ => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Job, JobId, JobSpec, State, Timestamp};
    use std::sync::Arc;

    fn view(seq: u64, state: State, finished: u64, reason: Option<Reason>) -> JobView {
        let now = Timestamp::from_millis(1);
        let spec = Arc::new(JobSpec::process("x", [] as [&str; 0]));
        let id = JobId::new(seq, now, 0);
        let mut job = Job::accept(id, None, spec, Vec::new(), now);
        job.status.state = state;
        job.status.finished_at = Some(Timestamp::from_millis(finished));
        job.status.reason = reason;
        JobView { job, progress: None }
    }

    #[test]
    fn the_first_failed_program_decides() {
        let good = view(1, State::Succeeded, 1, None);
        let exit = |seq, at, code| view(seq, State::Failed, at, Some(Reason::ExitCode(code)));
        let id = good.job.id;
        let after = view(4, State::Failed, 0, Some(Reason::PreviousJob(id, State::Failed)));
        let late = view(5, State::TimedOut, 9, None);
        assert_eq!(exit_code(std::slice::from_ref(&good)), 0);
        let all = [good, exit(2, 7, 3), exit(3, 5, 42), after, late];
        assert_eq!(exit_code(&all), 42);
        assert_eq!(exit_code(&[exit(2, 7, 126)]), 1);
        assert_eq!(exit_code(&[exit(2, 7, -1)]), 1);
        assert_eq!(exit_code(&[view(1, State::Cancelled, 1, None)]), 1);
    }
}
