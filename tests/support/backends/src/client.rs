//! A client for looking at the truth: one request, one connection, the whole answer.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;

/// A platform that says nothing for so long does not come back.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where to ask, and as whom.
#[derive(Clone, Debug)]
pub struct Client {
    place: Place,
    /// Headers of every request.
    headers: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
enum Place {
    Unix(PathBuf),
    Tcp(SocketAddr),
    Tls(SocketAddr, Arc<ClientConfig>),
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Of HTTP.
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// As it was before it was sent in chunks.
    pub body: Vec<u8>,
}

impl Client {
    /// At a socket of the file system.
    pub fn unix(path: impl Into<PathBuf>) -> Client {
        Client { place: Place::Unix(path.into()), headers: Vec::new() }
    }

    /// At an address, in the clear.
    pub fn tcp(address: SocketAddr) -> Client {
        Client { place: Place::Tcp(address), headers: Vec::new() }
    }

    /// At an address, with TLS.
    pub fn tls(address: SocketAddr, config: ClientConfig) -> Client {
        Client { place: Place::Tls(address, Arc::new(config)), headers: Vec::new() }
    }

    /// The same with a header more.
    #[must_use]
    pub fn with_header(&self, name: &str, value: &str) -> Client {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// Asks for what is there.
    pub fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, "application/json", b"").unwrap()
    }

    /// Posts JSON; null is no body at all.
    pub fn post(&self, target: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask("POST", target, "application/json", body.as_bytes()).unwrap()
    }

    /// Removes something.
    pub fn delete(&self, target: &str) -> Answer {
        self.ask("DELETE", target, "application/json", b"").unwrap()
    }

    /// Asks whatever; an error where there is no whole answer.
    ///
    /// # Errors
    ///
    /// When there is no connection, or it breaks.
    pub fn ask(&self, method: &str, target: &str, kind: &str, body: &[u8]) -> io::Result<Answer> {
        match &self.place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                self.exchange(stream, method, target, kind, body)
            }
            Place::Tcp(address) => self.exchange(connect(*address)?, method, target, kind, body),
            Place::Tls(address, config) => {
                let name = ServerName::IpAddress(address.ip().into());
                let connection = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
                let stream = StreamOwned::new(connection, connect(*address)?);
                self.exchange(stream, method, target, kind, body)
            }
        }
    }

    fn exchange(
        &self,
        mut stream: impl Read + Write,
        method: &str,
        target: &str,
        kind: &str,
        body: &[u8],
    ) -> io::Result<Answer> {
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: platform\r\nconnection: close\r\n");
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("content-type: {kind}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        stream.flush()?;
        let mut bytes = Vec::new();
        let end = stream.read_to_end(&mut bytes);
        // Who ends a connection without the word for it has answered all the same, if all of it is there.
        Answer::parse(&bytes).ok_or_else(|| end.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()))
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

impl Answer {
    /// None when it is not whole.
    fn parse(bytes: &[u8]) -> Option<Answer> {
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let pairs = lines.filter_map(|line| line.split_once(": "));
        let headers = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let mut answer = Answer { status, headers, body: bytes[end + 4..].to_vec() };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = joined(&answer.body)?;
        } else if let Some(length) = answer.header("content-length") {
            (answer.body.len() == length.parse::<usize>().ok()?).then_some(())?;
        }
        Some(answer)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}: no JSON: {}", self.status, self.text()))
    }

    /// This answer when it is a good one.
    ///
    /// # Panics
    ///
    /// When it is not.
    #[must_use]
    pub fn good(self) -> Answer {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.text());
        self
    }
}

/// The body that came in chunks; none when the last one is missing.
fn joined(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|it| it == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 4 + size..)?;
    }
}
