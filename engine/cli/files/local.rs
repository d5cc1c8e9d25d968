//! Files of this machine, outside of any project: where what is put comes from, and where what is got goes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};

use crate::cli::failure::{FAILED, Failure, USAGE};

/// Standard input or output.
const STANDARD: &str = "-";

/// Bytes of a piece that is put; as a line of a request it stays within its bounds.
const PIECE_BYTES: u64 = 32 * 1024;

/// After which an empty piece says that there will be more.
const WAIT: Duration = Duration::from_secs(20);

type Reader = Box<dyn Read + Send>;

/// Where what is put comes from.
pub(super) struct Source {
    reader: Option<Reader>,
    /// A piece that is being read.
    reading: Option<JoinHandle<(Reader, io::Result<Vec<u8>>)>>,
    name: String,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Source, Failure> {
        let name = path.display().to_string();
        let reader: Reader = if path == Path::new(STANDARD) {
            Box::new(io::stdin())
        } else {
            let unreadable = |problem: String| Failure::new(USAGE, format!("{name}: {problem}"));
            let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
            if file.metadata().is_ok_and(|about| about.is_dir()) {
                return Err(unreadable("is a directory; allowed: a file".to_owned()));
            }
            Box::new(file)
        };
        Ok(Source { reader: Some(reader), reading: None, name })
    }

    /// The next piece: an empty one when none has come for a while, `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        if let Some(mut reader) = self.reader.take() {
            self.reading = Some(spawn_blocking(move || {
                let mut bytes = Vec::new();
                let read = (&mut reader).take(PIECE_BYTES).read_to_end(&mut bytes);
                (reader, read.map(|_| bytes))
            }));
        }
        let Some(reading) = &mut self.reading else { return Ok(None) };
        let Ok(read) = tokio::time::timeout(WAIT, reading).await else { return Ok(Some(Vec::new())) };
        let (reader, read) = read.map_err(|error| Failure::new(FAILED, error))?;
        self.reading = None;
        let bytes = read.map_err(|error| Failure::new(FAILED, format!("{}: {error}", self.name)))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.reader = Some(reader);
        Ok(Some(bytes))
    }
}

/// Where what is got goes. A file takes its name when all of it is on disk; until then it has another, which goes with this.
pub(super) enum Goal {
    Standard,
    File { to: PathBuf, draft: PathBuf, file: File },
}

impl Goal {
    pub(super) fn open(path: &Path) -> Result<Goal, Failure> {
        if path == Path::new(STANDARD) {
            return Ok(Goal::Standard);
        }
        let refused = |problem: String| Failure::new(USAGE, format!("{}: {problem}", path.display()));
        let name = path.file_name().filter(|_| !path.is_dir());
        let name = name.ok_or_else(|| refused("is a directory; allowed: the path of a file".to_owned()))?;
        let draft = path.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&draft);
        let file = file.map_err(|error| refused(error.to_string()))?;
        Ok(Goal::File { to: path.to_owned(), draft, file })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Goal::Standard => Ok(io::stdout().lock().write_all(bytes)?),
            Goal::File { file, .. } => Ok(file.write_all(bytes)?),
        }
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        match &self {
            Goal::Standard => Ok(io::stdout().lock().flush()?),
            Goal::File { to, draft, file } => {
                file.sync_all()?;
                Ok(fs::rename(draft, to)?)
            }
        }
    }
}

impl Drop for Goal {
    fn drop(&mut self) {
        if let Goal::File { draft, .. } = self {
            // It has its name, or nobody wants it.
            let _ = fs::remove_file(draft);
        }
    }
}
