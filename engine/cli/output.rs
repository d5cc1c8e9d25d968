//! Writing to standard output and standard error so that a reader who goes away is no panic.

use std::io::{self, Write as _};

use serde::Serialize;

use super::failure::Failure;

/// Prints text to standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Prints one JSON document to standard output.
pub(super) fn print_json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
    print(&format!("{json}\n"))
}

/// Prints a line of JSON to standard output.
pub(super) fn print_json_line<T: Serialize>(value: &T) -> Result<(), Failure> {
    let json = serde_json::to_string(value).map_err(io::Error::from)?;
    print(&format!("{json}\n"))
}

/// Says something on standard error. If nobody listens there is nobody to tell.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
