//! What kind of error an SQLSTATE stands for.

use crate::plugin::contract::{ErrorKind, Retry};

/// Those of one code, and of one class, which is the first two characters.
const KINDS: [(&str, ErrorKind, Retry); 25] = [
    ("25006", ErrorKind::Denied, Retry::Never),
    ("42501", ErrorKind::Denied, Retry::Never),
    ("57014", ErrorKind::Timeout, Retry::Backoff),
    ("HYT00", ErrorKind::Timeout, Retry::Backoff),
    ("HYT01", ErrorKind::Timeout, Retry::Backoff),
    ("HY008", ErrorKind::Timeout, Retry::Backoff),
    ("57P01", ErrorKind::Unavailable, Retry::Backoff),
    ("57P02", ErrorKind::Unavailable, Retry::Backoff),
    ("57P03", ErrorKind::Unavailable, Retry::Backoff),
    ("90067", ErrorKind::Unavailable, Retry::Backoff),
    ("90097", ErrorKind::Denied, Retry::Never),
    ("90096", ErrorKind::Denied, Retry::Never),
    ("90146", ErrorKind::NotFound, Retry::Never),
    ("08", ErrorKind::Unavailable, Retry::Backoff),
    ("0A", ErrorKind::Unsupported, Retry::Never),
    ("21", ErrorKind::Invalid, Retry::Never),
    ("22", ErrorKind::Invalid, Retry::Never),
    ("28", ErrorKind::Unauthenticated, Retry::Never),
    ("3D", ErrorKind::NotFound, Retry::Never),
    ("40", ErrorKind::Conflict, Retry::Backoff),
    ("42", ErrorKind::Invalid, Retry::Never),
    ("53", ErrorKind::Exhausted, Retry::Backoff),
    ("54", ErrorKind::Invalid, Retry::Never),
    ("58", ErrorKind::Unavailable, Retry::Backoff),
    ("90", ErrorKind::Invalid, Retry::Never),
];

/// What the JDBC classes of exceptions say, for drivers that give no state.
const CLASSES: [(&str, ErrorKind, Retry); 8] = [
    ("java.sql.SQLTimeoutException", ErrorKind::Timeout, Retry::Backoff),
    ("java.sql.SQLInvalidAuthorizationSpecException", ErrorKind::Unauthenticated, Retry::Never),
    ("java.sql.SQLNonTransientConnectionException", ErrorKind::Unavailable, Retry::Backoff),
    ("java.sql.SQLTransientConnectionException", ErrorKind::Unavailable, Retry::Backoff),
    ("java.sql.SQLTransactionRollbackException", ErrorKind::Conflict, Retry::Backoff),
    ("java.sql.SQLSyntaxErrorException", ErrorKind::Invalid, Retry::Never),
    ("java.sql.SQLDataException", ErrorKind::Invalid, Retry::Never),
    ("java.sql.SQLFeatureNotSupportedException", ErrorKind::Unsupported, Retry::Never),
];

/// SQLite gives neither; its messages begin with its own codes.
const SQLITE: [(&str, ErrorKind, Retry); 7] = [
    ("[SQLITE_READONLY", ErrorKind::Denied, Retry::Never),
    ("[SQLITE_CANTOPEN", ErrorKind::NotFound, Retry::Never),
    ("[SQLITE_NOTADB", ErrorKind::Invalid, Retry::Never),
    ("[SQLITE_INTERRUPT", ErrorKind::Timeout, Retry::Backoff),
    ("[SQLITE_BUSY", ErrorKind::Unavailable, Retry::Backoff),
    ("[SQLITE_LOCKED", ErrorKind::Unavailable, Retry::Backoff),
    ("[SQLITE_ERROR", ErrorKind::Invalid, Retry::Never),
];

/// What is known of an exception of a driver: its state, its classes from its own to the highest, and its message.
pub(super) fn kind_of(state: Option<&str>, classes: &[String], message: &str) -> (ErrorKind, Retry) {
    let by_state = state.and_then(|state| {
        let class = state.get(..2);
        let found = |wanted: Option<&str>| KINDS.iter().find(|(name, ..)| Some(*name) == wanted);
        found(Some(state)).or_else(|| found(class))
    });
    let by_class = || CLASSES.iter().find(|(name, ..)| classes.iter().any(|class| class == name));
    let by_message = || SQLITE.iter().find(|(name, ..)| message.starts_with(name));
    let found = by_state.or_else(by_class).or_else(by_message);
    found.map_or((ErrorKind::Internal, Retry::Backoff), |(_, kind, retry)| (*kind, *retry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_classes_and_messages_have_their_kinds() {
        let kind = |state| kind_of(Some(state), &[], "").0;
        assert_eq!(kind("28P01"), ErrorKind::Unauthenticated);
        assert_eq!(kind("42501"), ErrorKind::Denied);
        assert_eq!(kind("42601"), ErrorKind::Invalid);
        assert_eq!(kind("57014"), ErrorKind::Timeout);
        assert_eq!(kind_of(Some("08001"), &[], ""), (ErrorKind::Unavailable, Retry::Backoff));
        assert_eq!(kind("40001"), ErrorKind::Conflict);
        for odd in ["", "4", "ü", "S1000"] {
            assert_eq!(kind(odd), ErrorKind::Internal, "{odd}");
        }
        let classes = ["org.x.E".to_owned(), "java.sql.SQLTimeoutException".to_owned()];
        assert_eq!(kind_of(None, &classes, "").0, ErrorKind::Timeout);
        assert_eq!(kind_of(None, &[], "[SQLITE_READONLY] no").0, ErrorKind::Denied);
    }
}
