//! Logs as the shell server sends them: a frame is one byte for the channel, four bytes for the length, the most
//! significant first, and the bytes. The cursor of a log is how many bytes of frames were pushed.

use std::io::{self, Read};

use windlass_plugin::prelude::*;

/// The most bytes of a frame: what the server reads at once.
const MOST_BYTES: usize = 1 << 20;

/// What became of the frames.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    All,
    /// The engine wants no more.
    Unwanted,
}

/// Pushes whole frames. What was pushed before an error is in the cursor.
pub(crate) fn push(mut from: impl Read, cursor: &mut cursor::Offset, to: &mut LogSink<'_>) -> Result<Pushed> {
    let mut header = [0; 5];
    loop {
        if from.read(header.split_at_mut(1).0)? == 0 {
            return Ok(Pushed::All);
        }
        from.read_exact(header.split_at_mut(1).1).map_err(cut)?;
        let [channel, a, b, c, d] = header;
        let channel = match channel {
            1 => Channel::Stdout,
            2 => Channel::Stderr,
            _ => Channel::System,
        };
        let size = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if size > MOST_BYTES {
            return Err(Error::internal(format!("the log has a frame of {size} bytes")));
        }
        let mut bytes = vec![0; size];
        from.read_exact(&mut bytes).map_err(cut)?;
        if !to.write(channel, &bytes, cursor.advance(header.len() + size)) {
            return Ok(Pushed::Unwanted);
        }
    }
}

/// A frame that is not whole is a connection that broke.
fn cut(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::unavailable("the log broke off"),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use windlass_plugin::testing::Log;

    use super::*;

    fn frames() -> Vec<u8> {
        [&[1, 0, 0, 0, 2][..], b"ab", &[2, 0, 0, 0, 1], b"c", &[1, 0, 0, 0, 0]].concat()
    }

    #[test]
    fn frames_are_pushed_with_the_cursor_after_them() {
        let (mut log, mut cursor) = (Log::default(), cursor::Offset(100));
        let pushed = log.take(|to| push(frames().as_slice(), &mut cursor, to)).unwrap();
        assert_eq!(pushed, Pushed::All);
        let cursors: Vec<&str> = log.pieces.iter().map(|piece| piece.cursor.as_str()).collect();
        assert_eq!(cursors, ["107", "113", "118"]);
        assert_eq!(log.pieces[1].channel, Channel::Stderr);
        assert_eq!(log.to_string(), "abc");
    }

    #[test]
    fn a_log_that_breaks_off_keeps_its_whole_frames() {
        for end in 0..frames().len() {
            let (mut log, mut cursor) = (Log::default(), cursor::Offset(0));
            let pushed = log.take(|to| push(&frames()[..end], &mut cursor, to));
            let whole = [0, 7, 13].iter().filter(|size| **size <= end).max().copied().unwrap();
            assert_eq!(cursor.0, whole as u64, "{end}");
            assert_eq!(pushed.is_ok(), whole == end, "{end}");
        }
        let (mut log, mut cursor) = (Log::default(), cursor::Offset(0));
        assert!(log.take(|to| push(&[1, 255, 0, 0, 0][..], &mut cursor, to)).is_err());
    }

    #[test]
    fn nothing_is_pushed_that_is_not_wanted() {
        let (mut log, mut cursor) = (Log { wants: Some(1), ..Log::default() }, cursor::Offset(0));
        assert_eq!(log.take(|to| push(frames().as_slice(), &mut cursor, to)).unwrap(), Pushed::Unwanted);
        assert_eq!(log.to_string(), "ab");
    }
}
