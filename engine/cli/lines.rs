//! Lines out of the pieces of a log, for each stream of its own.

use super::request::LogChunkPiece;
use super::wire::LogLineWire;
use crate::job::Timestamp;

/// A line that is longer is cut into several.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// A line without its end.
pub(super) struct Line {
    pub(super) stream: String,
    pub(super) at_ms: u64,
    pub(super) bytes: Vec<u8>,
}

impl Line {
    /// The line as text; what is not UTF-8 is replaced.
    pub(super) fn to_wire(&self) -> LogLineWire {
        LogLineWire {
            stream: self.stream.clone(),
            at: Timestamp::from_millis(self.at_ms).to_string(),
            text: String::from_utf8_lossy(&self.bytes).into_owned(),
        }
    }
}

/// The lines that have begun and not ended, at most one of each stream.
#[derive(Default)]
pub(super) struct Lines {
    open: Vec<Line>,
}

impl Lines {
    /// Takes a piece; the lines that it completes.
    pub(super) fn push(&mut self, chunk: LogChunkPiece) -> Vec<Line> {
        let mut done = Vec::new();
        for part in chunk.bytes.split_inclusive(|byte| *byte == b'\n') {
            let known = self.open.iter().position(|line| line.stream == chunk.stream);
            let mut line = match known {
                Some(index) => self.open.swap_remove(index),
                None => Line { stream: chunk.stream.clone(), at_ms: chunk.at_ms, bytes: Vec::new() },
            };
            line.bytes.extend_from_slice(part);
            if line.bytes.last() == Some(&b'\n') {
                line.bytes.pop();
                if line.bytes.last() == Some(&b'\r') {
                    line.bytes.pop();
                }
                done.push(line);
            } else if line.bytes.len() >= MAX_LINE_BYTES {
                done.push(line);
            } else {
                self.open.push(line);
            }
        }
        done
    }

    /// The lines that never ended.
    pub(super) fn flush(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(stream: &str, bytes: &[u8]) -> LogChunkPiece {
        LogChunkPiece { stream: stream.to_owned(), at_ms: 0, bytes: bytes.to_vec() }
    }

    fn texts(lines: Vec<Line>) -> Vec<String> {
        let wires = lines.iter().map(Line::to_wire);
        wires.map(|line| format!("{} {}", line.stream, line.text)).collect()
    }

    #[test]
    fn streams_do_not_mix() {
        let mut lines = Lines::default();
        assert_eq!(texts(lines.push(chunk("stdout", b"one\r\ntw"))), ["stdout one"]);
        assert_eq!(texts(lines.push(chunk("stderr", b"bad\n"))), ["stderr bad"]);
        let done = texts(lines.push(chunk("stdout", "o ü\n\nrest".as_bytes())));
        assert_eq!(done, ["stdout two ü", "stdout "]);
        assert_eq!(texts(lines.flush()), ["stdout rest"]);
        assert!(lines.flush().is_empty());
    }

    #[test]
    fn an_endless_line_is_cut() {
        let mut lines = Lines::default();
        let mut count = 0;
        for _ in 0..300 {
            count += lines.push(chunk("stdout", &[b'x'; 1_000])).len();
        }
        assert_eq!(count, 4);
    }
}
