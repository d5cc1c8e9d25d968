//! Loads a library and looks whether it is a plugin that this engine can call.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use libloading::os::unix::{Library as SharedLibrary, RTLD_LOCAL, RTLD_NOW};
use serde::{Deserialize, Serialize};

use super::abi::{ABI, CONCURRENT, Entry, SYMBOL, Table, TableHead};
use crate::plugin::contract::{ErrorKind, PluginError, Retry};

/// Why a library cannot be used. The file may be replaced, but until then every call meets the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(super) enum LoadError {
    #[error("there is no file {0}")]
    NoFile(String),
    #[error("the system cannot load it: {0}")]
    NotLoaded(String),
    #[error(
        "it exports no function `{SYMBOL}`: it is not a plugin of this engine, or one for another version of the interface"
    )]
    NoEntry,
    #[error("its `{SYMBOL}` returned no table of functions")]
    NoTable,
    #[error("it was made for version {0} of the interface; this engine speaks version {ABI}")]
    OtherVersion(u32),
    #[error(
        "its table of functions has {size} bytes and version {ABI} needs {needed}: it was made with an unfinished header"
    )]
    TooSmall { size: u32, needed: usize },
    #[error("its table lacks functions that every plugin has: {0}")]
    Lacks(String),
}

impl LoadError {
    pub(super) fn into_plugin_error(self, path: &impl fmt::Display) -> PluginError {
        let kind = match self {
            LoadError::NoFile(_) => ErrorKind::NotFound,
            LoadError::OtherVersion(_) | LoadError::TooSmall { .. } => ErrorKind::Unsupported,
            _ => ErrorKind::Invalid,
        };
        PluginError::new(kind, Retry::Never, format!("the plugin {path} cannot be loaded: {self}"))
    }
}

/// A loaded plugin. It stays loaded as long as the process lives: a library that has started threads, or has values of
/// threads to clean up, cannot be unloaded without harm.
#[derive(Clone, Copy)]
pub(super) struct Library {
    /// A copy: a later table may be longer, and what is beyond is not for this engine.
    pub(super) table: Table,
    /// Where the table is: the same plugin has the same, by whatever path it was loaded.
    pub(super) identity: usize,
}

impl Library {
    /// Loads it.
    ///
    /// # Safety
    /// Loading runs code of the library, which has to be sound, and its table has to be what it says it is.
    #[expect(unsafe_code, reason = "a shared library is loaded, and its table read")]
    pub(super) unsafe fn load(path: &Path) -> Result<Library, LoadError> {
        if !path.is_file() {
            return Err(LoadError::NoFile(path.display().to_string()));
        }
        let not_loaded = |error: libloading::Error| LoadError::NotLoaded(cause(&error));
        // SAFETY: the caller vouches for the code that runs while it is loaded.
        let library = unsafe { SharedLibrary::open(Some(AsRef::<OsStr>::as_ref(path)), RTLD_NOW | RTLD_LOCAL) };
        let library = library.map_err(not_loaded)?;
        // SAFETY: a plugin exports this name with this type.
        let entry = unsafe { library.get::<Entry>(SYMBOL.as_bytes()) }.map(|entry| *entry);
        std::mem::forget(library);
        let entry = entry.map_err(|_| LoadError::NoEntry)?;
        // SAFETY: as above.
        let table = unsafe { entry() };
        if table.is_null() || !table.is_aligned() {
            return Err(LoadError::NoTable);
        }
        // SAFETY: every version of the table begins like this, and the table lives for ever.
        let head = unsafe { table.cast::<TableHead>().read() };
        check_head(head)?;
        // SAFETY: it has as many bytes as it says, which are enough.
        let library = Library { table: unsafe { table.read() }, identity: table.addr() };
        library.check_functions()?;
        Ok(library)
    }

    /// Whether several calls may be made at once.
    pub(super) fn is_concurrent(&self) -> bool {
        self.table.flags & CONCURRENT != 0
    }

    fn check_functions(&self) -> Result<(), LoadError> {
        let table = &self.table;
        let functions = [
            ("describe", table.describe.is_some()),
            ("submit", table.submit.is_some()),
            ("observe", table.observe.is_some()),
            ("stop", table.stop.is_some()),
            ("remove", table.remove.is_some()),
        ];
        let lacking: Vec<&str> = functions.iter().filter(|(_, is_there)| !is_there).map(|(name, _)| *name).collect();
        if lacking.is_empty() { Ok(()) } else { Err(LoadError::Lacks(lacking.join(", "))) }
    }
}

fn check_head(head: TableHead) -> Result<(), LoadError> {
    let needed = size_of::<Table>();
    if head.abi != ABI {
        return Err(LoadError::OtherVersion(head.abi));
    }
    if usize::try_from(head.size).is_ok_and(|size| size < needed) {
        return Err(LoadError::TooSmall { size: head.size, needed });
    }
    Ok(())
}

/// What the system said, which the error itself may leave to its source.
fn cause(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    source.unwrap_or_else(|| error.to_string())
}
