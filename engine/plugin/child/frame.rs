//! What goes over the socket between the engine and a process of its own: a length in four bytes, little-endian, and as many
//! bytes of MessagePack.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of a length.
const HEADER_BYTES: usize = 4;

/// Why bytes are no frame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("sent a message of {len} bytes, and {most} are allowed")]
    TooLong { len: usize, most: usize },
    #[error("sent a message that cannot be read")]
    Unreadable,
}

/// The message at the front of `bytes` and how many bytes it takes; `None` while it is not whole. What is longer than
/// `most` is refused as soon as its length is there.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8], most: usize) -> Result<Option<(T, usize)>, FrameError> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let len = usize::try_from(u32::from_le_bytes(*header)).unwrap_or(usize::MAX);
    if len > most {
        return Err(FrameError::TooLong { len, most });
    }
    let Some(body) = rest.get(..len) else {
        return Ok(None);
    };
    let message = rmp_serde::from_slice(body).map_err(|_| FrameError::Unreadable)?;
    Ok(Some((message, HEADER_BYTES + len)))
}

/// A message as a frame, at most `most` bytes long.
pub(crate) fn encode<T: Serialize>(message: &T, most: usize) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; HEADER_BYTES];
    rmp_serde::encode::write(&mut frame, message).map_err(|_| FrameError::Unreadable)?;
    let len = frame.len() - HEADER_BYTES;
    let Some(header) = u32::try_from(len).ok().filter(|_| len <= most) else {
        return Err(FrameError::TooLong { len, most });
    };
    if let Some(place) = frame.first_chunk_mut::<HEADER_BYTES>() {
        *place = header.to_le_bytes();
    }
    Ok(frame)
}
