//! Stands between the engine and a platform, and spoils the way.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What is wrong with the way.
#[derive(Clone, Copy)]
pub(crate) enum Trouble {
    /// Each connection is cut after as many bytes of answers.
    CutAfter(usize),
    /// Nothing comes after as many bytes of answers.
    SilentAfter(usize),
}

/// A way to a platform.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) fn start(platform: SocketAddr, trouble: Trouble) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        std::thread::spawn(move || {
            for near in listener.incoming() {
                counted.fetch_add(1, Ordering::Relaxed);
                let (near, far) = (near.unwrap(), TcpStream::connect(platform).unwrap());
                let (from, to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                std::thread::spawn(move || pass(from, to, usize::MAX, false));
                std::thread::spawn(move || match trouble {
                    Trouble::CutAfter(bytes) => pass(far, near, bytes, false),
                    Trouble::SilentAfter(bytes) => pass(far, near, bytes, true),
                });
            }
        });
        Proxy { address, connections }
    }

    /// How many there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, most: usize, is_silent: bool) {
    let (mut left, mut piece) = (most, vec![0; 16 << 10]);
    while left > 0 {
        let wanted = left.min(piece.len());
        let count = match from.read(&mut piece[..wanted]) {
            Ok(count) if count > 0 => count,
            _ => break,
        };
        if to.write_all(&piece[..count]).is_err() {
            break;
        }
        left -= count;
    }
    if left == 0 && is_silent {
        std::thread::sleep(Duration::from_secs(60));
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
