//! The input files of a job, in one file beside the store: how many, then of each its path and its content, with their
//! lengths before them (8 bytes little-endian each).

use std::io::{self, Write};
use std::path::Path;

use super::beneath::create_file_beneath;
use crate::job::InputFile;

/// The bytes of these files.
pub fn pack_inputs(inputs: &[InputFile]) -> Vec<u8> {
    let bytes: usize = inputs.iter().map(|input| input.path.len() + input.content.len() + 16).sum();
    let mut packed = Vec::with_capacity(bytes + 8);
    packed.extend((inputs.len() as u64).to_le_bytes());
    for input in inputs {
        for part in [input.path.as_bytes(), &input.content] {
            packed.extend((part.len() as u64).to_le_bytes());
            packed.extend(part);
        }
    }
    packed
}

/// The files again.
///
/// # Errors
/// The bytes are something else.
pub fn unpack_inputs(packed: &[u8]) -> io::Result<Vec<InputFile>> {
    let mut rest = packed;
    let count = length(&mut rest)?;
    let mut inputs = Vec::new();
    for _ in 0..count {
        let path = String::from_utf8(part(&mut rest)?.to_vec()).map_err(|_| damaged())?;
        inputs.push(InputFile { path, content: part(&mut rest)?.to_vec() });
    }
    if rest.is_empty() { Ok(inputs) } else { Err(damaged()) }
}

/// Writes the files beneath a directory that exists. Those that are there are replaced.
///
/// # Errors
/// What the file system says, and paths that lead elsewhere.
pub fn place_inputs(inputs: &[InputFile], dir: &Path) -> io::Result<()> {
    for input in inputs {
        create_file_beneath(dir, &input.path)?.write_all(&input.content)?;
    }
    Ok(())
}

fn length(rest: &mut &[u8]) -> io::Result<usize> {
    let (bytes, after) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
    *rest = after;
    usize::try_from(u64::from_le_bytes(*bytes)).map_err(|_| damaged())
}

fn part<'a>(rest: &mut &'a [u8]) -> io::Result<&'a [u8]> {
    let length = length(rest)?;
    let (part, after) = rest.split_at_checked(length).ok_or_else(damaged)?;
    *rest = after;
    Ok(part)
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the input files of the job are damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(path: &str, content: &[u8]) -> InputFile {
        InputFile { path: path.to_owned(), content: content.to_vec() }
    }

    #[test]
    fn files_come_back_and_what_is_cut_does_not() {
        let inputs = vec![input("a/b c", b"hello\0"), input("empty", b"")];
        let packed = pack_inputs(&inputs);
        assert_eq!(unpack_inputs(&packed).unwrap(), inputs);
        for end in 0..packed.len() {
            assert!(unpack_inputs(&packed[..end]).is_err(), "{end}");
        }
        let more = [packed, vec![0]].concat();
        assert!(unpack_inputs(&more).is_err());
        let many = [u64::MAX.to_le_bytes(), u64::MAX.to_le_bytes()].concat();
        assert!(unpack_inputs(&many).is_err());
    }

    #[test]
    fn files_are_placed_beneath_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/tmp", dir.path().join("link")).unwrap();
        place_inputs(&[input("deep/er/file", b"1"), input("deep/er/file", b"2")], dir.path()).unwrap();
        assert_eq!(std::fs::read(dir.path().join("deep/er/file")).unwrap(), b"2");
        for path in ["../x", "/x", "link/x", "a/../x", "", "a//b"] {
            assert!(place_inputs(&[input(path, b"")], dir.path()).is_err(), "{path}");
        }
    }
}
