//! What can go wrong with keys and sealed values, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::KeyId;

/// An error of the keys or of a sealed value. No variant carries key text or plain text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The record was sealed with a key that is not in the ring.
    #[error(
        "the record needs key {needed}, and the ring holds {}; add the line of that key to the key file or to the key text in the environment",
        list(have)
    )]
    UnknownKey {
        /// The key the record was sealed with.
        needed: KeyId,
        /// The keys at hand, the active one first.
        have: Vec<KeyId>,
    },

    /// The key is there and does not open the record.
    #[error(
        "key {key} does not open the record: the record was changed or moved after it was sealed; restore it from a backup"
    )]
    WrongKey {
        /// The key that was tried.
        key: KeyId,
    },

    /// A line of the key text is not a key.
    #[error("{place}, line {line}: {why}")]
    BadKeyText {
        /// Where the text comes from: a file or the environment.
        place: String,
        /// The line, counted from 1.
        line: usize,
        /// What is allowed there.
        why: &'static str,
    },

    /// The key text holds no key at all.
    #[error(
        "{place} holds no key; put a line `windlass-key-1:<base64 of 32 bytes>` there, or take it away to have a key file made"
    )]
    NoKey {
        /// Where the text comes from: a file or the environment.
        place: String,
    },

    /// Others than the owner may touch the key file.
    #[error("{} has mode {mode:04o}, so others than its owner may use the keys in it; run `chmod 600 {}`", path.display(), path.display())]
    InsecureFile {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },

    /// The key file could not be read or written.
    #[error("the key file {}: {source}", path.display())]
    Io {
        /// The file or folder that was used.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// The value is longer than AES-GCM can seal.
    #[error("a value of {bytes} bytes is too long to be sealed; store it as a file")]
    TooLong {
        /// Its length.
        bytes: usize,
    },

    /// The operating system gave no randomness.
    #[error(
        "the operating system gives no randomness; without it no key can be made and nothing can be sealed (is getrandom blocked by a sandbox?)"
    )]
    Random,
}

impl SecretError {
    /// Turns an IO error at `path` into ours, for `map_err`.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

fn list(keys: &[KeyId]) -> String {
    let names: Vec<String> = keys.iter().map(KeyId::to_string).collect();
    names.join(", ")
}
