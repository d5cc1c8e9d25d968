//! The programs: built once, by the compiler that builds this test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// `tests/plugins/guests/tool.rs` as a component of WASI 0.2.
pub(crate) static TOOL: LazyLock<PathBuf> = LazyLock::new(|| {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugins/guests/tool.rs");
    let built = scratch(&format!("tool-{}.wasm", std::process::id()));
    let mut rustc = Command::new("rustc");
    rustc.current_dir(env!("CARGO_MANIFEST_DIR")).args(["--edition", "2024", "--target", "wasm32-wasip2"]);
    rustc.args(["-C", "opt-level=1", "-C", "strip=symbols", "-o"]).arg(&built).arg(&source);
    let status = rustc.status().unwrap();
    assert!(status.success(), "the guest is not built: is the target wasm32-wasip2 there? `rustup toolchain install`");
    let tool = scratch("tool.wasm");
    std::fs::rename(&built, &tool).unwrap();
    tool
});

/// `tests/plugins/guests/hostile_plugin` as a component, with its manifest beside it.
pub(crate) static HOSTILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = scratch("hostile_plugin");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root).args(["build", "--locked", "--profile", "plugin", "--target", "wasm32-wasip2"]);
    cargo.args(["--package", "windlass-plugin-hostile", "--target-dir"]).arg(&target);
    // Those are meant for the program that is tested.
    for variable in ["CARGO_BUILD_RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER"] {
        cargo.env_remove(variable);
    }
    assert!(cargo.status().unwrap().success(), "the hostile plugin is not built; above is what cargo says");
    let built = target.join("wasm32-wasip2/plugin/windlass_plugin_hostile.wasm");
    let plugin = scratch("hostile.wasm");
    let staged = scratch(&format!("hostile-{}.wasm", std::process::id()));
    std::fs::copy(built, &staged).unwrap();
    std::fs::rename(staged, &plugin).unwrap();
    let staged = scratch(&format!("hostile-{}.toml", std::process::id()));
    std::fs::copy(root.join("tests/plugins/guests/hostile_plugin/plugin.toml"), &staged).unwrap();
    std::fs::rename(staged, plugin.with_extension("toml")).unwrap();
    plugin
});

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A plain module of WASI 0.1 that prints and ends with the code.
pub(crate) fn module(text: &str, code: u32) -> Vec<u8> {
    let source = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) {text:?})
            (func (export "_start")
                (i32.store (i32.const 0) (i32.const 16))
                (i32.store (i32.const 4) (i32.const {}))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                (call $exit (i32.const {code}))))"#,
        text.len()
    );
    wat::parse_str(source).unwrap()
}
