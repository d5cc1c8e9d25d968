//! The files of a work tree that become output records: `output/TYPE.output.json`.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::path::Path;

use super::beneath::{Opened, open_beneath};

/// Where they are in the work tree, and not deeper.
const FOLDER: &str = "output";
/// What they are called behind the name of their type.
const ENDING: &str = ".output.json";

/// The type that a file of this name is a record of.
pub fn output_type_of(name: &str) -> Option<&str> {
    name.strip_suffix(ENDING)
}

/// The names of those that are there, in order.
///
/// # Errors
/// What the file system says.
pub fn output_files(work: &Path) -> io::Result<Vec<OsString>> {
    let mut names = match open_beneath(work, Path::new(FOLDER)) {
        Ok(Some(Opened::Directory(_, names))) => names,
        Ok(_) => return Ok(Vec::new()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    names.retain(|name| output_type_of(&name.to_string_lossy()).is_some());
    names.sort_unstable();
    Ok(names)
}

/// What one of them holds, up to `most` bytes and one more. `None` is for links and for what is no file.
///
/// # Errors
/// What the file system says.
pub fn read_output_file(work: &Path, name: &OsString, most: usize) -> io::Result<Option<Vec<u8>>> {
    let Some(Opened::File(file)) = open_beneath(work, &Path::new(FOLDER).join(name))? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_files_of_that_name_at_the_top_of_the_output_are_records() {
        let work = tempfile::tempdir().unwrap();
        assert_eq!(output_files(work.path()).unwrap(), [""; 0]);
        let output = work.path().join("output");
        fs::create_dir_all(output.join("deeper")).unwrap();
        for name in ["b.output.json", "a.output.json", "a.json", "output.json", "deeper/c.output.json", "value"] {
            fs::write(output.join(name), "123").unwrap();
        }
        symlink("/etc/hostname", output.join("link.output.json")).unwrap();
        assert_eq!(output_files(work.path()).unwrap(), ["a.output.json", "b.output.json", "link.output.json"]);
        let read = |name: &str| read_output_file(work.path(), &name.into(), 1).unwrap();
        assert_eq!(read("a.output.json").as_deref(), Some(b"12".as_slice()));
        assert_eq!(read("link.output.json"), None);
        assert_eq!((output_type_of("a.b.output.json"), output_type_of("a.json")), (Some("a.b"), None));
    }
}
