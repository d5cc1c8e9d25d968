//! The file server that the sinks of the guide talk to: what is staged appears all at once.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Files {
    /// By the attempt, then by the name.
    staged: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    stored: BTreeMap<String, Vec<u8>>,
}

/// A server that is there as long as the test.
pub(crate) struct FileServer(String);

impl FileServer {
    pub(crate) fn new() -> FileServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let files = Arc::new(Mutex::new(Files::default()));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let files = files.clone();
                std::thread::spawn(move || serve(&stream.unwrap(), &files));
            }
        });
        FileServer(address)
    }

    pub(crate) fn address(&self) -> &str {
        &self.0
    }
}

/// Answers one request after the other; ends when the other side does.
fn serve(stream: &TcpStream, files: &Mutex<Files>) {
    let mut reader = BufReader::new(stream);
    while let Some(head) = read_head(&mut reader) {
        let Some(body) = read_body(&mut reader, &head) else { return };
        let status = answer(&head[0], body, &mut files.lock().unwrap());
        let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
        if (&*stream).write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_head(reader: &mut BufReader<&TcpStream>) -> Option<Vec<String>> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        if line.trim().is_empty() {
            return Some(head);
        }
        head.push(line);
    }
}

/// A body of a known length or in chunks; `None` when it breaks off.
fn read_body(reader: &mut BufReader<&TcpStream>, head: &[String]) -> Option<Vec<u8>> {
    let head: Vec<String> = head.iter().map(|line| line.to_ascii_lowercase()).collect();
    let mut body = Vec::new();
    if !head.iter().any(|line| line.starts_with("transfer-encoding:")) {
        let length = head.iter().find_map(|line| line.strip_prefix("content-length:"));
        body.resize(length.map_or(0, |length| length.trim().parse().unwrap()), 0);
        reader.read_exact(&mut body).ok()?;
        return Some(body);
    }
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

fn answer(request: &str, body: Vec<u8>, files: &mut Files) -> u16 {
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if (method, path) == ("GET", "/") {
        return 200;
    }
    let mut parts = path.trim_start_matches("/staged/").splitn(2, '/');
    let (attempt, name) = (parts.next().unwrap().to_owned(), parts.next().map(str::to_owned));
    match (method, name) {
        ("PUT", Some(name)) => {
            files.staged.entry(attempt).or_default().insert(name, body);
            201
        }
        ("POST", None) => {
            for (name, content) in files.staged.remove(&attempt).unwrap_or_default() {
                files.stored.insert(format!("{}/{name}", query.trim_start_matches("to=")), content);
            }
            200
        }
        ("DELETE", None) => {
            if files.staged.remove(&attempt).is_some() {
                return 204;
            }
            404
        }
        _ => 405,
    }
}
