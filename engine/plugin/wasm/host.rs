//! What the host answers a plugin: its settings, the id of the engine, messages, checkpoints, the log and the work tree.

use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::bindings::windlass::plugin::{host, logs, types, work};
use super::call::MOST_CHECKPOINTS;
use super::convert::{handle_of, to_wit_error};
use super::cut::step;
use super::guest::Guest;
use super::sink::Sink;
use super::work::{self as tree, Packing};
use crate::files::LogStream;
use crate::plugin::claims;
use crate::plugin::contract::{Answer, ErrorKind, PluginError, Retry};

/// Archives that one call may have packed at once. Each takes a thread, of which all guests share some hundred.
const MOST_PACKING: usize = 4;

/// Adds everything of `windlass:plugin` that a plugin may call.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    types::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    host::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    logs::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    work::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)
}

fn refuse<T>(kind: ErrorKind, message: impl Into<String>) -> Result<Result<T, types::Error>> {
    Ok(Err(to_wit_error(PluginError::new(kind, Retry::Never, message))))
}

impl types::Host for Guest {}

impl host::Host for Guest {
    async fn settings(&mut self) -> Result<String> {
        Ok(self.call.identity.as_ref().map(|plugin| plugin.settings.clone()).unwrap_or_default())
    }

    async fn engine_id(&mut self) -> Result<String> {
        Ok(self.call.identity.as_ref().map(|plugin| plugin.engine_id.clone()).unwrap_or_default())
    }

    async fn log(&mut self, level: host::Level, message: String) -> Result<()> {
        let Some(identity) = &self.call.identity else { return Ok(()) };
        let plugin = identity.name.as_str();
        self.call.messages = self.call.messages.saturating_add(1);
        if self.call.messages > identity.messages {
            if self.call.messages == identity.messages + 1 {
                tracing::warn!(plugin, "it says too much; the rest of this call is left out");
            }
            return Ok(());
        }
        let message = self.call.shown(&message);
        match level {
            host::Level::Trace => tracing::trace!(plugin, message),
            host::Level::Debug => tracing::debug!(plugin, message),
            host::Level::Info => tracing::info!(plugin, message),
            host::Level::Warn => tracing::warn!(plugin, message),
            host::Level::Error => tracing::error!(plugin, message),
        }
        Ok(())
    }

    async fn checkpoint(&mut self, handle: types::Handle) -> Result<Result<(), types::Error>> {
        let Some(checkpoints) = self.call.checkpoints.clone() else {
            return refuse(ErrorKind::Unsupported, "a checkpoint is made within `submit` only");
        };
        self.call.checkpoints_made += 1;
        if self.call.checkpoints_made > MOST_CHECKPOINTS {
            return refuse(ErrorKind::Exhausted, format!("more than {MOST_CHECKPOINTS} checkpoints in one call"));
        }
        let answer: Answer<()> = match handle_of(handle) {
            Ok(handle) => step(self.call.cut.as_deref(), checkpoints.checkpoint(handle)).await,
            Err(error) => Err(error),
        };
        Ok(answer.map_err(to_wit_error))
    }
}

impl logs::Host for Guest {}

impl logs::HostSink for Guest {
    async fn write(
        &mut self,
        sink: Resource<Sink>,
        channel: logs::Channel,
        bytes: Vec<u8>,
        cursor: String,
    ) -> Result<bool> {
        claims::piece(bytes.len(), &cursor).map_err(wasmtime::Error::msg)?;
        let stream = match channel {
            logs::Channel::Stdout => LogStream::Stdout,
            logs::Channel::Stderr => LogStream::Stderr,
            logs::Channel::System => LogStream::System,
        };
        let sink = WasiView::ctx(self).table.get(&sink)?.0.clone();
        Ok(step(self.call.cut.as_deref(), sink.write(stream, &bytes, &cursor)).await)
    }

    async fn drop(&mut self, sink: Resource<Sink>) -> Result<()> {
        WasiView::ctx(self).table.delete(sink)?;
        Ok(())
    }
}

impl work::Host for Guest {
    async fn host_path(&mut self) -> Result<Result<String, types::Error>> {
        match &self.call.work {
            Some(work) if work.host_path => Ok(Ok(work.dir.to_string_lossy().into_owned())),
            _ => refuse(
                ErrorKind::Denied,
                "this plugin was not granted `work = \"host\"`, or the call is about no attempt",
            ),
        }
    }

    async fn pack(&mut self) -> Result<Result<Resource<DynInputStream>, types::Error>> {
        let Some(work) = self.call.work.clone() else {
            return refuse(ErrorKind::Denied, "this plugin was not granted `work`, or the call is about no attempt");
        };
        self.call.packing.retain(Packing::goes_on);
        if self.call.packing.len() >= MOST_PACKING {
            return refuse(ErrorKind::Exhausted, "this call packs too often at once");
        }
        let (stream, packing) = tree::pack(work.dir);
        self.call.packing.push(packing);
        let stream: DynInputStream = Box::new(stream);
        Ok(Ok(WasiView::ctx(self).table.push(stream)?))
    }

    async fn unpack(&mut self) -> Result<Result<Resource<DynOutputStream>, types::Error>> {
        let Some(work) = self.call.work.clone().filter(|work| work.write) else {
            return refuse(
                ErrorKind::Denied,
                "this plugin was not granted `work = \"write\"`, or the call is not `collect`",
            );
        };
        if self.call.unpacking.is_some() {
            return refuse(ErrorKind::Conflict, "this call unpacks already; call `finish` first");
        }
        let (stream, unpacking) = tree::unpack(work);
        self.call.unpacking = Some(unpacking);
        let stream: DynOutputStream = Box::new(stream);
        Ok(Ok(WasiView::ctx(self).table.push(stream)?))
    }

    async fn finish(&mut self) -> Result<Result<(), types::Error>> {
        let Some(unpacking) = self.call.unpacking.take() else {
            return refuse(ErrorKind::Invalid, "nothing was unpacked");
        };
        Ok(unpacking.finish().await.map_err(to_wit_error))
    }
}
