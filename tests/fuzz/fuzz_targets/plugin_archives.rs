//! Any bytes as an archive that a plugin unpacks: nothing lands outside of the outputs, nothing but files and directories, no
//! more than may be; and what is unpacked whole is packed and unpacked again as the same.
#![no_main]

#[path = "../seeds.rs"]
mod seeds;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use windlass::files::{create_work_tree, remove_tree};
use windlass::fuzzing::{pack, unpack};

/// Bytes that may be unpacked.
const MOST_BYTES: u64 = 64 << 10;
const BLOCK: usize = 512;
/// Where the checksum of a header is, and where its size.
const CHECKSUM: std::ops::Range<usize> = 148..156;
const SIZE: std::ops::Range<usize> = 124..136;

libfuzzer_sys::fuzz_target!(init: seeds::plant(seeds()), |bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    // Most are refused by their first checksum unless that is made right.
    let archive = if kind % 8 == 0 { bytes.to_vec() } else { with_checksums(bytes) };
    let dir = tempfile::tempdir_in(place()).expect("a directory");
    let (work, outside) = (dir.path().join("work"), dir.path().join("outside"));
    create_work_tree(&work, &["input", "output"]).expect("a work tree");
    fs::create_dir(&outside).expect("a directory");
    fs::write(outside.join("kept"), "as it was").expect("a file");
    symlink(&outside, work.join("output/link")).expect("a link");
    let unpacked = unpack(&archive, &work, MOST_BYTES);
    check_around(dir.path());
    let files = read(&work.join("output"));
    let bytes: usize = files.values().flatten().map(Vec::len).sum();
    assert!(bytes as u64 <= MOST_BYTES, "{bytes} bytes");
    if unpacked.is_ok() {
        check_again(&work.join("output"), &dir.path().join("again"));
    }
    remove_tree(&work).expect("it can be removed");
});

/// In memory where the system has such a place: a disk would take nearly all of the time.
fn place() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

/// Nothing has come or changed but in the outputs.
fn check_around(dir: &Path) {
    let names = |dir: &Path| -> Vec<_> { read(dir).into_keys().filter(|name| !name.contains('/')).collect() };
    assert_eq!(names(dir), ["outside", "work"]);
    assert_eq!(names(&dir.join("work")), ["input", "output"]);
    assert_eq!(names(&dir.join("work/input")), [""; 0]);
    assert_eq!(read(&dir.join("outside")), BTreeMap::from([("kept".to_owned(), Some(b"as it was".to_vec()))]));
}

/// What is packed of a directory makes the same directory. Paths that are too long to be packed are told.
fn check_again(output: &Path, again: &Path) {
    let Ok(archive) = pack(output) else { return };
    create_work_tree(again, &["output"]).expect("a work tree");
    unpack(&archive, again, u64::MAX).expect("what was packed is unpacked");
    assert_eq!(read(output), read(&again.join("output")));
    remove_tree(again).expect("it can be removed");
}

/// The files with their content and the directories with none, by their paths, as far as paths go; the link that was there
/// before is left out, and there is no other.
fn read(dir: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![dir.to_owned()];
    while let Some(at) = ahead.pop() {
        // One that is too deep has no path any more.
        let Ok(entries) = fs::read_dir(&at) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = path.strip_prefix(dir).expect("it is beneath").to_string_lossy().into_owned();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_symlink() {
                assert!(path.ends_with("output/link"), "{name} is a link");
                continue;
            }
            assert!(kind.is_dir() || kind.is_file(), "{name} is {kind:?}");
            let content = if kind.is_file() { fs::read(&path).ok() } else { None };
            if kind.is_dir() {
                ahead.push(path);
            }
            found.insert(name, content);
        }
    }
    found
}

/// The archive with the right checksum in each header, as far as it can be followed.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut archive = bytes.to_vec();
    let mut at = 0;
    while let Some(header) = archive.get_mut(at..at + BLOCK) {
        if header.iter().any(|byte| *byte != 0) {
            header.get_mut(CHECKSUM).expect("a field").fill(b' ');
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header.get_mut(CHECKSUM).expect("a field").copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let size = header.get(SIZE).map(String::from_utf8_lossy).unwrap_or_default();
        let size = usize::from_str_radix(size.trim_matches([' ', '\0']), 8).unwrap_or(0);
        at += BLOCK + size.min(archive.len()).next_multiple_of(BLOCK);
    }
    archive
}

/// A header and its content.
fn entry(name: &str, kind: u8, link: &str, content: &[u8]) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(SIZE.start, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    put(156, &[kind]);
    put(157, link.as_bytes());
    put(257, b"ustar\x0000");
    block.extend(content);
    block.resize(block.len().next_multiple_of(BLOCK), 0);
    block
}

fn seeds() -> Vec<Vec<u8>> {
    let whole = [entry("a/", b'5', "", b""), entry("a/file", b'0', "", b"content"), entry("b", b'7', "", b"")].concat();
    let seeds = [
        whole.clone(),
        [entry("././@LongLink", b'L', "", &[b"long/".repeat(40), vec![0]].concat()), entry("short", b'0', "", b"x")]
            .concat(),
        [entry("pax", b'x', "", b"15 path=p/a/th\n14 size=65537\n"), entry("b", b'0', "", b"xy")].concat(),
        [entry("global", b'g', "", b"12 path=abc\n"), entry("c", b'0', "", b"")].concat(),
        [
            entry("pax", b'x', "", b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"),
            entry("s", b'0', "", b"1\n0\n1\nx"),
        ]
        .concat(),
        entry("sparse", b'S', "", b"x"),
        entry("link/kept", b'0', "", b"not as it was"),
        [entry("l", b'2', "../../outside", b""), entry("l/kept", b'0', "", b"")].concat(),
        entry("hard", b'1', "../../outside/kept", b""),
        entry("../../outside/kept", b'0', "", b"not as it was"),
        entry("/etc/kept", b'0', "", b""),
        [entry("a", b'0', "", b"1"), entry("a/b", b'0', "", b"2"), entry("a", b'5', "", b"")].concat(),
        entry(".", b'0', "", b""),
        entry("pipe", b'6', "", b""),
        pack(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets").as_path()).expect("these files can be packed"),
    ];
    let end = vec![0; 2 * BLOCK];
    seeds.into_iter().map(|seed| [vec![1], seed, end.clone()].concat()).collect()
}
