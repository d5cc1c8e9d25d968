//! Work trees: directories made, read and removed beneath a root by untrusted relative paths.
//!
//! Paths are walked one component at a time, each opened without following links. That holds on every kernel, needs no
//! `openat2` with a fallback beside it, and the components have to be created one by one anyway.

use std::ffi::{CStr, OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

const READABLE: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The directories of a fresh work tree.
pub const WORK_TREE: [&str; 3] = ["input", "output", "tmp"];

/// How deep a tree is followed when it is removed, with as many directories open.
const DEEP: usize = 64;

/// Creates `root` and in it the directories named by `paths`, which are relative and never leave the root: an absolute
/// path, `.`, `..`, an empty component or a NUL is refused, and so is a link on the way. What exists already is kept.
pub fn create_work_tree(root: &Path, paths: &[&str]) -> io::Result<()> {
    fs::create_dir_all(root)?;
    let root = openat(CWD, root, DIRECTORY, Mode::empty())?;
    for path in paths {
        create_dir_beneath(&root, path)?;
    }
    Ok(())
}

/// Creates the file named by `path` beneath `root`, which exists, with the directories on the way, under the same rules. A
/// file or a link that is there is replaced, never written through.
pub fn create_file_beneath(root: &Path, path: &str) -> io::Result<fs::File> {
    let (parents, name) = path.rsplit_once('/').map_or((None, path), |(parents, name)| (Some(parents), name));
    components(name)?;
    let root = openat(CWD, root, DIRECTORY, Mode::empty())?;
    let parent = parents.map_or_else(|| root.try_clone(), |parents| create_dir_beneath(&root, parents))?;
    match unlinkat(&parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(&parent, name, new, Mode::from_raw_mode(0o666))?.into())
}

/// What is beneath a root, open for reading.
pub enum Opened {
    /// A file.
    File(fs::File),
    /// A directory, and the names in it.
    Directory(fs::File, Vec<OsString>),
}

impl Opened {
    /// Either of them.
    pub fn into_file(self) -> fs::File {
        match self {
            Opened::File(file) | Opened::Directory(file, _) => file,
        }
    }
}

/// Opens what is named by `path` beneath `root`; nothing names the root itself. `None` is for links and for what is neither
/// file nor directory. A link on the way is refused, also one that somebody puts there meanwhile.
pub fn open_beneath(root: &Path, path: &Path) -> io::Result<Option<Opened>> {
    let mut at = openat(CWD, root, READABLE, Mode::empty())?;
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("path {path:?} leads elsewhere")));
        };
        let on_the_way = parts.peek().is_some();
        // What is a pipe by now has nobody wait at its other end.
        let last = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        at = match openat(&at, name, if on_the_way { DIRECTORY } else { last }, Mode::empty()) {
            Ok(next) => next,
            Err(Errno::LOOP | Errno::NXIO) if !on_the_way => return Ok(None),
            Err(error) => return Err(error.into()),
        };
    }
    let file = fs::File::from(at);
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        let names = names_in(&file)?;
        return Ok(Some(Opened::Directory(file, names)));
    }
    Ok(kind.is_file().then_some(Opened::File(file)))
}

fn names_in(directory: &fs::File) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

/// Removes `root` and all in it, following no link. Directories which the job made unreadable are opened up first.
/// A root that does not exist is a success.
pub fn remove_tree(root: &Path) -> io::Result<()> {
    let mut removed = remove_all(root);
    if matches!(&removed, Err(error) if error.kind() == io::ErrorKind::PermissionDenied) {
        make_removable(root)?;
        removed = remove_all(root);
    }
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes a tree however deep it is: what lies too deep to be followed is moved up to the root.
fn remove_all(root: &Path) -> io::Result<()> {
    let top = match openat(CWD, root, READABLE, Mode::empty()) {
        Ok(top) => top,
        // No directory: as the standard library has it.
        Err(Errno::NOTDIR | Errno::LOOP) => return fs::remove_dir_all(root),
        Err(error) => return Err(error.into()),
    };
    let mut moved = 0;
    loop {
        let before = moved;
        empty(openat(&top, ".", READABLE, Mode::empty())?, &top, 0, &mut moved)?;
        if moved == before {
            return fs::remove_dir(root);
        }
    }
}

/// Removes all that is in a directory but what lies too deep.
fn empty(directory: OwnedFd, top: &OwnedFd, depth: usize, moved: &mut u64) -> io::Result<()> {
    let mut directory = Dir::new(directory)?;
    while let Some(entry) = directory.read() {
        let entry = entry?;
        let (name, at) = (entry.file_name(), directory.fd()?);
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let removed = match unlinkat(at, name, AtFlags::empty()) {
            // Which of the two it says of a directory depends on the system.
            Err(Errno::ISDIR | Errno::PERM) if depth == DEEP => move_up(at, name, top, moved),
            Err(Errno::ISDIR | Errno::PERM) => {
                empty(openat(at, name, READABLE, Mode::empty())?, top, depth + 1, moved)?;
                unlinkat(at, name, AtFlags::REMOVEDIR)
            }
            removed => removed,
        };
        match removed {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn move_up(at: BorrowedFd<'_>, name: &CStr, top: &OwnedFd, moved: &mut u64) -> Result<(), Errno> {
    loop {
        *moved += 1;
        // The name may be taken.
        match renameat(at, name, top, format!(".too-deep-{moved}")) {
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            renamed => return renamed,
        }
    }
}

/// The last directory of the path.
fn create_dir_beneath(root: &OwnedFd, path: &str) -> io::Result<OwnedFd> {
    let mut parent = root.try_clone()?;
    for component in components(path)? {
        match mkdirat(&parent, component, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        parent = openat(&parent, component, DIRECTORY, Mode::empty())?;
    }
    Ok(parent)
}

/// The components of an untrusted relative path.
fn components(path: &str) -> io::Result<Vec<&str>> {
    let refused = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("path {path:?} {why}"));
    let components: Vec<&str> = path.split('/').collect();
    if path.starts_with('/') {
        return Err(refused("is absolute"));
    }
    if path.contains('\0') {
        return Err(refused("holds a NUL"));
    }
    if components.iter().any(|component| matches!(*component, "" | "." | "..")) {
        return Err(refused("has an empty, '.' or '..' component"));
    }
    Ok(components)
}

/// Gives the owner all rights on every directory of the tree.
fn make_removable(root: &Path) -> io::Result<()> {
    let mut pending = vec![root.to_path_buf()];
    while let Some(path) = pending.pop() {
        // Through the descriptor: a link put in place of the directory meanwhile is not followed.
        let directory = match openat(CWD, &path, DIRECTORY, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        let opened = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&directory));
        fs::set_permissions(&opened, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&opened)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                pending.push(path.join(entry.file_name()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_tree_is_made_once_and_again() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("attempt/work");
        create_work_tree(&root, &["input", "output/deep/er"]).unwrap();
        create_work_tree(&root, &["input", "output/deep"]).unwrap();
        assert!(root.join("output/deep/er").is_dir() && root.join("input").is_dir());
        remove_tree(&root).unwrap();
        assert!(!root.exists());
        remove_tree(&root).unwrap();
    }

    #[test]
    fn a_tree_is_removed_however_deep_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("work");
        fs::create_dir(&root).unwrap();
        fs::write(root.join(".too-deep-1"), "a name that is taken").unwrap();
        let mut at = openat(CWD, &root, DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..10_000 {
            mkdirat(&at, "d", Mode::from_raw_mode(0o777)).unwrap();
            rustix::fs::symlinkat("/", &at, "link").unwrap();
            at = openat(&at, "d", DIRECTORY, Mode::empty()).unwrap();
        }
        remove_tree(&root).unwrap();
        assert!(!root.exists());
    }

    #[test]
    fn paths_that_could_leave_the_root_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("work");
        for path in ["", "/etc", "..", "a/../../b", "a//b", "a/", "./a", "a/.", "a\0b"] {
            let error = create_work_tree(&root, &[path]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path:?}");
        }
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    }

    #[test]
    fn links_are_neither_walked_nor_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("work"), dir.path().join("outside"));
        create_work_tree(&root, &["a"]).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        symlink(&outside, root.join("a/link")).unwrap();
        assert!(create_work_tree(&root, &["a/link/new"]).is_err());
        assert!(create_work_tree(&root, &["a/link"]).is_err());
        make_removable(&root).unwrap();
        remove_tree(&root).unwrap();
        assert!(!root.exists());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    }

    #[test]
    fn what_is_beneath_is_opened_and_links_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("work"), dir.path().join("outside"));
        create_work_tree(&root, &["a/b"]).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "x").unwrap();
        fs::write(root.join("a/file"), "content").unwrap();
        symlink(&outside, root.join("a/link")).unwrap();
        let opened = |path: &str| open_beneath(&root, Path::new(path));
        let Ok(Some(Opened::Directory(_, mut names))) = opened("a") else { panic!("a directory") };
        names.sort();
        assert_eq!(names, ["b", "file", "link"]);
        assert!(matches!(opened(""), Ok(Some(Opened::Directory(_, names))) if names == ["a"]));
        let Ok(Some(Opened::File(file))) = opened("a/file") else { panic!("a file") };
        assert_eq!(io::read_to_string(file).unwrap(), "content");
        rustix::fs::mkfifoat(CWD, root.join("pipe"), Mode::from_raw_mode(0o600)).unwrap();
        assert!(matches!((opened("a/link"), opened("pipe")), (Ok(None), Ok(None))));
        for path in ["a/link/secret", "../outside/secret", "/etc/passwd", "a/file/x", "gone"] {
            assert!(opened(path).is_err(), "{path}");
        }
    }

    #[test]
    fn unreadable_directories_are_opened_up_and_linked_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("work"), dir.path().join("outside"));
        create_work_tree(&root, &["a/b"]).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o500)).unwrap();
        symlink(&outside, root.join("link")).unwrap();
        fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o500)).unwrap();
        make_removable(&root).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&root.join("a")), mode(&root.join("a/b")), mode(&outside)), (0o700, 0o700, 0o500));
    }
}
