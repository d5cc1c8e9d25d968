//! The work tree on its way into a container: whoever the container runs as may write to it.
//!
//! The archive of the engine belongs to root. Which number a user of an image has is not known before the image is there,
//! so nothing is given to anybody: everything may be written by everybody. Nobody but the containers of the attempt reaches
//! the volume.

use std::io::{self, Read};

use windlass_plugin::prelude::*;

const BLOCK: usize = 512;
const EVERYBODY: u64 = 0o777;
const EVERYBODY_NO_EXECUTION: u64 = 0o666;
const NAME: std::ops::Range<usize> = 0..100;
const MODE: std::ops::Range<usize> = 100..108;
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
const DIRECTORY: u8 = b'5';
/// The content is the name of the next entry, for which a header has no room.
const LONG_NAME: u8 = b'L';
/// What every work tree has.
const FRESH: [&str; 3] = ["input", "output", "tmp"];

/// An archive whose entries may be written by everybody, after one for the directory itself.
pub(crate) struct Opened<R> {
    archive: R,
    /// A block that is being handed out, and how much of it has been.
    block: [u8; BLOCK],
    given: usize,
    /// Bytes until the next header.
    content: u64,
    /// The end marker has come by.
    is_over: bool,
}

impl<R: Read> Opened<R> {
    pub(crate) fn new(archive: R) -> Opened<R> {
        // Docker leaves a directory `.` as it is; this name means the same place to it.
        Opened { archive, block: directory(b"/"), given: 0, content: 0, is_over: false }
    }

    /// Reads the next header into the block; false at the end of the archive.
    fn next(&mut self) -> io::Result<bool> {
        let mut size = 0;
        while let Some(rest) = self.block.get_mut(size..).filter(|rest| !rest.is_empty()) {
            let read = self.archive.read(rest)?;
            if read == 0 {
                break;
            }
            size += read;
        }
        if size == 0 && self.is_over {
            return Ok(false);
        }
        // An archive without its end would be taken for a whole one.
        if size < BLOCK {
            return Err(broken_off());
        }
        self.given = 0;
        if self.is_over || self.block.iter().all(|byte| *byte == 0) {
            self.is_over = true;
            return Ok(true);
        }
        let bytes = size_of(&self.block)?;
        self.content = bytes.div_ceil(BLOCK as u64).saturating_mul(BLOCK as u64);
        open(&mut self.block);
        Ok(true)
    }
}

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.given == BLOCK && self.content == 0 && !self.next()? {
            return Ok(0);
        }
        let left = self.block.get(self.given..).unwrap_or_default();
        if !left.is_empty() {
            let size = left.len().min(bytes.len());
            for (to, from) in bytes.iter_mut().zip(left) {
                *to = *from;
            }
            self.given += size;
            return Ok(size);
        }
        let most = usize::try_from(self.content).unwrap_or(usize::MAX).min(bytes.len());
        let size = self.archive.read(bytes.get_mut(..most).unwrap_or_default())?;
        if size == 0 {
            return Err(broken_off());
        }
        self.content = self.content.saturating_sub(size as u64);
        Ok(size)
    }
}

/// The name of the first thing in the archive of a work tree that is of its job; none where it is as it was made. The name may
/// be cut short.
pub(crate) fn first_of_job(mut archive: impl Read) -> io::Result<Option<String>> {
    let mut block = [0; BLOCK];
    let mut next = |block: &mut [u8; BLOCK]| match archive.read_exact(block) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(broken_off()),
        read => read,
    };
    loop {
        next(&mut block)?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let kind = block.get(KIND).copied();
        let name = if kind == Some(LONG_NAME) {
            next(&mut block)?;
            block.as_slice()
        } else {
            block.get(NAME).unwrap_or_default()
        };
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).trim_end_matches('/').to_owned();
        if kind != Some(DIRECTORY) || !FRESH.contains(&name.as_str()) {
            return Ok(Some(name));
        }
    }
}

fn broken_off() -> io::Error {
    Error::internal("the archive of the work tree breaks off").retry(Retry::Backoff).into()
}

/// A header for a directory that everybody may write to.
fn directory(name: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    for (to, from) in block.iter_mut().zip(name) {
        *to = *from;
    }
    for field in [108..116, 116..124, SIZE, 136..148] {
        write_octal(&mut block, field, 0);
    }
    for (to, from) in block.iter_mut().skip(257).zip(b"ustar\x0000") {
        *to = *from;
    }
    if let Some(kind) = block.get_mut(KIND) {
        *kind = DIRECTORY;
    }
    open(&mut block);
    block
}

/// Has everybody read and write what the header is for.
fn open(block: &mut [u8; BLOCK]) {
    let mode = match block.get(KIND) {
        Some(&DIRECTORY) => EVERYBODY,
        Some(b'0' | 0 | b'7') if octal(block, MODE).unwrap_or_default() & 0o111 == 0 => EVERYBODY_NO_EXECUTION,
        Some(b'0' | 0 | b'7') => EVERYBODY,
        // A header that belongs to the next one.
        _ => return,
    };
    write_octal(block, MODE, mode);
    let blanks = block.iter().enumerate().map(|(at, byte)| if CHECKSUM.contains(&at) { b' ' } else { *byte });
    let sum: u64 = blanks.map(u64::from).sum();
    write_octal(block, CHECKSUM, sum);
}

/// Digits, and a NUL after them.
fn write_octal(block: &mut [u8; BLOCK], field: std::ops::Range<usize>, value: u64) {
    let width = field.len() - 1;
    let text = format!("{value:0width$o}\0");
    for (to, from) in block.get_mut(field).into_iter().flatten().zip(text.bytes()) {
        *to = from;
    }
}

fn octal(block: &[u8; BLOCK], field: std::ops::Range<usize>) -> Option<u64> {
    let text = std::str::from_utf8(block.get(field)?).ok()?;
    u64::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()
}

/// The size of the content: in octal digits, or binary where those are too few.
fn size_of(block: &[u8; BLOCK]) -> io::Result<u64> {
    let field = block.get(SIZE).unwrap_or_default();
    let size = match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => rest
            .iter()
            .try_fold(u64::from(first & 0x7f), |size, byte| size.checked_mul(256)?.checked_add(u64::from(*byte))),
        _ => octal(block, SIZE),
    };
    size.ok_or_else(|| Error::internal("the archive of the work tree has an entry without a size").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut put = |name: &str, kind: tar::EntryType, mode: u32, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, content).unwrap();
        };
        put("input", tar::EntryType::Directory, 0o755, b"");
        put("input/a", tar::EntryType::Regular, 0o644, &[b'a'; 1_000]);
        put(&format!("input/{}", "long/".repeat(40)), tar::EntryType::Directory, 0o700, b"");
        put("tool", tar::EntryType::Regular, 0o755, b"#!");
        put("empty", tar::EntryType::Regular, 0o600, b"");
        builder.into_inner().unwrap()
    }

    /// Hands out a few bytes at a time.
    struct Little<R>(R);

    impl<R: Read> Read for Little<R> {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            let most = bytes.len().min(7);
            self.0.read(&mut bytes[..most])
        }
    }

    fn entries(archive: impl Read) -> Vec<(String, u32, usize)> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (String::from_utf8(entry.path_bytes().into_owned()).unwrap(), entry.header().mode().unwrap(), content.len())
        });
        entries.collect()
    }

    #[test]
    fn everybody_may_write_to_what_is_there_and_to_the_directory_itself() {
        let expected = [
            ("/".to_owned(), 0o777, 0),
            ("input".to_owned(), 0o777, 0),
            ("input/a".to_owned(), 0o666, 1_000),
            (format!("input/{}", "long/".repeat(40)), 0o777, 0),
            ("tool".to_owned(), 0o777, 2),
            ("empty".to_owned(), 0o666, 0),
        ];
        assert_eq!(entries(Opened::new(archive().as_slice())), expected);
        assert_eq!(entries(Little(Opened::new(Little(archive().as_slice())))), expected);
    }

    #[test]
    fn an_archive_that_breaks_off_is_an_error_wherever_it_does() {
        let whole = archive();
        for end in (0..whole.len() - 1_024).step_by(64) {
            let read = Opened::new(&whole[..end]).read_to_end(&mut Vec::new());
            assert!(read.unwrap_err().to_string().contains("breaks off"), "{end}");
        }
    }

    #[test]
    fn what_is_of_the_job_is_told_from_what_every_work_tree_has() {
        let put = |builder: &mut tar::Builder<Vec<u8>>, name: &str, kind: tar::EntryType| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            builder.append_data(&mut header, name, &b""[..]).unwrap();
        };
        let mut fresh = tar::Builder::new(Vec::new());
        FRESH.iter().for_each(|name| put(&mut fresh, name, tar::EntryType::Directory));
        assert_eq!(first_of_job(Little(fresh.get_ref().as_slice())).unwrap_err().kind(), io::ErrorKind::Other);
        let fresh = fresh.into_inner().unwrap();
        assert_eq!(first_of_job(Little(fresh.as_slice())).unwrap(), None);
        assert_eq!(first_of_job(tar::Builder::new(Vec::new()).into_inner().unwrap().as_slice()).unwrap(), None);
        let long = format!("input/{}", "x".repeat(200));
        for (name, kind) in [
            ("input/a", tar::EntryType::Regular),
            ("input/a", tar::EntryType::Directory),
            ("tmp", tar::EntryType::Regular),
            ("other", tar::EntryType::Directory),
            (&long, tar::EntryType::Regular),
        ] {
            let mut builder = tar::Builder::new(Vec::new());
            put(&mut builder, "input", tar::EntryType::Directory);
            put(&mut builder, name, kind);
            let archive = builder.into_inner().unwrap();
            assert_eq!(first_of_job(Little(archive.as_slice())).unwrap().as_deref(), Some(name), "{kind:?}");
        }
    }

    #[test]
    fn large_sizes_are_read() {
        let mut header = tar::Header::new_gnu();
        for size in [0, 511, 1 << 33, 1 << 40] {
            header.set_size(size);
            assert_eq!(size_of(header.as_bytes()).unwrap(), size);
        }
    }
}
