//! What the engine does on this machine, beside what the disk and a bare log do in the same run.
//!
//! `cargo bench --bench core [NAME…]` runs all parts or those named: submit, bulk, drain, pipe, idle, open.
//! `WINDLASS_BENCH_CALLERS` takes one number of callers of submit and pipe out of all. `WINDLASS_BENCH_JOBS` sets the number of jobs of the open part (1,000,000 unless set) and scales the others.
//! The directory is the system's for temporary files unless `WINDLASS_BENCH_DIR` names another: put it on the
//! disk that is to be measured.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on stops")]

mod floor;
mod measure;
mod open;
mod probe;
mod work;

use std::path::PathBuf;

/// As in the `windlass` program: what one thread allocates another one frees, all day long.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // `open` measures fresh processes: this program again.
    if open::is_child() {
        return open::child();
    }
    let named: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wants = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    println!("{} cores; every figure stands beside the probe of its own run", measure::cores());
    for part in ["submit", "bulk", "drain", "pipe", "idle"] {
        if wants(part) {
            runtime.block_on(work::run(part));
        }
    }
    if wants("open") {
        open::run();
    }
}

/// A directory for one measurement; removed when dropped.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Scratch {
        let base = std::env::var_os("WINDLASS_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let dir = base.join(format!("windlass-bench-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a directory");
        Scratch(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
