//! Archives that are none, or lead elsewhere, or never end.

use wasip2::io::streams::OutputStream;
use windlass_plugin::bindings::imports::windlass::plugin::types::Error;
use windlass_plugin::bindings::imports::windlass::plugin::work;

use crate::told::said;

/// What is read at once.
const BLOCK: usize = 512;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Sends an archive of a kind, and tells what became of it.
pub(crate) fn send(kind: &str) -> Result<(), Error> {
    let stream = work::unpack()?;
    if let ("twice", Err(error)) = (kind, work::unpack()) {
        return Err(said(error.message));
    }
    if kind == "unfinished" {
        return Ok(());
    }
    // A host that has had enough closes the stream; why is told by `finish`.
    if write_kind(kind, &stream).is_ok() {
        let _ = stream.blocking_flush();
    }
    if kind == "open" {
        // It waits for an end that never comes.
        return work::finish();
    }
    drop(stream);
    work::finish()
}

fn write_kind(kind: &str, stream: &OutputStream) -> Result<(), ()> {
    let file = |name: &str| {
        write(stream, &header(name, 1, b'0', ""))?;
        write(stream, &block(b"x"))
    };
    match kind {
        "dots" => file("../../escaped"),
        "dots-within" => file("a/../../../escaped"),
        "absolute" => file("/tmp/windlass-escaped"),
        "link" => write(stream, &header("link", 0, b'2', "/etc")),
        "hard-link" => write(stream, &header("link", 0, b'1', "/etc/passwd")),
        "device" => write(stream, &header("null", 0, b'3', "")),
        "pipe" => write(stream, &header("pipe", 0, b'6', "")),
        "through" => {
            let root = wasip2::filesystem::preopens::get_directories().into_iter().next().ok_or(())?.0;
            // Where links can be made, it is the archive that must not go through them.
            root.symlink_at("../../../..", "output/out").map_err(|_| ())?;
            file("out/escaped")
        }
        "bomb" => {
            write(stream, &header("zeros", 8 << 30, b'0', ""))?;
            endless(stream)
        }
        "many" => loop {
            file("a")?;
        },
        // A name that never ends, in front of the entry that bears it.
        "long-name" => {
            write(stream, &header("././@LongLink", 8 << 30, b'L', ""))?;
            endless(stream)
        }
        "long-extension" => {
            write(stream, &header("PaxHeader", 8 << 30, b'x', ""))?;
            endless(stream)
        }
        "deep" => {
            let name = "d/".repeat(100_000) + "x";
            write(stream, &header("././@LongLink", name.len() as u64 + 1, b'L', ""))?;
            let padded = (name.len() + 1).next_multiple_of(BLOCK);
            let mut bytes = name.into_bytes();
            bytes.resize(padded, 0);
            write(stream, &bytes)?;
            file("x")
        }
        "noise" => loop {
            write(stream, b"this is no archive, and it goes on and on. ")?;
        },
        _ => Ok(()),
    }
}

fn endless(stream: &OutputStream) -> Result<(), ()> {
    loop {
        write(stream, &ZEROS)?;
    }
}

fn block(content: &[u8]) -> Vec<u8> {
    let mut block = content.to_vec();
    block.resize(BLOCK, 0);
    block
}

fn header(name: &str, size: u64, kind: u8, link: &str) -> Vec<u8> {
    let mut header = block(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes().first_chunk::<12>().unwrap());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = kind;
    header[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header[257..265].copy_from_slice(if kind == b'L' { b"ustar  \0" } else { b"ustar\x0000" });
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn write(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), ()> {
    while !bytes.is_empty() {
        let room = usize::try_from(stream.check_write().map_err(|_| ())?).unwrap_or(usize::MAX);
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        stream.write(now).map_err(|_| ())?;
        bytes = later;
    }
    Ok(())
}
