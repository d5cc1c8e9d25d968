//! Captures the output of a job: pipe, mask, log.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::unix::pipe::Receiver;
use tokio::time::Instant;

use super::order::LaunchOrder;
use crate::files::{LogLimits, LogStream, LogTotals, LogWriter, Masker};

/// A line without its end is written after this time, so that a follower sees a prompt.
const PARTIAL_LINE_WAIT: Duration = Duration::from_millis(50);
/// Read at once; what a pipe holds.
const READ_BYTES: usize = 64 * 1024;

/// One of the two pipes of a job.
pub(super) struct Pipe {
    /// `None` after the end.
    reader: Option<Receiver>,
    buffer: Vec<u8>,
    stream: LogStream,
    masker: Masker,
    /// The masked start of a line.
    partial: Vec<u8>,
    /// When the partial line is to be written.
    pub(super) write_at: Option<Instant>,
}

/// The log of a job, which may fail without harm to the job.
pub(super) struct Log {
    /// Opened at the first output; tried again at the next one when it fails.
    writer: Option<LogWriter>,
    dir: std::path::PathBuf,
    limits: LogLimits,
    lost_bytes: u64,
}

impl Log {
    pub(super) fn new(order: &LaunchOrder) -> Self {
        Self { writer: None, dir: order.log_dir.clone(), limits: order.log_limits, lost_bytes: 0 }
    }

    fn write(&mut self, stream: LogStream, bytes: &[u8]) {
        if self.try_write(stream, bytes).is_err() {
            self.lost_bytes += bytes.len() as u64;
        }
    }

    fn try_write(&mut self, stream: LogStream, bytes: &[u8]) -> io::Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(LogWriter::open(&self.dir, self.limits)?),
        };
        writer.write(stream, now_ms(), bytes)
    }

    pub(super) fn totals(&self) -> LogTotals {
        self.writer.as_ref().map(LogWriter::totals).unwrap_or_default()
    }

    pub(super) fn lost_bytes(&self) -> u64 {
        self.lost_bytes
    }
}

impl Pipe {
    pub(super) fn new(reader: impl Into<OwnedFd>, stream: LogStream, order: &LaunchOrder) -> io::Result<Self> {
        Ok(Self {
            reader: Some(Receiver::from_owned_fd(reader.into())?),
            buffer: Vec::new(),
            stream,
            masker: Masker::new(&order.secrets),
            partial: Vec::new(),
            write_at: None,
        })
    }

    pub(super) fn is_open(&self) -> bool {
        self.reader.is_some()
    }

    /// Waits for output and reads it into the buffer; zero at the end. Nothing is lost when it is dropped half way.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        let Some(reader) = &self.reader else {
            return Ok(0);
        };
        self.buffer.clear();
        self.buffer.reserve(READ_BYTES);
        loop {
            match reader.try_read_buf(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => reader.readable().await?,
                read => return read,
            }
        }
    }

    /// Passes on what [`Self::fill`] has read: whole lines now, the start of one when its time has come.
    pub(super) fn pass_on(&mut self, filled: io::Result<usize>, log: &mut Log) {
        // A pipe that cannot be read any more has ended, whatever the reason.
        if !filled.is_ok_and(|len| len > 0) {
            return self.end(log);
        }
        let shown = self.masker.push(&self.buffer);
        self.partial.extend_from_slice(&shown);
        let whole = self.partial.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let ready = if self.partial.len() - whole >= READ_BYTES { self.partial.len() } else { whole };
        if ready > 0 {
            log.write(self.stream, self.partial.get(..ready).unwrap_or_default());
            self.partial.drain(..ready);
            self.write_at = None;
        }
        if !self.partial.is_empty() && self.write_at.is_none() {
            self.write_at = Some(Instant::now() + PARTIAL_LINE_WAIT);
        }
    }

    /// Writes a partial line that has waited long enough. What the masker holds back stays: it may be half a secret.
    pub(super) fn write_due(&mut self, now: Instant, log: &mut Log) {
        if self.write_at.is_some_and(|at| at <= now) {
            self.write_at = None;
            log.write(self.stream, &std::mem::take(&mut self.partial));
        }
    }

    /// Writes all there is and closes the pipe.
    pub(super) fn end(&mut self, log: &mut Log) {
        if self.reader.take().is_none() {
            return;
        }
        self.partial.append(&mut self.masker.flush());
        self.write_at = None;
        if !self.partial.is_empty() {
            log.write(self.stream, &std::mem::take(&mut self.partial));
        }
    }

    /// Reads to the end, for at most `wait` if somebody keeps the pipe open, and closes it.
    pub(super) async fn drain(&mut self, wait: Duration, log: &mut Log) {
        let deadline = Instant::now() + wait;
        while self.is_open() {
            match tokio::time::timeout_at(deadline, self.fill()).await {
                Ok(filled) => self.pass_on(filled, log),
                Err(_) => self.end(log),
            }
        }
    }
}

/// Milliseconds since the Unix epoch. The supervisor's own clock: it runs beside no engine whose clock it could ask.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
