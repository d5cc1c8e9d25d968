//! Content that is embedded in a text: base64 (RFC 4648, section 4 or 5) and `data:` URIs (RFC 2397).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The longest head of a URI, before its comma, in bytes.
const MOST_HEAD: usize = 1_024;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// A text that holds no content. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmbeddedError {
    /// It does not begin with `data:`.
    #[error("it is no data URI; allowed: data:[TYPE][;PARAMETER…][;base64],CONTENT")]
    NoDataUri,
    /// There is no comma, or it comes too late.
    #[error("it has no comma after its type; allowed: data:[TYPE][;PARAMETER…][;base64],CONTENT")]
    NoComma,
    /// What follows is not base64.
    #[error("it is not base64; allowed: letters, digits, '+' and '/' or '-' and '_', with or without '=' at the end")]
    NotBase64,
    /// A `%` without two hexadecimal digits.
    #[error("a '%' is not followed by two hexadecimal digits")]
    NotPercent,
}

/// What a text in base64 holds, in either alphabet, padded or not; white space between lines is left out.
///
/// # Errors
/// [`EmbeddedError::NotBase64`].
pub fn decode_base64(text: &str) -> Result<Vec<u8>, EmbeddedError> {
    let plain: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let is_url_safe = plain.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let decoded = if is_url_safe { URL_SAFE.decode(&plain) } else { STANDARD.decode(&plain) };
    decoded.map_err(|_| EmbeddedError::NotBase64)
}

/// What a `data:` URI holds. The scheme and `;base64` may be in any case; the type and its parameters say nothing here.
///
/// ```
/// use windlass::job::embedded::decode_data_uri;
///
/// assert_eq!(decode_data_uri("data:text/plain;charset=utf-8;base64,aGVsbG8=").as_deref(), Ok(b"hello".as_slice()));
/// assert_eq!(decode_data_uri("data:,a%20b").as_deref(), Ok(b"a b".as_slice()));
/// ```
///
/// # Errors
/// [`EmbeddedError`].
pub fn decode_data_uri(text: &str) -> Result<Vec<u8>, EmbeddedError> {
    let scheme = text.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:"));
    let rest = scheme.and_then(|_| text.get(5..)).ok_or(EmbeddedError::NoDataUri)?;
    let comma = rest.bytes().take(MOST_HEAD).position(|byte| byte == b',').ok_or(EmbeddedError::NoComma)?;
    let (head, content) = (rest.get(..comma).unwrap_or_default(), rest.get(comma + 1..).unwrap_or_default());
    let is_base64 = head.rsplit(';').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("base64"));
    let content = decode_percent(content)?;
    if !is_base64 {
        return Ok(content);
    }
    std::str::from_utf8(&content).map_err(|_| EmbeddedError::NotBase64).and_then(decode_base64)
}

fn decode_percent(text: &str) -> Result<Vec<u8>, EmbeddedError> {
    let mut content = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            content.push(byte);
            continue;
        }
        let mut digit =
            || bytes.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or(EmbeddedError::NotPercent);
        let (high, low) = (digit()?, digit()?);
        content.push((high * 16 + low) as u8);
    }
    Ok(content)
}

/// Any text: decoded or refused, and what is encoded comes back.
#[cfg(fuzzing)]
pub(crate) fn fuzz_embedded(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = (decode_base64(text), decode_data_uri(text));
    }
    let whole = format!("data:application/octet-stream;base64,{}", STANDARD.encode(bytes));
    assert_eq!(decode_data_uri(&whole).as_deref(), Ok(bytes));
    let escaped: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(decode_data_uri(&format!("data:,{escaped}")).as_deref(), Ok(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_in_base64_is_taken_as_its_writers_write_it() {
        for text in ["aGk/", "aGk_", "aG\nk/ \r\n"] {
            assert_eq!(decode_base64(text).as_deref(), Ok(b"hi?".as_slice()), "{text}");
        }
        assert_eq!(decode_base64("aA==").as_deref(), decode_base64("aA").as_deref());
        assert_eq!(decode_base64(""), Ok(Vec::new()));
        for text in ["a", "aGk!", "a=Gk", "é", "aG-/"] {
            assert_eq!(decode_base64(text), Err(EmbeddedError::NotBase64), "{text}");
        }
    }

    #[test]
    fn data_uris_of_all_shapes() {
        let good = [
            ("data:,", ""),
            ("DATA:text/plain;BASE64,aGk=", "hi"),
            ("data:;charset=utf-8,%C3%A9,x", "é,x"),
            ("data:application/octet-stream;base64,aGk%3D", "hi"),
            ("data:text/plain;base64=no,aGk=", "aGk="),
        ];
        for (text, holds) in good {
            assert_eq!(decode_data_uri(text).as_deref(), Ok(holds.as_bytes()), "{text}");
        }
        let bad = [
            ("", EmbeddedError::NoDataUri),
            ("dat\u{e9}:,x", EmbeddedError::NoDataUri),
            ("http://x/,", EmbeddedError::NoDataUri),
            ("data:text/plain", EmbeddedError::NoComma),
            ("data:;base64,a", EmbeddedError::NotBase64),
            ("data:,%4", EmbeddedError::NotPercent),
            ("data:,%zz", EmbeddedError::NotPercent),
        ];
        for (text, error) in bad {
            assert_eq!(decode_data_uri(text), Err(error), "{text}");
        }
        assert_eq!(decode_data_uri(&format!("data:{},", "x".repeat(2_000))), Err(EmbeddedError::NoComma));
    }
}
