//! The log of a run: frames of what it printed, in the order in which it came.
//!
//! A frame is one byte for the channel, 1 or 2, four bytes for the length, the most significant first, and the bytes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::Result;

/// The bytes before the content of a frame.
const HEADER: u64 = 5;
/// The most bytes of frames that are told at once, unless one has more.
const MOST_BYTES: u64 = 1 << 20;

pub(crate) fn append(log: &mut File, channel: u8, bytes: &[u8]) -> Result<()> {
    let mut frame = vec![channel];
    frame.extend_from_slice(&u32::try_from(bytes.len())?.to_be_bytes());
    frame.extend_from_slice(bytes);
    log.write_all(&frame)?;
    Ok(())
}

/// The whole frames from an offset on.
pub(crate) fn read(path: &Path, from: u64) -> Result<Vec<u8>> {
    let mut log = match File::open(path) {
        Ok(log) => log,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let size = log.metadata()?.len();
    let mut end = from;
    while end < size && end.saturating_sub(from) < MOST_BYTES {
        log.seek(SeekFrom::Start(end))?;
        let mut header = [0; 5];
        if log.read_exact(&mut header).is_err() {
            break;
        }
        let [_, a, b, c, d] = header;
        let next = end + HEADER + u64::from(u32::from_be_bytes([a, b, c, d]));
        if next > size {
            break;
        }
        end = next;
    }
    log.seek(SeekFrom::Start(from))?;
    let mut frames = Vec::new();
    log.take(end.saturating_sub(from)).read_to_end(&mut frames)?;
    Ok(frames)
}
