//! The `windlass` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    windlass::supervise_if_asked();
    windlass::cli::main()
}
