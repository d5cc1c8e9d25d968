//! The supervisors that wait for their next run.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};

use super::record::Report;

/// How many wait at most.
const MAX_IDLE: usize = 64;
/// After this time without a run a supervisor ends by itself.
pub(super) const IDLE_TIME: Duration = Duration::from_secs(2);
/// One that is about to end is not given a run any more. If it ends nevertheless the order is lost on the way, and given
/// to another.
const USABLE_TIME: Duration = Duration::from_millis(1_500);

/// The way to a supervisor that this process has started. When it is dropped the supervisor ends, after its run.
#[derive(Debug)]
pub(super) struct Line {
    /// The process, which the runtime reaps when it has ended.
    pub(super) process: Arc<OwnedFd>,
    orders: ChildStdin,
    reports: BufReader<ChildStdout>,
    /// The report as far as it was read, kept when a caller gives up waiting.
    report: Vec<u8>,
}

impl Line {
    pub(super) fn new(process: OwnedFd, orders: ChildStdin, reports: ChildStdout) -> Self {
        Self { process: Arc::new(process), orders, reports: BufReader::new(reports), report: Vec::new() }
    }

    /// Gives an order. What becomes of it is told by [`Self::next_report`]: a supervisor that ends meanwhile is noticed by
    /// its silence.
    pub(super) async fn send(&mut self, order: &[u8]) {
        let _ = self.orders.write_all(order).await;
    }

    /// The next report; `None` when the supervisor is gone.
    pub(super) async fn next_report(&mut self) -> Option<Report> {
        self.reports.read_until(b'\n', &mut self.report).await.ok()?;
        let report = serde_json::from_slice(&self.report).ok();
        self.report.clear();
        report
    }
}

/// The supervisors without a run, the one that ran last at the back. Nobody looks after them: they end by themselves.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<VecDeque<(Line, Instant)>>,
}

impl Pool {
    pub(super) fn take(&self) -> Option<Line> {
        let (line, since) = self.idle().pop_back()?;
        if since.elapsed() < USABLE_TIME {
            return Some(line);
        }
        // The others have waited longer.
        self.idle().clear();
        None
    }

    pub(super) fn give_back(&self, line: Line) {
        let mut idle = self.idle();
        while idle.front().is_some_and(|(_, since)| since.elapsed() >= USABLE_TIME) {
            idle.pop_front();
        }
        if idle.len() < MAX_IDLE {
            idle.push_back((line, Instant::now()));
        }
    }

    /// The data is valid after every step, so a panic elsewhere does not poison it.
    fn idle(&self) -> MutexGuard<'_, VecDeque<(Line, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
