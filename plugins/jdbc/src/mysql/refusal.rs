//! Errors of MySQL and MariaDB: their own numbers say more than their SQLSTATEs.

use windlass_plugin::{Error, ErrorKind, Retry};

use super::read::Reader;
use crate::state;
use crate::wire::broken;

/// The first byte of an error.
pub(super) const MARK: u8 = 0xff;

/// What a packet that is an error says.
pub(super) fn of(packet: &[u8]) -> Error {
    let mut reader = Reader::new(packet.get(1..).unwrap_or_default());
    let Ok(number) = reader.fixed(2) else { return broken("an error without a number") };
    let mut state = "";
    if reader.peek() == Some(b'#')
        && let Ok([_, text @ ..]) = reader.bytes(6)
    {
        state = std::str::from_utf8(text).unwrap_or_default();
    }
    let message = String::from_utf8_lossy(reader.rest()).into_owned();
    let known = match number {
        // Not on this database, table or column, or not this statement; in a transaction that only reads.
        1044 | 1142 | 1143 | 1227 | 1370 | 1792 => Some((ErrorKind::Denied, Retry::Never)),
        1045 | 1698 => Some((ErrorKind::Unauthenticated, Retry::Never)),
        1049 => Some((ErrorKind::NotFound, Retry::Never)),
        // max_execution_time of MySQL, max_statement_time of MariaDB
        3024 | 1969 => Some((ErrorKind::Timeout, Retry::Backoff)),
        1040 | 1203 | 1226 => Some((ErrorKind::Exhausted, Retry::Backoff)),
        // Waited for a lock; killed, or going down.
        1205 | 1053 | 1317 | 1927 => Some((ErrorKind::Unavailable, Retry::Backoff)),
        _ => None,
    };
    let error = match known {
        Some((kind, retry)) => state::refusal_as(kind, retry, state, &message),
        None => state::refusal(state, &message),
    };
    error.detail("number", number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(number: u16, text: &str) -> Error {
        let mut packet = vec![MARK];
        packet.extend_from_slice(&number.to_le_bytes());
        packet.extend_from_slice(text.as_bytes());
        of(&packet)
    }

    #[test]
    fn numbers_are_told_as_what_they_are() {
        for (number, text, kind) in [
            (1045, "#28000Access denied", ErrorKind::Unauthenticated),
            (1044, "#42000Access denied", ErrorKind::Denied),
            (1146, "#42S02Table 'x' doesn't exist", ErrorKind::Invalid),
            (1064, "#42000You have an error", ErrorKind::Invalid),
            (1792, "#25006Cannot execute", ErrorKind::Denied),
            (1969, "#70100Query execution was interrupted", ErrorKind::Timeout),
            (1213, "#40001Deadlock", ErrorKind::Conflict),
            (1040, "Too many connections", ErrorKind::Exhausted),
        ] {
            let found = error(number, text);
            assert_eq!(found.kind, kind, "{text}: {found}");
            let state = text.strip_prefix('#').map_or("", |text| &text[..5]);
            assert_eq!(found.code.as_deref(), Some(state));
        }
        for packet in [&b""[..], b"\xff", b"\xff\x01", b"\xff\x01\x02#", b"\xff\x01\x02#abc"] {
            let _ = of(packet);
        }
    }
}
