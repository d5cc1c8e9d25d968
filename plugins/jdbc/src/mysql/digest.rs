//! How a password is shown without being told.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// `mysql_native_password`: SHA-1 of the password, hidden by one that only who knows the stored one can make.
pub(super) fn native(password: &[u8], challenge: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = Sha1::digest(password);
    let hidden = Sha1::new().chain_update(challenge).chain_update(Sha1::digest(once)).finalize();
    once.iter().zip(hidden.iter()).map(|(one, other)| one ^ other).collect()
}

/// `caching_sha2_password`, the same with SHA-256 and in another order.
pub(super) fn caching(password: &[u8], challenge: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = Sha256::digest(password);
    let hidden =
        Sha256::new().chain_update(Sha256::digest(Sha256::digest(password))).chain_update(challenge).finalize();
    once.iter().zip(hidden.iter()).map(|(one, other)| one ^ other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server does: from what it has stored and what it is shown it finds the digest of the password.
    #[test]
    fn a_server_finds_what_it_has_stored() {
        let challenge = b"0123456789abcdefghij";
        let stored = Sha1::digest(Sha1::digest(b"hush"));
        let hidden = Sha1::new().chain_update(challenge).chain_update(stored).finalize();
        let once: Vec<u8> = native(b"hush", challenge).iter().zip(hidden.iter()).map(|(a, b)| a ^ b).collect();
        assert_eq!(Sha1::digest(once), stored);
        let stored = Sha256::digest(Sha256::digest(b"hush"));
        let hidden = Sha256::new().chain_update(stored).chain_update(challenge).finalize();
        let once: Vec<u8> = caching(b"hush", challenge).iter().zip(hidden.iter()).map(|(a, b)| a ^ b).collect();
        assert_eq!(Sha256::digest(once), stored);
        assert!(native(b"", challenge).is_empty() && caching(b"", challenge).is_empty());
    }
}
