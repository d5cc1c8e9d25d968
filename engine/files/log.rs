//! The writer of an attempt's log: head and tail are kept, the middle is dropped and counted.
//!
//! A log is one stream of frames cut into segment files. A segment is named by the logical offset of its first byte, so
//! the names alone say what was dropped. Each call is one `write(2)` (one more when a segment fills up): nothing waits in
//! memory for a crash of the writing process to lose.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::frame::{Frame, HEADER_BYTES, LogStream, MAX_PAYLOAD_BYTES, encode_frame};

/// A segment holds at least this much, whatever the limits say: smaller ones would be all headers and file names.
const MIN_SEGMENT_BYTES: u64 = 4096;
/// The tail is a ring of this many segments.
const TAIL_SEGMENTS: usize = 4;
/// A payload is cut to fill up a segment only if at least this much of it fits.
const MIN_PIECE_BYTES: usize = 512;

/// How much of a log is kept. Frame headers count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLimits {
    /// The first bytes, kept for ever. Zero keeps no head; anything else at least 4 KiB.
    pub head_bytes: u64,
    /// The last bytes, kept in a ring of four segments of at least 4 KiB each.
    pub tail_bytes: u64,
}

/// What a log amounts to. Frame headers count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTotals {
    /// Bytes written since the start of the attempt, dropped ones included.
    pub written_bytes: u64,
    /// Bytes of these which were dropped from the middle.
    pub dropped_bytes: u64,
}

/// Appends to the log of one attempt. One writer at a time: the caller sees to that.
#[derive(Debug)]
pub struct LogWriter {
    dir: PathBuf,
    limits: LogLimits,
    /// The logical offset of the next byte.
    end: u64,
    dropped_bytes: u64,
    current: Option<Segment>,
    /// First offset and length of the full tail segments, oldest first.
    full_tail: VecDeque<(u64, u64)>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Segment {
    file: File,
    base: u64,
    len: u64,
    /// A failed write may have left bytes behind the last whole frame.
    torn: bool,
}

impl LogWriter {
    /// Opens the log in `dir`, after the last whole frame of what is already there. Nothing is created before the first
    /// write: a job that never logs costs no file.
    pub fn open(dir: impl Into<PathBuf>, limits: LogLimits) -> io::Result<Self> {
        let dir = dir.into();
        let mut segments = segment_bases(&dir)?;
        let mut writer = Self {
            dir,
            limits,
            end: 0,
            dropped_bytes: 0,
            current: None,
            full_tail: VecDeque::new(),
            buffer: Vec::new(),
        };
        if let Some(last) = segments.pop() {
            writer.continue_after(&segments, last)?;
        }
        Ok(writer)
    }

    fn continue_after(&mut self, full: &[u64], last: u64) -> io::Result<()> {
        let mut kept = 0;
        for &base in full {
            let len = fs::metadata(segment_path(&self.dir, base))?.len();
            kept += len;
            if !self.is_head(base) {
                self.full_tail.push_back((base, len));
            }
        }
        let file = OpenOptions::new().read(true).write(true).open(segment_path(&self.dir, last))?;
        let len = whole_frames_len(&file)?;
        file.set_len(len)?;
        self.end = last + len;
        self.dropped_bytes = self.end.saturating_sub(kept + len);
        self.current = Some(Segment { file, base: last, len, torn: false });
        Ok(())
    }

    /// Appends `bytes`, cut into frames of at most 64 KiB, after a newline where there is one. When it fails nothing of
    /// the piece at hand is in the log, and the next call may well succeed (the disk was full and is not any more).
    pub fn write(&mut self, stream: LogStream, at_ms: u64, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        self.buffer.clear();
        while !rest.is_empty() {
            let piece = self.piece_len(rest);
            if piece == 0 {
                self.flush_buffer()?;
                self.rotate()?;
                continue;
            }
            let (frame, after) = rest.split_at(piece);
            encode_frame(&mut self.buffer, stream, at_ms, frame);
            rest = after;
        }
        self.flush_buffer()
    }

    /// What was written and dropped so far.
    pub fn totals(&self) -> LogTotals {
        LogTotals { written_bytes: self.end, dropped_bytes: self.dropped_bytes }
    }

    /// How much of `bytes` the next frame takes; zero when the segment is full (or there is none yet).
    fn piece_len(&self, bytes: &[u8]) -> usize {
        let Some(segment) = &self.current else {
            return 0;
        };
        let used = segment.len + self.buffer.len() as u64 + HEADER_BYTES as u64;
        let room = usize::try_from(self.capacity(segment.base).saturating_sub(used)).unwrap_or(usize::MAX);
        if bytes.len() <= room.min(MAX_PAYLOAD_BYTES) {
            return bytes.len();
        }
        if room < MIN_PIECE_BYTES {
            return 0;
        }
        let most = room.min(MAX_PAYLOAD_BYTES);
        let after_newline = bytes.iter().take(most).rposition(|byte| *byte == b'\n').map(|at| at + 1);
        after_newline.unwrap_or(most)
    }

    fn flush_buffer(&mut self) -> io::Result<()> {
        let Some(segment) = &mut self.current else {
            return Ok(());
        };
        if self.buffer.is_empty() {
            return Ok(());
        }
        if segment.torn {
            segment.file.set_len(segment.len)?;
            segment.torn = false;
        }
        // At a known offset rather than in append mode: what a failed write left behind is written over.
        if let Err(error) = segment.file.write_all_at(&self.buffer, segment.len) {
            segment.torn = segment.file.set_len(segment.len).is_err();
            return Err(error);
        }
        let written = self.buffer.len() as u64;
        segment.len += written;
        self.end += written;
        self.buffer.clear();
        Ok(())
    }

    /// Starts a new segment at the end of the log and drops the oldest of a full ring.
    fn rotate(&mut self) -> io::Result<()> {
        if self.current.is_none() {
            fs::create_dir_all(&self.dir)?;
        }
        if let Some(segment) = &mut self.current
            && segment.torn
        {
            segment.file.set_len(segment.len)?;
            segment.torn = false;
        }
        let path = segment_path(&self.dir, self.end);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        let next = Segment { file, base: self.end, len: 0, torn: false };
        if let Some(full) = self.current.replace(next)
            && !self.is_head(full.base)
        {
            self.full_tail.push_back((full.base, full.len));
        }
        while self.full_tail.len() >= TAIL_SEGMENTS
            && let Some((base, len)) = self.full_tail.pop_front()
        {
            fs::remove_file(segment_path(&self.dir, base))?;
            self.dropped_bytes += len;
        }
        Ok(())
    }

    fn is_head(&self, base: u64) -> bool {
        base == 0 && self.limits.head_bytes > 0
    }

    fn capacity(&self, base: u64) -> u64 {
        let wanted =
            if self.is_head(base) { self.limits.head_bytes } else { self.limits.tail_bytes / TAIL_SEGMENTS as u64 };
        wanted.max(MIN_SEGMENT_BYTES)
    }
}

/// The file of the segment whose first byte has the logical offset `base`.
pub(super) fn segment_path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}.log"))
}

/// The first offsets of the segments in `dir`, in order; none when there is no such directory.
pub(super) fn segment_bases(dir: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut bases = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(".log")).filter(|digits| digits.len() == 20);
        bases.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
    }
    bases.sort_unstable();
    Ok(bases)
}

/// Cuts the log in `dir` off at the logical offset `end`, which is between two frames. A log whose ring has gone on past it
/// is left as it is. No writer may have it open.
pub(super) fn cut_back(dir: &Path, end: u64) -> io::Result<()> {
    let segments = segment_bases(dir)?;
    let Some(last) = segments.iter().rev().find(|base| **base <= end) else { return Ok(()) };
    let file = OpenOptions::new().write(true).open(segment_path(dir, *last))?;
    let (len, has) = (end - last, file.metadata()?.len());
    if has < len {
        return Ok(());
    }
    for base in segments.iter().filter(|base| *base > last) {
        fs::remove_file(segment_path(dir, *base))?;
    }
    if has > len {
        file.set_len(len)?;
    }
    Ok(())
}

/// The length of the whole frames at the start of `file`.
fn whole_frames_len(file: &File) -> io::Result<u64> {
    let mut buffer = vec![0; 4 * (HEADER_BYTES + MAX_PAYLOAD_BYTES)];
    let mut whole = 0;
    loop {
        let filled = read_full_at(file, &mut buffer, whole)?;
        let bytes = buffer.get(..filled).unwrap_or_default();
        let mut consumed = 0;
        while let Some(frame) = bytes.get(consumed..).and_then(Frame::decode) {
            consumed += frame.size();
        }
        if consumed == 0 {
            return Ok(whole);
        }
        whole += consumed as u64;
    }
}

/// Fills `buffer` from `offset` on, short only at the end of the file.
pub(super) fn read_full_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
