//! `windlass plugin new`: the beginning of a plugin of one's own, which builds and passes as it is.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use super::package::{unreadable, write};
use super::templates::{Words, templates};
use crate::cli::failure::{Failure, USAGE};
use crate::cli::output::{print, print_json};
use crate::plugin::{NAME_ALLOWED, PluginKind, RESERVED, is_name};

/// What is to begin.
#[derive(clap::Args)]
pub(in crate::cli) struct NewArgs {
    /// What it is called
    name: String,
    /// What it does
    #[arg(long, value_enum, default_value_t = Kind::Executor)]
    kind: Kind,
    /// What it is written in; a plugin in C is a shared library, all others are components
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
    /// The directory to make [default: the name]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The SDK in a checkout of Windlass, for Rust: plugins/sdk
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

/// What a plugin does.
#[derive(Clone, Copy, ValueEnum)]
pub(in crate::cli) enum Kind {
    /// It runs jobs
    Executor,
    /// It brings inputs in
    Fetcher,
    /// It takes outputs out
    Sink,
}

impl Kind {
    fn of_plugin(self) -> PluginKind {
        match self {
            Kind::Executor => PluginKind::Executor,
            Kind::Fetcher => PluginKind::Fetcher,
            Kind::Sink => PluginKind::Sink,
        }
    }
}

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Language {
    Rust,
    Python,
    C,
}

#[derive(Serialize)]
struct NewWire {
    dir: String,
    files: Vec<&'static str>,
}

pub(super) fn new(args: &NewArgs, json: bool) -> Result<u8, Failure> {
    let name = args.name.as_str();
    if !is_name(name) || RESERVED.contains(&name) {
        let problem = format!("{} cannot be the name of a plugin; allowed: {NAME_ALLOWED}", name.escape_debug());
        return Err(Failure::new(USAGE, problem));
    }
    let kind = args.kind.of_plugin();
    let files = templates(args.lang, kind);
    if files.is_empty() {
        return Err(Failure::new(
            USAGE,
            format!("there is no {kind} in C: shared libraries run jobs; use rust or python"),
        ));
    }
    let sdk = sdk(args.sdk.as_deref())?;
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(name));
    make_empty(&dir)?;
    let words = Words { name, kind, sdk: &sdk };
    for file in &files {
        write(&dir.join(file.path), &file.filled(&words))?;
    }
    let mut paths: Vec<&'static str> = files.iter().map(|file| file.path).collect();
    paths.sort_unstable();
    if json {
        print_json(&NewWire { dir: dir.display().to_string(), files: paths })?;
        return Ok(0);
    }
    let dir = dir.display();
    let mut text = format!("{dir}: {}\n", paths.join(", "));
    // There is a conformance suite for executors only.
    let next = if kind == PluginKind::Executor { "test" } else { "check" };
    text.push_str(&format!("next: windlass plugin build {dir} && windlass plugin {next} {dir}\n"));
    print(&text)?;
    Ok(0)
}

/// The dependency on the SDK: the version that belongs to this program, or a checkout.
fn sdk(path: Option<&Path>) -> Result<String, Failure> {
    let Some(path) = path else { return Ok(format!("\"{}\"", env!("CARGO_PKG_VERSION"))) };
    let whole = fs::canonicalize(path).map_err(|error| unreadable(path, &error))?;
    if !whole.join("Cargo.toml").is_file() {
        return Err(Failure::new(USAGE, format!("{}: there is no Cargo.toml of the SDK", path.display())));
    }
    // A literal of TOML is a text in which no character means anything else.
    let shown = whole.to_string_lossy();
    if shown.contains(['\'', '\n']) {
        return Err(Failure::new(USAGE, format!("{shown}: Cargo.toml cannot hold this path")));
    }
    Ok(format!("{{ path = '{shown}' }}"))
}

/// Makes a directory, or takes one that is there and empty.
fn make_empty(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir).map_err(|error| unreadable(dir, &error))?;
    let mut entries = fs::read_dir(dir).map_err(|error| unreadable(dir, &error))?;
    if entries.next().is_some() {
        return Err(Failure::new(USAGE, format!("{}: something is there already", dir.display())));
    }
    Ok(())
}
