//! Native plugins: an [`Executor`](crate::Executor) as a shared library with the C interface of the engine.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use crate::bindings::types;
use crate::error::{Error, Result};

mod abi;
mod entries;
mod give;
pub(crate) mod host;
mod read;
pub(crate) mod work;

#[doc(hidden)]
pub use entries::table;

thread_local! {
    /// The engine, while it calls.
    static ENGINE: Cell<*const abi::Host> = const { Cell::new(ptr::null()) };
}

/// Whether the engine calls at the moment.
pub(crate) fn is_called() -> bool {
    !ENGINE.get().is_null()
}

/// One call: its panic, or its error, becomes that of the call.
fn called(engine: *const abi::Host, act: impl FnOnce(&abi::Host) -> Result<(), types::Error>) -> i32 {
    // SAFETY: the engine passes what lives until the call is over.
    #[expect(unsafe_code, reason = "the engine is behind a pointer")]
    let Some(host) = (unsafe { engine.as_ref() }) else {
        return abi::FAILED;
    };
    let before = ENGINE.replace(engine);
    let outcome = catch_unwind(AssertUnwindSafe(|| act(host)));
    ENGINE.set(before);
    let error = match outcome {
        Ok(Ok(())) => return abi::OK,
        Ok(Err(error)) => error,
        Err(payload) => {
            let words = payload.downcast_ref::<String>().map(String::as_str);
            let words = words.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a word");
            Error::internal(format!("the plugin panicked: {words}")).into()
        }
    };
    give::fail(host, &error);
    abi::FAILED
}
