//! One key and its name.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use super::SecretError;

/// What a key line starts with; the number is the version of the line.
const PREFIX: &str = "windlass-key-1:";
/// What the lines of every version start with.
const ANY_VERSION: &str = "windlass-key-";

const BAD_PREFIX: &str = "a key line starts with `windlass-key-1:`";
const BAD_VERSION: &str =
    "this version of windlass knows `windlass-key-1:` lines only; the line was made by another version";
const BAD_BASE64: &str = "44 characters of base64 (A-Z a-z 0-9 + / and = at the end) come after `windlass-key-1:`";
const BAD_LENGTH: &str = "the base64 after `windlass-key-1:` stands for 32 bytes";

/// The name of a key: derived from it, safe to show, stored with every record the key has sealed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:08x}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "KeyId({self})")
    }
}

/// 32 bytes for AES-256; wiped when dropped, as far as that can be done without unsafe code.
pub struct Key([u8; 32]);

impl Key {
    /// The length of a key line with its end.
    pub(super) const LINE_BYTES: usize = PREFIX.len() + 44 + 1;

    /// A fresh key from the operating system.
    ///
    /// # Errors
    /// [`SecretError::Random`] when the system has no randomness to give.
    pub fn random() -> Result<Self, SecretError> {
        let mut key = Self([0; 32]);
        SystemRandom::new().fill(&mut key.0).map_err(|_| SecretError::Random)?;
        Ok(key)
    }

    /// A key from elsewhere, such as a vault.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The name of this key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"windlass key id");
        context.update(&self.0);
        let head = context.finish();
        let bytes = head.as_ref().iter().take(4);
        KeyId(bytes.fold(0, |id, byte| id << 8 | u32::from(*byte)))
    }

    /// Reads one key; the error says what is allowed and never what was there.
    pub(super) fn from_text(text: &str) -> Result<Self, &'static str> {
        let Some(encoded) = text.strip_prefix(PREFIX) else {
            let other_version = text.starts_with(ANY_VERSION);
            return Err(if other_version { BAD_VERSION } else { BAD_PREFIX });
        };
        let mut key = Self([0; 32]);
        match STANDARD.decode_slice(encoded, &mut key.0) {
            Ok(32) => Ok(key),
            Ok(_) | Err(base64::DecodeSliceError::OutputSliceTooSmall) => Err(BAD_LENGTH),
            Err(base64::DecodeSliceError::DecodeError(_)) => Err(BAD_BASE64),
        }
    }

    /// The line that [`Key::from_text`] reads, without an end of line.
    pub(super) fn push_text(&self, out: &mut String) {
        out.push_str(PREFIX);
        STANDARD.encode_string(self.0, out);
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.fill(0);
        // Keeps the compiler from dropping a write that nobody reads.
        std::hint::black_box(&self.0);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({}, ***)", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_head_of_a_tagged_sha_256() {
        // Python: hashlib.sha256(b"windlass key id" + bytes(range(32))).hexdigest()[:8]
        let key = Key::from_bytes(std::array::from_fn(|at| at as u8));
        assert_eq!(key.id().to_string(), "2f5c997f");
    }

    #[test]
    fn an_id_is_shown_with_its_leading_zeros() {
        assert_eq!(KeyId(0xab).to_string(), "000000ab");
    }

    #[test]
    fn a_key_survives_its_text() {
        let key = Key::random().unwrap();
        let mut line = String::new();
        key.push_text(&mut line);
        assert_eq!(line.len() + 1, Key::LINE_BYTES);
        assert_eq!(Key::from_text(&line).unwrap().bytes(), key.bytes());
    }

    #[test]
    fn each_bad_text_is_told_what_is_allowed() {
        let short = format!("{PREFIX}{}", STANDARD.encode([1; 31]));
        let long = format!("{PREFIX}{}", STANDARD.encode([1; 33]));
        let very_long = format!("{PREFIX}{}", STANDARD.encode([1; 1000]));
        let cases = [
            ("secretsecret", BAD_PREFIX),
            ("", BAD_PREFIX),
            ("windlass-key-2:AAAA", BAD_VERSION),
            ("windlass-key-1:", BAD_LENGTH),
            ("windlass-key-1:not base64", BAD_BASE64),
            ("windlass-key-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", BAD_BASE64),
            (short.as_str(), BAD_LENGTH),
            (long.as_str(), BAD_LENGTH),
            (very_long.as_str(), BAD_LENGTH),
        ];
        for (text, why) in cases {
            assert_eq!(Key::from_text(text).unwrap_err(), why, "for {text:?}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let key = Key::from_bytes([0x41; 32]);
        let shown = format!("{key:?}");
        assert_eq!(shown, format!("Key({}, ***)", key.id()));
    }
}
