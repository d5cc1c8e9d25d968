//! The engine, as far as a plugin under test sees it.

use std::cell::RefCell;
use std::path::PathBuf;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::handle::{self, Handle};
use crate::host::Level;

thread_local! {
    static ENGINE: RefCell<Engine> = RefCell::default();
}

#[derive(Default)]
struct Engine {
    settings: Option<Value>,
    id: Option<String>,
    messages: Vec<(Level, String)>,
    checkpoints: Vec<crate::bindings::types::Handle>,
    checkpoint_error: Option<Error>,
    work: Option<PathBuf>,
    packed: Option<Vec<u8>>,
    unpacked: Vec<u8>,
}

fn with<T>(ask: impl FnOnce(&mut Engine) -> T) -> T {
    ENGINE.with_borrow_mut(ask)
}

pub(super) fn reset() {
    with(|engine| *engine = Engine::default());
}

/// The settings that the plugin is to find; `{}` unless the test says others.
pub fn settings(settings: Value) {
    with(|engine| engine.settings = Some(settings));
}

/// The id that the engine is to have; `engine-under-test` unless the test says another.
pub fn engine_id(id: &str) {
    with(|engine| engine.id = Some(id.to_owned()));
}

/// What the plugin has told the operator.
pub fn messages() -> Vec<(Level, String)> {
    with(|engine| engine.messages.clone())
}

/// The handles that the plugin has made durable.
pub fn checkpoints<H: Handle>() -> Result<Vec<H>> {
    with(|engine| engine.checkpoints.iter().map(handle::decode).collect())
}

/// Has every checkpoint from now on end with this.
pub fn refuse_checkpoints(error: Error) {
    with(|engine| engine.checkpoint_error = Some(error));
}

/// The directory that the plugin is to have as its `/work`.
pub fn work_at(directory: impl Into<PathBuf>) {
    with(|engine| engine.work = Some(directory.into()));
}

/// What `pack` is to give.
pub fn packed(archive: impl Into<Vec<u8>>) {
    with(|engine| engine.packed = Some(archive.into()));
}

/// What the plugin has written to `unpack`.
pub fn unpacked() -> Vec<u8> {
    with(|engine| engine.unpacked.clone())
}

pub(crate) mod host {
    use super::with;
    use crate::bindings::types;
    use crate::error::Result;
    use crate::host::Level;

    pub(crate) fn settings() -> String {
        with(|engine| engine.settings.as_ref().map_or_else(|| "{}".to_owned(), ToString::to_string))
    }

    pub(crate) fn engine_id() -> String {
        with(|engine| engine.id.clone().unwrap_or_else(|| "engine-under-test".to_owned()))
    }

    pub(crate) fn log(level: Level, message: &str) {
        with(|engine| engine.messages.push((level, message.to_owned())));
    }

    pub(crate) fn checkpoint(handle: &types::Handle) -> Result<()> {
        with(|engine| match &engine.checkpoint_error {
            Some(error) => Err(error.clone()),
            None => {
                engine.checkpoints.push(handle.clone());
                Ok(())
            }
        })
    }
}

pub(crate) mod work {
    use std::io::{self, Read, Write};
    use std::path::PathBuf;

    use super::with;
    use crate::error::Result;
    use crate::testing::not_scripted;

    pub(crate) fn path() -> PathBuf {
        with(|engine| engine.work.clone()).unwrap_or_else(|| PathBuf::from("/work"))
    }

    pub(crate) fn host_path() -> Result<PathBuf> {
        with(|engine| engine.work.clone()).ok_or_else(|| not_scripted("where /work is; see `work_at`"))
    }

    pub(crate) fn pack() -> Result<Box<dyn Read>> {
        let archive = with(|engine| engine.packed.clone());
        let archive = archive.ok_or_else(|| not_scripted("what is in /work; see `packed`"))?;
        Ok(Box::new(io::Cursor::new(archive)))
    }

    pub(crate) fn unpack() -> Result<impl Write> {
        Ok(Unpacking)
    }

    pub(crate) fn finish() -> Result<()> {
        Ok(())
    }

    struct Unpacking;

    impl Write for Unpacking {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            with(|engine| engine.unpacked.extend_from_slice(bytes));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
