//! One process with a JVM, as the engine sees it.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::order::{BATCH_BYTES, Order, Report, SLACK_BYTES};
use super::worker::SERVE_ARG;
use crate::error::bounded;
use crate::files::Masker;
use crate::plugin::child::{News, Nursery, Process, THIS_PROGRAM};
use crate::plugin::contract::{Answer, ErrorKind, MOST_MESSAGE_BYTES, PluginError, Retry};
use crate::plugin::sql::SqlGrant;

/// How often the memory of a process is looked at.
const LOOK_TIME: Duration = Duration::from_millis(500);
/// How much longer than a query may take the process gets: drivers that notice tell the database to stop.
const GRACE: Duration = Duration::from_secs(2);

/// A process with a JVM, and the place that it takes. It ends when this value is dropped.
pub(super) struct Worker {
    process: Option<Process>,
    deadline: Instant,
    time_ms: u64,
    memory_bytes: u64,
    secrets: Vec<String>,
    _place: OwnedSemaphorePermit,
}

impl Worker {
    /// Starts it and waits until its JVM runs. `query_ms` is how long the order may take from then on.
    pub(super) async fn start(
        nursery: &Nursery,
        grant: &SqlGrant,
        order: &Order,
        secrets: Vec<String>,
        query_ms: u64,
        place: OwnedSemaphorePermit,
    ) -> Answer<Worker> {
        let row_bytes = usize::try_from(grant.config.row_bytes).unwrap_or(usize::MAX);
        let most = BATCH_BYTES.saturating_add(row_bytes).saturating_add(SLACK_BYTES);
        let program = grant.program.as_deref().unwrap_or(Path::new(THIS_PROGRAM));
        let begun = async {
            let mut process = Process::start(nursery, program, &[OsStr::new(SERVE_ARG)], most).await?;
            process.send(order).await?;
            std::io::Result::Ok(process)
        };
        let process = begun.await.map_err(|error| {
            let message = format!("cannot start {} to ask a database: {error}", program.display());
            PluginError::new(ErrorKind::Unavailable, Retry::Backoff, message)
        })?;
        let start_ms = grant.config.start_ms;
        let mut worker = Worker {
            process: Some(process),
            deadline: Instant::now() + Duration::from_millis(start_ms),
            time_ms: start_ms,
            memory_bytes: grant.config.memory_bytes,
            secrets,
            _place: place,
        };
        match worker.report().await? {
            Report::Started => {}
            report => return Err(worker.odd(&report)),
        }
        worker.deadline = Instant::now() + Duration::from_millis(query_ms) + GRACE;
        worker.time_ms = query_ms;
        Ok(worker)
    }

    /// The next thing that it tells; an error ends it.
    pub(super) async fn report(&mut self) -> Answer<Report> {
        let told = self.listen().await;
        let failure = match told {
            Ok(Report::Failed(error)) => error,
            Ok(report) => return Ok(report),
            Err(failure) => self.told(failure).await,
        };
        self.process = None;
        Err(self.masked(failure))
    }

    async fn listen(&mut self) -> Result<Report, Failure> {
        let Some(process) = &mut self.process else { return Err(Failure::Closed) };
        let mut look = interval(LOOK_TIME);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.reset();
        loop {
            let news = tokio::select! {
                news = process.listen::<Report>() => news.map_err(|error| Failure::Unruly(error.to_string()))?,
                _ = look.tick() => {
                    if process.memory_bytes() > self.memory_bytes {
                        return Err(Failure::Memory);
                    }
                    News::Sign
                }
                () = sleep_until(self.deadline) => return Err(Failure::Deadline),
            };
            match news {
                News::Report(report) => return Ok(report),
                News::Closed => return Err(Failure::Closed),
                // One that prints all day is not to outlive its time.
                News::Sign if Instant::now() >= self.deadline => return Err(Failure::Deadline),
                News::Sign => {}
            }
        }
    }

    /// What a failure is told as. The process is gone afterwards.
    async fn told(&mut self, failure: Failure) -> PluginError {
        let (mut end, mut tail) = (None, Vec::new());
        if let Some(process) = self.process.take() {
            (end, tail) = process.end(matches!(failure, Failure::Closed)).await;
        }
        let (kind, what) = match failure {
            Failure::Closed => {
                (ErrorKind::Internal, end.unwrap_or_else(|| "closed the connection to the engine".to_owned()))
            }
            Failure::Deadline => {
                (ErrorKind::Timeout, format!("was not done within {} ms and was killed", self.time_ms))
            }
            Failure::Memory => {
                (ErrorKind::Exhausted, format!("took more than {} bytes of memory and was killed", self.memory_bytes))
            }
            Failure::Unruly(what) => (ErrorKind::Internal, format!("{what} and was killed")),
        };
        let mut message = format!("the process with the JDBC driver {what}");
        let said = String::from_utf8_lossy(&tail);
        if !said.trim().is_empty() {
            message = format!("{message}; it last printed: {}", said.trim());
        }
        PluginError::new(kind, Retry::Backoff, message)
    }

    /// An error for a message that was not asked for.
    pub(super) fn odd(&self, report: &Report) -> PluginError {
        let what = match report {
            Report::Started => "Started",
            Report::Drivers(_) => "Drivers",
            Report::Columns(_) => "Columns",
            Report::Rows(_) => "Rows",
            Report::Ended => "Ended",
            Report::Failed(_) => "Failed",
        };
        let message = format!("the process with the JDBC driver sent {what:?} out of turn");
        PluginError::new(ErrorKind::Internal, Retry::Backoff, message)
    }

    fn masked(&self, error: PluginError) -> PluginError {
        let mut masker = Masker::new(&self.secrets);
        let mut shown = masker.push(error.message.as_bytes());
        shown.extend(masker.flush());
        let message = bounded(String::from_utf8_lossy(&shown).into_owned(), MOST_MESSAGE_BYTES);
        PluginError { message, ..error }
    }
}

/// Why a process is of no use any more.
enum Failure {
    /// It has closed its socket, most likely by its end.
    Closed,
    Deadline,
    Memory,
    /// It does not keep to the protocol.
    Unruly(String),
}
