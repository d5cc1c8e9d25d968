//! Values of PostgreSQL, as its text output has them, in JSON.

use windlass_plugin::Result;

use super::arrays;
use super::kinds::Kind;
use crate::json;
use crate::wire::broken;

/// Appends a value of a kind, or a null.
pub(crate) fn value(kind: &Kind, value: Option<&[u8]>, line: &mut Vec<u8>) -> Result<()> {
    let Some(value) = value else {
        json::null(line);
        return Ok(());
    };
    match kind {
        Kind::Bool => json::truth(line, value == b"t"),
        Kind::Number => json::number(line, value)?,
        Kind::Json => json::embedded(line, value)?,
        Kind::Bytes => json::bytes(line, &unhex(value)?),
        Kind::Time | Kind::Text => json::text(line, value)?,
        Kind::TimeZoned => json::text(line, &zoned(value))?,
        Kind::Timestamp => json::text(line, &joined(value))?,
        Kind::TimestampZoned => json::text(line, &zoned(&joined(value)))?,
        Kind::Array(between, element) => arrays::value(value, *between, &element.kind(), line)?,
    }
    Ok(())
}

/// `\x0aff`, as `bytea_output` has been set.
fn unhex(value: &[u8]) -> Result<Vec<u8>> {
    let bad = || broken("bytes that are not in hexadecimal digits");
    let digits = value.strip_prefix(b"\\x").ok_or_else(bad)?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>().ok_or_else(bad)
}

/// Whether it is a time of our era: `infinity` and years before Christ stay as the server writes them.
fn is_plain(value: &[u8]) -> bool {
    value.first().is_some_and(u8::is_ascii_digit) && !value.ends_with(b"BC")
}

/// `2024-01-02 03:04:05` with a `T` between.
fn joined(value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    if is_plain(&value)
        && let Some(space) = value.iter_mut().find(|byte| **byte == b' ')
    {
        *space = b'T';
    }
    value
}

/// Offsets of whole hours with their minutes: `+00` as `+00:00`.
fn zoned(value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    if is_plain(&value)
        && let [.., b'+' | b'-', high, low] = value.as_slice()
        && high.is_ascii_digit()
        && low.is_ascii_digit()
    {
        value.extend_from_slice(b":00");
    }
    value
}

#[cfg(test)]
mod tests {
    use super::super::kinds::fuzz_kinds;
    use super::*;

    fn rendered(kind: Kind, text: &str) -> String {
        let mut line = Vec::new();
        value(&kind, Some(text.as_bytes()), &mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn each_kind_is_rendered_as_what_it_is() {
        for (kind, text, expected) in [
            (Kind::Bool, "t", "true"),
            (Kind::Bool, "f", "false"),
            (Kind::Number, "12345678901234567890.10", "12345678901234567890.10"),
            (Kind::Number, "NaN", "\"NaN\""),
            (Kind::Json, "{\"a\": 1}", "{\"a\": 1}"),
            (Kind::Bytes, "\\x00ff", "\"AP8=\""),
            (Kind::Bytes, "\\x", "\"\""),
            (Kind::TimeZoned, "12:00:00+02", "\"12:00:00+02:00\""),
            (Kind::TimeZoned, "12:00:00+05:30", "\"12:00:00+05:30\""),
            (Kind::Timestamp, "2024-01-02 03:04:05.678", "\"2024-01-02T03:04:05.678\""),
            (Kind::Timestamp, "infinity", "\"infinity\""),
            (Kind::Timestamp, "0044-03-15 00:00:00 BC", "\"0044-03-15 00:00:00 BC\""),
            (Kind::TimestampZoned, "2024-01-02 03:04:05+00", "\"2024-01-02T03:04:05+00:00\""),
            (Kind::TimestampZoned, "-infinity", "\"-infinity\""),
            (Kind::Text, "a\"b", "\"a\\\"b\""),
        ] {
            assert_eq!(rendered(kind, text), expected, "{kind:?}");
        }
        assert!(value(&Kind::Bytes, Some(b"\\x0"), &mut Vec::new()).is_err());
        assert!(value(&Kind::Bytes, Some(b"abc"), &mut Vec::new()).is_err());
    }

    #[test]
    fn whatever_is_rendered_is_json_on_one_line() {
        let texts = ["", "t", "1", "{1,2}", "{\"a\nb\",NULL}", "\\x00", "[]", "{", "}", "{{},{}}", "a b", "\n", "-"];
        for kind in fuzz_kinds() {
            for text in texts {
                let mut line = Vec::new();
                if value(&kind, Some(text.as_bytes()), &mut line).is_ok() {
                    let line = String::from_utf8(line).unwrap();
                    assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{kind:?} {text}: {line}");
                    assert!(!line.contains('\n'), "{line}");
                }
            }
        }
    }
}
