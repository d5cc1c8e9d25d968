//! `windlass.toml`: which file it is, and what it grants plugins.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::failure::{FAILED, Failure, USAGE};
use crate::files::{Layout, read_file};
use crate::plugin::{Grants, parse_config};

const MOST_BYTES: u64 = 1 << 20;
/// Rights to write of the group and of others.
const OTHERS_WRITE: u32 = 0o022;

/// `--config-file FILE`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ConfigArg {
    /// File that says what plugins are granted [default: windlass.toml in the directory of the store]
    #[arg(long, value_name = "FILE", env = "WINDLASS_CONFIG", global = true)]
    config_file: Option<PathBuf>,
}

impl ConfigArg {
    /// What plugins are granted: nothing where no file is named and the store has none.
    pub(super) fn grants(&self, dir: &Path) -> Result<Grants, Failure> {
        let named = self.config_file.clone().filter(|path| !path.as_os_str().is_empty());
        let path = named.clone().unwrap_or_else(|| Layout::new(dir).configuration());
        let failed =
            |code: u8, problem: &dyn std::fmt::Display| Failure::new(code, format!("{}: {problem}", path.display()));
        let text = match read_file(&path, MOST_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => return Ok(Grants::default()),
            Err(error) => return Err(failed(USAGE, &error)),
        };
        let mode = fs::metadata(&path).map_err(|error| failed(FAILED, &error))?.permissions().mode();
        if mode & OTHERS_WRITE != 0 {
            return Err(failed(FAILED, &"others may write it and so grant rights; chmod go-w keeps them out"));
        }
        parse_config(&text).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(|problem| format!("{}: {problem}", path.display())).collect();
            Failure::new(USAGE, lines.join("\n"))
        })
    }
}
