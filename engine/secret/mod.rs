//! Keys and sealed values: the only module that names ring.
//!
//! A [`Keyring`] holds every key that stored records may still need, and seals with the first of them.
//! [`Sealed`] is what reaches the disk. Nothing here prints, logs or returns a key or a plain text by accident:
//! `Debug` shows none of them and errors name keys by [`KeyId`] only.

#[cfg(feature = "plugin")]
mod aws_signature;
mod digest;
mod entropy;
mod error;
mod key;
mod key_file;
mod keyring;
mod sealed;

#[cfg(feature = "plugin")]
pub(crate) use aws_signature::{Scope, ToSign, aws_authorization, sha256_hex};
#[cfg(feature = "plugin")]
pub(crate) use digest::hex;
pub use digest::keyed_digest;
#[cfg(feature = "plugin")]
pub use digest::sha256;
pub use entropy::Entropy;
pub use error::SecretError;
pub use key::{Key, KeyId};
pub use keyring::Keyring;
pub use sealed::{Plain, Sealed};
