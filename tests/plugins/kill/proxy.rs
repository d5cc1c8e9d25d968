//! Stands between the engine and a platform, and counts the requests; at one of them it kills the engine.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex};

/// When the engine is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The platform never hears of the request.
    Before,
    /// What was asked is done, and nobody is there for the answer.
    After,
}

/// What all connections share.
#[derive(Default)]
struct Shared {
    engine: Option<Child>,
    count: u64,
    kill_at: Option<(u64, Side)>,
}

pub(crate) struct Proxy {
    pub(crate) socket: PathBuf,
    shared: Arc<Mutex<Shared>>,
}

impl Proxy {
    pub(crate) fn start(dir: &Path, platform: PathBuf) -> Proxy {
        let socket = dir.join("proxy");
        let listener = UnixListener::bind(&socket).unwrap();
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let at_door = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, platform, shared) = (stream.unwrap(), platform.clone(), at_door.clone());
                std::thread::spawn(move || serve(stream, &platform, &shared));
            }
        });
        Proxy { socket, shared }
    }

    /// Watches over this process: it is killed at the request of this number, counted from now on.
    pub(crate) fn guard(&self, engine: Child, kill_at: Option<(u64, Side)>) {
        *self.shared.lock().unwrap() = Shared { engine: Some(engine), count: 0, kill_at };
    }

    /// Whether the process is over, and how many requests it made.
    pub(crate) fn over(&self) -> Option<(std::process::ExitStatus, u64)> {
        let mut shared = self.shared.lock().unwrap();
        let count = shared.count;
        Some((shared.engine.as_mut().unwrap().try_wait().unwrap()?, count))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(engine) = self.shared.lock().unwrap().engine.as_mut() {
            let _ = engine.kill();
            let _ = engine.wait();
        }
    }
}

impl Shared {
    /// Counts one request; kills the engine when it is the one.
    fn next(&mut self) -> Option<Side> {
        self.count += 1;
        self.kill_at.filter(|(number, _)| *number == self.count).map(|(_, side)| side)
    }

    fn kill(&mut self) {
        let engine = self.engine.as_mut().unwrap();
        engine.kill().unwrap();
        engine.wait().unwrap();
    }
}

fn serve(mut near: UnixStream, platform: &Path, shared: &Mutex<Shared>) -> Option<()> {
    let mut far = UnixStream::connect(platform).ok()?;
    loop {
        let request = message(&mut near)?;
        let mut counting = shared.lock().unwrap();
        let side = counting.next();
        if side == Some(Side::Before) {
            counting.kill();
            return None;
        }
        drop(counting);
        far.write_all(&request).ok()?;
        let answer = message(&mut far)?;
        if side == Some(Side::After) {
            shared.lock().unwrap().kill();
            return None;
        }
        near.write_all(&answer).ok()?;
    }
}

/// One whole message; none when the connection ends before.
fn message(from: &mut UnixStream) -> Option<Vec<u8>> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 16 << 10]);
    loop {
        let size = from.read(&mut piece).ok().filter(|size| *size > 0)?;
        bytes.extend_from_slice(&piece[..size]);
        if is_whole(&bytes) {
            return Some(bytes);
        }
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else { return false };
    let (head, body) = (String::from_utf8_lossy(&bytes[..end]).to_lowercase(), &bytes[end + 4..]);
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with(b"0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}
