//! `windlass plugin build`: from the source of a plugin to what the engine runs, with the tools of its language.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::package::{MANIFEST, read_manifest, unreadable, write};
use super::templates::WIT;
use crate::cli::failure::{FAILED, Failure, USAGE};
use crate::cli::output::{note, print, print_json};
use crate::plugin::{Manifest, PluginKind};

const TARGET: &str = "wasm32-wasip2";
/// What is needed to build a plugin in Python, inside its directory.
const BUILD: &str = "build";

#[derive(Serialize)]
struct BuiltWire {
    file: String,
    bytes: u64,
}

pub(super) fn build(dir: &Path, json: bool) -> Result<u8, Failure> {
    let manifest = read_manifest(dir)?;
    // The tools are started elsewhere.
    let dir = &std::path::absolute(dir)?;
    let file = if dir.join("Cargo.toml").is_file() {
        rust(dir, &manifest)?
    } else if dir.join("plugin.py").is_file() {
        python(dir, &manifest)?
    } else if dir.join("plugin.c").is_file() {
        c(dir, &manifest)?
    } else {
        let problem = format!("{}: beside {MANIFEST} there is no Cargo.toml, plugin.py or plugin.c", dir.display());
        return Err(Failure::new(USAGE, problem));
    };
    let bytes = fs::metadata(&file).map_err(|error| unreadable(&file, &error))?.len();
    if json {
        print_json(&BuiltWire { file: file.display().to_string(), bytes })?;
    } else {
        print(&format!("{}: {} KiB\n", file.display(), bytes.div_ceil(1 << 10)))?;
    }
    Ok(0)
}

/// Starts a tool that speaks to the user on standard error, and returns what it printed.
fn output(command: &mut Command) -> Result<Vec<u8>, Failure> {
    let tool = command.get_program().to_string_lossy().into_owned();
    let ended = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let ended = ended.map_err(|error| Failure::new(FAILED, format!("{tool}: {error}")))?;
    if !ended.status.success() {
        return Err(Failure::new(FAILED, format!("{tool} failed: {}", ended.status)));
    }
    Ok(ended.stdout)
}

fn rust(dir: &Path, manifest: &Manifest) -> Result<PathBuf, Failure> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(dir).args(["build", "--release", "--target", TARGET]);
    cargo.arg("--message-format=json-render-diagnostics");
    let told = output(&mut cargo)?;
    let made = component(&told)
        .ok_or_else(|| Failure::new(FAILED, "cargo made no component: is the crate a library of the type cdylib?"))?;
    let file = dir.join(format!("{}.wasm", manifest.name));
    fs::copy(&made, &file).map_err(|error| unreadable(&made, &error))?;
    Ok(file)
}

/// What cargo says about something that it did; other messages have no files.
#[derive(Deserialize)]
struct CargoMessage {
    reason: String,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The last component that cargo says it made.
fn component(told: &[u8]) -> Option<PathBuf> {
    let lines = told.split(|byte| *byte == b'\n').rev();
    let messages = lines.filter_map(|line| serde_json::from_slice::<CargoMessage>(line).ok());
    let mut files = messages.filter(|it| it.reason == "compiler-artifact").flat_map(|it| it.filenames);
    files.find(|file| file.extension() == Some(OsStr::new("wasm")))
}

fn python(dir: &Path, manifest: &Manifest) -> Result<PathBuf, Failure> {
    let build = dir.join(BUILD);
    let venv = build.join("venv");
    let requirements = dir.join("requirements.txt");
    let wanted = fs::read(&requirements).map_err(|error| unreadable(&requirements, &error))?;
    // Written last: what was begun and not finished is begun again.
    let installed = build.join("installed.txt");
    if fs::read(&installed).ok().as_ref() != Some(&wanted) {
        note("getting what it is built with");
        output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        let mut pip = Command::new(venv.join("bin/pip"));
        output(pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&requirements))?;
        write(&installed, &String::from_utf8_lossy(&wanted))?;
    }
    let wit = build.join("wit");
    for (path, text) in WIT {
        write(&wit.join(path), text)?;
    }
    let file = dir.join(format!("{}.wasm", manifest.name));
    let mut tool = Command::new(venv.join("bin/componentize-py"));
    // Libraries are taken from there.
    tool.current_dir(dir).env("VIRTUAL_ENV", &venv);
    tool.arg("-d").arg(&wit).arg("-w").arg(python_world(manifest.kind));
    tool.args(["--quiet", "componentize", "plugin", "-o"]).arg(&file);
    output(&mut tool)?;
    Ok(file)
}

/// The world of a plugin in Python.
fn python_world(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Executor => "executor-plugin",
        PluginKind::Fetcher => "fetcher-plugin",
        PluginKind::Sink => "sink-plugin",
    }
}

fn c(dir: &Path, manifest: &Manifest) -> Result<PathBuf, Failure> {
    let file = dir.join(format!("{}.so", manifest.name));
    let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    cc.current_dir(dir).args(["-std=c11", "-O2", "-Wall", "-Wextra", "-fPIC", "-shared", "-o"]).arg(&file);
    output(cc.arg("plugin.c"))?;
    Ok(file)
}
