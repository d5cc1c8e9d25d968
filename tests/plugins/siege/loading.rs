//! Files that are no plugins: each is refused with a word on why, and the plugins that are there go on.

use windlass::plugin::{PluginKind, parse_config};
use windlass::{Engine, Error};

use super::rig::{Siege, config, grants};
use crate::programs::{HOSTILE, TOOL};

const MANIFEST: &str = "name = \"bad\"\nversion = \"0.1.0\"\nkind = \"executor\"\napi = \"windlass:plugin@0.1\"\n";

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A component that exports the interface, and imports another one.
fn importing(name: &str) -> Vec<u8> {
    wat(&format!(
        "(component (import \"{name}\" (instance)) (instance $x) \
         (export \"windlass:plugin/executor@0.1.0\" (instance $x)))"
    ))
}

fn cases() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let whole = std::fs::read(&*HOSTILE).unwrap();
    let noise: Vec<u8> = (0..100_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    vec![
        ("empty", Vec::new(), "it is no WebAssembly component"),
        ("noise", noise, "it is no WebAssembly component"),
        ("text", b"#!/bin/sh\n".to_vec(), "it is no WebAssembly component"),
        ("module", wat("(module)"), "it is a WebAssembly module, not a component"),
        ("cut", whole[..whole.len() / 2].to_vec(), "it is no WebAssembly component"),
        ("cut within", whole[..whole.len() - 1].to_vec(), "it is no WebAssembly component"),
        ("a program", std::fs::read(&*TOOL).unwrap(), "it exports nothing of windlass:plugin"),
        ("nowhere", importing("acme:thing/x@1.0.0"), "nobody offers it"),
        ("later", importing("windlass:plugin/host@0.9.0"), "does not speak this version"),
        ("a listener", importing("wasi:http/incoming-handler@0.2.0"), "plugins do not listen"),
        ("nothing", wat("(component)"), "it exports nothing of windlass:plugin"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_plugin_is_refused_by_name() {
    let siege = Siege::new().await;
    for (what, bytes, says) in cases() {
        let path = siege.dir.path().join("bad.wasm");
        std::fs::write(&path, bytes).unwrap();
        std::fs::write(path.with_extension("toml"), MANIFEST).unwrap();
        let text = format!("{}[plugin.bad]\nsource = \"{}\"\n", grants("", "", ""), path.display());
        let changes = siege.engine.refresh_plugins(Some(parse_config(text.as_bytes()).unwrap())).unwrap();
        assert_eq!(changes.refused, ["bad"], "{what}");
        siege.others_are_well().await;
        // An engine that is to have it does not start without it.
        let dir = tempfile::tempdir().unwrap();
        let opened = Engine::builder(dir.path()).plugins(parse_config(text.as_bytes()).unwrap()).open().await;
        let Err(Error::Invalid(problems)) = opened else { panic!("{what} is taken") };
        let told = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        assert!(told.contains("plugin.bad") && told.contains(says), "{what}: {told}");
    }
}

/// Those that look well from outside fail when they are called.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_is_an_error_of_its_calls() {
    let export = "(instance $x) (export \"windlass:plugin/executor@0.1.0\" (instance $x))";
    let invalid = wat(&format!("(component (core module (func (result i32))) {export})"));
    let empty = wat(&format!("(component {export})"));
    let other =
        format!("(component (import \"windlass:plugin/host@0.1.0\" (instance (export \"fly\" (func)))) {export})");
    for (what, bytes) in [("invalid code", invalid), ("no functions", empty), ("another host", wat(&other))] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bad.wasm");
        std::fs::write(&path, bytes).unwrap();
        std::fs::write(path.with_extension("toml"), MANIFEST).unwrap();
        let siege =
            Siege::open(config(), &format!("{}[plugin.bad]\nsource = \"{}\"\n", grants("", "", ""), path.display()))
                .await;
        let Err(Error::Invalid(problems)) = siege.engine.submit(super::rig::job("bad", "{}")).await else {
            panic!("{what} is called")
        };
        assert!(problems[0].problem.contains("the plugin did not answer"), "{what}: {problems:?}");
        siege.others_are_well().await;
    }
}

/// Any damage: refused, or an error of the call, or as good as before.
#[tokio::test(flavor = "multi_thread")]
async fn damage_is_never_more_than_an_error() {
    let whole = std::fs::read(&*HOSTILE).unwrap();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..2_000 {
        let mut changed = whole.clone();
        for _ in 0..3 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (random >> 16) as usize % changed.len();
            changed[at] = (random >> 8) as u8;
        }
        if let Ok(info) = windlass::plugin::read_component(&changed) {
            info.problems(PluginKind::Executor);
        }
    }
}
