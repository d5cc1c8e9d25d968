//! Builds the plugins that are part of this program, as components, and says where they are to be embedded from.
//!
//! `WINDLASS_PLUGIN_DIR` names a directory that has them built already, as `NAME.wasm`: for builds without the target
//! `wasm32-wasip2`.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The plugins that are embedded: `plugins/NAME`, the package `windlass-plugin-NAME`.
const PLUGINS: [&str; 6] = ["docker", "jdbc", "mock", "s3", "s3-sink", "shell"];
const TARGET: &str = "wasm32-wasip2";
const PREBUILT: &str = "WINDLASS_PLUGIN_DIR";

/// What cargo tells a build script of the program that is being built, none of which is true for the plugins. Flags and
/// wrappers of the compiler are meant for the program too: with them clippy would check the plugins instead of building
/// them.
const OF_THE_PROGRAM: [&str; 18] = [
    "CARGO_BUILD_BUILD_DIR",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_DIR",
    "DEBUG",
    "HOST",
    "OPT_LEVEL",
    "OUT_DIR",
    "PROFILE",
    "RUSTC",
    "RUSTC_LINKER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
    "TARGET",
];
const BEGINNINGS_OF_THE_PROGRAM: [&str; 5] = ["CARGO_CFG_", "CARGO_FEATURE_", "CARGO_MANIFEST_", "CARGO_PKG_", "DEP_"];

type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<()> {
    println!("cargo::rerun-if-env-changed={PREBUILT}");
    println!("cargo::rerun-if-env-changed=DOCS_RS");
    // Named once, or every change of any file would start this again.
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_WASM").is_none() {
        return Ok(());
    }
    let (root, out) = (directory("CARGO_MANIFEST_DIR")?, directory("OUT_DIR")?);
    let mut list = String::new();
    for (name, component) in components(&root, &out)? {
        let manifest = manifest(&root, &component, name)?;
        let embedded = out.join(format!("{name}.wasm"));
        fs::copy(&component, &embedded).map_err(|error| format!("{}: {error}", component.display()))?;
        let _ = writeln!(
            list,
            "    Embedded {{ name: {name:?}, component: include_bytes!({embedded:?}), manifest: include_str!({manifest:?}) }},"
        );
    }
    let text = format!("/// All of them.\npub const EMBEDDED: &[Embedded] = &[\n{list}];\n");
    fs::write(out.join("embedded.rs"), text).map_err(|error| format!("embedded.rs: {error}"))
}

fn directory(variable: &str) -> Result<PathBuf> {
    env::var_os(variable).map(PathBuf::from).ok_or_else(|| format!("cargo has not set {variable}"))
}

/// The names of the plugins and their components.
fn components(root: &Path, out: &Path) -> Result<Vec<(&'static str, PathBuf)>> {
    if env::var_os("DOCS_RS").is_some() {
        return Ok(Vec::new());
    }
    if let Some(prebuilt) = env::var_os(PREBUILT) {
        let prebuilt = PathBuf::from(prebuilt);
        println!("cargo::rerun-if-changed={}", prebuilt.display());
        return Ok(PLUGINS.map(|name| (name, prebuilt.join(format!("{name}.wasm")))).into());
    }
    let sources = root.join("plugins");
    if !sources.is_dir() {
        println!(
            "cargo::warning=this copy of the sources has no plugins; none is embedded unless {PREBUILT} names some"
        );
        return Ok(Vec::new());
    }
    for path in ["Cargo.toml", "Cargo.lock", "plugins", "wit"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let built = build(root, &target_directory(out))?;
    Ok(PLUGINS.map(|name| (name, built.join(format!("windlass_plugin_{}.wasm", name.replace('-', "_"))))).into())
}

/// Beside the component, or in the sources.
fn manifest(root: &Path, component: &Path, name: &str) -> Result<PathBuf> {
    let places =
        [component.with_file_name(format!("{name}.toml")), root.join("plugins").join(name).join("plugin.toml")];
    let found = places.into_iter().find(|place| place.is_file());
    found.ok_or_else(|| format!("the plugin {name} has no manifest: {name}.toml beside {}", component.display()))
}

/// A directory that the builds of all profiles share, beside theirs: cargo holds a lock on its own while this runs.
fn target_directory(out: &Path) -> PathBuf {
    // TARGET/PROFILE/build/PACKAGE/out
    let above: Vec<&Path> = out.ancestors().collect();
    match above.as_slice() {
        [_, _, build, _, target, ..] if build.ends_with("build") => target.join("wasm-plugins"),
        _ => out.join("wasm-plugins"),
    }
}

/// Builds all of them; the directory that they are in.
fn build(root: &Path, target_directory: &Path) -> Result<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--profile", "plugin", "--target", TARGET, "--target-dir"]).arg(target_directory);
    for name in PLUGINS {
        cargo.args(["--package", &format!("windlass-plugin-{name}")]);
    }
    for (variable, _) in env::vars_os() {
        let name = variable.to_string_lossy();
        let is_of_the_program = OF_THE_PROGRAM.contains(&name.as_ref())
            || BEGINNINGS_OF_THE_PROGRAM.iter().any(|beginning| name.starts_with(beginning));
        if is_of_the_program {
            cargo.env_remove(&variable);
        }
    }
    let status = cargo.current_dir(root).status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() {
        return Ok(target_directory.join(TARGET).join("plugin"));
    }
    if is_target_missing() {
        return Err(format!(
            "the plugins of this program need the target {TARGET}: run `rustup target add {TARGET}`, or set {PREBUILT} to a \
             directory that has them built"
        ));
    }
    Err(format!("the plugins cannot be built ({status}); above is what cargo says"))
}

/// Whether the compiler has no library for the target.
fn is_target_missing() -> bool {
    let asked = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    asked.is_ok_and(|told| {
        let path = String::from_utf8_lossy(&told.stdout).trim().to_owned();
        told.status.success() && !Path::new(&path).is_dir()
    })
}
