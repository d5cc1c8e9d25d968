//! AWS Signature Version 4: who sends a request, proved without sending the key.
//!
//! The canonical form is the one of the AWS documentation, "Create a signed AWS API request". S3 takes the path as it is;
//! every other service encodes it once more.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::digest::hex;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use ring::{digest, hmac};

/// What is encoded in a name or a value of a query.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What is encoded in a path.
const PATH: &AsciiSet = &NAME.remove(b'/');

/// What is signed of a request.
pub(crate) struct ToSign<'a> {
    /// The method, in upper case.
    pub(crate) method: &'a str,
    /// The path as it is sent.
    pub(crate) path: &'a str,
    /// The query as it is sent, without its question mark.
    pub(crate) query: &'a str,
    /// Headers with names in lower case; one that comes several times is signed as one, in this order.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// The digest of the body in hex, or `UNSIGNED-PAYLOAD`.
    pub(crate) payload: &'a str,
}

/// Where and when a signature counts.
pub(crate) struct Scope<'a> {
    /// The region, as `eu-central-1`.
    pub(crate) region: &'a str,
    /// The service, as `s3`.
    pub(crate) service: &'a str,
    /// The moment, as `20130524T000000Z`.
    pub(crate) moment: &'a str,
}

impl Scope<'_> {
    fn day(&self) -> &str {
        self.moment.split('T').next().unwrap_or_default()
    }

    fn text(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day(), self.region, self.service)
    }
}

/// The value of the `Authorization` header.
pub(crate) fn aws_authorization(request: &ToSign<'_>, scope: &Scope<'_>, key_id: &str, key: &[u8]) -> String {
    let headers = canonical_headers(request.headers);
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let canonical = canonical_request(request, scope, &headers, &names);
    let (moment, place) = (scope.moment, scope.text());
    let text = format!("AWS4-HMAC-SHA256\n{moment}\n{place}\n{}", sha256_hex(canonical.as_bytes()));
    let signature = hex(hmac::sign(&signing_key(scope, key), text.as_bytes()).as_ref());
    format!("AWS4-HMAC-SHA256 Credential={key_id}/{place}, SignedHeaders={names}, Signature={signature}")
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn signing_key(scope: &Scope<'_>, key: &[u8]) -> hmac::Key {
    let mut first = b"AWS4".to_vec();
    first.extend_from_slice(key);
    let mut derived = hmac::Key::new(hmac::HMAC_SHA256, &first);
    first.fill(0);
    for part in [scope.day(), scope.region, scope.service, "aws4_request"] {
        derived = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&derived, part.as_bytes()).as_ref());
    }
    derived
}

fn canonical_request(request: &ToSign<'_>, scope: &Scope<'_>, headers: &[(&str, String)], names: &str) -> String {
    let path = if scope.service == "s3" {
        encode(&decode(request.path, false), true)
    } else {
        encode(request.path.as_bytes(), true)
    };
    let mut text = format!("{}\n{path}\n{}\n", request.method, canonical_query(request.query));
    for (name, value) in headers {
        let _ = writeln!(text, "{name}:{value}");
    }
    let _ = write!(text, "\n{names}\n{}", request.payload);
    text
}

/// In the order of their names; values without outer blanks and with single inner ones.
fn canonical_headers<'a>(headers: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
    let mut sorted = headers.to_vec();
    sorted.sort_by_key(|(name, _)| *name);
    let mut canonical: Vec<(&str, String)> = Vec::new();
    for (name, value) in sorted {
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        let value = words.join(" ");
        match canonical.last_mut() {
            Some((last, values)) if *last == name => {
                values.push(',');
                values.push_str(&value);
            }
            _ => canonical.push((name, value)),
        }
    }
    canonical
}

fn canonical_query(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (encode(&decode(name, true), false), encode(&decode(value, true), false))
    });
    let mut pairs: Vec<(String, String)> = pairs.collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// Everything but letters, digits and `-._~` as `%XX`; a slash as the caller says.
fn encode(bytes: &[u8], keeps_slash: bool) -> String {
    percent_encode(bytes, if keeps_slash { PATH } else { NAME }).to_string()
}

/// Takes `%XX` back; what is no such triple stays. In a query a plus sign is a blank.
fn decode(text: &str, plus_is_blank: bool) -> Vec<u8> {
    let text = if plus_is_blank { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    percent_decode_str(&text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

    fn signature(authorization: &str) -> &str {
        authorization.rsplit_once("Signature=").unwrap().1
    }

    #[test]
    fn the_examples_of_the_s3_documentation() {
        let put = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        let dated = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
        type Case<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);
        let cases: [Case<'_>; 4] = [
            (
                "GET",
                "/test.txt",
                "",
                &[("range", "bytes=0-9")],
                EMPTY,
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                "PUT",
                "/test$file.text",
                "",
                &dated,
                put,
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
            ("GET", "/", "lifecycle", &[], EMPTY, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            (
                "GET",
                "/",
                "max-keys=2&prefix=J",
                &[],
                EMPTY,
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ];
        let scope = Scope { region: "us-east-1", service: "s3", moment: "20130524T000000Z" };
        for (method, path, query, more, payload, expected) in cases {
            let mut headers = vec![
                ("host", "examplebucket.s3.amazonaws.com"),
                ("x-amz-content-sha256", payload),
                ("x-amz-date", "20130524T000000Z"),
            ];
            headers.extend_from_slice(more);
            let request = ToSign { method, path, query, headers: &headers, payload };
            let key = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
            let value = aws_authorization(&request, &scope, "AKIAIOSFODNN7EXAMPLE", key);
            assert_eq!(signature(&value), expected, "{method} {path}?{query}");
        }
    }

    /// The first is `get-vanilla` of the AWS test suite; the others were signed with AWS's own library (aws-sigv4 1.6.4).
    #[test]
    fn what_the_library_of_aws_signs() {
        let token = ("x-amz-security-token", "tok/en==");
        let plain = ("content-type", "text/plain");
        let typed =
            [("x-amz-target", " T.List "), ("x-amz-security-token", "T"), ("content-type", "application/json; a  b")];
        let json = sha256_hex(b"{\"a\":1}");
        let s3 = ("s3", "GET", "bucket.s3.amazonaws.com");
        type Case<'a> = ((&'a str, &'a str, &'a str), &'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);
        let cases: [Case<'_>; 5] = [
            (
                ("service", "GET", "example.amazonaws.com"),
                "/",
                "",
                &[],
                EMPTY,
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                s3,
                "/a%20b/%C3%BC%2Bx/c%25d",
                "",
                &[],
                UNSIGNED,
                "69650c7eee3c745ef9135701df5d634239c3f5324c4df1418779604e1df5c569",
            ),
            (
                ("s3", "PUT", s3.2),
                "/k",
                "partNumber=2&uploadId=a%2Bb%2Fc%3D%3D",
                &[token, plain],
                UNSIGNED,
                "70f2f0106888e7f3b64ec756ec8c11032a7cac30d846bd96872660f711703996",
            ),
            (
                ("s3", "GET", "bucket.s3.amazonaws.com:9000"),
                "/",
                "prefix=a%20b%2Fc&list-type=2&acl&delimiter=%2F&prefix=A&prefix=a+c",
                &[],
                EMPTY,
                "7f7e602746ffaa4b85cea055e84c0f8a23dc135d6a32e7464a21f7e340b579e0",
            ),
            (
                ("execute-api", "POST", "h.example.com"),
                "/a%20b/c+d/%C3%BC",
                "x=1",
                &typed,
                &json,
                "1738f0ad9d252ced3fcfb3d7809aa5bd5ead470123a97b8502ef5a2fdc541f19",
            ),
        ];
        for ((service, method, host), path, query, more, payload, expected) in cases {
            let scope = Scope { region: "us-east-1", service, moment: "20150830T123600Z" };
            let mut headers = vec![("host", host), ("x-amz-date", scope.moment)];
            headers.extend_from_slice(more);
            if service == "s3" {
                headers.push(("x-amz-content-sha256", payload));
            }
            let request = ToSign { method, path, query, headers: &headers, payload };
            let key = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
            let value = aws_authorization(&request, &scope, "AKIDEXAMPLE", key);
            assert_eq!(signature(&value), expected, "{service} {method} {path}?{query}");
        }
    }

    #[test]
    fn a_raw_plus_in_a_key_of_s3_is_a_plus() {
        assert_eq!(encode(&decode("/a+b%20c", false), true), "/a%2Bb%20c");
        assert_eq!(canonical_query("a=b+c&a=b%20b&&d"), "a=b%20b&a=b%20c&d=");
    }

    #[test]
    fn what_is_no_triple_stays() {
        assert_eq!(decode("%", false), b"%");
        assert_eq!(decode("%4", false), b"%4");
        assert_eq!(decode("%zz%41", false), b"%zzA");
    }
}
