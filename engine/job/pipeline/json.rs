//! The one thing that JSON can say and YAML cannot: a character beyond 16 bits as a pair of escapes.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// The same JSON with such pairs as one escape of YAML, which makes the rest of their line shorter; any other text as it is.
pub(super) fn join_pairs(text: &str) -> Cow<'_, str> {
    let is_json = text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok();
    if !is_json || !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        joined.push_str(before);
        if let Some(character) = pair(escape) {
            joined.push_str(&format!("\\U{:08X}", u32::from(character)));
            rest = escape.get(PAIR..).unwrap_or_default();
        } else {
            // What follows a backslash belongs to it, another backslash too.
            let end = escape.char_indices().nth(2).map_or(escape.len(), |(end, _)| end);
            let (single, after) = escape.split_at(end);
            joined.push_str(single);
            rest = after;
        }
    }
    joined.push_str(rest);
    Cow::Owned(joined)
}

/// Bytes of `\ud83d\ude00`.
const PAIR: usize = 12;

fn pair(escape: &str) -> Option<char> {
    let unit = |text: &str| u16::from_str_radix(text.strip_prefix("\\u")?, 16).ok();
    let units = [unit(escape.get(..6)?)?, unit(escape.get(6..PAIR)?)?];
    let mut characters = char::decode_utf16(units);
    // Two units that are no pair are two characters.
    let first = characters.next()?.ok()?;
    characters.next().is_none().then_some(first)
}

#[test]
fn pairs_are_joined_in_json_only() {
    let cases = [
        (r#"{"a": "\ud83d\ude00 \u00e9\/"}"#, r#"{"a": "\U0001F600 \u00e9\/"}"#),
        (r#"{"a": "\\ud83d\\ude00"}"#, r#"{"a": "\\ud83d\\ude00"}"#),
        (r#"{"a": "\\\ud83d\ude00"}"#, r#"{"a": "\\\U0001F600"}"#),
        (r#"{"a": "\u0041\u0042\ude00"}"#, r#"{"a": "\u0041\u0042\ude00"}"#),
        (r#"{a: '\ud83d\ude00'}"#, r#"{a: '\ud83d\ude00'}"#),
    ];
    for (text, expected) in cases {
        assert_eq!(join_pairs(text), expected);
    }
}
