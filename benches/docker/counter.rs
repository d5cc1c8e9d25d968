//! Stands before a Docker Engine on behalf of both sides, and takes note of what it is asked.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// Something that was asked and answered.
pub(crate) struct Call {
    /// The method and the path, without the names in it.
    pub(crate) kind: String,
    pub(crate) begun: Instant,
    pub(crate) took: Duration,
}

#[derive(Default)]
struct Noted {
    calls: Vec<Call>,
    /// The paths of what was removed.
    removed: HashSet<String>,
    /// What the last container was made of.
    body: Option<Value>,
    /// What was last put into one.
    files: Option<Vec<u8>>,
}

/// Answers at a socket of its own what the Docker Engine answers.
pub(crate) struct Counter {
    pub(crate) socket: PathBuf,
    noted: Arc<Mutex<Noted>>,
    changes: watch::Receiver<()>,
}

impl Counter {
    /// It has a thread of its own, which ends with the process.
    pub(crate) fn start(dir: &Path, docker: PathBuf) -> Counter {
        let socket = dir.join("counter.sock");
        let noted: Arc<Mutex<Noted>> = Arc::default();
        let (changed, changes) = watch::channel(());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let notes = noted.clone();
        std::thread::spawn(move || {
            runtime.block_on(async move {
                let listener = UnixListener::from_std(listener).unwrap();
                let changed = Arc::new(changed);
                loop {
                    let (near, _) = listener.accept().await.unwrap();
                    let far = UnixStream::connect(&docker).await.unwrap();
                    tokio::spawn(serve(near, far, notes.clone(), changed.clone()));
                }
            });
        });
        Counter { socket, noted, changes }
    }

    /// What was asked since this was last called.
    pub(crate) fn take(&self) -> Vec<Call> {
        let mut noted = self.noted.lock().unwrap();
        noted.removed.clear();
        std::mem::take(&mut noted.calls)
    }

    /// What the last container was made of.
    pub(crate) fn body(&self) -> Value {
        self.noted.lock().unwrap().body.clone().unwrap()
    }

    /// The archive that was last put into a container.
    pub(crate) fn files(&self) -> Vec<u8> {
        self.noted.lock().unwrap().files.clone().unwrap()
    }

    /// Returns when this is removed: a path.
    pub(crate) async fn removed(&self, path: &str) {
        let mut changes = self.changes.clone();
        while !self.noted.lock().unwrap().removed.contains(path) {
            changes.changed().await.unwrap();
        }
    }
}

type Reader = BufReader<OwnedReadHalf>;

async fn serve(near: UnixStream, far: UnixStream, noted: Arc<Mutex<Noted>>, changed: Arc<watch::Sender<()>>) {
    let (near, mut to_near) = near.into_split();
    let (far, mut to_far) = far.into_split();
    let (mut near, mut far) = (BufReader::new(near), BufReader::new(far));
    // Whoever goes away in the middle has what was wanted.
    while let Ok(true) = exchange((&mut near, &mut to_near), (&mut far, &mut to_far), &noted).await {
        changed.send_replace(());
    }
    changed.send_replace(());
}

/// One request and its answer; whether there may be another.
async fn exchange(
    (near, to_near): (&mut Reader, &mut OwnedWriteHalf),
    (far, to_far): (&mut Reader, &mut OwnedWriteHalf),
    noted: &Mutex<Noted>,
) -> io::Result<bool> {
    let head = read_head(near).await?;
    let begun = Instant::now();
    let body = pass(&head, near, to_far, false).await?;
    let answered = async {
        let answer = read_head(far).await?;
        let is_good = answer.split(' ').nth(1).is_some_and(|status| status.starts_with('2'));
        pass(&answer, far, to_near, true).await?;
        io::Result::Ok(is_good)
    };
    let answered = tokio::select! {
        answered = answered => answered,
        // It is over for whoever has asked, as with a log that is followed.
        _ = near.fill_buf() => Err(io::ErrorKind::UnexpectedEof.into()),
    };
    let target = head.split(' ').nth(1).unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let kind = kind_of(&head, &path);
    let mut noted = noted.lock().unwrap();
    if kind == "POST /containers/create" {
        noted.body = serde_json::from_slice(&body).ok();
    }
    if kind == "PUT /containers/*/archive" {
        noted.files = Some(body);
    }
    noted.calls.push(Call { kind, begun, took: begun.elapsed() });
    if head.starts_with("DELETE") && answered.as_ref().is_ok_and(|is_good| *is_good) {
        noted.removed.insert(path);
    }
    answered.map(|_| !head.to_ascii_lowercase().contains("connection: close"))
}

fn kind_of(head: &str, path: &str) -> String {
    let method = head.split(' ').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let path = match parts[..] {
        [root, kind, word @ ("json" | "create")] => [root, kind, word].join("/"),
        [root, kind, _] => [root, kind, "*"].join("/"),
        [root, kind, _, word] => [root, kind, "*", word].join("/"),
        _ => path.to_owned(),
    };
    format!("{method} {path}")
}

async fn read_head(from: &mut Reader) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

/// Hands a message on, each piece as soon as it is there. What its body was.
async fn pass(head: &str, from: &mut Reader, to: &mut OwnedWriteHalf, is_answer: bool) -> io::Result<Vec<u8>> {
    to.write_all(head.as_bytes()).await?;
    let head = head.to_ascii_lowercase();
    let first = head.lines().next().unwrap_or_default();
    let mut body = Vec::new();
    if is_answer && (first.contains(" 204 ") || first.contains(" 304 ")) {
        return Ok(body);
    }
    if head.contains("transfer-encoding: chunked") {
        pass_chunks(from, to, &mut body).await?;
        return Ok(body);
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    // An answer that does not say how long it is goes on to the end of its connection.
    pass_bytes(from, to, length.unwrap_or(if is_answer { u64::MAX } else { 0 }), &mut body).await?;
    Ok(body)
}

async fn pass_bytes(from: &mut Reader, to: &mut OwnedWriteHalf, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
    let mut from = from.take(length);
    loop {
        let piece = from.fill_buf().await?;
        if piece.is_empty() {
            return Ok(());
        }
        to.write_all(piece).await?;
        body.extend_from_slice(piece);
        let size = piece.len();
        from.consume(size);
    }
}

async fn pass_chunks(from: &mut Reader, to: &mut OwnedWriteHalf, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = String::new();
        from.read_line(&mut line).await?;
        to.write_all(line.as_bytes()).await?;
        let size = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        // The end of the line after the chunk, which after the last one is the end of the body.
        pass_bytes(from, to, size + 2, body).await?;
        body.truncate(body.len().saturating_sub(2));
        if size == 0 {
            return Ok(());
        }
    }
}
