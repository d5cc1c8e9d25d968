//! The worlds of `wit/`, as the host sees them.

wasmtime::component::bindgen!({
    path: "wit",
    world: "executor-plugin",
    imports: { default: async | trappable },
    exports: { default: async },
    with: {
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        "wasi:http": wasmtime_wasi_http::p2::bindings::http,
        "windlass:plugin/logs.sink": super::sink::Sink,
    },
    additional_derives: [PartialEq],
});
