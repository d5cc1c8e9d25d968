//! Errors of PostgreSQL.

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::ErrorResponseBody;
use windlass_plugin::Error;

use crate::state;

/// What the server refuses. Its details may quote rows of others, and are left out.
pub(super) fn refusal(body: &ErrorResponseBody) -> Error {
    let (mut code, mut message, mut position) = (String::new(), String::new(), None);
    let mut fields = body.fields();
    while let Ok(Some(field)) = fields.next() {
        let value = || String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => code = value(),
            b'M' => message = value(),
            b'P' => position = Some(value()),
            _ => {}
        }
    }
    let error = state::refusal(&code, &message);
    match position {
        Some(position) => error.detail("position", position),
        None => error,
    }
}
