//! The files of a work tree that are to be taken out of it.

use std::io;
use std::path::Path;

use super::beneath::{Opened, open_beneath};

/// Folders inside each other that are followed.
const DEEP: usize = 64;

/// What of a tree is left to find.
struct Search<'a> {
    tree: &'a Path,
    found: Vec<(String, String)>,
    most_files: usize,
    bytes: u64,
    most_bytes: u64,
}

/// All files at `from` in a tree with their paths in it, and by the names that they have in `from`: a file by its own name, what
/// is in a folder by its path there.
///
/// # Errors
/// `NotFound` where nothing is there; there is a link, a pipe, a name that is not UTF-8, or more than the limits allow; what
/// the file system says.
pub fn files_beneath(tree: &Path, from: &str, most_files: usize, most_bytes: u64) -> io::Result<Vec<(String, String)>> {
    let mut search = Search { tree, found: Vec::new(), most_files, bytes: 0, most_bytes };
    let name = from.rsplit('/').next().unwrap_or(from);
    match open_beneath(tree, Path::new(from))? {
        Some(Opened::File(file)) => search.file(from, name.to_owned(), &file)?,
        Some(Opened::Directory(_, names)) => search.folder(from, "", names, DEEP)?,
        None => return Err(no_file(from)),
    }
    Ok(search.found)
}

impl Search<'_> {
    fn file(&mut self, path: &str, name: String, file: &std::fs::File) -> io::Result<()> {
        self.bytes = self.bytes.saturating_add(file.metadata()?.len());
        if self.bytes > self.most_bytes {
            return Err(too_much(self.most_bytes, "bytes"));
        }
        if self.found.len() == self.most_files {
            return Err(too_much(self.most_files as u64, "files"));
        }
        self.found.push((path.to_owned(), name));
        Ok(())
    }

    fn folder(&mut self, path: &str, inner: &str, names: Vec<std::ffi::OsString>, depth: usize) -> io::Result<()> {
        let depth = depth.checked_sub(1).ok_or_else(|| too_much(DEEP as u64, "folders inside each other"))?;
        let mut texts = Vec::with_capacity(names.len());
        for name in names {
            let text = name.into_string();
            texts.push(text.map_err(|name| io::Error::other(format!("{path:?} holds {name:?}, which is not UTF-8")))?);
        }
        texts.sort_unstable();
        for name in texts {
            let path = format!("{path}/{name}");
            let inner = if inner.is_empty() { name } else { format!("{inner}/{name}") };
            match open_beneath(self.tree, Path::new(&path))? {
                Some(Opened::File(file)) => self.file(&path, inner, &file)?,
                Some(Opened::Directory(_, names)) => self.folder(&path, &inner, names, depth)?,
                None => return Err(no_file(&path)),
            }
        }
        Ok(())
    }
}

fn no_file(path: &str) -> io::Error {
    io::Error::other(format!("{path:?} is a link or a pipe; allowed: files and folders"))
}

fn too_much(most: u64, what: &str) -> io::Error {
    io::Error::other(format!("more than {most} {what}; allowed: at most {most} {what}"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_are_found_by_their_names_and_nothing_else_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path();
        fs::create_dir_all(tree.join("output/b")).unwrap();
        for (path, text) in [("output/b/c", "12"), ("output/a", "1")] {
            fs::write(tree.join(path), text).unwrap();
        }
        let found = |from: &str, files, bytes| files_beneath(tree, from, files, bytes);
        let pair = |path: &str, name: &str| (path.to_owned(), name.to_owned());
        assert_eq!(found("output", 2, 3).unwrap(), [pair("output/a", "a"), pair("output/b/c", "b/c")]);
        assert_eq!(found("output/b/c", 1, 2).unwrap(), [pair("output/b/c", "c")]);
        assert!(found("output", 1, 3).is_err() && found("output", 2, 2).is_err());
        assert_eq!(found("gone", 1, 1).unwrap_err().kind(), io::ErrorKind::NotFound);
        symlink("/etc/hostname", tree.join("output/link")).unwrap();
        assert!(found("output", 9, 9).unwrap_err().to_string().contains("is a link or a pipe"));
        assert!(found("output/link", 9, 9).is_err() && found("../x", 9, 9).is_err());
    }
}
