//! The frame: the unit of a log file, written whole or not at all.
//!
//! `stream: u8`, `at_ms: u64 LE`, `len: u32 LE`, then `len` bytes. A reader trusts none of it: what does not decode ends
//! the decoding, and a length is believed only up to [`MAX_PAYLOAD_BYTES`].

use serde::{Deserialize, Serialize};

/// Bytes in front of the payload of a frame.
pub(crate) const HEADER_BYTES: usize = 13;
/// The longest payload of one frame.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// Where a piece of a log came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// The standard output of the job.
    Stdout,
    /// The standard error of the job.
    Stderr,
    /// What the engine itself has to say about the run.
    System,
}

impl LogStream {
    fn to_byte(self) -> u8 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
            Self::System => 3,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Stdout),
            2 => Some(Self::Stderr),
            3 => Some(Self::System),
            _ => None,
        }
    }
}

/// One frame as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// The logical offset of the frame (of its header, not of its payload).
    pub offset: u64,
    /// Where the bytes came from.
    pub stream: LogStream,
    /// When they were written, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The bytes themselves, masked.
    pub bytes: Vec<u8>,
}

/// A frame inside a buffer, not copied yet.
pub(crate) struct Frame<'a> {
    pub(crate) stream: LogStream,
    pub(crate) at_ms: u64,
    pub(crate) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the start of `bytes`; `None` when it is torn, or is none at all.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (stream, rest) = bytes.split_first()?;
        let (at_ms, rest) = rest.split_first_chunk::<8>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let len = u32::from_le_bytes(*len) as usize;
        if len == 0 || len > MAX_PAYLOAD_BYTES {
            return None;
        }
        Some(Self {
            stream: LogStream::from_byte(*stream)?,
            at_ms: u64::from_le_bytes(*at_ms),
            payload: rest.get(..len)?,
        })
    }

    /// The size of the frame in the file.
    pub(crate) fn size(&self) -> usize {
        HEADER_BYTES + self.payload.len()
    }

    pub(crate) fn to_chunk(&self, offset: u64) -> LogChunk {
        LogChunk { offset, stream: self.stream, at_ms: self.at_ms, bytes: self.payload.to_vec() }
    }
}

/// Appends one frame to `buffer`. The caller cuts `payload` to at most [`MAX_PAYLOAD_BYTES`].
pub(crate) fn encode_frame(buffer: &mut Vec<u8>, stream: LogStream, at_ms: u64, payload: &[u8]) {
    debug_assert!(!payload.is_empty() && payload.len() <= MAX_PAYLOAD_BYTES);
    buffer.push(stream.to_byte());
    buffer.extend_from_slice(&at_ms.to_le_bytes());
    buffer.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    buffer.extend_from_slice(payload);
}

/// Decodes the whole frames at the start of `bytes`, whose first byte has the logical offset `base_offset`.
/// Returns them with the number of bytes they take; a torn or corrupt frame ends the decoding.
pub fn decode_frames(bytes: &[u8], base_offset: u64) -> (Vec<LogChunk>, usize) {
    let mut chunks = Vec::new();
    let mut consumed = 0;
    while let Some(frame) = bytes.get(consumed..).and_then(Frame::decode) {
        chunks.push(frame.to_chunk(base_offset.saturating_add(consumed as u64)));
        consumed += frame.size();
    }
    (chunks, consumed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_length_above_the_cap_ends_the_decoding() {
        let mut bytes = Vec::new();
        encode_frame(&mut bytes, LogStream::Stdout, 7, b"fine");
        let whole = bytes.len();
        bytes.push(1);
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&u32::MAX.to_le_bytes());
        bytes.extend_from_slice(&[b'x'; 100]);
        let (chunks, consumed) = decode_frames(&bytes, 1000);
        assert_eq!(consumed, whole);
        assert_eq!(chunks.len(), 1);
        assert_eq!((chunks[0].offset, chunks[0].at_ms, chunks[0].bytes.as_slice()), (1000, 7, b"fine".as_slice()));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300), base in any::<u64>()) {
            let (chunks, consumed) = decode_frames(&bytes, base);
            prop_assert!(consumed <= bytes.len());
            prop_assert_eq!(consumed, chunks.iter().map(|chunk| HEADER_BYTES + chunk.bytes.len()).sum::<usize>());
        }

        #[test]
        fn frames_come_back_and_a_torn_one_does_not(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 1..8),
            cut in 1usize..14,
        ) {
            let mut bytes = Vec::new();
            for (index, payload) in payloads.iter().enumerate() {
                encode_frame(&mut bytes, LogStream::Stderr, index as u64, payload);
            }
            let (chunks, consumed) = decode_frames(&bytes, 0);
            prop_assert_eq!(consumed, bytes.len());
            prop_assert_eq!(chunks.into_iter().map(|chunk| chunk.bytes).collect::<Vec<_>>(), payloads.clone());
            let (torn, _) = decode_frames(&bytes[..bytes.len() - cut], 0);
            prop_assert_eq!(torn.len(), payloads.len() - 1);
        }
    }
}
