//! The directory `/work` of an attempt, for platforms that have to be given what is in it.

use std::io::{self, Read};
use std::path::PathBuf;

use crate::error::{Error, Result};

#[cfg(not(target_arch = "wasm32"))]
use crate::native::work as engine;
#[cfg(target_arch = "wasm32")]
use wasm as engine;

/// Where it is for this plugin, if it was granted access: within `submit` to be read, within `collect` to be written; in a
/// fetcher and a sink all the time.
pub fn path() -> PathBuf {
    engine::path()
}

/// Where it is on the engine's own machine, for platforms that run there and can share it.
pub fn host_path() -> Result<PathBuf> {
    engine::host_path()
}

/// All that is in it as a tar archive, made as it is read.
pub fn pack() -> Result<Box<dyn Read>> {
    engine::pack()
}

/// Puts what is in a tar archive under `output`; how many bytes the archive had. What the engine refuses is an error.
pub fn unpack(mut archive: impl Read) -> Result<u64> {
    let mut stream = engine::unpack()?;
    let size = match io::copy(&mut archive, &mut stream) {
        Ok(size) => size,
        // What could not be read is the error; why the engine wants no more is for it to say.
        Err(error) if error.get_ref().is_some_and(|inner| inner.is::<Error>()) => return Err(error.into()),
        Err(error) => {
            drop(stream);
            engine::finish()?;
            return Err(error.into());
        }
    };
    drop(stream);
    engine::finish()?;
    Ok(size)
}

#[cfg(target_arch = "wasm32")]
mod wasm {
    use std::io::{self, Read, Write};
    use std::path::PathBuf;

    use wasip2::io::streams::{OutputStream, StreamError};

    use crate::bindings::imports::windlass::plugin::work;
    use crate::error::Result;

    pub(super) fn path() -> PathBuf {
        PathBuf::from("/work")
    }

    pub(super) fn host_path() -> Result<PathBuf> {
        Ok(work::host_path()?.into())
    }

    pub(super) fn pack() -> Result<Box<dyn Read>> {
        Ok(Box::new(work::pack()?))
    }

    pub(super) fn unpack() -> Result<impl Write> {
        Ok(Unpacking(work::unpack()?))
    }

    pub(super) fn finish() -> Result<()> {
        Ok(work::finish()?)
    }

    /// Writes what the engine has room for, and waits where it has none.
    struct Unpacking(OutputStream);

    impl Write for Unpacking {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            loop {
                let room = self.0.check_write().map_err(told)?;
                if room == 0 && !bytes.is_empty() {
                    self.0.subscribe().block();
                    continue;
                }
                let size = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
                let (now, _) = bytes.split_at(size);
                self.0.write(now).map_err(told)?;
                return Ok(size);
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.blocking_flush().map_err(told)
        }
    }

    fn told(error: StreamError) -> io::Error {
        match error {
            StreamError::Closed => io::ErrorKind::BrokenPipe.into(),
            StreamError::LastOperationFailed(error) => io::Error::other(error.to_debug_string()),
        }
    }
}
