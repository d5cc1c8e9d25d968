//! Values of MySQL and MariaDB, as they come in text, in JSON.

use windlass_plugin::Result;

use super::columns::Kind;
use crate::json;
use crate::wire::broken;

/// Appends a value of a kind, or a null.
pub(crate) fn value(kind: &Kind, value: Option<&[u8]>, line: &mut Vec<u8>) -> Result<()> {
    let Some(value) = value else {
        json::null(line);
        return Ok(());
    };
    match kind {
        Kind::Number => json::number(line, unpadded(value))?,
        Kind::Bits(count) => bits(value, *count, line)?,
        Kind::Json => json::embedded(line, value)?,
        Kind::Bytes => json::bytes(line, value),
        Kind::DateTime => json::text(line, &joined(value))?,
        Kind::Timestamp => {
            let mut moment = joined(value);
            moment.extend_from_slice(b"+00:00");
            json::text(line, &moment)?;
        }
        Kind::Text => json::text(line, value)?,
    }
    Ok(())
}

/// ZEROFILL puts zeros before a number, which JSON does not have.
fn unpadded(value: &[u8]) -> &[u8] {
    let mut value = value;
    while let [b'0', rest @ ..] = value
        && rest.first().is_some_and(u8::is_ascii_digit)
    {
        value = rest;
    }
    value
}

/// One bit is a truth, more are a number.
fn bits(value: &[u8], count: u64, line: &mut Vec<u8>) -> Result<()> {
    if value.len() > 8 {
        return Err(broken("more bits than there are"));
    }
    let number = value.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    if count == 1 {
        json::truth(line, number == 1);
        return Ok(());
    }
    json::number(line, number.to_string().as_bytes())
}

/// `2024-01-02 03:04:05` with a `T` between.
fn joined(value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    if let Some(space) = value.iter_mut().find(|byte| **byte == b' ') {
        *space = b'T';
    }
    value
}

#[cfg(test)]
mod tests {
    use super::super::columns::fuzz_columns;
    use super::*;

    fn rendered(kind: Kind, bytes: &[u8]) -> String {
        let mut line = Vec::new();
        value(&kind, Some(bytes), &mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn each_kind_is_rendered_as_what_it_is() {
        for (kind, bytes, expected) in [
            (Kind::Number, &b"-42"[..], "-42"),
            (Kind::Number, b"00042", "42"),
            (Kind::Number, b"000", "0"),
            (Kind::Number, b"000.50", "0.50"),
            (Kind::Number, b"18446744073709551615", "18446744073709551615"),
            (Kind::Bits(1), b"\x01", "true"),
            (Kind::Bits(1), b"\x00", "false"),
            (Kind::Bits(64), b"\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"),
            (Kind::Json, b"{\"a\": [1]}", "{\"a\": [1]}"),
            (Kind::Bytes, b"\x00\xff", "\"AP8=\""),
            (Kind::DateTime, b"2024-01-02 03:04:05.5", "\"2024-01-02T03:04:05.5\""),
            (Kind::Timestamp, b"2024-01-02 03:04:05", "\"2024-01-02T03:04:05+00:00\""),
            (Kind::Text, "ü\"".as_bytes(), "\"ü\\\"\""),
        ] {
            assert_eq!(rendered(kind, bytes), expected, "{kind:?}");
        }
        assert!(value(&Kind::Bits(64), Some(&[0; 9]), &mut Vec::new()).is_err());
    }

    #[test]
    fn whatever_is_rendered_is_json_on_one_line() {
        for kind in fuzz_columns() {
            for bytes in [&b""[..], b"1", b"x\ny", b"{\"a\":\n1}", b"\xff", b"00", b"0-1", b"[", b" "] {
                let mut line = Vec::new();
                if value(&kind, Some(bytes), &mut line).is_ok() {
                    let line = String::from_utf8(line).unwrap();
                    assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{kind:?} {bytes:?}: {line}");
                    assert!(!line.contains('\n'), "{line}");
                }
            }
        }
    }
}
