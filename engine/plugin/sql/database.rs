//! The databases that an operator lists: JDBC URLs, whole or by their beginnings.

use std::fmt;

/// Bytes of a URL.
const MOST_URL_BYTES: usize = 4_096;

/// A JDBC URL, or how some begin.
#[derive(Clone, PartialEq, Eq)]
pub struct Database(String);

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.shown(), f)
    }
}

/// Without parameters.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Database {
    /// A whole URL, or its beginning up to where a host or a path ends.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn new(text: impl Into<String>) -> Result<Database, String> {
        let text = text.into();
        check_form(&text)?;
        let rest = text.strip_prefix("jdbc:").unwrap_or_default();
        let Some((scheme, place)) = rest.split_once(':') else {
            return Err("it names no kind of database".to_owned());
        };
        if scheme.is_empty() || place.starts_with("//") && place.trim_matches('/').is_empty() {
            return Err("it names no host".to_owned());
        }
        Ok(Database(text))
    }

    #[cfg(feature = "wasm")]
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Without its parameters, which may hold a credential of the operator's.
    pub(super) fn shown(&self) -> &str {
        self.0.split(['?', ';']).next().unwrap_or_default()
    }
}

/// Whether it can be the name of a parameter.
pub(super) fn is_parameter_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ' ');
    !text.is_empty() && text.len() <= 64 && text.chars().all(plain)
}

pub(super) fn check_form(url: &str) -> Result<(), String> {
    if url.len() > MOST_URL_BYTES {
        return Err(format!("it has {} bytes; allowed are {MOST_URL_BYTES}", url.len()));
    }
    if url.contains(char::is_control) {
        return Err("it has control characters".to_owned());
    }
    if !url.starts_with("jdbc:") {
        return Err("it does not begin with jdbc:".to_owned());
    }
    Ok(())
}
