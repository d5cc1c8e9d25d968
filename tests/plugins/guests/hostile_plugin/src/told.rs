//! What it says: errors, and texts that are too long.

use windlass_plugin::bindings::imports::windlass::plugin::types::{Error, ErrorKind, Problem, Retry};

/// An error that is for ever.
pub(crate) fn error(message: impl Into<String>) -> Error {
    Error { kind: ErrorKind::Internal, retry: Retry::Never, message: message.into(), code: None, details: Vec::new() }
}

/// What it found out, as an error that says so.
pub(crate) fn said(what: impl AsRef<str>) -> Error {
    error(format!("it found out: {}", what.as_ref()))
}

pub(crate) fn giant(bytes: usize) -> String {
    "é".repeat(bytes / 2)
}

/// Texts of a gigabyte and more in a megabyte of memory: all of them are the same one.
fn shared() -> Vec<String> {
    let text = giant(1 << 20).leak();
    let (at, len) = (text.as_mut_ptr(), text.len());
    // SAFETY: none of them is ever dropped or written to; the call ends before that.
    #[expect(unsafe_code, reason = "no safe list shares its texts")]
    (0..20_000).map(|_| unsafe { String::from_raw_parts(at, len, len) }).collect()
}

/// Whoever reads these problems copies the one text again and again.
pub(crate) fn amplified() -> Vec<Problem> {
    let problem = |text| Problem { field: text, problem: String::new(), allowed: String::new() };
    shared().into_iter().map(problem).collect()
}

/// The same with what the host is given.
pub(crate) fn amplify() {
    let fields: Vec<_> = shared().into_iter().map(|name| (name, Vec::new())).collect();
    let made = wasip2::http::types::Fields::from_list(&fields);
    std::mem::forget((fields, made));
}
