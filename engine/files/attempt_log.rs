//! The log of one attempt as the engine itself writes it, with the secrets masked, and where its source goes on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::frame::LogStream;
use super::log::{LogLimits, LogWriter, cut_back};
use super::mask::Masker;
use crate::clock::Clock;
use crate::job::Timestamp;

/// The file beside the segments that says where the source goes on.
const MARK: &str = "cursor";

/// How much more of a log, or how much later, until its mark is saved.
const SAVE_BYTES: u64 = 256 << 10;
const SAVE_MS: u64 = 1_000;

/// Up to where the log is, and where its source goes on after that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    end: u64,
    cursor: String,
}

/// Where a run's output goes, piece by piece. It may be shared.
pub struct AttemptLog {
    dir: PathBuf,
    inner: Mutex<Inner>,
    clock: Clock,
}

struct Inner {
    writer: LogWriter,
    out: Masker,
    err: Masker,
    system: Masker,
    /// Where the source goes on for this life of the engine: after everything that was written, held back or not.
    cursor: Option<String>,
    /// The last cursor at which nothing was held back: where the next life goes on.
    mark: Option<Mark>,
    /// It is on disk.
    saved: bool,
    /// Up to where the log was when a mark was last saved, and when that was.
    saved_end: u64,
    saved_at: Timestamp,
    /// The log could not be written; said once.
    failed: bool,
}

impl Inner {
    fn masker(&mut self, stream: LogStream) -> &mut Masker {
        match stream {
            LogStream::Stdout => &mut self.out,
            LogStream::Stderr => &mut self.err,
            LogStream::System => &mut self.system,
        }
    }
}

impl AttemptLog {
    /// Opens the log in `dir`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(dir: PathBuf, limits: LogLimits, secrets: &[String], clock: Clock) -> io::Result<Arc<AttemptLog>> {
        AttemptLog::from(dir, limits, secrets, clock, None)
    }

    /// Opens a log that comes from a source with a cursor. Where an earlier life of the engine has written some of it, it
    /// goes on from the last cursor that is known: what was written after that is cut off, and comes again.
    ///
    /// # Errors
    /// What the file system says.
    pub fn resume(dir: PathBuf, limits: LogLimits, secrets: &[String], clock: Clock) -> io::Result<Arc<AttemptLog>> {
        let mark = read_mark(&dir);
        cut_back(&dir, mark.as_ref().map_or(0, |mark| mark.end))?;
        AttemptLog::from(dir, limits, secrets, clock, mark)
    }

    fn from(
        dir: PathBuf,
        limits: LogLimits,
        secrets: &[String],
        clock: Clock,
        mark: Option<Mark>,
    ) -> io::Result<Arc<AttemptLog>> {
        let inner = Inner {
            writer: LogWriter::open(&dir, limits)?,
            out: Masker::new(secrets),
            err: Masker::new(secrets),
            system: Masker::new(secrets),
            saved_end: mark.as_ref().map_or(0, |mark| mark.end),
            saved_at: clock.now(),
            cursor: mark.as_ref().map(|mark| mark.cursor.clone()),
            mark,
            saved: true,
            failed: false,
        };
        Ok(Arc::new(AttemptLog { dir, inner: Mutex::new(inner), clock }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends some bytes. A log that cannot be written stops no run: it says less, and the engine's own log says why.
    pub fn write(&self, stream: LogStream, bytes: &[u8]) {
        let mut inner = self.lock();
        let masked = inner.masker(stream).push(bytes);
        self.append(&mut inner, stream, &masked);
    }

    /// Notes where the source goes on after everything written so far.
    pub fn mark(&self, cursor: &str) {
        let mut inner = self.lock();
        inner.cursor = Some(cursor.to_owned());
        // Bytes that are held back would be neither in the log nor after the cursor of the next life.
        if inner.out.holds_back() || inner.err.holds_back() || inner.system.holds_back() {
            return;
        }
        let mark = Mark { end: inner.writer.totals().written_bytes, cursor: cursor.to_owned() };
        let behind = mark.end.saturating_sub(inner.saved_end);
        let is_due = behind >= SAVE_BYTES || self.clock.now().millis_since(inner.saved_at) >= SAVE_MS;
        inner.saved = inner.mark.as_ref() == Some(&mark) && inner.saved;
        inner.mark = Some(mark);
        if is_due {
            self.save(&mut inner);
        }
    }

    /// Where the source goes on.
    pub fn cursor(&self) -> Option<String> {
        self.lock().cursor.clone()
    }

    /// Has the next life of the engine go on from the last mark. Done by itself now and then, and at the end.
    pub fn save_mark(&self) {
        self.save(&mut self.lock());
    }

    fn save(&self, inner: &mut Inner) {
        if inner.saved {
            return;
        }
        let Some(mark) = &inner.mark else { return };
        if let Err(error) = write_mark(&self.dir, mark) {
            tracing::warn!(%error, dir = %self.dir.display(), "the cursor of a log cannot be written");
        }
        inner.saved_end = mark.end;
        (inner.saved, inner.saved_at) = (true, self.clock.now());
    }

    /// Writes what was held back because a secret might have begun in it.
    pub fn finish(&self) {
        let mut inner = self.lock();
        for stream in [LogStream::Stdout, LogStream::Stderr, LogStream::System] {
            let rest = inner.masker(stream).flush();
            self.append(&mut inner, stream, &rest);
        }
    }

    fn append(&self, inner: &mut Inner, stream: LogStream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let now = self.clock.now().as_millis();
        if let Err(error) = inner.writer.write(stream, now, bytes)
            && !std::mem::replace(&mut inner.failed, true)
        {
            tracing::warn!(%error, dir = %self.dir.display(), "the log of an attempt cannot be written");
        }
    }
}

impl Drop for AttemptLog {
    fn drop(&mut self) {
        self.save_mark();
    }
}

/// None where there is none, or none that can be read: then the log begins anew.
fn read_mark(dir: &Path) -> Option<Mark> {
    serde_json::from_slice(&fs::read(dir.join(MARK)).ok()?).ok()
}

fn write_mark(dir: &Path, mark: &Mark) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let unfinished = dir.join("cursor.tmp");
    fs::write(&unfinished, serde_json::to_vec(mark)?)?;
    fs::rename(unfinished, dir.join(MARK))
}

#[cfg(test)]
mod tests {
    use super::super::log_reader::read_log;
    use super::*;

    const LIMITS: LogLimits = LogLimits { head_bytes: 8 << 10, tail_bytes: 32 << 10 };

    fn open(dir: &Path, secrets: &[&str]) -> Arc<AttemptLog> {
        let secrets: Vec<String> = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        AttemptLog::resume(dir.to_owned(), LIMITS, &secrets, Clock::system()).unwrap()
    }

    fn text(dir: &Path) -> String {
        let page = read_log(dir, 0, 1 << 20).unwrap();
        page.chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned()).collect()
    }

    #[test]
    fn what_came_after_the_mark_comes_again() {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path(), &[]);
        log.write(LogStream::Stdout, b"one ");
        log.mark("1");
        log.save_mark();
        log.write(LogStream::Stderr, b"two ");
        log.mark("2");
        // Killed.
        std::mem::forget(log);
        let log = open(dir.path(), &[]);
        assert_eq!((log.cursor().as_deref(), text(dir.path()).as_str()), (Some("1"), "one "));
        log.write(LogStream::Stderr, b"two ");
        log.mark("2");
        log.save_mark();
        drop(log);
        assert_eq!(open(dir.path(), &[]).cursor().as_deref(), Some("2"));
        assert_eq!(text(dir.path()), "one two ");
    }

    #[test]
    fn what_has_no_mark_comes_again() {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path(), &[]);
        log.write(LogStream::Stdout, b"one ");
        std::mem::forget(log);
        assert_eq!(open(dir.path(), &[]).cursor(), None);
        assert_eq!(text(dir.path()), "");
    }

    #[test]
    fn a_log_whose_ring_has_gone_past_the_mark_stays() {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path(), &[]);
        log.write(LogStream::Stdout, &[b'a'; 9_000]);
        log.mark("1");
        log.save_mark();
        for _ in 0..40 {
            log.write(LogStream::Stdout, &[b'b'; 3_000]);
        }
        std::mem::forget(log);
        let before = text(dir.path());
        assert_eq!(open(dir.path(), &[]).cursor().as_deref(), Some("1"));
        assert_eq!(text(dir.path()), before);
    }

    #[test]
    fn a_mark_in_the_middle_of_a_secret_waits() {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path(), &["hunter22"]);
        log.write(LogStream::Stdout, b"a ");
        log.mark("1");
        log.write(LogStream::Stdout, b"hunt");
        log.mark("2");
        log.save_mark();
        assert_eq!(log.cursor().as_deref(), Some("2"), "nothing that was taken is asked for again");
        // Killed: what was held back comes again.
        std::mem::forget(log);
        let log = open(dir.path(), &["hunter22"]);
        assert_eq!(log.cursor().as_deref(), Some("1"));
        log.write(LogStream::Stdout, b"hunter22 b");
        log.mark("3");
        assert_eq!(text(dir.path()), "a *** b");
    }

    #[test]
    fn many_segments_are_cut_back() {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path(), &[]);
        log.write(LogStream::Stdout, &[b'a'; 3_000]);
        log.mark("1");
        log.save_mark();
        for _ in 0..4 {
            log.write(LogStream::Stdout, &[b'b'; 3_000]);
        }
        std::mem::forget(log);
        let log = open(dir.path(), &[]);
        assert_eq!(text(dir.path()), "a".repeat(3_000));
        log.write(LogStream::Stdout, b"c");
        assert_eq!(text(dir.path()).len(), 3_001);
    }
}
