//! Patterns of the paths of requests, such as `/containers/*/logs` and `/v1/**`. They are held against a path where
//! requests are made, which is where paths of two meanings are refused.

use std::fmt;

/// Bytes of a pattern.
const MOST_BYTES: usize = 512;

/// What a path may look like. `*` stands for any text within one segment, `**` as the last segment for any rest.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathPattern(String);

impl PathPattern {
    /// What a pattern looks like, for messages.
    pub(super) const ALLOWED: &str =
        "a path that begins with '/', plain and decoded: '*' within one segment, '**' as the last one for any rest";

    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<PathPattern, String> {
        if text.len() > MOST_BYTES {
            return Err(format!("has {} bytes, {MOST_BYTES} at most are allowed", text.len()));
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err("does not begin with '/'".to_owned());
        };
        if let Some(bad) = rest.chars().find(|c| c.is_control() || matches!(c, '?' | '#' | '%' | '\\')) {
            return Err(format!("holds {bad:?}"));
        }
        let segments: Vec<&str> = rest.split('/').collect();
        let (last, inner) = segments.split_last().unwrap_or((&"", &[]));
        if inner.iter().any(|segment| segment.is_empty()) {
            return Err("has an empty segment".to_owned());
        }
        if inner.iter().any(|segment| segment.contains("**")) || last.contains("**") && *last != "**" {
            return Err("has '**' elsewhere than as its last segment".to_owned());
        }
        if segments.iter().any(|segment| matches!(*segment, "." | "..")) {
            return Err("has a '.' or '..' segment".to_owned());
        }
        Ok(PathPattern(text.to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_patterns_are_kept_as_they_are() {
        for text in ["/", "/a", "/a/", "/a/*/b*", "/v1.*/x", "/**", "/a/**", "/caf\u{e9}"] {
            assert_eq!(PathPattern::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn bad_patterns_are_told() {
        for (pattern, says) in [
            ("", "does not begin"),
            ("jobs", "does not begin"),
            ("/a?b", "holds '?'"),
            ("/a%20b", "holds '%'"),
            ("/a\nb", "holds '\\n'"),
            ("/**/x", "elsewhere"),
            ("/a**", "elsewhere"),
            ("/a/../b", "'..'"),
            ("/a//b", "empty segment"),
            ("//**", "empty segment"),
        ] {
            let problem = PathPattern::new(pattern).unwrap_err();
            assert!(problem.contains(says), "{pattern}: {problem}");
        }
        assert!(PathPattern::new(&format!("/{}", "a".repeat(600))).is_err());
    }
}
