//! What a SQLSTATE means: its first two characters are the class of it, in whatever database.

use windlass_plugin::{Error, ErrorKind, Retry};

const MOST_MESSAGE: usize = 2_000;

/// What a database has refused, in its own words, with its SQLSTATE as the code.
pub(crate) fn refusal(state: &str, message: &str) -> Error {
    let (kind, retry) = kind(state);
    refusal_as(kind, retry, state, message)
}

/// The same, where more is known than the SQLSTATE tells.
pub(crate) fn refusal_as(kind: ErrorKind, retry: Retry, state: &str, message: &str) -> Error {
    let shown = message.get(..message.floor_char_boundary(MOST_MESSAGE)).unwrap_or_default();
    let state: String = state.chars().filter(char::is_ascii_alphanumeric).take(5).collect();
    Error::new(kind, format!("the database refuses: {shown}")).retry(retry).code(state)
}

fn kind(state: &str) -> (ErrorKind, Retry) {
    match state {
        "57014" => return (ErrorKind::Timeout, Retry::Backoff),
        // Not allowed to, or in a transaction that only reads.
        "42501" | "25006" => return (ErrorKind::Denied, Retry::Never),
        "3D000" => return (ErrorKind::NotFound, Retry::Never),
        _ => {}
    }
    match state.get(..2).unwrap_or_default() {
        "28" => (ErrorKind::Unauthenticated, Retry::Never),
        "08" | "55" | "57" => (ErrorKind::Unavailable, Retry::Backoff),
        "40" => (ErrorKind::Conflict, Retry::Backoff),
        "53" => (ErrorKind::Exhausted, Retry::Backoff),
        "54" => (ErrorKind::Exhausted, Retry::Never),
        "0A" => (ErrorKind::Unsupported, Retry::Never),
        "21" | "22" | "23" | "25" | "26" | "34" | "3F" | "42" | "44" | "P0" => (ErrorKind::Invalid, Retry::Never),
        _ => (ErrorKind::Internal, Retry::Never),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_as_what_they_are() {
        for (state, expected, again) in [
            ("28P01", ErrorKind::Unauthenticated, false),
            ("42501", ErrorKind::Denied, false),
            ("25006", ErrorKind::Denied, false),
            ("42P01", ErrorKind::Invalid, false),
            ("42601", ErrorKind::Invalid, false),
            ("57014", ErrorKind::Timeout, true),
            ("57P03", ErrorKind::Unavailable, true),
            ("08006", ErrorKind::Unavailable, true),
            ("40001", ErrorKind::Conflict, true),
            ("53300", ErrorKind::Exhausted, true),
            ("3D000", ErrorKind::NotFound, false),
            ("XX000", ErrorKind::Internal, false),
            ("", ErrorKind::Internal, false),
        ] {
            let error = refusal(state, "so it is");
            assert_eq!((error.kind, error.retry != Retry::Never), (expected, again), "{state}");
            assert!(error.message.contains("so it is") && error.code.as_deref() == Some(state), "{error}");
        }
        assert!(refusal("42601", &"é".repeat(5_000)).message.len() < MOST_MESSAGE + 50);
    }
}
