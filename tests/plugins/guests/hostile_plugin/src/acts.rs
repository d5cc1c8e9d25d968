//! What can be done in any call.

use std::collections::VecDeque;
use std::hint::black_box;

use windlass_plugin::bindings::imports::windlass::plugin::host;
use windlass_plugin::bindings::imports::windlass::plugin::types::{Error, ErrorKind, Retry};

use crate::told::{self, error, giant, said};
use crate::{files, web};

/// The ways into the network by sockets that are open.
fn sockets() -> Vec<&'static str> {
    use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
    let ways = [
        ("connect", TcpStream::connect("127.0.0.1:22").is_ok()),
        ("listen", TcpListener::bind("127.0.0.1:0").is_ok()),
        ("udp", UdpSocket::bind("127.0.0.1:0").is_ok_and(|socket| socket.send_to(b"x", "127.0.0.1:9").is_ok())),
        ("lookup", "localhost:80".to_socket_addrs().is_ok()),
    ];
    ways.into_iter().filter(|(_, open)| *open).map(|(name, _)| name).collect()
}

/// Does what the word says; a word that it does not know means nothing.
pub(crate) fn act(word: &str) -> Result<(), Error> {
    let (word, rest) = word.split_once(' ').unwrap_or((word, ""));
    match word {
        "spin" => loop {
            black_box(0);
        },
        "trap" => std::arch::wasm32::unreachable(),
        "panic" => panic!("on purpose"),
        "recurse" => {
            black_box(recurse(1));
        }
        "grow" => grow(),
        "exit" => std::process::exit(0),
        "sleep" => std::thread::sleep(std::time::Duration::from_secs(1 << 40)),
        "messages" => (0..5_000).for_each(|number| host::log(host::Level::Warn, &format!("message {number}"))),
        "giant-message" => host::log(host::Level::Error, &giant(16 << 20)),
        "giant-words" => {
            eprintln!("{}", giant(8 << 20));
            panic!("after a long speech");
        }
        "giant-error" => {
            let details = vec![(giant(1 << 10), giant(1 << 10)); 1_000];
            return Err(Error { code: Some(giant(4 << 20)), details, ..error(giant(8 << 20)) });
        }
        "error-after-ages" => {
            return Err(Error {
                kind: ErrorKind::Unavailable,
                retry: Retry::After(u64::MAX),
                ..error("not in this life")
            });
        }
        "random" => {
            let bytes = wasip2::random::random::get_random_bytes(1 << 40);
            return Err(said(format!("{} random bytes", bytes.len())));
        }
        "sockets" => return Err(said(format!("open: {:?}", sockets()))),
        "amplify" => told::amplify(),
        "files" | "streams" | "escape" | "deep" | "sparse" | "write" => return files::act(word),
        "ask" | "requests" | "endless-answer" | "endless-request" | "memory" => return web::act(word, rest),
        _ => {}
    }
    Ok(())
}

#[expect(unconditional_recursion, reason = "that is what it is for")]
fn recurse(depth: u64) -> u64 {
    let room = black_box([depth; 64]);
    recurse(room[7] + 1) + room[3]
}

fn grow() {
    let mut kept = VecDeque::new();
    loop {
        kept.push_back(black_box(vec![1_u8; 1 << 20]));
    }
}
