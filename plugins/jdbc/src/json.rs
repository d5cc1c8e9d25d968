//! Values as JSON, without loss: what JSON has no number for is a text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use windlass_plugin::{Error, Result};

/// Appends a text. Bytes that are no UTF-8 are an error: to change them would be a loss.
pub(crate) fn text(line: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Error::invalid("a text of the result is no UTF-8; have the query encode it"))?;
    Ok(serde_json::to_writer(line, text)?)
}

/// Appends a number as it is written, or a text where it is none of JSON (`NaN`).
pub(crate) fn number(line: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    if !is_number(bytes) {
        return text(line, bytes);
    }
    line.extend_from_slice(bytes);
    Ok(())
}

/// Appends a value that is JSON already, on one line; a text where it is none.
pub(crate) fn embedded(line: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    if serde_json::from_slice::<IgnoredAny>(bytes).is_err() {
        return text(line, bytes);
    }
    // Within texts there is none: JSON escapes them.
    line.extend(bytes.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    Ok(())
}

/// Appends bytes in base64.
pub(crate) fn bytes(line: &mut Vec<u8>, bytes: &[u8]) {
    line.push(b'"');
    line.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    line.push(b'"');
}

pub(crate) fn truth(line: &mut Vec<u8>, is_true: bool) {
    line.extend_from_slice(if is_true { b"true" } else { b"false" });
}

pub(crate) fn null(line: &mut Vec<u8>) {
    line.extend_from_slice(b"null");
}

/// Whether JSON writes a number so (RFC 8259, section 6).
fn is_number(bytes: &[u8]) -> bool {
    let rest = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let (whole, mut rest) = digits(rest);
    if whole.is_empty() || whole.len() > 1 && whole.starts_with(b"0") {
        return false;
    }
    if let Some(after) = rest.strip_prefix(b".") {
        let (fraction, after) = digits(after);
        if fraction.is_empty() {
            return false;
        }
        rest = after;
    }
    let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) else { return rest.is_empty() };
    let exponent = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
    let (exponent, rest) = digits(exponent);
    !exponent.is_empty() && rest.is_empty()
}

/// The digits at the beginning, and what follows them.
fn digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut line = Vec::new();
        write(&mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn numbers_stay_as_they_are_or_become_texts() {
        for good in ["0", "-0", "12345678901234567890.12345678901234567890", "1e+20", "1e-05", "0.10", "-1.5E3"] {
            assert_eq!(written(|line| number(line, good.as_bytes()).unwrap()), good);
        }
        for other in ["NaN", "Infinity", "-Infinity", "", "-", "007", ".5", "1.", "1e", "1e+", "0x1", "1 ", "+1"] {
            assert_eq!(written(|line| number(line, other.as_bytes()).unwrap()), format!("\"{other}\""));
        }
    }

    #[test]
    fn json_stays_json_on_one_line() {
        assert_eq!(written(|line| embedded(line, b"{\"a\":\n [1,\r\n 2.50]}").unwrap()), "{\"a\":  [1,   2.50]}");
        assert_eq!(written(|line| embedded(line, b"{nonsense\n").unwrap()), "\"{nonsense\\n\"");
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(written(|line| embedded(line, deep.as_bytes()).unwrap()), deep);
    }

    #[test]
    fn texts_are_escaped_and_never_changed() {
        assert_eq!(written(|line| text(line, "a\"\n\u{1}ü".as_bytes()).unwrap()), "\"a\\\"\\n\\u0001ü\"");
        assert!(text(&mut Vec::new(), b"\xff").is_err());
        assert_eq!(written(|line| bytes(line, b"\x00\xff")), "\"AP8=\"");
    }
}
