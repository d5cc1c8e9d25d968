//! Stands between the engine and a platform, and counts the requests; at one of them it kills the engine.

use std::io::{self, BufRead, BufReader, Read, Write};
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

fn serve(near: UnixStream, platform: &Path, shared: &Mutex<Shared>) -> io::Result<()> {
    let far = UnixStream::connect(platform)?;
    let (mut near_reader, mut far_reader) = (BufReader::new(near.try_clone()?), BufReader::new(far.try_clone()?));
    loop {
        let request = Head::read(&mut near_reader)?;
        let mut counting = shared.lock().unwrap();
        let side = counting.next();
        if side == Some(Side::Before) {
            counting.kill();
            return Ok(());
        }
        drop(counting);
        request.pass(&mut near_reader, &far, Rest::None)?;
        let answer = Head::read(&mut far_reader)?;
        if side == Some(Side::After) {
            shared.lock().unwrap().kill();
            return Ok(());
        }
        // What comes bit by bit is handed on bit by bit.
        answer.pass(&mut far_reader, &near, Rest::UntilTheEnd)?;
    }
}

/// The head of a message, as it came.
struct Head(String);

/// What follows a head that does not say it.
enum Rest {
    None,
    UntilTheEnd,
}

impl Head {
    fn read(from: &mut impl BufRead) -> io::Result<Head> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if from.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Head(head))
    }

    /// Hands it on with the body that follows it.
    fn pass(&self, from: &mut impl BufRead, mut to: &UnixStream, rest: Rest) -> io::Result<()> {
        to.write_all(self.0.as_bytes())?;
        let head = self.0.to_ascii_lowercase();
        let mut lines = head.lines();
        let is_empty = lines.next().is_some_and(|line| line.contains(" 204 ") || line.contains(" 304 "));
        if is_empty {
            Ok(())
        } else if head.contains("transfer-encoding: chunked") {
            pass_chunks(from, to)
        } else if let Some(length) = lines.find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()) {
            pass(from, to, length)
        } else if matches!(rest, Rest::UntilTheEnd) {
            pass(from, to, u64::MAX)
        } else {
            Ok(())
        }
    }
}

/// At most so many bytes, each as soon as it is there.
fn pass(from: &mut impl BufRead, mut to: &UnixStream, length: u64) -> io::Result<()> {
    let mut from = from.take(length);
    loop {
        let piece = from.fill_buf()?;
        let size = piece.len();
        if size == 0 {
            return Ok(());
        }
        to.write_all(piece)?;
        from.consume(size);
    }
}

fn pass_chunks(from: &mut impl BufRead, mut to: &UnixStream) -> io::Result<()> {
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        to.write_all(line.as_bytes())?;
        let size = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        // The end of the line after the chunk, which after the last one is the end of the body.
        pass(from, to, size + 2)?;
        if size == 0 {
            return Ok(());
        }
    }
}
