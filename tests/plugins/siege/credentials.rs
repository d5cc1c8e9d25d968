//! Credentials planted everywhere an operator can put one, and a job's own secret: what was planted is searched for in all
//! that a plugin, a reader of logs or a thief of the disk could see.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use windlass::State;

use super::listener::Listener;
use super::rig::{Siege, config, grants, hostile, job};
use super::server::{Answer, Seen, Server};

const BEARER: &str = "planted-bearer-1f0c6e";
const PASSWORD: &str = "planted-password-77ab31";
const KEY: &str = "planted-header-c40d9e";
const CLIENT_SECRET: &str = "planted-client-secret-5be2";
const TOKEN: &str = "planted-token-of-oauth-90ad";
const AWS: &str = "planted-aws-secret-3312ff";
const OPTION: &str = "planted-run-option-8d41c7";

/// Lets in whoever has what was planted, and gives out a token.
fn doorman(seen: &Seen) -> Answer {
    let head = seen.head.to_lowercase();
    if head.starts_with("post /token") {
        let right = seen.head.contains(&STANDARD.encode(format!("me:{CLIENT_SECRET}")));
        assert!(right, "{}", seen.head);
        return Answer::Text(
            200,
            format!(r#"{{"access_token": "{TOKEN}", "token_type": "Bearer", "expires_in": 3600}}"#),
        );
    }
    let basic = STANDARD.encode(format!("me:{PASSWORD}"));
    let keys = [format!("Bearer {BEARER}"), format!("Bearer {TOKEN}"), format!("Basic {basic}"), KEY.to_owned()];
    let is_signed = head.contains("aws4-hmac-sha256") && head.contains("signature=");
    if is_signed || keys.iter().any(|key| seen.head.contains(key)) {
        Answer::Text(200, "come in".into())
    } else {
        Answer::Text(401, "who are you?".into())
    }
}

/// A server that wants to see a certificate, and the files that its clients need.
fn with_certificates(dir: &Path) -> (Server, KeyPair) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(params, ca_key);
    let made = || {
        let key = KeyPair::generate().unwrap();
        (CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap(), key)
    };
    let ((server, server_key), (client, client_key)) = (made(), made());
    std::fs::write(dir.join("ca.pem"), ca.pem()).unwrap();
    std::fs::write(dir.join("client.pem"), client.pem()).unwrap();
    std::fs::write(dir.join("client.key"), client_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::from_pem_slice(server_key.serialize_pem().as_bytes()).unwrap();
    let config = builder.with_client_cert_verifier(clients).with_single_cert(vec![server.der().clone()], key).unwrap();
    let config = Arc::new(config);
    let wrap = move |stream| rustls::StreamOwned::new(rustls::ServerConnection::new(config.clone()).unwrap(), stream);
    (Server::over(Arc::new(wrap), |_| Answer::Text(200, "come in".into())), client_key)
}

fn endpoints(server: &Server, tls: &Server, dir: &Path) -> String {
    let (at, tls, dir) = (server.address, tls.address.port(), dir.display());
    let of = |name: &str, auth: &str| {
        format!("[plugin.hostile.endpoint.{name}]\naddress = \"http://{at}\"\nauth = {{ {auth} }}\n")
    };
    let mut text = of("bearer", &format!("kind = \"bearer\", token = {{ value = \"{BEARER}\" }}"));
    text += &of("basic", &format!("kind = \"basic\", user = \"me\", password = {{ value = \"{PASSWORD}\" }}"));
    text += &of("header", &format!("kind = \"header\", name = \"x-api-key\", value = {{ value = \"{KEY}\" }}"));
    text += &of(
        "oauth",
        &format!(
            "kind = \"oauth2\", token_url = \"http://{at}/token\", client_id = \"me\", client_secret = \
             {{ value = \"{CLIENT_SECRET}\" }}"
        ),
    );
    text += &of(
        "aws",
        &format!(
            "kind = \"sigv4\", region = \"eu-central-1\", service = \"s3\", access_key_id = {{ value = \"AKIDEXAMPLE\" }}, \
             secret_access_key = {{ value = \"{AWS}\" }}"
        ),
    );
    text += &format!(
        "[plugin.hostile.endpoint.cert]\naddress = \"https://localhost:{tls}\"\nca = \"{dir}/ca.pem\"\nclient_cert = \
         \"{dir}/client.pem\"\nclient_key = \"{dir}/client.key\"\nhttp2 = \"off\"\n"
    );
    text
}

/// All that a thief of the disk has.
fn files_below(dir: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files_below(&entry.path(), found);
        } else if kind.is_file() {
            found.push((entry.path().display().to_string(), std::fs::read(entry.path()).unwrap()));
        }
    }
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// As it is, and as it may be wrapped up.
fn forms(planted: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![planted.to_vec()];
    for engine in [STANDARD.encode(planted), URL_SAFE_NO_PAD.encode(planted)] {
        forms.push(engine.trim_end_matches('=').as_bytes().to_vec());
    }
    forms
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_planted_is_nowhere_to_be_found() {
    let listener = Listener::everywhere();
    let dir = tempfile::tempdir().unwrap();
    let (tls, client_key) = with_certificates(dir.path());
    let server = Server::start(doorman);
    let limits = "call_time = \"60s\"\ntransfer_time = \"60s\"";
    let siege = Siege::open(config(), &grants("", limits, &endpoints(&server, &tls, dir.path()))).await;
    let mut told = String::new();
    for endpoint in ["bearer", "basic", "header", "oauth", "aws", "cert"] {
        let options = format!(r#"{{"submit": "memory {endpoint}.endpoint", "logs": "pour"}}"#);
        let id = siege.submit(&options).await;
        assert_eq!(siege.ended(id).await, (State::Succeeded, None), "{endpoint}");
        let refused = siege.told(&format!(r#"{{"submit": "ask DELETE {endpoint}.endpoint /secret"}}"#)).await;
        told += &format!("{refused} {:?} {:?}", siege.engine.get(id), siege.engine.events(id));
        let seq = siege.engine.get(id).unwrap().job.seq();
        let size = windlass::files::Layout::new(siege.dir.path()).size_of_job(seq);
        assert!(size > 500_000, "its memory is in its log: {size} {}", siege.log(id));
    }
    // A platform is given the secrets of a job: what it says of them is masked.
    let mut spec = hostile(r#"{"submit": "tell-secrets"}"#);
    spec.options.set_secret("KEY", OPTION);
    let id = siege.engine.submit(spec).await.unwrap();
    let ended = siege.ended(id).await;
    assert!(format!("{ended:?}").contains("it found out: ***"), "{ended:?}");
    told += &format!("{ended:?} {:?}", siege.engine.events(id));
    let mut spec = job("mock", r#"{"print": "x", "lines": 1}"#);
    spec.options.set_secret("KEY", OPTION);
    let id = siege.engine.submit(spec).await.unwrap();
    assert_eq!(siege.ended(id).await.0, State::Succeeded);
    siege.others_are_well().await;
    siege.engine.shutdown().await;

    let dumps: Vec<Seen> =
        server.seen().into_iter().chain(tls.seen()).filter(|seen| seen.head.starts_with("PUT /dump")).collect();
    assert_eq!(dumps.len(), 6);
    let mut places: Vec<(String, Vec<u8>)> =
        dumps.into_iter().enumerate().map(|(number, seen)| (format!("memory {number}"), seen.body)).collect();
    assert!(
        places
            .iter()
            .all(|(_, memory)| memory.len() > 500_000 && holds(memory, b"come in") && holds(memory, b"x-seen"))
    );
    places.push(("what the operator is told".into(), listener.text().into_bytes()));
    places.push(("what the user is told".into(), told.into_bytes()));
    files_below(siege.dir.path(), &mut places);
    let basic = STANDARD.encode(format!("me:{PASSWORD}"));
    let key = client_key.serialize_der();
    let texts = [BEARER, PASSWORD, KEY, CLIENT_SECRET, TOKEN, AWS, OPTION, &basic];
    let mut planted: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    // The private part alone: the rest of it is in the certificate.
    planted.extend([&key[..], &key[36..68]]);
    assert!(listener.text().contains("it was given"), "what it says to the operator is heard");
    let mut hits = Vec::new();
    for (place, bytes) in &places {
        for planted in &planted {
            if forms(planted).iter().any(|form| holds(bytes, form)) {
                hits.push(format!("{} in {place}", String::from_utf8_lossy(planted)));
            }
        }
    }
    assert!(hits.is_empty(), "{hits:#?}");
}
