//! The bindings that are checked in are those of `wit/`. To write them anew: `WINDLASS_WRITE_BINDINGS=1 cargo test -p
//! windlass-plugin bindings`.
#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_rust::{Opts, WithOption};

/// What every plugin may call, in bindings of its own, so that the three kinds of plugins share its types.
const IMPORTS: &str = "package windlass:sdk;
world imports {
    import windlass:plugin/types@0.1.0;
    import windlass:plugin/host@0.1.0;
    import windlass:plugin/work@0.1.0;
    import windlass:plugin/logs@0.1.0;
    import windlass:plugin/net@0.1.0;
}";

/// The interfaces of WASI that the bindings refer to; the `wasip2` crate has them.
const WASI_IO: [&str; 3] = ["io/error", "io/poll", "io/streams"];
const WASI_HTTP: [&str; 3] = ["clocks/monotonic-clock", "http/outgoing-handler", "http/types"];

#[test]
fn bindings_are_those_of_the_contract() {
    for (name, world) in [
        ("imports", "windlass:sdk/imports"),
        ("executor", "windlass:plugin/executor-plugin@0.1.0"),
        ("fetcher", "windlass:plugin/fetcher-plugin@0.1.0"),
        ("sink", "windlass:plugin/sink-plugin@0.1.0"),
    ] {
        let made = bindings(name, world);
        let path = package().join(format!("src/bindings/{name}.rs"));
        if std::env::var_os("WINDLASS_WRITE_BINDINGS").is_some() {
            fs::write(&path, &made).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == made,
            "{} is not what wit/ says; run: WINDLASS_WRITE_BINDINGS=1 cargo test -p windlass-plugin bindings",
            path.display()
        );
    }
}

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn bindings(name: &str, world: &str) -> String {
    let mut resolve = Resolve::default();
    let (contract, _) = resolve.push_path(package().join("../../wit")).unwrap();
    let imports = resolve.push_str("imports.wit", IMPORTS).unwrap();
    let world = resolve.select_world(&[contract, imports], Some(world)).unwrap();
    let mut files = Files::default();
    let mut generator = options(name).build();
    wit_bindgen_core::WorldGenerator::generate(&mut generator, &mut resolve, world, &mut files).unwrap();
    let (_, bytes) = files.iter().next().unwrap();
    let text = std::str::from_utf8(bytes).unwrap();
    format!("//! Generated from `wit/` by `tests/bindings.rs`; not to be edited.\n{text}")
}

fn options(name: &str) -> Opts {
    let wasi = WASI_IO.iter().chain(if name == "imports" { &[][..] } else { &WASI_HTTP });
    let mut with: Vec<(String, WithOption)> =
        wasi.map(|name| (format!("wasi:{name}@0.2.12"), path_of("::wasip2", name))).collect();
    let ours: &[&str] = match name {
        "imports" => &[],
        "executor" => &["types", "host", "work", "logs"],
        "fetcher" => &["types", "host", "net"],
        _ => &["types", "host"],
    };
    let at = "crate::bindings::imports::windlass::plugin";
    with.extend(ours.iter().map(|name| (format!("windlass:plugin/{name}@0.1.0"), path_of(at, name))));
    Opts {
        format: true,
        generate_all: true,
        with,
        pub_export_macro: true,
        export_macro_name: Some(format!("__export_{name}")),
        default_bindings_module: Some(format!("$crate::bindings::{name}")),
        additional_derive_attributes: vec!["PartialEq".to_owned()],
        ..Opts::default()
    }
}

fn path_of(module: &str, interface: &str) -> WithOption {
    WithOption::Path(format!("{module}::{}", interface.replace('/', "::").replace('-', "_")))
}
