//! WebAssembly programs in job files.

use crate::windlass::Place;

const PROGRAM: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "hello\n")
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 16))
        (i32.store (i32.const 4) (i32.const 6))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (drop (call $args (i32.const 0) (i32.const 4)))
        (call $exit (i32.sub (i32.load (i32.const 0)) (i32.const 1)))))"#;

#[test]
fn a_file_may_have_programs_beside_it() {
    let place = Place::new();
    std::fs::create_dir(place.path("tools")).unwrap();
    std::fs::write(place.path("tools/hello.wasm"), wat::parse_str(PROGRAM).unwrap()).unwrap();
    let file = place.file(
        "jobs.yaml",
        "jobs:\n  short: {wasm: tools/hello.wasm}\n  long:\n    wasm: {module: tools/hello.wasm, args: [], memory: 1MiB}\n    after: short\n",
    );
    let done = place.run(&["run", file.to_str().unwrap()]).expect(0);
    assert_eq!(done.stdout.matches("hello").count(), 2, "{}", done.stdout);

    let file = place.file("fails.yaml", "wasm: [tools/hello.wasm, two, three]\n");
    let done = place.run(&["run", file.to_str().unwrap()]).expect(2);
    assert!(done.stdout.contains("exit code 2"), "{}", done.stdout);
    let jobs = place.json(&["jobs", "--state", "failed"]);
    let job = &jobs["jobs"][0];
    assert_eq!((&job["executor"], &job["command"][1]), (&"wasm".into(), &"two".into()), "{jobs}");
}

#[test]
fn mistakes_are_told_before_anything_runs() {
    let place = Place::new();
    let file = place.file("bad.yaml", "wasm: {modul: x.wasm, memory: lots, network: yes}\n");
    let told = place.run(&["run", file.to_str().unwrap()]).expect(2).stderr;
    for part in ["modul: unknown field, did you mean \"module\"", "wasm.network", "there is no module"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let file = place.file("small.yaml", "wasm: {module: x.wasm, memory: 1KiB}\n");
    let told = place.run(&["run", file.to_str().unwrap()]).expect(2).stderr;
    assert!(told.contains("64 KiB"), "{told}");
}
