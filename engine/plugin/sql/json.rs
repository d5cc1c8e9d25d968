//! Values as JSON texts, without loss: whatever JSON has no form for becomes a text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;

/// Puts a text behind what there is.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    // Into memory, a text is always written.
    let _ = serde_json::to_writer(out, text);
}

/// A number, with every digit that it has; as a text where JSON has no such number.
pub(super) fn push_number(out: &mut Vec<u8>, text: &str) {
    if is_number(text) {
        return out.extend_from_slice(text.as_bytes());
    }
    // Some databases leave the zero before the point out.
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let whole = format!("{sign}0{digits}");
    if digits.starts_with('.') && is_number(&whole) {
        return out.extend_from_slice(whole.as_bytes());
    }
    push_text(out, text);
}

/// Whether JSON has it as a number.
fn is_number(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    starts_well && text.ends_with(|c: char| c.is_ascii_digit()) && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// What is JSON already, in one line; as a text where it is not, or too deep to tell.
pub(super) fn push_json(out: &mut Vec<u8>, text: &str) {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return push_text(out, text);
    }
    // Within a text of JSON there is no line break, so these are between things.
    out.extend(text.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
}

/// Bytes, as base64.
pub(super) fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.push(b'"');
}

/// A time of Java, which leaves seconds out where they are zero, whole. `None` for what is no common time: years of more
/// than four digits, by which databases mean that there is no end.
pub(super) fn whole_time(text: &str) -> Option<String> {
    if text.starts_with(['+', '-']) {
        return None;
    }
    let at = text.find('T').map_or(0, |at| at + 1);
    let (date, time) = text.split_at_checked(at)?;
    let end = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at_checked(end)?;
    let seconds = if clock.len() == 5 { ":00" } else { "" };
    let zone = if zone == "Z" { "+00:00" } else { zone };
    Some(format!("{date}{clock}{seconds}{zone}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(push: impl Fn(&mut Vec<u8>, &str), text: &str) -> String {
        let mut out = Vec::new();
        push(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_keep_their_digits() {
        for (text, wanted) in [
            ("123456789012345678901234567890.1234567890", "123456789012345678901234567890.1234567890"),
            ("1.0E10", "1.0E10"),
            ("1E+3", "1E+3"),
            ("-0.50", "-0.50"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("NaN", "\"NaN\""),
            ("-Infinity", "\"-Infinity\""),
            ("007", "\"007\""),
            ("1,5", "\"1,5\""),
            (" 1", "\" 1\""),
            ("", "\"\""),
        ] {
            assert_eq!(made(push_number, text), wanted, "{text}");
        }
    }

    #[test]
    fn json_is_put_in_one_line_and_what_is_none_is_a_text() {
        assert_eq!(made(push_json, "{\n\"a\":\r\n 1.10}"), "{ \"a\":   1.10}");
        assert_eq!(made(push_json, "{a"), "\"{a\"");
        assert_eq!(made(push_text, "a\"\n\u{1}ü"), "\"a\\\"\\n\\u0001ü\"");
    }

    #[test]
    fn times_are_whole() {
        for (text, wanted) in [
            ("2024-01-02T03:04", Some("2024-01-02T03:04:00")),
            ("2024-01-02T03:04:05.123456", Some("2024-01-02T03:04:05.123456")),
            ("2024-01-02T03:04+02:00", Some("2024-01-02T03:04:00+02:00")),
            ("2024-01-02T03:04:05Z", Some("2024-01-02T03:04:05+00:00")),
            ("03:04", Some("03:04:00")),
            ("03:04:05-01:00", Some("03:04:05-01:00")),
            ("+999999999-12-31T23:59:59.999999999", None),
        ] {
            assert_eq!(whole_time(text).as_deref(), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_one_line_of_json(text in "\\PC{0,12}|[-+.0-9eE]{0,12}|[\\[\\]{}\":,\r\n 1]{0,12}") {
            for push in [push_text, push_number, push_json] {
                let made = made(push, &text);
                prop_assert!(!made.contains('\n') && serde_json::from_str::<IgnoredAny>(&made).is_ok(), "{}", made);
            }
        }
    }
}
