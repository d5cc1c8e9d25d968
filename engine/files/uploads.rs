//! Inputs that come piece by piece: each piece is on disk when it is acknowledged.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::beneath::{Opened, create_file_beneath, create_work_tree, open_beneath};
use super::outgoing::files_beneath;

/// Appends a piece to a file in a tree of uploads, which is made where it is not there. `at` says how many bytes the caller
/// believes to be there. How many there are now; on disk when this returns.
///
/// # Errors
/// `InvalidInput` with how many bytes there are where that is another number than `at`; a path that leads elsewhere; more than
/// `most` bytes; what the file system says.
pub fn append_upload(tree: &Path, path: &str, at: Option<u64>, piece: &[u8], most: u64) -> io::Result<u64> {
    create_work_tree(tree, &[])?;
    let is_new = match open_beneath(tree, Path::new(path)) {
        Ok(Some(Opened::File(_))) => false,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{path:?} is a folder"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(error),
    };
    let mut file = match is_new {
        true => create_file_beneath(tree, path)?,
        // Nobody else writes in this tree: it is still the file that was looked at.
        false => File::options().append(true).open(tree.join(path))?,
    };
    let has = file.metadata()?.len();
    if at.is_some_and(|at| at != has) {
        let text = format!("{path:?} has {has} bytes; a piece at another place cannot be appended");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let all = has.saturating_add(piece.len() as u64);
    if all > most {
        let text = format!("{path:?} would have {all} bytes; allowed: at most {most}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    if let Err(error) = file.write_all(piece) {
        // What was not acknowledged is not to be followed by what is.
        let _ = file.set_len(has);
        return Err(error);
    }
    file.sync_data()?;
    if is_new {
        sync_way(tree, path)?;
    }
    Ok(all)
}

/// The directories on the way to a new file, those that the tree is in included.
fn sync_way(tree: &Path, path: &str) -> io::Result<()> {
    let file = tree.join(path);
    let depth = path.split('/').count() + 3;
    for dir in file.ancestors().skip(1).take(depth) {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

/// Copies what was uploaded beneath a directory that exists. Files that are there are replaced.
///
/// # Errors
/// What the file system says.
pub fn place_uploads(tree: &Path, to: &Path) -> io::Result<()> {
    let mut folders: Vec<(std::ffi::OsString, bool)> = Vec::new();
    for entry in fs::read_dir(tree)? {
        let entry = entry?;
        folders.push((entry.file_name(), entry.file_type()?.is_dir()));
    }
    for (name, is_folder) in folders {
        let name = name.to_string_lossy().into_owned();
        let found = files_beneath(tree, &name, usize::MAX, u64::MAX)?;
        for (path, inner) in found {
            let target = if is_folder { format!("{name}/{inner}") } else { inner };
            io::copy(&mut File::open(tree.join(&path))?, &mut create_file_beneath(to, &target)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("a/b/c");
        let append = |path: &str, at, piece: &str| append_upload(&tree, path, at, piece.as_bytes(), 6);
        assert_eq!(append("in/x", None, "one").unwrap(), 3);
        assert_eq!(append("in/x", Some(3), "two").unwrap(), 6);
        assert_eq!(append("y", Some(0), "").unwrap(), 0);
        for (path, at, piece, says) in [
            ("in/x", Some(3), "two", "\"in/x\" has 6 bytes; a piece at another place"),
            ("in/x", None, "x", "\"in/x\" would have 7 bytes; allowed: at most 6"),
            ("in", None, "x", "\"in\" is a folder"),
            ("../z", None, "x", "leads elsewhere"),
        ] {
            let told = append(path, at, piece).unwrap_err().to_string();
            assert!(told.contains(says), "{told}");
        }
        let to = tempfile::tempdir().unwrap();
        place_uploads(&tree, to.path()).unwrap();
        let text = |path: &str| fs::read_to_string(to.path().join(path)).unwrap();
        assert_eq!((text("in/x").as_str(), text("y").as_str()), ("onetwo", ""));
    }
}
