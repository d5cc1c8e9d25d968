//! A keyed digest, for comparing values without keeping them.

#[cfg(feature = "plugin")]
use std::fmt::Write as _;

#[cfg(feature = "plugin")]
use ring::digest;
use ring::hmac;

/// The first 16 bytes of HMAC-SHA-256 under `secret` over `parts`.
///
/// Each part is preceded by its length, so `["ab", "c"]` and `["a", "bc"]` differ.
#[must_use]
pub fn keyed_digest(secret: &[u8; 32], parts: &[&[u8]]) -> [u8; 16] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    let mut digest = [0; 16];
    for (to, from) in digest.iter_mut().zip(context.sign().as_ref()) {
        *to = *from;
    }
    digest
}

/// SHA-256: what a content is known by.
#[cfg(feature = "plugin")]
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut whole = [0; 32];
    for (to, from) in whole.iter_mut().zip(digest::digest(&digest::SHA256, bytes).as_ref()) {
        *to = *from;
    }
    whole
}

/// Bytes as people compare them: lower-case hexadecimal digits.
#[cfg(feature = "plugin")]
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_head_of_hmac_sha_256() {
        // Python: hmac.new(bytes(range(32)), pack("<Q", 2) + b"ab" + pack("<Q", 0), "sha256").digest()[:16]
        let secret = std::array::from_fn(|at| at as u8);
        let digest = keyed_digest(&secret, &[b"ab", b""]);
        assert_eq!(digest, KNOWN_DIGEST);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let secret = [7; 32];
        let whole = keyed_digest(&secret, &[b"abc"]);
        let split = keyed_digest(&secret, &[b"ab", b"c"]);
        let elsewhere = keyed_digest(&secret, &[b"a", b"bc"]);
        let empty_tail = keyed_digest(&secret, &[b"abc", b""]);
        assert_ne!(whole, split);
        assert_ne!(split, elsewhere);
        assert_ne!(whole, empty_tail);
    }

    #[test]
    fn another_secret_gives_another_digest() {
        assert_ne!(keyed_digest(&[1; 32], &[b"x"]), keyed_digest(&[2; 32], &[b"x"]));
    }

    const KNOWN_DIGEST: [u8; 16] =
        [0x55, 0x3b, 0x53, 0x2f, 0x75, 0x9c, 0x6d, 0x72, 0x23, 0xd7, 0xd8, 0x49, 0xf2, 0x4a, 0x76, 0xce];
}
