//! A server on loopback that keeps every byte it is sent, and answers as a test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The first line and the headers.
    pub(crate) head: String,
    /// With the marks of its chunks.
    pub(crate) body: Vec<u8>,
}

/// What is answered.
pub(crate) enum Answer {
    /// A status and a text.
    Text(u16, String),
    /// A body that never ends.
    Endless,
}

/// The server; its threads end with the test.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// Makes of a connection what is spoken on it.
type Wrap<S> = Arc<dyn Fn(std::net::TcpStream) -> S + Send + Sync>;

impl Server {
    pub(crate) fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Server {
        Server::over(Arc::new(|stream| stream), answer)
    }

    pub(crate) fn over<S: Read + Write + 'static>(
        wrap: Wrap<S>,
        answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let notes = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                let (wrap, answer, notes) = (wrap.clone(), answer.clone(), Arc::clone(&notes));
                std::thread::spawn(move || serve(wrap(stream), &*answer, &notes));
            }
        });
        Server { address, seen }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// One request, one answer.
fn serve(mut stream: impl Read + Write, answer: &dyn Fn(&Seen) -> Answer, notes: &Mutex<Vec<Seen>>) {
    let mut bytes = Vec::new();
    let mut piece = [0; 64 << 10];
    let mut head = None;
    loop {
        let size = match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(size) => size,
        };
        bytes.extend_from_slice(&piece[..size]);
        head = head.or_else(|| bytes.windows(4).position(|it| it == b"\r\n\r\n").map(|at| at + 4));
        if head.is_some_and(|head| is_whole(&bytes[..head], &bytes[head..])) {
            break;
        }
    }
    let Some(head) = head else { return };
    let seen = Seen { head: String::from_utf8_lossy(&bytes[..head]).into_owned(), body: bytes[head..].to_vec() };
    let answer = answer(&seen);
    notes.lock().unwrap().push(seen);
    // Whoever has had enough hangs up.
    let _ = write(&mut stream, &answer);
}

fn is_whole(head: &[u8], body: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head).to_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with(b"0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn write(stream: &mut impl Write, answer: &Answer) -> std::io::Result<()> {
    match answer {
        Answer::Text(status, text) => {
            let size = text.len();
            let head =
                format!("HTTP/1.1 {status} x\r\nconnection: close\r\nx-seen: yes\r\ncontent-length: {size}\r\n\r\n");
            stream.write_all(format!("{head}{text}").as_bytes())?;
            stream.flush()
        }
        Answer::Endless => {
            stream.write_all(b"HTTP/1.1 200 x\r\nconnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[b'x'; 64 << 10])?;
            }
        }
    }
}
