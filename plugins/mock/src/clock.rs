//! The wall clock: a run goes on while nobody looks.

use std::time::{Duration, SystemTime};

/// Since 1970.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Waits until then, and a little more, so that rounding never makes it wake too early.
pub(crate) fn sleep_to(then: Duration) {
    std::thread::sleep(then.saturating_sub(now()).max(Duration::from_millis(1)));
}
