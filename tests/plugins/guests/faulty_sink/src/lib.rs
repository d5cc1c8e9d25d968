//! A sink that breaks the contract in the way that its settings say; without settings it keeps to it. What is staged are
//! texts on a shelf, `staged-…`; at the commit they become `stored-…`.

use std::fs;

use serde::{Deserialize, Serialize};
use serde_json::json;
use windlass_plugin::prelude::*;
use windlass_plugin::{SinkRequest, Stored};

struct Faulty;

windlass_plugin::sink!(Faulty, manifest = "../plugin.toml");

/// What a user writes.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// How the names of what is stored begin.
    prefix: String,
}

/// What was staged so far: the names, in letters and digits, and the bytes.
#[derive(Clone, Default, Deserialize, Serialize)]
struct Staged {
    files: Vec<(String, u64)>,
}

impl Handle for Staged {}

/// One way to break the contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Fault {
    #[default]
    None,
    /// A file that is put twice is two files.
    PutsTwice,
    /// What was begun cannot be begun again.
    BeginConflicts,
    /// A file that is not there is an empty one.
    MissingIsEmpty,
    /// What was committed cannot be committed again.
    CommitsOnce,
    /// The commit takes what is staged away before it is stored.
    CommitLoses,
    /// What is not there cannot be aborted.
    AbortFailsOnNothing,
    /// What was aborted is stored by the next commit.
    AbortKeeps,
    /// Files are said to be larger than they are.
    SizeLies,
    /// A store out of reach is taken for one that has stored everything.
    DeniedIsDone,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    fault: Fault,
}

/// Whether this is what it does wrong.
fn is(fault: Fault) -> bool {
    host::settings::<Settings>().unwrap_or_default().fault == fault
}

fn shelf() -> http::Endpoint {
    http::endpoint("shelf")
}

fn get(name: &str) -> Result<Option<String>> {
    shelf().get(format!("/{name}")).send()?.found()?.map(http::Response::text).transpose()
}

/// A name on the shelf takes letters and digits.
fn plain(name: &str) -> String {
    name.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn staged(request: &SinkRequest<Options>, name: &str) -> String {
    format!("staged-{}-{name}", request.attempt)
}

fn stored(request: &SinkRequest<Options>, name: &str) -> String {
    format!("stored-{}-{}-{name}", request.options.prefix, request.attempt)
}

/// The names of all that is staged.
fn all_staged(request: &SinkRequest<Options>) -> Result<Vec<String>> {
    let all = shelf().get("/").send()?.ok()?.text()?;
    let prefix = staged(request, "");
    Ok(all.lines().filter_map(|name| name.strip_prefix(&prefix)).map(str::to_owned).collect())
}

/// Has one file appear, which it may have done already.
fn store(request: &SinkRequest<Options>, name: &str) -> Result<()> {
    let (from, to) = (staged(request, name), stored(request, name));
    let Some(text) = get(&from)? else {
        if is(Fault::CommitsOnce) || get(&to)?.is_none() {
            return Err(Error::not_found(format!("{name} is not staged")));
        }
        return Ok(());
    };
    if is(Fault::CommitLoses) {
        shelf().delete(format!("/{from}")).send()?.found()?;
    }
    shelf().put(format!("/{to}")).body(text).send()?.ok()?;
    shelf().delete(format!("/{from}")).send()?.found()?;
    Ok(())
}

impl Sink for Faulty {
    type Options = Options;
    type Handle = Staged;

    fn describe() -> Descriptor {
        let options = json!({ "type": "object", "properties": { "prefix": { "type": "string" } } });
        Descriptor::new("faulty-sink", env!("CARGO_PKG_VERSION"), "Breaks the contract").options(&options)
    }

    fn check() -> Result<()> {
        shelf().get("/").send()?.ok()?;
        Ok(())
    }

    fn begin(request: &SinkRequest<Options>) -> Result<Staged> {
        if is(Fault::BeginConflicts) && !all_staged(request)?.is_empty() {
            return Err(Error::new(ErrorKind::Conflict, "it is begun already"));
        }
        Ok(Staged::default())
    }

    fn put(request: &SinkRequest<Options>, mut begun: Staged, path: &str, name: &str) -> Result<Staged> {
        let text = match fs::read_to_string(work::path().join(path)) {
            Err(_) if is(Fault::MissingIsEmpty) => String::new(),
            text => text?,
        };
        let (name, bytes) = (plain(name), text.len() as u64);
        shelf().put(format!("/{}", staged(request, &name))).body(text).send()?.ok()?;
        if !is(Fault::PutsTwice) {
            begun.files.retain(|(known, _)| *known != name);
        }
        begun.files.push((name, bytes));
        Ok(begun)
    }

    fn commit(request: &SinkRequest<Options>, mut begun: Staged) -> Result<Vec<Stored>> {
        if is(Fault::AbortKeeps) {
            for name in all_staged(request)? {
                let bytes = get(&staged(request, &name))?.unwrap_or_default().len() as u64;
                begun.files.retain(|(known, _)| *known != name);
                begun.files.push((name, bytes));
            }
        }
        let mut all = Vec::new();
        for (name, bytes) in begun.files {
            match store(request, &name) {
                Err(error) if !is(Fault::DeniedIsDone) => return Err(error),
                _ => {}
            }
            let bytes = bytes + u64::from(is(Fault::SizeLies));
            all.push(Stored { location: stored(request, &name), bytes, version: None });
        }
        Ok(all)
    }

    fn abort(request: &SinkRequest<Options>, _begun: Staged) -> Result<()> {
        if is(Fault::AbortKeeps) {
            return Ok(());
        }
        let all = all_staged(request)?;
        if is(Fault::AbortFailsOnNothing) && all.is_empty() {
            return Err(Error::not_found("nothing is staged"));
        }
        for name in all {
            shelf().delete(format!("/{}", staged(request, &name))).send()?.found()?;
        }
        Ok(())
    }
}
