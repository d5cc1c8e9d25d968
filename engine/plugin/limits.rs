//! The limits of a plugin as files write them: those it asks for and those it is granted.

use super::fields::{Field, Problems};
use crate::config::{PluginBounds, PluginLimits};

/// Limits of which some are said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SomeLimits {
    /// Bytes of memory of one call: `memory`.
    pub memory_bytes: Option<u64>,
    /// Milliseconds of a call: `call_time`.
    pub call_ms: Option<u64>,
    /// Milliseconds of a call that moves inputs or outputs: `transfer_time`.
    pub transfer_ms: Option<u64>,
    /// Calls at once: `parallel_calls`.
    pub parallel_calls: Option<u32>,
    /// Bytes of the body of one response: `response`.
    pub response_bytes: Option<u64>,
    /// Messages for the operator in one call: `messages`.
    pub messages: Option<u32>,
}

const FIELDS: [&str; 6] = ["memory", "call_time", "transfer_time", "parallel_calls", "response", "messages"];

const LEAST_MEMORY_BYTES: u64 = 1 << 20;
const LEAST_TIME_MS: u64 = 100;
const MOST_COUNT: u64 = 1_000_000;

impl SomeLimits {
    /// Reads a table `limits`.
    pub(super) fn read(field: &Field<'_>, problems: &mut Problems) -> SomeLimits {
        let Some(fields) = field.fields(&FIELDS, problems) else {
            return SomeLimits::default();
        };
        let at_least = |field: Field<'_>, value: Option<u64>, least: u64, shown: &str, problems: &mut Problems| {
            let value = value?;
            if value < least {
                field.fail(problems, format!("{value} is too little"), format!("{shown} or more"));
                return None;
            }
            Some(value)
        };
        let mut size = |name: &str, least: u64, shown: &str| {
            let field = fields.get(name)?;
            let bytes = field.size_bytes(problems);
            at_least(field, bytes, least, shown, problems)
        };
        let memory_bytes = size("memory", LEAST_MEMORY_BYTES, "1 MiB");
        let response_bytes = size("response", 1, "1 byte");
        let mut time = |name: &str| {
            let field = fields.get(name)?;
            let ms = field.duration_ms(problems);
            at_least(field, ms, LEAST_TIME_MS, "100ms", problems)
        };
        let (call_ms, transfer_ms) = (time("call_time"), time("transfer_time"));
        let mut count = |name: &str| {
            let count = fields.get(name)?.whole(problems, 1, MOST_COUNT)?;
            u32::try_from(count).ok()
        };
        let (parallel_calls, messages) = (count("parallel_calls"), count("messages"));
        SomeLimits { memory_bytes, call_ms, transfer_ms, parallel_calls, response_bytes, messages }
    }

    /// What holds for a plugin that asks for `self`: what it asks for, but no more than it is granted, which is the usual
    /// where nothing is said, and never more than the most.
    pub(super) fn effective(&self, granted: &SomeLimits, bounds: &PluginBounds) -> PluginLimits {
        let PluginBounds { usual, most, .. } = bounds;
        let least = |asked: Option<u64>, granted: Option<u64>, usual: u64, most: u64| {
            let granted = granted.unwrap_or(usual).min(most);
            asked.unwrap_or(granted).min(granted)
        };
        let fewest = |asked: Option<u32>, granted: Option<u32>, usual: u32, most: u32| {
            let granted = granted.unwrap_or(usual).min(most);
            asked.unwrap_or(granted).min(granted)
        };
        PluginLimits {
            memory_bytes: least(self.memory_bytes, granted.memory_bytes, usual.memory_bytes, most.memory_bytes),
            call_ms: least(self.call_ms, granted.call_ms, usual.call_ms, most.call_ms),
            transfer_ms: least(self.transfer_ms, granted.transfer_ms, usual.transfer_ms, most.transfer_ms),
            parallel_calls: fewest(
                self.parallel_calls,
                granted.parallel_calls,
                usual.parallel_calls,
                most.parallel_calls,
            ),
            response_bytes: least(
                self.response_bytes,
                granted.response_bytes,
                usual.response_bytes,
                most.response_bytes,
            ),
            messages: fewest(self.messages, granted.messages, usual.messages, most.messages),
        }
    }

    /// Those that are said, by their names in files.
    pub(super) fn said(&self) -> [(&'static str, Option<u64>); 6] {
        let SomeLimits { memory_bytes, call_ms, transfer_ms, parallel_calls, response_bytes, messages } = *self;
        [
            ("memory", memory_bytes),
            ("call_time", call_ms),
            ("transfer_time", transfer_ms),
            ("parallel_calls", parallel_calls.map(u64::from)),
            ("response", response_bytes),
            ("messages", messages.map(u64::from)),
        ]
    }
}

impl From<PluginLimits> for SomeLimits {
    fn from(limits: PluginLimits) -> SomeLimits {
        SomeLimits {
            memory_bytes: Some(limits.memory_bytes),
            call_ms: Some(limits.call_ms),
            transfer_ms: Some(limits.transfer_ms),
            parallel_calls: Some(limits.parallel_calls),
            response_bytes: Some(limits.response_bytes),
            messages: Some(limits.messages),
        }
    }
}
