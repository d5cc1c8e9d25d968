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

/// What the other worlds export, and what they import that executors do not.
pub(super) mod transfer {
    pub(in super::super) mod fetcher {
        wasmtime::component::bindgen!({
            path: "wit",
            inline: "package windlass:host; world fetcher { import windlass:plugin/net@0.1.0; export windlass:plugin/fetcher@0.1.0; }",
            world: "windlass:host/fetcher",
            imports: { default: async | trappable },
            exports: { default: async },
            with: {
                "wasi:io": wasmtime_wasi::p2::bindings::io,
                "windlass:plugin/net.connection": crate::plugin::wasm::net::Connection,
                "windlass:plugin/types": super::super::windlass::plugin::types,
            },
            additional_derives: [PartialEq],
        });
    }

    pub(in super::super) mod sink {
        wasmtime::component::bindgen!({
            path: "wit",
            inline: "package windlass:host; world sink { export windlass:plugin/sink@0.1.0; }",
            world: "windlass:host/sink",
            imports: { default: async | trappable },
            exports: { default: async },
            with: { "windlass:plugin/types": super::super::windlass::plugin::types },
            additional_derives: [PartialEq],
        });
    }

    pub(in super::super) mod sql {
        wasmtime::component::bindgen!({
            path: "wit",
            inline: "package windlass:host; world sql { import windlass:plugin/sql@0.1.0; }",
            world: "windlass:host/sql",
            imports: { default: async | trappable },
            with: {
                "windlass:plugin/types": super::super::windlass::plugin::types,
                "windlass:plugin/sql.rows": crate::plugin::wasm::sql::Rows,
            },
        });
    }
}
