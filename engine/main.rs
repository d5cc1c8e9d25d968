//! The `windlass` binary.

use std::process::ExitCode;

/// What the callers allocate the writer frees: with the system's allocator half the time of a busy engine went
/// into the locks of its arenas.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    windlass::supervise_if_asked();
    windlass::cli::main()
}
