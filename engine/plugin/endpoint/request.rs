//! What a plugin asks for, turned into what is sent: checked, and pointed at the platform.
//!
//! The authority that the plugin wrote counts for nothing here: it named the endpoint.

use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use http::{Extensions, Version};

use super::EndpointError;
use super::address::Address;
use super::error::Granter;
use super::path;
use super::rights::Rights;

/// What the host or the connection decides, never a plugin.
static FORBIDDEN: [HeaderName; 10] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::HOST,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

/// Who must allow a request, and which headers are the credential's.
pub(super) struct Checks<'a> {
    pub(super) granted: &'a Rights,
    pub(super) asked: &'a Rights,
    /// Headers that carry the credential of the endpoint.
    pub(super) taken: &'a [HeaderName],
}

/// Checks the head of a request and points it at the platform. Gives back the length that it announces.
pub(super) fn rewrite(parts: &mut Parts, address: &Address, checks: &Checks<'_>) -> Result<Option<u64>, EndpointError> {
    let path = if parts.uri.path().is_empty() { "/" } else { parts.uri.path() };
    let checked = path::check(path).map_err(refused)?;
    let query = parts.uri.query();
    path::check_query(query.unwrap_or_default()).map_err(refused)?;
    for (by, rights) in [(Granter::Manifest, checks.asked), (Granter::Configuration, checks.granted)] {
        rights.check(&parts.method, &checked).map_err(|rule| EndpointError::Denied {
            method: parts.method.to_string(),
            path: path.to_owned(),
            by,
            rule,
        })?;
    }
    check_headers(&parts.headers, checks.taken)?;
    let length = announced(&parts.headers)?;
    let mut whole = format!("{}{path}", address.prefix);
    if let Some(query) = query {
        whole.push('?');
        whole.push_str(query);
    }
    let whole = PathAndQuery::try_from(whole).map_err(|_| refused("the path is none"))?;
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(address.scheme.clone());
    uri.authority = Some(address.authority.clone());
    uri.path_and_query = Some(whole);
    parts.uri = Uri::from_parts(uri).map_err(|_| refused("the path is none"))?;
    parts.version = Version::HTTP_11;
    parts.extensions = Extensions::new();
    Ok(length)
}

fn refused(what: &str) -> EndpointError {
    EndpointError::Request(what.to_owned())
}

fn check_headers(headers: &HeaderMap, taken: &[HeaderName]) -> Result<(), EndpointError> {
    for name in headers.keys() {
        if FORBIDDEN.contains(name) || taken.contains(name) || name.as_str().starts_with("proxy-") {
            return Err(refused(&format!("a plugin may not set the header {name}")));
        }
    }
    Ok(())
}

fn announced(headers: &HeaderMap) -> Result<Option<u64>, EndpointError> {
    let mut found = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let digits = value.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit()));
        let length: Option<u64> = digits.and_then(|text| text.parse().ok());
        let length = length.ok_or_else(|| refused("Content-Length is no number"))?;
        if found.is_some_and(|other| other != length) {
            return Err(refused("Content-Length says two things"));
        }
        found = Some(length);
    }
    Ok(found)
}

/// Takes out of an answer what concerns the connection only, and what would give a credential away if the platform sent
/// it back.
pub(super) fn strip_answer(headers: &mut HeaderMap, taken: &[HeaderName]) {
    let of_connection = FORBIDDEN.iter().chain(taken);
    let more = [header::PROXY_AUTHENTICATE, HeaderName::from_static("proxy-connection")];
    for name in of_connection.chain(&more) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};
    use proptest::prelude::*;

    use super::*;

    fn try_rewrite(request: Request<()>, address: &str) -> Result<(Parts, Option<u64>), EndpointError> {
        let all = Rights::new(None, None).unwrap();
        let taken = [HeaderName::from_static("x-api-key")];
        let checks = Checks { granted: &all, asked: &all, taken: &taken };
        let mut parts = request.into_parts().0;
        let length = rewrite(&mut parts, &Address::parse(address).unwrap(), &checks)?;
        Ok((parts, length))
    }

    fn get(uri: &str) -> Request<()> {
        Request::get(uri).body(()).unwrap()
    }

    #[test]
    fn the_authority_of_the_plugin_counts_for_nothing() {
        let cases = [
            ("http://docker.endpoint/v1.41/info", "unix:/d.sock", "http://localhost/v1.41/info"),
            ("http://docker.endpoint", "http://h:81/p/", "http://h:81/p/"),
            ("/a?b=c%20d&e", "https://h/p", "https://h/p/a?b=c%20d&e"),
            ("https://169.254.169.254:80/x?", "https://h", "https://h/x?"),
        ];
        for (asked, address, sent) in cases {
            let (parts, length) = try_rewrite(get(asked), address).expect(asked);
            assert_eq!((parts.uri.to_string().as_str(), length), (sent, None));
        }
    }

    #[test]
    fn what_only_the_host_may_say_is_refused() {
        let names = [
            "authorization",
            "host",
            "Connection",
            "transfer-encoding",
            "upgrade",
            "keep-alive",
            "te",
            "expect",
            "proxy-authorization",
            "Proxy-Connection",
            "proxy-anything",
            "http2-settings",
            "trailer",
            "X-Api-Key",
        ];
        for name in names {
            let request = Request::get("http://x/").header(name, "1").body(()).unwrap();
            let error = try_rewrite(request, "http://h").expect_err(name);
            assert!(error.to_string().contains(&name.to_lowercase()), "{error}");
        }
        let request = Request::get("http://x/").header("cookie", "a=b").header("x-request-id", "1").body(()).unwrap();
        assert!(try_rewrite(request, "http://h").is_ok());
    }

    #[test]
    fn a_length_is_one_number() {
        let with = |values: &[&str]| {
            let mut request = get("http://x/");
            for value in values {
                request.headers_mut().append(header::CONTENT_LENGTH, HeaderValue::from_str(value).unwrap());
            }
            try_rewrite(request, "http://h").map(|(_, length)| length)
        };
        assert_eq!(with(&["7"]), Ok(Some(7)));
        assert_eq!(with(&["7", "7"]), Ok(Some(7)));
        for bad in [&["7", "8"][..], &["-1"], &["+1"], &["0x1"], &[""], &["99999999999999999999"], &["1, 1"]] {
            assert!(with(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn both_lists_must_allow_it() {
        let owned = |word: &str| vec![word.to_owned()];
        let jobs = Rights::new(Some(&owned("GET")), Some(&owned("/jobs/**"))).unwrap();
        let logs = Rights::new(Some(&owned("GET")), Some(&owned("/**"))).unwrap();
        let address = Address::parse("http://h/prefix").unwrap();
        let try_with = |asked: &Rights, granted: &Rights| {
            let mut parts = get("http://x/logs?secret=1").into_parts().0;
            rewrite(&mut parts, &address, &Checks { granted, asked, taken: &[] }).map_err(|error| error.to_string())
        };
        assert!(try_with(&logs, &logs).is_ok());
        let text = try_with(&jobs, &logs).unwrap_err();
        assert_eq!(text, "GET /logs is not allowed by the plugin's manifest: GET on /jobs/**");
        let text = try_with(&logs, &jobs).unwrap_err();
        assert_eq!(text, "GET /logs is not allowed by the endpoint's configuration: GET on /jobs/**");
    }

    #[test]
    fn an_answer_gives_no_credential_back() {
        let mut headers = HeaderMap::new();
        for name in ["authorization", "x-api-key", "connection", "set-cookie", "www-authenticate", "etag"] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        strip_answer(&mut headers, &[HeaderName::from_static("x-api-key")]);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["etag", "set-cookie", "www-authenticate"]);
    }

    proptest! {
        #[test]
        fn whatever_is_asked_goes_to_the_platform_and_stays_under_its_prefix(text in "[/.%25efA;?#@:\\\\ a-c]{0,30}") {
            let Ok(uri) = text.parse::<Uri>() else { return Ok(()) };
            if let Ok((parts, _)) = try_rewrite(Request::get(uri).body(()).unwrap(), "https://h:1/pre/fix") {
                prop_assert_eq!(parts.uri.authority().unwrap().as_str(), "h:1");
                prop_assert!(parts.uri.path().starts_with("/pre/fix/"));
                prop_assert!(!parts.uri.path().split('/').any(|it| it == ".." || it == "."));
            }
        }
    }
}
