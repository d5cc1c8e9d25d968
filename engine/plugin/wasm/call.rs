//! What a plugin may ask of the host during one call, and what the host keeps of that.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime_wasi_http::WasiHttpCtx;

use super::cut::Cut;
use super::http::Hooks;
use super::net::Connections;
use super::work::{Packing, Unpacking};
use crate::error::bounded;
use crate::files::Masker;
use crate::plugin::contract::{Checkpoints, MOST_MESSAGE_BYTES};
use crate::plugin::room::Room;
use crate::plugin::sql::Jdbc;

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
    pub(super) connections: Connections,
    pub(super) checkpoints: Option<Arc<dyn Checkpoints>>,
    pub(super) work: Option<WorkTree>,
    /// The databases that the plugin may ask.
    pub(super) sql: Option<Arc<Jdbc>>,
    /// What the plugin is told in this call and may not pass on to the operator.
    pub(super) secrets: Vec<String>,
    pub(super) unpacking: Option<Unpacking>,
    /// Where it is to be cut off, if anywhere.
    pub(super) cut: Option<Arc<Cut>>,
    pub(super) packing: Vec<Packing>,
    pub(super) messages: u32,
    pub(super) checkpoints_made: u32,
}

impl Call {
    /// A message as the operator may see it. Of one that is cut in the middle of a secret nothing of that is shown: it is held
    /// back as what may become one.
    pub(super) fn shown(&self, message: &str) -> String {
        let kept = message.get(..message.floor_char_boundary(MOST_MESSAGE_BYTES)).unwrap_or_default();
        let mut masker = Masker::new(&self.secrets);
        let mut shown = masker.push(kept.as_bytes());
        if kept.len() == message.len() {
            shown.extend(masker.flush());
        } else {
            shown.extend("…".as_bytes());
        }
        bounded(String::from_utf8_lossy(&shown).into_owned(), MOST_MESSAGE_BYTES + '…'.len_utf8())
    }
}

/// The work tree of the attempt that a call is about.
#[derive(Clone, Debug)]
pub(super) struct WorkTree {
    pub(super) dir: PathBuf,
    /// The plugin may know where it is on this machine.
    pub(super) host_path: bool,
    /// It may put something in.
    pub(super) write: bool,
    /// For what it puts in.
    pub(super) room: Room,
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
    fn no_part_of_a_secret_is_shown_however_long_the_message_is() {
        let call = Call { secrets: vec!["hunter22".into()], ..Call::default() };
        assert_eq!(call.shown("it is hunter22"), "it is ***");
        let long = format!("{}hunter22 and more", "x".repeat(MOST_MESSAGE_BYTES - 4));
        let shown = call.shown(&long);
        assert!(shown.len() <= MOST_MESSAGE_BYTES + '…'.len_utf8() && !shown.contains("hunt"), "{}", shown.len());
    }

    #[test]
    fn the_last_words_are_kept() {
        let words = LastWords::default();
        words.push(&[b'a'; 3 * PRINTED]);
        words.push(b"the end\n");
        assert_eq!(words.text().len(), PRINTED - 1);
        assert!(words.text().ends_with("aathe end"));
    }
}
