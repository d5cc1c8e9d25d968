//! All keys in use: seals with the first, opens with any.

use std::fmt;
use std::sync::Arc;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{Entropy, Key, KeyId, Plain, Sealed, SecretError};

/// More keys than this are forgotten keys; [`Keyring::forget`] takes them out.
const MAX_KEYS: usize = 64;

const TOO_MANY: &str = "at most 64 keys are allowed; take out those that nothing needs any more";
const TWICE: &str = "this key is there already; each key stands there once";

/// The keys that stored values may need. The first one is active: it seals. Clones share the keys.
///
/// Nonces are random, 96 bits each. That is sound for about four billion values a key; rotate before that.
#[derive(Clone)]
pub struct Keyring(Arc<Ring>);

struct Ring {
    active: LiveKey,
    older: Vec<LiveKey>,
    nonces: Entropy,
}

/// A key made ready once, so that sealing a value does not pay for the key schedule.
struct LiveKey {
    id: KeyId,
    cipher: LessSafeKey,
}

impl Keyring {
    /// A ring of one key that is kept nowhere else: for data that does not outlive the process, or for a vault's key.
    ///
    /// # Errors
    /// [`SecretError::Random`] when the system has no randomness for nonces.
    pub fn from_key(key: Key) -> Result<Self, SecretError> {
        Self::build(&[key], "the ring")
    }

    /// Reads keys `windlass-key-1:<base64 of 32 bytes>`, one a line or comma separated, the active one first.
    /// Blank lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// [`SecretError::BadKeyText`] with the line and what is allowed there; [`SecretError::NoKey`] for an empty text.
    pub fn from_text(text: &str) -> Result<Self, SecretError> {
        Self::from_text_of(text, "the key text")
    }

    /// The key that seals.
    #[must_use]
    pub fn active(&self) -> KeyId {
        self.0.active.id
    }

    /// All keys, the active one first.
    #[must_use]
    pub fn ids(&self) -> Vec<KeyId> {
        self.live().map(|key| key.id).collect()
    }

    /// Whether values sealed with key `id` can be opened.
    #[must_use]
    pub fn contains(&self, id: KeyId) -> bool {
        self.live().any(|key| key.id == id)
    }

    /// Encrypts `plain` with the active key. `aad` says what the value belongs to; it is not stored, and opening needs
    /// the same again, so a value moved to another record does not open.
    ///
    /// # Errors
    /// [`SecretError::TooLong`] past the 64 GiB that AES-GCM can take.
    pub fn seal(&self, aad: &[u8], plain: &[u8]) -> Result<Sealed, SecretError> {
        let Ring { active, nonces, .. } = &*self.0;
        let mut nonce = [0; 12];
        nonces.fill(&mut nonce);
        let mut bytes = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
        bytes.extend_from_slice(plain);
        active
            .cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut bytes)
            .map_err(|_| SecretError::TooLong { bytes: plain.len() })?;
        let key = active.id;
        Ok(Sealed { key, nonce, bytes })
    }

    /// Decrypts what [`Keyring::seal`] made with the same `aad`.
    ///
    /// # Errors
    /// [`SecretError::UnknownKey`] when its key is not in the ring, [`SecretError::WrongKey`] when the value, its place
    /// or the key is not the one it was sealed with.
    pub fn open(&self, aad: &[u8], sealed: &Sealed) -> Result<Plain, SecretError> {
        let Some(key) = self.live().find(|key| key.id == sealed.key) else {
            return Err(SecretError::UnknownKey { needed: sealed.key, have: self.ids() });
        };
        let nonce = Nonce::assume_unique_for_key(sealed.nonce);
        let mut plain = Plain(sealed.bytes.clone());
        let opened = key.cipher.open_in_place(nonce, Aad::from(aad), &mut plain.0);
        let length = match opened {
            Ok(opened) => opened.len(),
            Err(_) => return Err(SecretError::WrongKey { key: key.id }),
        };
        plain.0.truncate(length);
        Ok(plain)
    }

    fn live(&self) -> impl Iterator<Item = &LiveKey> {
        std::iter::once(&self.0.active).chain(&self.0.older)
    }

    pub(super) fn from_text_of(text: &str, place: &str) -> Result<Self, SecretError> {
        Self::build(&parse(text, place)?, place)
    }

    pub(super) fn build(keys: &[Key], place: &str) -> Result<Self, SecretError> {
        let Some((active, older)) = keys.split_first() else {
            let place = place.to_owned();
            return Err(SecretError::NoKey { place });
        };
        let older: Result<Vec<LiveKey>, SecretError> = older.iter().map(LiveKey::new).collect();
        Ok(Self(Arc::new(Ring { active: LiveKey::new(active)?, older: older?, nonces: Entropy::system()? })))
    }
}

impl LiveKey {
    fn new(key: &Key) -> Result<Self, SecretError> {
        let id = key.id();
        // AES-256 takes any 32 bytes, so this never fails; it must not panic either.
        let cipher = UnboundKey::new(&AES_256_GCM, key.bytes()).map_err(|_| SecretError::WrongKey { key: id })?;
        let cipher = LessSafeKey::new(cipher);
        Ok(Self { id, cipher })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Keyring").field(&self.ids()).finish()
    }
}

/// Reads key text; `place` is for the errors.
pub(super) fn parse(text: &str, place: &str) -> Result<Vec<Key>, SecretError> {
    let mut keys: Vec<Key> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        let bad = |why| SecretError::BadKeyText { place: place.to_owned(), line: at + 1, why };
        let entries = line.split(',').map(str::trim);
        for entry in entries.filter(|entry| !entry.is_empty()) {
            let key = Key::from_text(entry).map_err(bad)?;
            if keys.iter().any(|other| other.id() == key.id()) {
                return Err(bad(TWICE));
            }
            if keys.len() == MAX_KEYS {
                return Err(bad(TOO_MANY));
            }
            keys.push(key);
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE_A: &str = "windlass-key-1:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    const LINE_B: &str = "windlass-key-1:QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

    fn key(byte: u8) -> Key {
        Key::from_bytes([byte; 32])
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(aad: Vec<u8>, plain: Vec<u8>) {
            let ring = Keyring::from_key(key(1)).unwrap();
            let sealed = ring.seal(&aad, &plain).unwrap();
            prop_assert_eq!(&*ring.open(&aad, &sealed).unwrap(), &*plain);
        }

        #[test]
        fn one_changed_bit_is_refused(plain: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
            let ring = Keyring::from_key(key(1)).unwrap();
            let mut sealed = ring.seal(b"place", &plain).unwrap();
            let at = at.index(12 + sealed.bytes.len());
            let byte = sealed.nonce.iter_mut().chain(&mut sealed.bytes).nth(at).unwrap();
            *byte ^= 1 << bit;
            let error = ring.open(b"place", &sealed).unwrap_err();
            prop_assert!(matches!(error, SecretError::WrongKey { .. }), "{}", error);
        }
    }

    #[test]
    fn the_sealed_bytes_are_aes_256_gcm_with_the_tag_at_the_end() {
        let ring = Keyring::from_key(key(1)).unwrap();
        let sealed = ring.seal(b"aad", b"hello").unwrap();
        assert_eq!(sealed.bytes.len(), 5 + 16);
        assert_ne!(&sealed.bytes[..5], b"hello");
        // NIST GCM test case 14: a key and a nonce of zeros, 16 zero bytes, no AAD.
        let zeros = Keyring::from_key(key(0)).unwrap();
        let known = Sealed {
            key: zeros.active(),
            nonce: [0; 12],
            bytes: vec![
                0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18, 0xd0,
                0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19,
            ],
        };
        assert_eq!(&*zeros.open(b"", &known).unwrap(), &[0; 16]);
    }

    #[test]
    fn each_value_has_its_own_nonce() {
        let ring = Keyring::from_key(key(1)).unwrap();
        let mut nonces = std::collections::HashSet::new();
        for _ in 0..2000 {
            assert!(nonces.insert(ring.seal(b"", b"same").unwrap().nonce));
        }
    }

    #[test]
    fn a_value_moved_to_another_place_is_refused() {
        let ring = Keyring::from_key(key(1)).unwrap();
        let sealed = ring.seal(b"jobs/1/options", b"secret").unwrap();
        let error = ring.open(b"jobs/2/options", &sealed).unwrap_err();
        assert!(matches!(error, SecretError::WrongKey { .. }), "{error}");
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn another_key_under_the_same_id_is_refused() {
        let mut sealed = Keyring::from_key(key(1)).unwrap().seal(b"", b"x").unwrap();
        let other = Keyring::from_key(key(2)).unwrap();
        sealed.key = other.active();
        let error = other.open(b"", &sealed).unwrap_err();
        assert!(matches!(error, SecretError::WrongKey { .. }), "{error}");
    }

    #[test]
    fn a_missing_key_is_named_beside_those_at_hand() {
        let sealed = Keyring::from_key(key(1)).unwrap().seal(b"", b"x").unwrap();
        let other = Keyring::from_text(&format!("{LINE_A}\n{LINE_B}")).unwrap();
        let error = other.open(b"", &sealed).unwrap_err();
        let expected = format!(
            "the record needs key {}, and the ring holds {}, {}; add the line",
            key(1).id(),
            key(b'A').id(),
            key(b'B').id()
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
    }

    #[test]
    fn the_first_key_seals_and_every_key_opens() {
        let old = Keyring::from_text(LINE_B).unwrap();
        let both = Keyring::from_text(&format!("{LINE_A},{LINE_B}")).unwrap();
        assert_eq!(both.ids(), [key(b'A').id(), key(b'B').id()]);
        assert_eq!(both.active(), key(b'A').id());
        let fresh = both.seal(b"", b"new").unwrap();
        assert_eq!(fresh.key(), both.active());
        let sealed = old.seal(b"", b"old").unwrap();
        assert_eq!(&*both.open(b"", &sealed).unwrap(), b"old");
        assert!(old.open(b"", &fresh).is_err());
    }

    #[test]
    fn comments_blanks_and_windows_line_ends_are_skipped() {
        let text = format!("# made, 2026\r\n\r\n  {LINE_A} , \r\n  # {LINE_B}\r\n");
        let ring = Keyring::from_text(&text).unwrap();
        assert_eq!(ring.ids(), [key(b'A').id()]);
        assert!(ring.contains(key(b'A').id()));
        assert!(!ring.contains(key(b'B').id()));
    }

    #[test]
    fn bad_key_text_names_the_line_and_never_the_text() {
        let many: Vec<String> = (0..=64)
            .map(|at| {
                let mut line = String::new();
                key(at).push_text(&mut line);
                line + "\n"
            })
            .collect();
        let cases = [
            (format!("{LINE_A}\n\nhunter2"), "the key text, line 3: a key line starts with"),
            (format!("{LINE_A},hunter2"), "the key text, line 1: a key line starts with"),
            (format!("{LINE_A}\n{LINE_B}\n{LINE_A}"), "the key text, line 3: this key is there already"),
            ("#\nwindlass-key-1:hunter2!".into(), "the key text, line 2: 44 characters of base64"),
            ("windlass-key-1:aHVudGVyMg==".into(), "the key text, line 1: the base64 after"),
            ("windlass-key-9:hunter2".into(), "the key text, line 1: this version of windlass knows"),
            (many.concat(), "the key text, line 65: at most 64 keys"),
            ("\n # nothing\n".into(), "the key text holds no key"),
        ];
        for (text, expected) in cases {
            let error = Keyring::from_text(&text).unwrap_err();
            let shown = format!("{error}");
            assert!(shown.starts_with(expected), "{shown}");
            assert!(!format!("{shown}{error:?}").contains("unter"), "{error:?}");
        }
    }

    #[test]
    fn debug_shows_ids_only() {
        let ring = Keyring::from_text(LINE_A).unwrap();
        let expected = format!("Keyring([KeyId({})])", key(b'A').id());
        assert_eq!(format!("{ring:?}"), expected);
    }
}
