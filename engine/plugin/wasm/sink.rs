//! Where a plugin pushes the log of an attempt to, as a resource of the guest.

use std::sync::Arc;

use crate::plugin::contract::LogSink;

/// The host's side of `windlass:plugin/logs.sink`.
#[expect(unreachable_pub, reason = "the generated bindings name it in public")]
pub struct Sink(pub(super) Arc<dyn LogSink>);
