//! A program in a sandbox: it sees its arguments, its options and its own directory, and takes no more than it may.

use windlass::job::Reason;
use windlass::plugin::wasm::WasmTask;
use windlass::{Engine, State};

/// In real life `cargo build --target wasm32-wasip2` makes one; this one prints, or asks for a gigabyte.
const PROGRAM: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "hello from the sandbox\n")
    (func (export "_start")
        (drop (call $args (i32.const 0) (i32.const 4)))
        (if (i32.gt_u (i32.load (i32.const 0)) (i32.const 1)) (then
            (if (i32.eq (memory.grow (i32.const 16384)) (i32.const -1)) (then unreachable))))
        (i32.store (i32.const 0) (i32.const 16))
        (i32.store (i32.const 4) (i32.const 23))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::temp_dir().join(format!("windlass-wasm-{}", std::process::id()));
    let engine = Engine::builder(&directory).wasm().open().await?;
    let program = directory.join("hello.wasm");
    std::fs::write(&program, wat::parse_str(PROGRAM)?)?;

    let polite = engine.submit(WasmTask::new(&program).into()).await?;
    assert_eq!(engine.wait(polite).await?.state(), State::Succeeded);
    let log: Vec<u8> = engine.logs(polite, None, 0, 4096)?.chunks.into_iter().flat_map(|chunk| chunk.bytes).collect();
    assert_eq!(String::from_utf8(log)?, "hello from the sandbox\n");

    let greedy = WasmTask { args: vec!["more".into()], memory_bytes: Some(1 << 20), ..WasmTask::new(&program) };
    let greedy = engine.submit(greedy.into()).await?;
    assert_eq!(engine.wait(greedy).await?.job.status.reason, Some(Reason::OutOfMemory));
    engine.shutdown().await;
    std::fs::remove_dir_all(directory)?;
    Ok(())
}
