//! What the engine does for a plugin during a call, and how much of it.

use std::sync::Arc;

use super::call::Question;
use super::host::Level;
use super::take::cut;
use crate::config::NativeConfig;
use crate::files::{LogStream, Masker};
use crate::plugin::contract::{
    Answer, Checkpoints, Handle, LogSink, MOST_CURSOR_BYTES, MOST_HANDLE_BYTES, PluginError,
};

/// How many pieces of a log a plugin may write after it was told that no more is wanted.
const MOST_DEAF_WRITES: u32 = 16;
/// What every message costs besides its text.
const COST_OF_MESSAGE: usize = 64;

/// A plugin asked for something that it may not have, or for too much of it: the call is over.
#[derive(Debug)]
pub(super) struct Excess(pub(super) String);

/// What the caller of a plugin provides for one call.
#[derive(Default)]
pub(super) struct Ports {
    pub(super) checkpoints: Option<Arc<dyn Checkpoints>>,
    pub(super) sink: Option<Arc<dyn LogSink>>,
}

/// Serves one call.
pub(super) struct Service {
    plugin: Arc<str>,
    about: String,
    ports: Ports,
    secrets: Vec<String>,
    messages: Budget,
    log: Budget,
    deaf_writes: u32,
}

struct Budget {
    most: usize,
    left: usize,
}

impl Budget {
    fn new(most: usize) -> Budget {
        Budget { most, left: most }
    }
}

impl Service {
    pub(super) fn new(plugin: Arc<str>, question: &Question, ports: Ports, config: &NativeConfig) -> Service {
        let attempt = question.attempt();
        Service {
            plugin,
            about: attempt.map(|attempt| format!("{}/{}", attempt.job, attempt.number)).unwrap_or_default(),
            ports,
            secrets: question.secrets().into_iter().map(str::to_owned).collect(),
            messages: Budget::new(config.message_bytes),
            log: Budget::new(config.log_bytes),
            deaf_writes: 0,
        }
    }

    /// A text of the plugin without the secrets that it was told.
    pub(super) fn masked(&self, text: &[u8]) -> String {
        let mut masker = Masker::new(&self.secrets);
        let mut shown = masker.push(text);
        shown.extend(masker.flush());
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// The same for all texts of an error.
    pub(super) fn masked_error(&self, error: PluginError) -> PluginError {
        let masked = |text: &str| self.masked(text.as_bytes());
        PluginError {
            message: masked(&error.message),
            code: error.code.as_deref().map(masked),
            details: error.details.iter().map(|(name, value)| (masked(name), masked(value))).collect(),
            ..error
        }
    }

    pub(super) fn log(&mut self, level: Level, message: String) -> Result<(), Excess> {
        let Some(left) = self.messages.left.checked_sub(message.len() + COST_OF_MESSAGE) else {
            return Err(Excess(format!("said more than {} bytes to the operator", self.messages.most)));
        };
        self.messages.left = left;
        let (plugin, attempt) = (&*self.plugin, self.about.as_str());
        let message = cut(self.masked(message.as_bytes()));
        match level {
            Level::Trace => tracing::trace!(plugin, attempt, "{message}"),
            Level::Debug => tracing::debug!(plugin, attempt, "{message}"),
            Level::Info => tracing::info!(plugin, attempt, "{message}"),
            Level::Warn => tracing::warn!(plugin, attempt, "{message}"),
            Level::Error => tracing::error!(plugin, attempt, "{message}"),
        }
        Ok(())
    }

    pub(super) async fn checkpoint(&mut self, handle: Handle) -> Result<Answer<()>, Excess> {
        let Some(checkpoints) = &self.ports.checkpoints else {
            return Err(Excess("asked for a checkpoint outside of `submit`".to_owned()));
        };
        if handle.data.len() > MOST_HANDLE_BYTES {
            return Err(Excess(format!("asked to keep a handle of {} bytes", handle.data.len())));
        }
        Ok(checkpoints.checkpoint(handle).await)
    }

    /// Whether more is wanted.
    pub(super) async fn write(&mut self, stream: LogStream, bytes: &[u8], cursor: &str) -> Result<bool, Excess> {
        let Some(sink) = &self.ports.sink else {
            return Err(Excess("wrote to a log outside of `logs`".to_owned()));
        };
        if cursor.len() > MOST_CURSOR_BYTES {
            return Err(Excess(format!("gave a cursor of {} bytes", cursor.len())));
        }
        if self.deaf_writes > MOST_DEAF_WRITES {
            return Err(Excess("went on to write to the log when no more was wanted".to_owned()));
        }
        if self.deaf_writes > 0 || !sink.write(stream, bytes, cursor).await {
            self.deaf_writes += 1;
            return Ok(false);
        }
        match self.log.left.checked_sub(bytes.len() + COST_OF_MESSAGE) {
            Some(left) => self.log.left = left,
            // This one was taken; the next call goes on after it.
            None => self.deaf_writes = 1,
        }
        Ok(self.deaf_writes == 0)
    }
}
