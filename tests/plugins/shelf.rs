//! A platform for guests: a shelf with one text for each name, over HTTP on loopback.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A shelf that is there as long as the test.
pub(crate) struct Shelf {
    address: SocketAddr,
    texts: Texts,
}

type Texts = Arc<Mutex<BTreeMap<String, String>>>;

impl Shelf {
    pub(crate) fn new() -> Shelf {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let texts = Texts::default();
        let shared = texts.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = shared.clone();
                std::thread::spawn(move || serve(&stream.unwrap(), &shared));
            }
        });
        Shelf { address, texts }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        self.texts.lock().unwrap().insert(name.to_owned(), text.to_owned());
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.texts.lock().unwrap().keys().cloned().collect()
    }
}

/// Answers one request after the other; ends when the other side does.
fn serve(stream: &TcpStream, texts: &Texts) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line.to_ascii_lowercase());
        }
        let length = head.iter().find_map(|line| line.strip_prefix("content-length:"));
        let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let (status, text) = answer(&head[0], String::from_utf8(body).unwrap(), texts);
        let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        if (&*stream).write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(request: &str, body: String, texts: &Texts) -> (u16, String) {
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let name = path.trim_start_matches('/').to_owned();
    let mut texts = texts.lock().unwrap();
    let found = match (method, name.as_str()) {
        ("get", "") => Some(texts.keys().map(|name| format!("{name}\n")).collect()),
        ("get", _) => texts.get(&name).cloned(),
        ("put", _) => {
            texts.insert(name, body);
            Some(String::new())
        }
        ("delete", _) => texts.remove(&name).map(|_| String::new()),
        _ => return (405, String::new()),
    };
    found.map_or((404, String::new()), |text| (200, text))
}
