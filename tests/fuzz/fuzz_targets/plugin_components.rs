//! Any bytes as a component: looked at in two ways, both of which say the same as the format itself.
#![no_main]

#[path = "../seeds.rs"]
mod seeds;

use std::path::Path;

use wasmparser::{Encoding, Parser, Payload, Validator};
use windlass::plugin::{ComponentError, read_component};

/// Small ones, with what the real ones lack.
const TEXTS: [&str; 6] = [
    r#"(component
        (import "windlass:plugin/host@0.1.0" (instance))
        (component $inner (import "wasi:sockets/tcp@0.2.0" (instance))
            (export "windlass:plugin/sink@0.1.0" (instance 0)))
        (core module (@custom "windlass:manifest" "name = \"x\""))
        (instance $own)
        (export "windlass:plugin/executor@0.1.0" (instance $own))
        (@custom "windlass:manifest"
            "name = \"x\"\nversion = \"1.0.0\"\nkind = \"executor\"\napi = \"windlass:plugin@0.1\""))"#,
    r#"(component (import "bare" (func)) (import "acme:thing/x@1.0.0-rc.1" (instance)) (import "wasi:io/poll@0.3.0" (instance)))"#,
    r#"(component (core module (@custom "windlass:manifest" "name = \"in\"")) (core module))"#,
    r#"(component (instance $i) (export "windlass:plugin/fetcher@0.1.9" (instance $i)) (export "windlass:plugin/sink@0.2.0" (instance $i)))"#,
    r#"(component (component (component)) (core module (func)))"#,
    r#"(module (memory (export "memory") 1) (func (export "_start")))"#,
];

libfuzzer_sys::fuzz_target!(init: seeds::plant(seeds()), |bytes: &[u8]| {
    // The first byte says how much of the rest is a manifest beside it.
    let (beside, component) = match bytes.split_first() {
        Some((255, rest)) => match rest.iter().position(|byte| *byte == 0) {
            Some(end) => (rest.get(..end), rest.get(end..).unwrap_or_default()),
            None => (None, rest),
        },
        _ => (None, bytes),
    };
    windlass::fuzzing::plugin_component(component, beside);
    check_against_format(component);
});

/// What is a component by all rules of the format is read, and names what that names.
fn check_against_format(bytes: &[u8]) {
    let read = read_component(bytes);
    let Ok(types) = Validator::new().validate_all(bytes) else { return };
    match read {
        Ok(info) => {
            for import in info.imports {
                assert!(types.as_ref().component_item_for_import(&import.to_string()).is_some(), "{import}");
            }
            for export in info.exports {
                assert!(types.as_ref().component_item_for_export(&export.to_string()).is_some(), "{export}");
            }
        }
        Err(ComponentError::Module) => assert!(Parser::is_core_wasm(bytes)),
        Err(error) => panic!("{error}"),
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let small = TEXTS.iter().map(|text| wat::parse_str(text).expect("a seed is well formed"));
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/wasm-plugins/wasm32-wasip2/plugin");
    let real = std::fs::read_dir(built).into_iter().flatten().flatten().map(|entry| entry.path());
    let real = real.filter(|path| path.extension().is_some_and(|it| it == "wasm"));
    small.chain(real.map(|path| hull(&std::fs::read(path).expect("a component can be read")))).collect()
}

/// A real component with empty modules inside: nobody looks into those, and they are nearly all of it.
fn hull(component: &[u8]) -> Vec<u8> {
    const MODULE: [u8; 10] = [1, 8, 0, b'a', b's', b'm', 1, 0, 0, 0];
    let mut hull = Vec::new();
    let (mut depth, mut at) = (0, 0);
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.expect("what was built is well formed");
        match &payload {
            Payload::Version { encoding: Encoding::Component, range, .. } if depth == 0 => at = range.end,
            Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                if depth == 0 {
                    hull.extend(MODULE);
                    at = unchecked_range.end;
                }
                depth += 1;
            }
            Payload::End(_) => depth -= 1,
            other if depth == 0 => {
                let end = other.as_section().map_or(at, |(_, range)| range.end);
                hull.extend(component.get(at..end).unwrap_or_default());
                at = end;
            }
            _ => {}
        }
    }
    [component.get(..8).unwrap_or_default(), &hull].concat()
}
