//! One tree moved into another: what was fetched becomes part of a work tree.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, mkdirat, openat, renameat, statat};
use rustix::io::Errno;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Directories inside each other that are followed.
const DEEP: usize = 64;

/// Moves the files of one tree to the same paths in another one on the same file system. A file or a link that is there is
/// replaced. Links and devices stay behind, and so do the directories. A tree that is not there has no files.
///
/// # Errors
/// A directory is where a file would go or the other way round, it is too deep, or what the file system says.
pub fn merge_tree(from: &Path, to: &Path) -> io::Result<()> {
    let from = match openat(CWD, from, DIRECTORY, Mode::empty()) {
        Ok(from) => from,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let to = openat(CWD, to, DIRECTORY, Mode::empty())?;
    merge(&from, &to, DEEP)
}

fn merge(from: &OwnedFd, to: &OwnedFd, depth: usize) -> io::Result<()> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(io::Error::other(format!("more than {DEEP} directories inside each other")));
    };
    for entry in Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = FileType::from_raw_mode(statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode);
        match kind {
            FileType::RegularFile => renameat(from, name, to, name)?,
            FileType::Directory => {
                match mkdirat(to, name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                let inner = openat(from, name, DIRECTORY, Mode::empty())?;
                merge(&inner, &openat(to, name, DIRECTORY, Mode::empty())?, depth)?;
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_are_moved_and_links_stay_behind() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(&to).unwrap();
        merge_tree(&from, &to).unwrap();
        fs::create_dir_all(from.join("input/a")).unwrap();
        fs::create_dir_all(to.join("input")).unwrap();
        fs::write(from.join("input/a/new"), "new").unwrap();
        fs::write(from.join("input/both"), "from").unwrap();
        fs::write(to.join("input/both"), "to").unwrap();
        symlink("/etc/hostname", from.join("input/link")).unwrap();
        merge_tree(&from, &to).unwrap();
        let text = |path: &str| fs::read_to_string(to.join(path)).unwrap();
        assert_eq!((text("input/a/new").as_str(), text("input/both").as_str()), ("new", "from"));
        assert!(!to.join("input/link").exists() && !from.join("input/both").exists());
    }

    #[test]
    fn nothing_is_moved_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let [from, to, elsewhere] = ["from", "to", "elsewhere"].map(|name| dir.path().join(name));
        fs::create_dir_all(from.join("input")).unwrap();
        fs::write(from.join("input/file"), "x").unwrap();
        fs::create_dir_all(&to).unwrap();
        fs::create_dir_all(&elsewhere).unwrap();
        symlink(&elsewhere, to.join("input")).unwrap();
        merge_tree(&from, &to).unwrap_err();
        assert!(!elsewhere.join("file").exists());
    }
}
