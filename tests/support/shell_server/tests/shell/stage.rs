//! A server in a directory of its own, and a client for it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const ENGINE: &str = "engine-under-test";

pub(crate) struct Stage {
    pub(crate) directory: TempDir,
    server: Child,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) log_ended: Option<bool>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Stage {
    pub(crate) fn new(arguments: &[&str]) -> Stage {
        let directory = tempfile::tempdir().unwrap();
        let server = serve(&directory, arguments);
        Stage { directory, server }
    }

    /// Kills the server, without a word to anything it has started, and starts the next one.
    pub(crate) fn restart(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
        self.server = serve(&self.directory, &[]);
    }

    /// Starts the next server after one that ends by itself.
    pub(crate) fn restart_after_its_end(&mut self) {
        self.server.wait().unwrap();
        self.server = serve(&self.directory, &[]);
    }

    pub(crate) fn client(&self) -> Client {
        Client { socket: self.directory.path().join("socket") }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let client = self.client();
        if let Ok(runs) = client.ask("GET", &format!("/runs?engine={ENGINE}"), b"") {
            for run in runs.json()["runs"].as_array().into_iter().flatten() {
                let _ = client.ask("DELETE", &format!("/runs/{}", run["name"].as_str().unwrap_or_default()), b"");
            }
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn serve(directory: &TempDir, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windlass-shell-server"));
    command.arg("--directory").arg(directory.path()).arg("--unix").arg(directory.path().join("socket"));
    let mut server = command.args(arguments).env("SHELL_SERVER_TOKEN", "t0ken").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on unix:"), "{line}");
    server
}

#[derive(Clone)]
pub(crate) struct Client {
    socket: std::path::PathBuf,
}

impl Client {
    /// Asks, and expects an answer.
    pub(crate) fn get(&self, method: &str, target: &str, body: &[u8]) -> Answer {
        self.ask(method, target, body).unwrap()
    }

    /// Asks; an error where there is no whole answer.
    pub(crate) fn ask(&self, method: &str, target: &str, body: &[u8]) -> io::Result<Answer> {
        self.ask_as("t0ken", method, target, body)
    }

    pub(crate) fn ask_as(&self, token: &str, method: &str, target: &str, body: &[u8]) -> io::Result<Answer> {
        let mut stream = UnixStream::connect(&self.socket)?;
        let size = body.len();
        write!(stream, "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {size}\r\n")?;
        write!(stream, "authorization: Bearer {token}\r\n\r\n")?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|it| it == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        Ok(Answer {
            status: head[9..12].parse().unwrap(),
            log_ended: head.lines().find_map(|line| line.strip_prefix("log-ended: ")).map(|value| value == "true"),
            body: answer[end + 4..].to_vec(),
        })
    }

    /// Makes and starts a run of a shell script.
    pub(crate) fn start(&self, name: &str, script: &str) {
        let spec = spec(script);
        assert_eq!(self.get("PUT", &format!("/runs/{name}"), &spec).status, 201);
        assert_eq!(self.get("POST", &format!("/runs/{name}/start"), b"").status, 200);
    }

    pub(crate) fn state(&self, name: &str) -> Value {
        self.get("GET", &format!("/runs/{name}"), b"").json()
    }

    /// How a run ends.
    pub(crate) fn end(&self, name: &str) -> Value {
        within(|| self.state(name).get("ended").cloned())
    }

    /// All it printed.
    pub(crate) fn printed(&self, name: &str) -> String {
        let (mut frames, mut text) = (Vec::new(), Vec::new());
        loop {
            let answer = self.get("GET", &format!("/runs/{name}/log?from={}&wait=10000", frames.len()), b"");
            frames.extend(answer.body);
            if answer.log_ended == Some(true) {
                break;
            }
        }
        let mut rest = frames.as_slice();
        while let Some((header, after)) = rest.split_at_checked(5) {
            let size = u32::from_be_bytes(header[1..].try_into().unwrap()) as usize;
            text.extend_from_slice(&after[..size]);
            rest = &after[size..];
        }
        String::from_utf8(text).unwrap()
    }
}

/// A run of a shell script, as it is asked for.
pub(crate) fn spec(script: &str) -> Vec<u8> {
    let spec = serde_json::json!({ "engine": ENGINE, "command": ["sh", "-c", script], "environment": [["A", "1"]] });
    spec.to_string().into_bytes()
}

/// What comes true some time.
pub(crate) fn within<T>(look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}
