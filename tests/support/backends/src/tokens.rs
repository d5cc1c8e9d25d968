//! A token server for registries: tokens of one user, signed as the registry of Debian wants them.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

use crate::authority::Authority;

/// Who gives the tokens out, and for which registry they are.
pub(crate) const ISSUER: &str = "windlass-tokens";
pub(crate) const SERVICE: &str = "windlass registry";
/// How long a token is good for.
const SECONDS: u64 = 300;
/// Whoever connects and says nothing is not waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the server was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedToken {
    /// The scopes, divided by spaces.
    pub scope: String,
    /// Whether the user and the password were right.
    pub is_given: bool,
}

/// The server, gone when dropped.
pub struct TokenServer {
    address: SocketAddr,
    signer: Arc<Signer>,
    asked: Arc<Mutex<Vec<AskedToken>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    directory: tempfile::TempDir,
}

struct Signer {
    key: EcdsaKeyPair,
    certificate: CertificateDer<'static>,
}

impl TokenServer {
    /// A server that knows one user.
    pub(crate) fn new(user: &str, password: &str) -> TokenServer {
        let directory = tempfile::tempdir().unwrap();
        let identity = Authority::new(directory.path()).sign("tokens");
        let key = PrivatePkcs8KeyDer::from_pem_file(&identity.key).unwrap();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_pkcs8_der(), &SystemRandom::new());
        let certificate = CertificateDer::from_pem_file(&identity.cert).unwrap();
        let signer = Arc::new(Signer { key: key.unwrap(), certificate });
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, is_over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let login = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let (signs, notes, ends) = (signer.clone(), Arc::clone(&asked), is_over.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                // Who goes away in the middle gets nothing.
                let _ = stream.and_then(|stream| serve(stream, &login, &signs, &notes));
            }
        });
        TokenServer { address, signer, asked, is_over, thread: Some(thread), directory }
    }

    /// The address of its tokens.
    pub fn realm(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// All that it was asked for so far.
    pub fn asked(&self) -> Vec<AskedToken> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The certificates by which a registry knows its tokens.
    pub(crate) fn certificates(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A token that nobody has to ask for.
    pub fn token(&self, scope: &str) -> String {
        self.signer.token(scope)
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Signer {
    fn token(&self, scope: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let access: Vec<Value> = scope.split_whitespace().map(access).collect();
        let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(&self.certificate)] });
        let claims = json!({
            "iss": ISSUER, "sub": "windlass", "aud": SERVICE, "access": access,
            "iat": now, "nbf": now, "exp": now + SECONDS, "jti": "1",
        });
        let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// `repository:team/tool:pull,push`
fn access(scope: &str) -> Value {
    let (kind, rest) = scope.split_once(':').unwrap();
    let (name, actions) = rest.rsplit_once(':').unwrap();
    json!({ "type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>() })
}

fn serve(stream: TcpStream, login: &str, signer: &Signer, notes: &Mutex<Vec<AskedToken>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(&stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut is_known = false;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        is_known |= line
            .split_once(": ")
            .is_some_and(|(name, value)| name.eq_ignore_ascii_case("authorization") && value == login);
    }
    let (status, body) = match target(&first) {
        Some(query) if is_right(query) => {
            let scope = fields(query, "scope").join(" ");
            notes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(AskedToken { scope: scope.clone(), is_given: is_known });
            match is_known {
                true => ("200 OK", json!({ "token": signer.token(&scope), "expires_in": SECONDS })),
                false => ("401 Unauthorized", json!({ "details": "incorrect username or password" })),
            }
        }
        _ => ("404 Not Found", json!({})),
    };
    let body = body.to_string();
    let kind = "content-type: application/json\r\nconnection: close";
    write!(&stream, "HTTP/1.1 {status}\r\n{kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// The query of a request for a token.
fn target(line: &str) -> Option<&str> {
    line.strip_prefix("GET /token?")?.strip_suffix(" HTTP/1.1")
}

fn is_right(query: &str) -> bool {
    fields(query, "service") == [SERVICE]
}

/// The values of all fields of a name.
fn fields(query: &str, name: &str) -> Vec<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| decoded(value)).collect()
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().replace('+', " ").into_bytes();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).unwrap());
        bytes.extend_from_slice(rest.replace('+', " ").as_bytes());
    }
    String::from_utf8(bytes).unwrap()
}
