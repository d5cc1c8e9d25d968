//! The key file on disk: read with care, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::keyring::parse;
use super::{Key, KeyId, Keyring, Plain, SecretError};

/// Far more than the keys of any ring need; keeps a wrong path from being read into memory.
const MAX_FILE_BYTES: usize = 64 * 1024;
/// Any right of the group or of others.
const OTHERS: u32 = 0o077;

const NOT_TEXT: &str = "a key line is plain text";

impl Keyring {
    /// The keys of this engine: those of `from_env` if given, else those of the file at `path`, else one fresh key,
    /// for which the file is made (mode 0600). Callers at the same time end with the same key.
    ///
    /// # Errors
    /// A file that others may use is refused, and so is one without a key: the engine must not go on with a fresh key
    /// when the one its records need is lost.
    pub fn load_or_create(path: &Path, from_env: Option<&str>) -> Result<Self, SecretError> {
        if let Some(text) = from_env {
            return Self::from_text_of(text, "the key text from the environment");
        }
        if read(path)?.is_none() {
            let fresh = text_of(&[&Key::random()?]);
            Writer::lock(path)?.create(&fresh)?;
        }
        // Read what is there now: another caller may have been first.
        let keys = parse_file(&read_existing(path)?, path)?;
        sync_folder_of(path)?;
        Self::build(&keys, &place_of(path))
    }

    /// Puts a fresh key in front of those in the file and returns the new ring; the old keys stay readable.
    ///
    /// # Errors
    /// Those of [`Keyring::load_or_create`]; a missing file is [`SecretError::Io`].
    pub fn rotate_file(path: &Path) -> Result<Self, SecretError> {
        let path = &fs::canonicalize(path).map_err(SecretError::io(path))?;
        let writer = Writer::lock(path)?;
        let old_text = read_existing(path)?;
        parse_file(&old_text, path)?;
        let mut text = text_of(&[&Key::random()?]);
        text.0.extend_from_slice(&old_text);
        // Checked before it is written: the limit may be reached.
        let ring = Self::build(&parse_file(&text, path)?, &place_of(path))?;
        writer.replace(&text)?;
        Ok(ring)
    }

    /// Rewrites the file with the active key and those of `keep`, the keys some record still needs.
    ///
    /// # Errors
    /// [`SecretError::UnknownKey`] when the file lacks a key of `keep`, and then nothing is written.
    pub fn forget(path: &Path, keep: &[KeyId]) -> Result<Self, SecretError> {
        let path = &fs::canonicalize(path).map_err(SecretError::io(path))?;
        let writer = Writer::lock(path)?;
        let keys = parse_file(&read_existing(path)?, path)?;
        let have: Vec<KeyId> = keys.iter().map(Key::id).collect();
        if let Some(&needed) = keep.iter().find(|id| !have.contains(id)) {
            return Err(SecretError::UnknownKey { needed, have });
        }
        let active = have.first();
        let wanted = |key: &&Key| Some(&key.id()) == active || keep.contains(&key.id());
        let kept: Vec<&Key> = keys.iter().filter(wanted).collect();
        let text = text_of(&kept);
        let ring = Self::build(&parse_file(&text, path)?, &place_of(path))?;
        writer.replace(&text)?;
        Ok(ring)
    }
}

/// The text of the key file, or `None` where there is no file. Refuses a file that others may use.
fn read(path: &Path) -> Result<Option<Plain>, SecretError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SecretError::io(path)(error)),
    };
    // Asked of the open file, so that it cannot be another one by the time it is read.
    let about = file.metadata().map_err(SecretError::io(path))?;
    if !about.is_file() || about.len() > MAX_FILE_BYTES as u64 {
        let error = io::Error::new(ErrorKind::InvalidData, "a key file is a plain file of at most 64 KiB");
        return Err(SecretError::io(path)(error));
    }
    let mode = about.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        let path = path.to_owned();
        return Err(SecretError::InsecureFile { path, mode });
    }
    // Room for the whole text at once: a buffer that grows leaves copies behind.
    let mut text = Plain(Vec::with_capacity(MAX_FILE_BYTES + 1));
    file.take(MAX_FILE_BYTES as u64).read_to_end(&mut text.0).map_err(SecretError::io(path))?;
    Ok(Some(text))
}

/// Makes sure that the name of the file survives a power cut; whoever made it may have died before that.
fn sync_folder_of(path: &Path) -> Result<(), SecretError> {
    let folder_path = folder_of(path);
    match File::open(&folder_path).and_then(|folder| folder.sync_all()) {
        // The folder is somebody else's, a mounted secret for instance: we did not make the file.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        other => other.map_err(SecretError::io(&folder_path)),
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The right to write key files in one folder, held until dropped.
///
/// Writers of other processes wait too, so two rotations at once cannot lose a key.
struct Writer {
    path: PathBuf,
    folder_path: PathBuf,
    folder: File,
}

impl Writer {
    /// Waits for the right to write the key file at `path`.
    fn lock(path: &Path) -> Result<Self, SecretError> {
        let folder_path = folder_of(path);
        let folder = File::open(&folder_path).map_err(SecretError::io(&folder_path))?;
        folder.lock().map_err(SecretError::io(&folder_path))?;
        Ok(Self { path: path.to_owned(), folder_path, folder })
    }

    /// Makes the file; one that is there already stays as it is.
    fn create(&self, text: &[u8]) -> Result<(), SecretError> {
        let draft = self.draft(text)?;
        match fs::hard_link(&draft, &self.path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(SecretError::io(&self.path)(error));
            }
            _ => {}
        }
        fs::remove_file(&draft).map_err(SecretError::io(&draft))?;
        self.sync_folder()
    }

    /// Puts `text` in the place of the present file.
    fn replace(&self, text: &[u8]) -> Result<(), SecretError> {
        let draft = self.draft(text)?;
        fs::rename(&draft, &self.path).map_err(SecretError::io(&self.path))?;
        self.sync_folder()
    }

    /// A synced file beside the key file that holds `text`.
    fn draft(&self, text: &[u8]) -> Result<PathBuf, SecretError> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let draft = self.path.with_file_name(name);
        // Left by a process that died here; nobody else is at work while the lock is held.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(SecretError::io(&draft)(error));
            }
            _ => {}
        }
        write_synced(&draft, text).map_err(SecretError::io(&draft))?;
        Ok(draft)
    }

    fn sync_folder(&self) -> Result<(), SecretError> {
        self.folder.sync_all().map_err(SecretError::io(&self.folder_path))
    }
}

fn write_synced(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// The file's text, for callers that cannot go on without it.
fn read_existing(path: &Path) -> Result<Plain, SecretError> {
    read(path)?.ok_or_else(|| SecretError::io(path)(ErrorKind::NotFound.into()))
}

fn parse_file(text: &[u8], path: &Path) -> Result<Vec<Key>, SecretError> {
    let place = place_of(path);
    match std::str::from_utf8(text) {
        Ok(text) => parse(text, &place),
        Err(error) => {
            let good = text.iter().take(error.valid_up_to());
            let line = 1 + good.filter(|byte| **byte == b'\n').count();
            let why = NOT_TEXT;
            Err(SecretError::BadKeyText { place, line, why })
        }
    }
}

fn place_of(path: &Path) -> String {
    path.display().to_string()
}

/// One line for each key.
fn text_of(keys: &[&Key]) -> Plain {
    let mut text = String::with_capacity(keys.len() * Key::LINE_BYTES);
    for key in keys {
        key.push_text(&mut text);
        text.push('\n');
    }
    Plain(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::Barrier;

    use tempfile::TempDir;

    use super::*;

    const LINE_A: &str = "windlass-key-1:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    const LINE_B: &str = "windlass-key-1:QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

    fn key(byte: u8) -> Key {
        Key::from_bytes([byte; 32])
    }

    fn folder() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        (folder, path)
    }

    fn write(path: &Path, text: impl AsRef<[u8]>, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn names_in(folder: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn the_first_start_makes_a_private_file_and_the_second_reads_it() {
        let (folder, path) = folder();
        let first = Keyring::load_or_create(&path, None).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(names_in(&folder), ["keys"]);
        let second = Keyring::load_or_create(&path, None).unwrap();
        assert_eq!(second.ids(), first.ids());
        let sealed = first.seal(b"", b"x").unwrap();
        assert_eq!(&*second.open(b"", &sealed).unwrap(), b"x");
    }

    #[test]
    fn the_environment_wins_and_leaves_no_file() {
        let (folder, path) = folder();
        let ring = Keyring::load_or_create(&path, Some(LINE_A)).unwrap();
        assert_eq!(ring.ids(), [key(b'A').id()]);
        assert!(names_in(&folder).is_empty());
        let error = Keyring::load_or_create(&path, Some(" ")).unwrap_err();
        assert!(error.to_string().contains("environment holds no key"), "{error}");
    }

    #[test]
    fn eight_starts_at_once_end_with_one_key() {
        for _ in 0..20 {
            let (folder, path) = folder();
            let barrier = Barrier::new(8);
            let ids: Vec<KeyId> = std::thread::scope(|scope| {
                let start = || {
                    barrier.wait();
                    Keyring::load_or_create(&path, None).unwrap().active()
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
                threads.into_iter().map(|it| it.join().unwrap()).collect()
            });
            assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
            assert_eq!(names_in(&folder), ["keys"]);
        }
    }

    #[test]
    fn a_file_that_others_may_use_is_refused() {
        let (_folder, path) = folder();
        for mode in [0o640, 0o604, 0o620, 0o660, 0o644] {
            write(&path, LINE_A, mode);
            let error = Keyring::load_or_create(&path, None).unwrap_err();
            assert!(matches!(error, SecretError::InsecureFile { mode: found, .. } if found == mode));
            let shown = error.to_string();
            assert!(shown.contains(&format!("{mode:04o}")), "{shown}");
            assert!(shown.contains(&format!("chmod 600 {}", path.display())), "{shown}");
            assert!(Keyring::rotate_file(&path).is_err());
        }
        write(&path, LINE_A, 0o400);
        Keyring::load_or_create(&path, None).unwrap();
    }

    #[test]
    fn a_file_without_a_key_is_refused_and_kept() {
        let (_folder, path) = folder();
        for text in ["", "\n", "# lost\n"] {
            write(&path, text, 0o600);
            let error = Keyring::load_or_create(&path, None).unwrap_err();
            assert!(matches!(error, SecretError::NoKey { .. }), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_key_file_is_refused() {
        let (folder, path) = folder();
        write(&path, format!("{LINE_A}\n\n\u{7f}").as_bytes(), 0o600);
        assert!(Keyring::load_or_create(&path, None).is_err());
        write(&path, [LINE_A.as_bytes(), b"\n\xff\n"].concat(), 0o600);
        let error = Keyring::load_or_create(&path, None).unwrap_err();
        assert!(matches!(error, SecretError::BadKeyText { line: 2, .. }), "{error}");
        write(&path, vec![b'#'; 70_000], 0o600);
        let error = Keyring::load_or_create(&path, None).unwrap_err();
        assert!(error.to_string().contains("at most 64 KiB"), "{error}");
        let error = Keyring::load_or_create(folder.path(), None).unwrap_err();
        assert!(matches!(error, SecretError::Io { .. }), "{error}");
        let error = Keyring::load_or_create(&path.join("no/folder"), None).unwrap_err();
        assert!(matches!(error, SecretError::Io { .. }), "{error}");
    }

    #[test]
    fn rotation_keeps_old_values_readable() {
        let (folder, path) = folder();
        write(&path, format!("# by hand\n{LINE_A}"), 0o600);
        let old = Keyring::load_or_create(&path, None).unwrap();
        let sealed = old.seal(b"", b"old").unwrap();
        let rotated = Keyring::rotate_file(&path).unwrap();
        assert_ne!(rotated.active(), old.active());
        assert_eq!(rotated.ids()[1..], old.ids());
        assert_eq!(&*rotated.open(b"", &sealed).unwrap(), b"old");
        let reread = Keyring::load_or_create(&path, None).unwrap();
        assert_eq!(reread.ids(), rotated.ids());
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with(&format!("\n# by hand\n{LINE_A}")));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(names_in(&folder), ["keys"]);
    }

    #[test]
    fn rotations_at_once_lose_no_key() {
        let (_folder, path) = folder();
        Keyring::load_or_create(&path, None).unwrap();
        let made: Vec<KeyId> = std::thread::scope(|scope| {
            let rotate = || Keyring::rotate_file(&path).unwrap().active();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(rotate)).collect();
            threads.into_iter().map(|it| it.join().unwrap()).collect()
        });
        let ring = Keyring::load_or_create(&path, None).unwrap();
        assert_eq!(ring.ids().len(), 9);
        assert!(made.iter().all(|id| ring.contains(*id)));
    }

    #[test]
    fn rotation_stops_at_the_limit_and_needs_a_file() {
        let (_folder, path) = folder();
        assert!(matches!(Keyring::rotate_file(&path), Err(SecretError::Io { .. })));
        let keys: Vec<Key> = (0..64).map(key).collect();
        let text = text_of(&keys.iter().collect::<Vec<_>>());
        write(&path, &*text, 0o600);
        let error = Keyring::rotate_file(&path).unwrap_err();
        assert!(error.to_string().contains("at most 64 keys"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), &*text);
    }

    #[test]
    fn rotation_through_a_link_changes_the_file_and_keeps_the_link() {
        let (folder, path) = folder();
        write(&path, LINE_A, 0o600);
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        let rotated = Keyring::rotate_file(&link).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(Keyring::load_or_create(&path, None).unwrap().ids(), rotated.ids());
    }

    #[test]
    fn a_draft_left_by_a_crash_is_in_nobodys_way() {
        let (folder, path) = folder();
        write(&folder.path().join("keys.new"), "half a li", 0o644);
        let ring = Keyring::load_or_create(&path, None).unwrap();
        assert_eq!(Keyring::load_or_create(&path, None).unwrap().ids(), ring.ids());
        assert_eq!(names_in(&folder), ["keys"]);
    }

    #[test]
    fn forgetting_keeps_the_active_key_and_those_in_use() {
        let (_folder, path) = folder();
        write(&path, format!("{LINE_A}\n{LINE_B}\n"), 0o600);
        let third = Keyring::rotate_file(&path).unwrap();
        let kept = Keyring::forget(&path, &[key(b'B').id()]).unwrap();
        assert_eq!(kept.ids(), [third.active(), key(b'B').id()]);
        assert_eq!(Keyring::load_or_create(&path, None).unwrap().ids(), kept.ids());
        let error = Keyring::forget(&path, &[key(b'A').id()]).unwrap_err();
        assert!(matches!(error, SecretError::UnknownKey { needed, .. } if needed == key(b'A').id()));
        assert_eq!(Keyring::load_or_create(&path, None).unwrap().ids(), kept.ids());
        assert_eq!(Keyring::forget(&path, &[]).unwrap().ids(), [third.active()]);
    }
}
