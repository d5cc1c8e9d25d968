//! A value at rest, and the value taken out again.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::KeyId;

/// An encrypted value: safe to store, to copy and to print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The key that opens it.
    pub(super) key: KeyId,
    /// Drawn afresh for every record; never used twice under one key.
    #[serde(with = "serde_bytes")]
    pub(super) nonce: [u8; 12],
    /// Cipher text and tag.
    #[serde(with = "serde_bytes")]
    pub(super) bytes: Vec<u8>,
}

impl Sealed {
    /// The key that opens it; a key no record names any more may be forgotten.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sealed(***)")
    }
}

/// Bytes that must not stay behind in memory: read like a slice, wiped when dropped, never printed.
pub struct Plain(pub(super) Vec<u8>);

impl Deref for Plain {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Plain {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.0.fill(0);
        // Keeps the compiler from dropping a write that nobody reads.
        std::hint::black_box(&self.0);
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Plain(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Sealed {
        Sealed { key: KeyId(0x0102_0304), nonce: [0x41; 12], bytes: b"cipher text".to_vec() }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", sealed()), "Sealed(***)");
        assert_eq!(format!("{:?}", Plain(b"password".to_vec())), "Plain(***)");
    }

    #[test]
    fn a_sealed_value_survives_storage() {
        let stored = serde_json::to_string(&sealed()).unwrap();
        let back: Sealed = serde_json::from_str(&stored).unwrap();
        assert_eq!(back, sealed());
    }
}
