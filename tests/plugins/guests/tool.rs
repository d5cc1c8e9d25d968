//! A guest that does what its first argument says, good or bad.

use std::hint::black_box;
use std::io::Write;
use std::{env, fs, io};

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["say", words @ ..] => println!("{}", words.join(" ")),
        ["both"] => {
            println!("to out");
            eprintln!("to err");
        }
        ["env", names @ ..] => names.iter().for_each(|name| println!("{name}={}", env::var(name).unwrap_or_default())),
        ["exit", code] => std::process::exit(code.parse().unwrap()),
        ["panic"] => panic!("on purpose"),
        ["copy", from, to] => drop(fs::copy(from, to).unwrap()),
        ["append", to, text] => {
            let mut file = fs::File::options().append(true).create(true).open(to).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
        ["show", path] => print!("{}", fs::read_to_string(path).unwrap()),
        ["list", path] => {
            let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|it| it.unwrap().file_name()).collect();
            names.sort();
            println!("{names:?}");
        }
        ["spin"] => loop {
            black_box(0);
        },
        ["say-and-sleep", text, ms] => {
            print!("{text}");
            io::stdout().flush().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(ms.parse().unwrap()));
        }
        ["say-and-spin", text] => {
            print!("{text}");
            io::stdout().flush().unwrap();
            loop {
                black_box(0);
            }
        }
        ["grow"] => {
            let mut all = Vec::new();
            loop {
                all.push(vec![1_u8; 1 << 20]);
                black_box(&all);
            }
        }
        ["use", mib] => drop(black_box(vec![1_u8; mib.parse::<usize>().unwrap() << 20])),
        ["recurse"] => println!("{}", recurse(1)),
        ["flood", mib] => {
            let line = [b'x'; 1023];
            let mut out = io::stdout().lock();
            for _ in 0..mib.parse::<usize>().unwrap() << 10 {
                out.write_all(&line).unwrap();
                out.write_all(b"\n").unwrap();
            }
        }
        ["open", count] => {
            let count: u32 = count.parse().unwrap();
            drop((0..count).map(|number| fs::File::create(format!("tmp/{number}")).unwrap()).collect::<Vec<_>>());
        }
        ["escape"] => escape(),
        ["network"] => network(),
        other => panic!("{other:?} is nothing to do"),
    }
}

fn recurse(depth: u64) -> u64 {
    if black_box(depth) == 0 { 0 } else { 1 + black_box(recurse(black_box(depth + 1))) }
}

/// Tries every way out of its directory; says what it found.
fn escape() {
    let mut out = Vec::new();
    let outside = ["/etc/passwd", "../../../../../etc/passwd", "/work/../../key", "/key", "/proc/self/environ", "../key"];
    for path in outside {
        if fs::read(path).is_ok() {
            out.push(path.to_owned());
        }
    }
    for (number, target) in ["/etc/passwd", "../../../../../../../../etc/passwd", "../../../../.."].into_iter().enumerate() {
        let link = format!("/work/link{number}");
        #[expect(deprecated, reason = "the only way to make a link here")]
        let made = fs::soft_link(target, &link).is_ok();
        if made && (fs::read(&link).is_ok() || fs::read_dir(&link).is_ok()) {
            out.push(link);
        }
    }
    if fs::write("/work/../escaped", "x").is_ok() || fs::rename("/work/input", "/work/../input").is_ok() {
        out.push("a write".to_owned());
    }
    println!("out: {out:?}");
}

fn network() {
    use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
    let ways = [
        ("connect", TcpStream::connect("127.0.0.1:22").is_ok()),
        ("listen", TcpListener::bind("127.0.0.1:0").is_ok()),
        ("udp", UdpSocket::bind("127.0.0.1:0").is_ok_and(|socket| socket.send_to(b"x", "127.0.0.1:9").is_ok())),
        ("lookup", "localhost:80".to_socket_addrs().is_ok()),
    ];
    let open: Vec<&str> = ways.iter().filter(|(_, open)| *open).map(|(name, _)| *name).collect();
    println!("open: {open:?}");
}
