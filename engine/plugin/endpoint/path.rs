//! Paths that mean one thing only: checked before they are held against a list.
//!
//! A server may decode, join and shorten a path in its own way. So whatever could be read in two ways is refused, and a
//! path is allowed only if it is allowed both with its slashes as they are written and with `%2F` read as one.

use percent_encoding::percent_decode;

/// How often a path is decoded in search of `..`: some servers decode twice, none more than three times.
const DECODINGS: usize = 3;
/// The longest path with its query.
const PATH_BYTES: usize = 32 << 10;

/// A path in the forms in which servers may read it: each a list of decoded segments.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// Split at the slashes as they are written.
    pub(super) written: Vec<Vec<u8>>,
    /// Split at `%2F` too.
    pub(super) decoded: Vec<Vec<u8>>,
}

/// Checks a path with no query. The error says what is wrong with it.
pub(super) fn check(path: &str) -> Result<Checked, &'static str> {
    if path.len() > PATH_BYTES {
        return Err("the path is longer than 32 KiB");
    }
    let Some(inner) = path.strip_prefix('/') else {
        return Err("the path does not begin with a slash");
    };
    if path.bytes().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'#' | b'?')) {
        return Err("the path holds a character that is none of a path");
    }
    if !triples_are_whole(path.as_bytes()) {
        return Err("the path holds a `%` without two digits after it");
    }
    let once = decode(inner.as_bytes());
    for read in [inner.as_bytes(), &once] {
        if read.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\') {
            return Err("the path holds a backslash or a control character");
        }
        // An empty last segment is a slash at the end.
        let mut segments: Vec<&[u8]> = read.split(|byte| *byte == b'/').collect();
        segments.pop();
        if segments.iter().any(|segment| segment.is_empty()) {
            return Err("the path holds `//`");
        }
    }
    let mut read = inner.as_bytes().to_vec();
    for _ in 0..=DECODINGS {
        if read.split(|byte| matches!(byte, b'/' | b'\\')).any(is_dots) {
            return Err("the path holds `.` or `..`");
        }
        read = decode(&read);
    }
    let written = inner.as_bytes().split(|byte| *byte == b'/').map(decode).collect();
    let decoded = once.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect();
    Ok(Checked { written, decoded })
}

/// Checks a query.
pub(super) fn check_query(query: &str) -> Result<(), &'static str> {
    if query.len() > PATH_BYTES {
        return Err("the query is longer than 32 KiB");
    }
    if query.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'#') {
        return Err("the query holds a character that is none of a query");
    }
    Ok(())
}

/// What is left of a segment after its parameters is the directory itself or the one above.
fn is_dots(segment: &[u8]) -> bool {
    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    name == b"." || name == b".."
}

fn triples_are_whole(path: &[u8]) -> bool {
    let mut rest = path;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let digits = rest.get(at + 1..at + 3).unwrap_or_default();
        if digits.len() != 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return false;
        }
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    true
}

/// Takes `%XX` back; what is no such triple stays.
fn decode(text: &[u8]) -> Vec<u8> {
    percent_decode(text).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn honest_paths_pass() {
        let good = [
            "/",
            "/v1.41/containers/json",
            "/v1.41/",
            "/a..b/.hidden/...",
            "/bucket/a%20b/%C3%BC",
            "/bucket/100%25",
            "/images/library%2Fnginx/json",
            "/a/b;version=2",
            "/bucket/https%253A%252F%252Fhost",
            "/subscriptions/0/providers/Microsoft.ContainerInstance/containerGroups/x",
        ];
        for path in good {
            assert!(check(path).is_ok(), "{path}: {:?}", check(path));
        }
        assert!(check_query("a=b&c=%2F..&d").is_ok());
    }

    #[test]
    fn paths_with_two_meanings_are_refused() {
        let bad = [
            "",
            "*",
            "a",
            "//",
            "//a",
            "/a//b",
            "/a/../b",
            "/..",
            "/.",
            "/a/.",
            "/a/./b",
            "/%2e%2e/b",
            "/a/%2E./b",
            "/a/.%2e",
            "/a%2f..%2fb",
            "/a%2F%2Fb",
            "/a%2F",
            "/%252e%252e/b",
            "/%25252e./b",
            "/a/..;x=1/b",
            "/a/.;/b",
            "/a\\b",
            "/a%5cb",
            "/a%5C..%5Cb",
            "/a%255c..%255cb",
            "/a%00b",
            "/a%0d%0ab",
            "/a%7f",
            "/a b",
            "/a\tb",
            "/ü",
            "/a#b",
            "/a?b",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%2x",
            "/%",
        ];
        let passed: Vec<&str> = bad.into_iter().filter(|path| check(path).is_ok()).collect();
        // A `%2F` at the end is a slash at the end in another spelling.
        assert_eq!(passed, ["/a%2F"]);
        assert!(check(&format!("/{}", "a".repeat(PATH_BYTES))).is_err());
        for query in ["a b", "a#b", "a\u{7f}", "ü"] {
            assert!(check_query(query).is_err(), "{query}");
        }
    }

    #[test]
    fn segments_are_decoded_in_both_ways() {
        let checked = check("/images/a%2Fb%20c/json").unwrap();
        assert_eq!(checked.written, [b"images".to_vec(), b"a/b c".to_vec(), b"json".to_vec()]);
        assert_eq!(checked.decoded, [b"images".to_vec(), b"a".to_vec(), b"b c".to_vec(), b"json".to_vec()]);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_check_and_none_that_passes_climbs(path in "/[a./%25ef;\\\\x0-]{0,24}") {
            if let Ok(checked) = check(&path) {
                for segment in checked.written.iter().chain(&checked.decoded) {
                    prop_assert!(segment != b".." && segment != b".", "{path}");
                }
                prop_assert_eq!(checked.decoded.len() >= checked.written.len(), true);
            }
        }

        #[test]
        fn any_text_is_survived(path: String) {
            let _ = check(&path);
            let _ = check_query(&path);
        }
    }
}
