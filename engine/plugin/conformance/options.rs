//! Options in a `conformance.toml`.

use crate::plugin::fields::{Fields, Problems};
use crate::plugin::grants::to_json;

/// Options as JSON.
pub(super) fn read_options(fields: &Fields<'_>, name: &str, allowed: &str, problems: &mut Problems) -> Option<String> {
    let field = fields.needed(name, allowed, problems)?;
    // That it is a table is all that is known of it.
    field.entries(problems, allowed)?;
    let options = to_json(field.value);
    if options.is_none() {
        field.fail(problems, "JSON has no such number", "finite numbers");
    }
    options.map(|options| options.to_string())
}
