//! The reader of an attempt's log, page by page, beside a writer that rotates and deletes segments.

use std::fs::File;
use std::io;
use std::path::Path;

use super::frame::{Frame, HEADER_BYTES, LogChunk, MAX_PAYLOAD_BYTES};
use super::log::{read_full_at, segment_bases, segment_path};

/// How often the list of segments is read again because the writer deleted the one that was to be read.
const MAX_RELISTS: usize = 16;
/// Segments are read in pieces of this size: memory is bounded whatever the size of a segment.
const READ_BYTES: usize = 4 * (HEADER_BYTES + MAX_PAYLOAD_BYTES);

/// A run of whole frames.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPage {
    /// The frames, in order.
    pub chunks: Vec<LogChunk>,
    /// Where to go on reading.
    pub next_offset: u64,
    /// Bytes between the asked offset and `next_offset` which are not in the log any more.
    pub dropped_bytes: u64,
}

/// Reads the log in `dir` from the first frame at or after `from_offset`. The page ends before the frame which would carry
/// its payload over `max_bytes`, but holds at least one frame if there is one. An offset beyond the end is answered with
/// an empty page at the end.
pub fn read_log(dir: &Path, from_offset: u64, max_bytes: usize) -> io::Result<LogPage> {
    let mut reading = Reading { room: max_bytes, position: from_offset, end: 0, page: LogPage::default() };
    let mut buffer = Vec::new();
    for _ in 0..MAX_RELISTS {
        match reading.read_segments(dir, &mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => result?,
        }
        if reading.page.chunks.is_empty() {
            reading.position = reading.end;
        }
        break;
    }
    reading.page.next_offset = reading.position;
    Ok(reading.page)
}

/// One page in the making.
struct Reading {
    /// Payload bytes which still fit on the page.
    room: usize,
    /// Where the next frame is expected.
    position: u64,
    /// The end of what was seen of the log.
    end: u64,
    page: LogPage,
}

impl Reading {
    /// Reads on from `position`; `NotFound` when the writer deleted a segment meanwhile.
    fn read_segments(&mut self, dir: &Path, buffer: &mut Vec<u8>) -> io::Result<()> {
        let bases = segment_bases(dir)?;
        // The last segment that starts at or before the position holds it, or ends before it in a gap.
        let first = bases.partition_point(|base| *base <= self.position).saturating_sub(1);
        for &base in bases.iter().skip(first) {
            let file = File::open(segment_path(dir, base))?;
            if base > self.position {
                self.page.dropped_bytes += base - self.position;
                self.position = base;
            }
            if buffer.is_empty() {
                *buffer = vec![0; READ_BYTES];
            }
            if self.read_segment(&file, base, buffer)? {
                break;
            }
        }
        Ok(())
    }

    /// Reads one segment to its end; `true` when the page is full.
    fn read_segment(&mut self, file: &File, base: u64, buffer: &mut [u8]) -> io::Result<bool> {
        let mut offset = base;
        loop {
            let filled = read_full_at(file, buffer, offset - base)?;
            let bytes = buffer.get(..filled).unwrap_or_default();
            let mut consumed = 0;
            while let Some(frame) = bytes.get(consumed..).and_then(Frame::decode) {
                if !self.take(&frame, offset + consumed as u64) {
                    return Ok(true);
                }
                consumed += frame.size();
            }
            offset += consumed as u64;
            self.end = self.end.max(offset);
            if consumed == 0 {
                return Ok(false);
            }
        }
    }

    /// Puts a frame on the page unless it lies before the asked offset; `false` when there is no room for it.
    fn take(&mut self, frame: &Frame<'_>, offset: u64) -> bool {
        if offset < self.position {
            return true;
        }
        let len = frame.payload.len();
        if len > self.room && !self.page.chunks.is_empty() {
            return false;
        }
        self.room = self.room.saturating_sub(len);
        self.page.chunks.push(frame.to_chunk(offset));
        self.position = offset + frame.size() as u64;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::files::log::{LogLimits, LogWriter};
    use crate::files::{LogStream, LogTotals};

    const SMALL: LogLimits = LogLimits { head_bytes: 8192, tail_bytes: 16384 };

    fn numbered(number: u64) -> Vec<u8> {
        format!("line {number:08} {}\n", "x".repeat((number % 50) as usize)).into_bytes()
    }

    /// Every frame from `from` on, and the bytes dropped on the way.
    fn read_all(dir: &Path, from: u64, page_bytes: usize) -> (Vec<LogChunk>, u64, u64) {
        let (mut chunks, mut dropped, mut next) = (Vec::new(), 0, from);
        loop {
            let page = read_log(dir, next, page_bytes).unwrap();
            dropped += page.dropped_bytes;
            if page.chunks.is_empty() {
                return (chunks, dropped, page.next_offset);
            }
            next = page.next_offset;
            chunks.extend(page.chunks);
        }
    }

    #[test]
    fn a_log_comes_back_by_stream_time_and_page() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut writer = LogWriter::open(&path, SMALL).unwrap();
        assert_eq!(read_log(&path, 0, 100).unwrap(), LogPage::default());
        assert!(!path.exists(), "a log without a write has no directory");
        writer.write(LogStream::Stdout, 1, b"one\n").unwrap();
        writer.write(LogStream::Stderr, 2, b"two\n").unwrap();
        writer.write(LogStream::System, 3, b"three\n").unwrap();
        let page = read_log(&path, 0, 8).unwrap();
        let seen: Vec<_> = page.chunks.iter().map(|c| (c.stream, c.at_ms, c.bytes.as_slice())).collect();
        assert_eq!(seen, [(LogStream::Stdout, 1, b"one\n".as_slice()), (LogStream::Stderr, 2, b"two\n".as_slice())]);
        let rest = read_log(&path, page.next_offset, 1).unwrap();
        assert_eq!(rest.chunks.len(), 1, "a page has at least one frame, however small");
        let end = writer.totals().written_bytes;
        assert_eq!(rest.next_offset, end);
        for from in [end - 1, end, end + 1, u64::MAX] {
            let page = read_log(&path, from, 100).unwrap();
            assert_eq!((page.chunks.len(), page.next_offset, page.dropped_bytes), (0, end, 0), "from {from}");
        }
        let from_the_middle = read_log(&path, 5, 100).unwrap();
        assert_eq!(from_the_middle.chunks.first().unwrap().bytes, b"two\n");
        assert_eq!(from_the_middle.dropped_bytes, 0);
    }

    #[test]
    fn head_and_tail_are_kept_and_the_middle_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(dir.path(), SMALL).unwrap();
        for number in 0..5000 {
            writer.write(LogStream::Stdout, number, &numbered(number)).unwrap();
        }
        let totals = writer.totals();
        let on_disk: u64 = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        assert_eq!(on_disk, totals.written_bytes - totals.dropped_bytes);
        assert!(on_disk <= SMALL.head_bytes + SMALL.tail_bytes);
        assert!(on_disk >= SMALL.head_bytes - 200 + SMALL.tail_bytes * 3 / 4 - 200, "kept only {on_disk}");
        let (chunks, dropped, end) = read_all(dir.path(), 0, 1000);
        assert_eq!((dropped, end), (totals.dropped_bytes, totals.written_bytes));
        let numbers: Vec<u64> = chunks.iter().map(|chunk| chunk.at_ms).collect();
        assert!(chunks.iter().all(|chunk| chunk.bytes == numbered(chunk.at_ms)));
        let jumps: Vec<_> = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect();
        assert_eq!(jumps.len(), 1, "one gap, in the middle");
        assert_eq!((numbers[0], *numbers.last().unwrap()), (0, 4999));

        let reopened = LogWriter::open(dir.path(), SMALL).unwrap();
        assert_eq!(reopened.totals(), totals);
    }

    #[test]
    fn a_long_write_is_cut_after_a_newline() {
        let dir = tempfile::tempdir().unwrap();
        let limits = LogLimits { head_bytes: 1 << 20, tail_bytes: 1 << 20 };
        let mut writer = LogWriter::open(dir.path(), limits).unwrap();
        let text: Vec<u8> = (0..20_000).flat_map(numbered).collect();
        writer.write(LogStream::Stdout, 1, &text).unwrap();
        let (chunks, dropped, _) = read_all(dir.path(), 0, usize::MAX);
        assert_eq!(dropped, 0);
        assert!(chunks.iter().all(|chunk| chunk.bytes.len() <= MAX_PAYLOAD_BYTES && chunk.bytes.ends_with(b"\n")));
        assert_eq!(chunks.into_iter().flat_map(|chunk| chunk.bytes).collect::<Vec<_>>(), text);
    }

    #[test]
    fn a_torn_frame_is_ignored_and_then_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(dir.path(), SMALL).unwrap();
        writer.write(LogStream::Stdout, 1, b"whole\n").unwrap();
        let end = writer.totals().written_bytes;
        drop(writer);
        let mut file = OpenOptions::new().append(true).open(segment_path(dir.path(), 0)).unwrap();
        file.write_all(&[1, 9, 0, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0, b't']).unwrap();
        assert_eq!(read_all(dir.path(), 0, 100).2, end);
        let mut writer = LogWriter::open(dir.path(), SMALL).unwrap();
        assert_eq!(writer.totals(), LogTotals { written_bytes: end, dropped_bytes: 0 });
        writer.write(LogStream::Stdout, 2, b"next\n").unwrap();
        let (chunks, ..) = read_all(dir.path(), 0, 100);
        assert_eq!(
            chunks.into_iter().map(|chunk| chunk.bytes).collect::<Vec<_>>(),
            [b"whole\n".to_vec(), b"next\n".to_vec()]
        );
    }

    #[test]
    fn a_corrupt_segment_ends_where_it_is_corrupt_and_the_next_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(dir.path(), SMALL).unwrap();
        for number in 0..250 {
            writer.write(LogStream::Stdout, number, &numbered(number)).unwrap();
        }
        let (before, ..) = read_all(dir.path(), 0, usize::MAX);
        let hurt = before[10].offset;
        let file = OpenOptions::new().write(true).open(segment_path(dir.path(), 0)).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &u32::MAX.to_le_bytes(), hurt + 9).unwrap();
        let (after, dropped, end) = read_all(dir.path(), 0, 500);
        let next_segment = segment_bases(dir.path()).unwrap()[1];
        assert_eq!((dropped, end), (next_segment - hurt, writer.totals().written_bytes));
        let kept = before.iter().filter(|chunk| chunk.offset < hurt || chunk.offset >= next_segment);
        assert!(after.iter().eq(kept));
    }

    #[test]
    fn without_a_head_only_the_ring_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let limits = LogLimits { head_bytes: 0, tail_bytes: 0 };
        let mut writer = LogWriter::open(dir.path(), limits).unwrap();
        for number in 0..2000 {
            writer.write(LogStream::Stdout, number, &numbered(number)).unwrap();
        }
        let (chunks, dropped, _) = read_all(dir.path(), 0, 1000);
        assert_eq!(dropped, chunks[0].offset);
        assert_eq!(chunks.last().unwrap().at_ms, 1999);
    }

    #[test]
    fn reading_beside_a_rotating_writer_never_shows_a_wrong_frame() {
        let dir = tempfile::tempdir().unwrap();
        let done = AtomicBool::new(false);
        let mut writer = LogWriter::open(dir.path(), SMALL).unwrap();
        let (last, accounted, totals) = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let (mut next, mut last, mut accounted) = (0, None, 0);
                loop {
                    let finished = done.load(Ordering::Acquire);
                    let page = read_log(dir.path(), next, 3000).unwrap();
                    accounted += page.dropped_bytes;
                    for chunk in &page.chunks {
                        assert_eq!(chunk.bytes, numbered(chunk.at_ms));
                        assert!(last < Some(chunk.at_ms), "{last:?} before {}", chunk.at_ms);
                        last = Some(chunk.at_ms);
                        accounted += (HEADER_BYTES + chunk.bytes.len()) as u64;
                    }
                    assert!(page.next_offset >= next, "the reader went back");
                    next = page.next_offset;
                    if finished && page.chunks.is_empty() {
                        return (last, accounted);
                    }
                }
            });
            for number in 0..60_000 {
                writer.write(LogStream::Stdout, number, &numbered(number)).unwrap();
            }
            done.store(true, Ordering::Release);
            let (last, accounted) = reader.join().unwrap();
            (last, accounted, writer.totals())
        });
        assert_eq!(last, Some(59_999));
        assert_eq!(accounted, totals.written_bytes, "every byte was read or reported as dropped");
    }

    #[test]
    fn a_failed_write_is_told_and_the_next_one_succeeds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut writer = LogWriter::open(&path, SMALL).unwrap();
        fs::write(&path, b"a file where the directory belongs").unwrap();
        assert!(writer.write(LogStream::Stdout, 1, b"lost").is_err());
        fs::remove_file(&path).unwrap();
        writer.write(LogStream::Stdout, 2, b"kept").unwrap();
        let (chunks, dropped, end) = read_all(&path, 0, 100);
        assert_eq!((chunks.len(), chunks[0].at_ms, dropped), (1, 2, 0));
        assert_eq!(end, writer.totals().written_bytes);
    }
}
