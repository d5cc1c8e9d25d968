//! What a plugin may ask of the host during one call, and what the host keeps of that.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime_wasi_http::WasiHttpCtx;

use super::cut::Cut;
use super::http::Hooks;
use super::work::{Packing, Unpacking};
use crate::plugin::contract::Checkpoints;

/// Bytes of what a guest has printed that go into an error.
const PRINTED: usize = 4_096;

/// Checkpoints in one call.
pub(super) const MOST_CHECKPOINTS: u32 = 64;

/// Who a plugin is to the host.
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) engine_id: String,
    /// A JSON object.
    pub(super) settings: String,
    /// Messages for the operator in one call.
    pub(super) messages: u32,
}

/// One call of a plugin. Programs of jobs have an empty one: nothing of this is linked to them.
#[derive(Default)]
pub(super) struct Call {
    pub(super) identity: Option<Arc<Identity>>,
    pub(super) http: WasiHttpCtx,
    pub(super) hooks: Hooks,
    pub(super) checkpoints: Option<Arc<dyn Checkpoints>>,
    pub(super) work: Option<WorkTree>,
    pub(super) unpacking: Option<Unpacking>,
    /// Where it is to be cut off, if anywhere.
    pub(super) cut: Option<Arc<Cut>>,
    pub(super) packing: Vec<Packing>,
    pub(super) messages: u32,
    pub(super) checkpoints_made: u32,
}

/// The work tree of the attempt that a call is about.
#[derive(Clone, Debug)]
pub(super) struct WorkTree {
    pub(super) dir: PathBuf,
    /// The plugin may know where it is on this machine.
    pub(super) host_path: bool,
    /// It may put something in.
    pub(super) write: bool,
    /// Bytes that may be unpacked into it.
    pub(super) most_bytes: u64,
}

/// The last of what a guest has printed.
#[derive(Clone, Default)]
pub(super) struct LastWords(Arc<Mutex<Vec<u8>>>);

impl LastWords {
    pub(super) fn push(&self, bytes: &[u8]) {
        let mut words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = bytes.get(bytes.len().saturating_sub(PRINTED)..).unwrap_or(bytes);
        let over = (words.len() + bytes.len()).saturating_sub(PRINTED);
        words.drain(..over);
        words.extend_from_slice(bytes);
    }

    pub(super) fn text(&self) -> String {
        let words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&words).trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_kept() {
        let words = LastWords::default();
        words.push(&[b'a'; 3 * PRINTED]);
        words.push(b"the end\n");
        assert_eq!(words.text().len(), PRINTED - 1);
        assert!(words.text().ends_with("aathe end"));
    }
}
