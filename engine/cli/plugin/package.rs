//! Where the parts of a plugin are: from the file or the directory that a user names.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::cli::failure::{FAILED, Failure, USAGE};
use crate::files::read_file;
use crate::plugin::{Manifest, parse_manifest};

/// The manifest in the directory of a plugin.
pub(super) const MANIFEST: &str = "plugin.toml";
/// What the conformance suite has a plugin do.
pub(super) const CASES: &str = "conformance.toml";
const MOST_MANIFEST_BYTES: u64 = 64 << 10;

/// What a plugin was built as.
pub(super) enum Built {
    /// A component.
    Component(PathBuf),
    /// A shared library.
    Library(PathBuf),
}

impl Built {
    /// The file that a user names, or what is built in the directory that a user names.
    pub(super) fn find(path: &Path) -> Result<Built, Failure> {
        if !path.is_dir() {
            return Ok(Built::of_file(path.to_owned()));
        }
        let name = read_manifest(path)?.name;
        let places = [format!("{name}.wasm"), "plugin.wasm".to_owned(), format!("{name}.so")].map(|it| path.join(it));
        match places.iter().find(|place| place.is_file()) {
            Some(place) => Ok(Built::of_file(place.clone())),
            None => {
                let problem = format!("{}: there is no {name}.wasm; `windlass plugin build` makes it", path.display());
                Err(Failure::new(USAGE, problem))
            }
        }
    }

    fn of_file(path: PathBuf) -> Built {
        let is_library = path.extension().is_some_and(|ending| ending == "so" || ending == "dylib");
        if is_library { Built::Library(path) } else { Built::Component(path) }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Built::Component(path) | Built::Library(path) => path,
        }
    }
}

/// The manifest in a directory.
pub(super) fn read_manifest(dir: &Path) -> Result<Manifest, Failure> {
    let path = dir.join(MANIFEST);
    let text = read_file(&path, MOST_MANIFEST_BYTES).map_err(|error| unreadable(&path, &error))?;
    parse_manifest(&text).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|problem| format!("{}: {problem}", path.display())).collect();
        Failure::new(USAGE, lines.join("\n"))
    })
}

/// Why a file cannot be used.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let code = if error.kind() == ErrorKind::NotFound { USAGE } else { FAILED };
    Failure::new(code, format!("{}: {error}", path.display()))
}

/// Writes a file and the directories above it.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
    written.map_err(|error| unreadable(path, &error))
}
