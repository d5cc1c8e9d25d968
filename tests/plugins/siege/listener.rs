//! Everything that the engine tells its operator, kept in memory.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// What was told since it began to listen.
#[derive(Clone, Default)]
pub(crate) struct Listener(Arc<Mutex<String>>);

impl Listener {
    /// Listens to all threads of this process, from now to its end. Later calls hear nothing of their own.
    pub(crate) fn everywhere() -> Listener {
        static ONLY: std::sync::OnceLock<Listener> = std::sync::OnceLock::new();
        let listener = ONLY.get_or_init(|| {
            let listener = Listener::default();
            tracing::subscriber::set_global_default(listener.clone()).unwrap();
            listener
        });
        listener.clone()
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Compilers and parsers have much to say about code, and nothing about credentials.
        !["cranelift", "regalloc", "wasmtime::"].iter().any(|of| metadata.target().starts_with(of))
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Line(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, values: &Record<'_>) {
        values.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        let _ = write!(text, "{} {}:", event.metadata().level(), event.metadata().target());
        event.record(&mut Line(&mut text));
        text.push('\n');
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}
