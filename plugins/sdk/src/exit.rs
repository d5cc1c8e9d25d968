//! How a program that is a job ends.

use std::io::Write;

/// Ends the program with a code. A job that runs as WebAssembly uses this instead of `std::process::exit`, which tells the
/// engine 1 for every code but 0.
pub fn exit(code: u8) -> ! {
    // What was printed and cannot be flushed has nowhere to go.
    let _ = std::io::stdout().flush();
    #[cfg(target_arch = "wasm32")]
    wasip2::cli::exit::exit_with_code(code);
    std::process::exit(i32::from(code))
}
