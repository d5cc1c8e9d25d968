//! The directory `/work`: that of the call, or that of a test.

use std::path::PathBuf;

use super::{host, is_called};
use crate::error::{Error, Result};
use crate::testing::work as testing;

pub(crate) use testing::{finish, pack, unpack};

pub(crate) fn path() -> PathBuf {
    host::work().unwrap_or_else(testing::path)
}

pub(crate) fn host_path() -> Result<PathBuf> {
    match host::work() {
        Some(path) => Ok(path),
        None if is_called() => Err(Error::new(crate::ErrorKind::Denied, "this call has no access to /work")),
        None => testing::host_path(),
    }
}
