//! What the fuzz targets may do with requests of plugins.

use http::Request;
use http::header::{HeaderName, HeaderValue};

use super::address::Address;
use super::path;
use super::request::{Checks, rewrite};
use super::rights::Rights;

/// Any bytes as a request: lines of a method, a target and headers. What is let through goes to the platform, stays under
/// its prefix and under what is allowed, however often it is decoded, and says nothing that is the host's to say.
pub(crate) fn fuzz_request(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let (method, target) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let Ok(request) = Request::builder().method(method).uri(target).body(()) else { return };
    let mut parts = request.into_parts().0;
    for line in lines {
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(halves.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(halves.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name, value) {
            parts.headers.append(name, value);
        }
    }
    let paths = ["/jobs/**".to_owned(), "/info".to_owned(), "/v*/*/log".to_owned()];
    let (Ok(address), Ok(all), Ok(some)) =
        (Address::parse("https://platform:1/pre/fix"), Rights::new(None, None), Rights::new(None, Some(&paths)))
    else {
        return;
    };
    let taken = [HeaderName::from_static("x-api-key")];
    if rewrite(&mut parts, &address, &Checks { granted: &all, asked: &some, taken: &taken }).is_err() {
        return;
    }
    assert_eq!(parts.uri.authority().map(|it| it.as_str()), Some("platform:1"));
    let path = parts.uri.path().strip_prefix("/pre/fix").unwrap_or_default();
    let mut decoded = path.as_bytes().to_vec();
    for _ in 0..3 {
        let climbs = decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(|it| it == b".." || it == b".");
        assert!(!climbs, "{path}");
        assert!(decoded.starts_with(b"/jobs/") || decoded == b"/info" || decoded.starts_with(b"/v"), "{path}");
        decoded = percent_encoding::percent_decode(&decoded).collect();
    }
    assert!(path::check(path).is_ok());
    for name in ["host", "authorization", "x-api-key", "transfer-encoding", "connection", "proxy-authorization"] {
        assert!(!parts.headers.contains_key(name), "{name}");
    }
}
