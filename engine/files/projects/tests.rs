//! Stories of the files of projects: what is put, published, replaced, listed and refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

struct Place {
    dir: tempfile::TempDir,
    files: ProjectFiles,
}

impl Place {
    fn new() -> Place {
        Place::with(FileLimits::default())
    }

    fn with(limits: FileLimits) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let files = ProjectFiles::open(dir.path().join("files"), limits).unwrap();
        fs::create_dir(dir.path().join("output")).unwrap();
        Place { dir, files }
    }

    fn put(&self, path: &str, text: &str) {
        self.files.put("p", path, text.as_bytes()).unwrap();
    }

    fn text(&self, path: &str) -> String {
        io::read_to_string(self.files.open_file("p", path).unwrap().1).unwrap()
    }

    /// What the output of a job is.
    fn output(&self) -> PathBuf {
        self.dir.path().join("output")
    }

    fn leave(&self, path: &str, text: &str) {
        let path = self.output().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn publish(&self, paths: &[&str]) -> Result<(), FileError> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        self.files.stage("p", &paths, &self.output())?.publish()
    }

    fn all(&self, prefix: &str, limit: usize) -> Vec<String> {
        let (mut paths, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.files.list("p", prefix, &after, limit).unwrap();
            assert!(page.files.len() <= limit);
            paths.extend(page.files.into_iter().map(|view| view.path));
            match page.next {
                Some(next) => after = next,
                None => return paths,
            }
        }
    }

    fn staged(&self) -> usize {
        fs::read_dir(self.dir.path().join("files/.staging")).map_or(0, Iterator::count)
    }
}

#[test]
fn files_are_put_replaced_read_and_deleted() {
    let place = Place::new();
    assert!(matches!(place.files.stat("p", "a/b"), Err(FileError::Gone(_))));
    place.put("a/b", "one");
    let (view, old) = place.files.open_file("p", "a/b").unwrap();
    assert_eq!((view.path.as_str(), view.bytes, view.is_folder), ("a/b", 3, false));
    assert!(view.modified.as_millis() > 1_700_000_000_000);
    place.put("a/b", "two!");
    assert_eq!(io::read_to_string(old).unwrap(), "one", "who had it open reads what it was");
    assert_eq!((place.text("a/b").as_str(), place.files.stat("p", "a/b").unwrap().bytes), ("two!", 4));
    assert!(place.files.stat("p", "a").unwrap().is_folder);
    assert!(matches!(place.files.stat("other", "a/b"), Err(FileError::Gone(_))));
    place.put("a/c/d", "x");
    place.files.delete("p", "a/b").unwrap();
    place.files.delete("p", "a").unwrap();
    assert!(matches!(place.files.delete("p", "a"), Err(FileError::Gone(_))));
    assert_eq!((place.all("", 10).len(), place.staged()), (0, 0));
}

#[test]
fn paths_that_lead_elsewhere_are_refused_by_every_verb() {
    let place = Place::new();
    for path in ["../x", "/x", "a/../x", "", "a//b", "a\0", ".", "..", "a\nb"] {
        assert!(place.files.put("p", path, &b""[..]).is_err(), "{path:?}");
        assert!(place.files.stat("p", path).is_err() && place.files.delete("p", path).is_err(), "{path:?}");
        assert!(place.files.place("p", path, &place.output()).is_err(), "{path:?}");
        assert!(place.publish(&[path]).is_err(), "{path:?}");
    }
    for project in ["", "..", ".staging", "a/b"] {
        assert!(place.files.put(project, "x", &b""[..]).is_err(), "{project:?}");
        assert!(place.files.list(project, "", "", 1).is_err(), "{project:?}");
    }
    assert_eq!(place.staged(), 0);
}

#[test]
fn links_are_not_followed_and_not_copied() {
    let place = Place::new();
    place.put("folder/file", "x");
    let (root, outside) = (place.dir.path().join("files/p"), place.dir.path().join("outside"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    symlink(&outside, root.join("way")).unwrap();
    symlink(outside.join("secret"), root.join("folder/link")).unwrap();
    for path in ["way", "way/secret", "folder/link"] {
        assert!(place.files.open_file("p", path).is_err(), "{path}");
    }
    assert!(place.files.put("p", "way/new", &b"x"[..]).is_err() && place.files.delete("p", "way/secret").is_err());
    let placed = place.files.place("p", "folder", &place.output()).unwrap_err();
    assert!(placed.to_string().contains("\"folder/link\" is a link"), "{placed}");
    assert_eq!(place.all("", 10), ["folder/file"]);
    // A link is replaced, not written through.
    place.put("folder/link", "own");
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "secret");

    symlink(&outside, place.output().join("made")).unwrap();
    place.leave("tree/file", "x");
    symlink(outside.join("secret"), place.output().join("tree/link")).unwrap();
    for path in ["made", "tree", "made/secret"] {
        assert!(place.publish(&[path]).is_err(), "{path}");
    }
    assert_eq!((place.all("", 10), place.staged()), (vec!["folder/file".to_owned(), "folder/link".to_owned()], 0));
}

#[test]
fn what_is_in_the_way_is_named() {
    let place = Place::new();
    place.put("file", "x");
    place.put("folder/x", "x");
    let beneath = place.files.put("p", "file/new", &b"x"[..]).unwrap_err().to_string();
    assert!(beneath.contains("\"file/new\" is beneath \"file\", which is a file; allowed:"), "{beneath}");
    let over = place.files.put("p", "folder", &b"x"[..]).unwrap_err().to_string();
    assert!(over.contains("\"folder\" is a folder; allowed: a file"), "{over}");
    assert!(matches!(place.files.open_file("p", "file/new"), Err(FileError::Gone(_))));
    assert!(place.files.open_file("p", "folder").unwrap_err().to_string().contains("is a folder"));
    place.leave("file/inner", "x");
    place.leave("fine", "x");
    let over = place.publish(&["fine", "file"]).unwrap_err().to_string();
    assert!(over.contains("\"file\" is a file"), "{over}");
    assert_eq!(place.all("", 10), ["file", "folder/x"], "of two that belong together none came");
}

#[test]
fn what_is_too_large_leaves_nothing() {
    let place = Place::with(FileLimits { bytes: 4, entries: 3, ..FileLimits::default() });
    place.put("a", "four");
    let error = place.files.put("p", "a", &b"five!"[..]).unwrap_err().to_string();
    assert!(error.contains("\"a\" has more than 4 bytes; allowed: at most 4 bytes"), "{error}");
    assert_eq!(place.text("a"), "four");
    place.leave("big/one", "123");
    place.leave("big/two", "45");
    assert!(place.publish(&["big"]).unwrap_err().to_string().contains("more than 4 bytes"));
    for name in ["1", "2", "3"] {
        place.leave(&format!("many/{name}"), "");
    }
    assert!(place.publish(&["many"]).unwrap_err().to_string().contains("more than 3 files and folders"));
    assert_eq!((place.all("", 10), place.staged()), (vec!["a".to_owned()], 0));
}

#[test]
fn what_a_job_leaves_is_published_whole_and_again() {
    let place = Place::new();
    place.leave("data/old", "1");
    place.leave("one.txt", "1");
    fs::set_permissions(place.output().join("one.txt"), fs::Permissions::from_mode(0o755)).unwrap();
    for _ in 0..2 {
        place.publish(&["data", "one.txt"]).unwrap();
        assert_eq!(place.all("", 10), ["data/old", "one.txt"]);
    }
    fs::remove_file(place.output().join("data/old")).unwrap();
    place.leave("data/deep/new", "2");
    fs::create_dir(place.output().join("data/empty")).unwrap();
    place.publish(&["data"]).unwrap();
    assert_eq!(place.all("", 10), ["data/deep/new", "data/empty", "one.txt"], "a folder is replaced, not mixed");
    let missing = place.publish(&["data", "gone"]).unwrap_err().to_string();
    assert!(missing.contains("\"gone\" is to be written, and is not in the output of the job"), "{missing}");
    assert_eq!(place.staged(), 0);

    let input = place.dir.path().join("input");
    fs::create_dir(&input).unwrap();
    place.files.place("p", "data", &input).unwrap();
    place.files.place("p", "one.txt", &input).unwrap();
    assert_eq!(fs::read_to_string(input.join("data/deep/new")).unwrap(), "2");
    assert!(input.join("data/empty").is_dir());
    let mode = fs::metadata(input.join("one.txt")).unwrap().permissions().mode();
    assert_eq!(mode & 0o100, 0o100, "what could be run still can");
    // A copy of its own.
    fs::write(input.join("one.txt"), "changed").unwrap();
    assert_eq!(place.text("one.txt"), "1");
    assert!(matches!(place.files.place("p", "gone", &input), Err(FileError::Gone(_))));
}

#[test]
fn what_a_crash_left_in_staging_is_removed_and_what_was_there_stays() {
    let place = Place::new();
    place.put("data/file", "old");
    place.leave("data/file", "new");
    // Killed between the staging and the rename.
    let stage = place.files.stage_one("data", &place.output()).unwrap();
    assert_eq!(fs::read_to_string(stage.path().join("it/file")).unwrap(), "new");
    std::mem::forget(stage);
    assert_eq!((place.staged(), place.text("data/file").as_str()), (1, "old"));
    let files = ProjectFiles::open(place.dir.path().join("files"), FileLimits::default()).unwrap();
    assert!(!place.dir.path().join("files/.staging").exists());
    assert_eq!(io::read_to_string(files.open_file("p", "data/file").unwrap().1).unwrap(), "old");
}

#[test]
fn a_list_is_in_the_order_of_paths_whatever_the_size_of_its_pages() {
    let place = Place::new();
    let mut expected = Vec::new();
    for folder in ["a", "a b", "a-b", "b/c/d"] {
        for name in 0..5 {
            expected.push(format!("{folder}/{name}"));
        }
    }
    expected.push("b/c.txt".to_owned());
    expected.push("z".to_owned());
    for path in &expected {
        place.put(path, "");
    }
    expected.sort_by(|one, other| one.split('/').cmp(other.split('/')));
    for limit in [1, 2, 3, 7, 100] {
        assert_eq!(place.all("", limit), expected, "{limit}");
        let within: Vec<&String> = expected.iter().filter(|path| path.starts_with("b/c")).collect();
        assert_eq!(place.all("b/c", limit).iter().collect::<Vec<_>>(), within);
    }
    assert_eq!(place.all("b/c/", 3).len(), 5);
    assert_eq!(place.all("nothing", 3), [] as [&str; 0]);
    assert_eq!(place.files.list("p", "", "b/c/d/3", 9).unwrap().files[0].path, "b/c/d/4");
}

#[test]
fn a_folder_of_many_names_is_listed_piece_by_piece() {
    let place = Place::with(FileLimits { page: 5_000, ..FileLimits::default() });
    place.put("many/first", "");
    for name in 0..2_500 {
        fs::write(place.dir.path().join(format!("files/p/many/{name:05}")), "").unwrap();
    }
    let all = place.all("", 5_000);
    assert_eq!((all.len(), all.is_sorted()), (2_501, true));
    assert_eq!(place.all("", 999), all);
}

#[test]
fn a_reader_sees_the_old_folder_or_the_new_one() {
    let place = Place::new();
    let write = |text: &str| {
        for name in 0..20 {
            place.leave(&format!("data/{name}"), text);
        }
        place.publish(&["data"]).unwrap();
    };
    write("0");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..60 {
                write(&round.to_string());
            }
            over.store(true, Ordering::Relaxed);
        });
        let mut seen = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let to = tempfile::tempdir().unwrap();
            place.files.place("p", "data", to.path()).unwrap();
            let texts: Vec<String> =
                (0..20).map(|name| fs::read_to_string(to.path().join(format!("data/{name}"))).unwrap()).collect();
            assert!(texts.iter().all(|text| text == &texts[0]), "{texts:?}");
            seen.push(texts[0].clone());
        }
        seen.dedup();
        assert!(seen.len() > 1, "it was read while it changed");
    });
    assert_eq!(place.staged(), 0);
}
