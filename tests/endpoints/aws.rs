//! AWS signatures: a server that knows the key computes them again from what arrived.

use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode_str;
use ring::{digest, hmac};
use serde_json::{Value, json};
use windlass::plugin::endpoint::{AwsCredentials, Call, Endpoint, EndpointError, ErrorKind, SecretText};

use crate::bodies::pieces;
use crate::server::{Answer, Seen, Server, answer};
use crate::stage::{call, endpoint, get, request, send};

const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Computes the signature of what arrived in its own, plain way; S3 as S3 does, others with their second encoding.
fn verify(seen: &Seen) -> Answer {
    let authorization = seen.header("authorization").unwrap().strip_prefix("AWS4-HMAC-SHA256 ").unwrap();
    let field = |name: &str| {
        let fields = authorization.split(", ").find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        fields.unwrap().to_owned()
    };
    let (credential, names, signature) = (field("Credential"), field("SignedHeaders"), field("Signature"));
    let scope: Vec<&str> = credential.split('/').collect();
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    let path =
        if scope[3] == "s3" { quote(&percent_decode_str(path).collect::<Vec<u8>>()) } else { quote(path.as_bytes()) };
    let mut pairs: Vec<String> = query.split('&').filter(|it| !it.is_empty()).map(canonical_pair).collect();
    pairs.sort();
    let headers: String = names.split(';').map(|name| format!("{name}:{}\n", seen.header(name).unwrap())).collect();
    let payload = match seen.header("x-amz-content-sha256") {
        Some(said) => said.to_owned(),
        None => hex(digest::digest(&digest::SHA256, &seen.body).as_ref()),
    };
    let canonical = format!("{}\n{path}\n{}\n{headers}\n{names}\n{payload}", seen.method, pairs.join("&"));
    let hashed = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let date = seen.header("x-amz-date").unwrap();
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{}\n{hashed}", scope[1..].join("/"));
    let mut key = format!("AWS4{KEY}").into_bytes();
    for part in &scope[1..] {
        key = mac(&key, part.as_bytes());
    }
    assert_eq!(scope[1], &date[..8]);
    let is_right = hex(&mac(&key, text.as_bytes())) == signature && scope[0] == "AKIDEXAMPLE";
    if is_right { answer(200, names) } else { answer(403, canonical) }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn quote(bytes: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    bytes.iter().map(|byte| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn canonical_pair(pair: &str) -> String {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let again =
        |text: &str| quote(&percent_decode_str(&text.replace('+', " ")).collect::<Vec<u8>>()).replace('/', "%2F");
    format!("{}={}", again(name), again(value))
}

fn signing(server: &Server, service: &str, keys: Value) -> Endpoint {
    let mut auth = json!({ "kind": "sigv4", "region": "eu-central-1", "service": service });
    for (name, value) in keys.as_object().unwrap() {
        auth[name] = value.clone();
    }
    endpoint(json!({ "address": format!("http://localhost:{}/pre%20fix", server.port), "auth": auth }))
}

fn keys() -> Value {
    json!({ "access_key_id": { "value": "AKIDEXAMPLE" }, "secret_access_key": { "value": KEY } })
}

#[tokio::test]
async fn what_is_signed_is_what_arrives() {
    let server = Server::plain(verify).await;
    let targets = [
        "/",
        "/bucket/a%20b/%C3%BC+x/c%25d",
        "/bucket/(a),b=c;d",
        "/bucket?list-type=2&prefix=a%20b%2Fc&delimiter=%2F&acl",
        "/bucket?uploadId=x%2By%3D&partNumber=10&partNumber=9",
    ];
    for service in ["s3", "execute-api"] {
        let endpoint = signing(&server, service, keys());
        for target in targets {
            for (method, parts) in [(Method::GET, &[][..]), (Method::PUT, &["some ", "body"]), (Method::POST, &[""])] {
                let mut request = request(method, target, "");
                request.headers_mut().insert("content-type", "text/plain; x=1".parse().unwrap());
                request.headers_mut().insert("x-amz-meta-name", "a  b".trim().replace("  ", " ").parse().unwrap());
                *request.body_mut() = pieces(parts);
                let answer = send(&endpoint, request).await.unwrap();
                let text = String::from_utf8_lossy(answer.body()).into_owned();
                assert_eq!(answer.status(), 200, "{service} {target}\n{text}");
                assert!(text.contains("content-type;host;") && text.contains(";x-amz-meta-name"), "{text}");
            }
        }
    }
    let seen = server.seen();
    assert!(seen.iter().any(|it| it.header("x-amz-content-sha256") == Some("UNSIGNED-PAYLOAD")));
    let unsaid = seen.iter().filter(|it| it.header("x-amz-content-sha256").is_none());
    // The service that wants it gets the digest of the body itself, and its length with it.
    assert!(unsaid.clone().all(|it| it.body.is_empty() || it.header("content-length") == Some("9")));
    assert!(unsaid.count() > 0);
}

#[tokio::test]
async fn a_plugin_may_say_the_digest_and_nothing_else() {
    let server = Server::plain(verify).await;
    let endpoint = signing(&server, "s3", keys());
    let digest = hex(digest::digest(&digest::SHA256, b"body").as_ref());
    let mut put = request(Method::PUT, "/bucket/key", "body");
    put.headers_mut().insert("x-amz-content-sha256", digest.parse().unwrap());
    assert_eq!(send(&endpoint, put).await.unwrap().status(), 200);
    assert_eq!(server.only().header("x-amz-content-sha256"), Some(digest.as_str()));
    let refused =
        [("x-amz-content-sha256", "secret"), ("x-amz-date", "20130524T000000Z"), ("x-amz-security-token", "x")];
    for (name, value) in refused {
        let mut put = request(Method::PUT, "/bucket/key", "body");
        put.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(send(&endpoint, put).await.unwrap_err().kind(), ErrorKind::Request, "{name}");
    }
}

#[tokio::test]
async fn a_body_that_must_be_signed_has_a_limit() {
    let server = Server::plain(verify).await;
    let mut some = keys();
    some["signed_bytes"] = json!(4);
    let endpoint = signing(&server, "sqs", some);
    assert_eq!(send(&endpoint, request(Method::POST, "/", "four")).await.unwrap().status(), 200);
    let error = send(&endpoint, request(Method::POST, "/", "five+")).await.unwrap_err();
    assert!(matches!(error, EndpointError::TooLarge { limit: 4, .. }), "{error}");
}

#[tokio::test]
async fn a_job_brings_its_own_key() {
    let server = Server::plain(verify).await;
    let endpoint = signing(&server, "s3", json!({ "from": "job" }));
    let error = send(&endpoint, get("/bucket/key")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    let aws = AwsCredentials {
        access_key_id: SecretText::new("AKIDEXAMPLE"),
        secret_access_key: SecretText::new(KEY),
        session_token: Some(SecretText::new("lent==")),
    };
    let of_job = Call { aws: Some(aws), ..call() };
    assert!(!format!("{of_job:?}").contains("AKID") && !format!("{of_job:?}").contains("lent=="));
    let answer = Arc::new(endpoint).send(get("/bucket/key"), &of_job).await.unwrap();
    assert_eq!(answer.status(), 200);
    let seen = server.only();
    assert_eq!(seen.header("x-amz-security-token"), Some("lent=="));
    assert!(seen.header("authorization").unwrap().contains("x-amz-security-token"));
}
