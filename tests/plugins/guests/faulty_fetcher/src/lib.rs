//! A fetcher that breaks the contract in the way that its settings say; without settings it keeps to it. Its items are
//! texts on a shelf, each in two parts: `NAME.1` and `NAME.2`.

use std::fs;
use std::io::Write as _;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::json;
use windlass_plugin::prelude::*;
use windlass_plugin::{FetchRequest, Fetched, Item, Page};

struct Faulty;

windlass_plugin::fetcher!(Faulty, manifest = "../plugin.toml");

/// Items on a page.
const PAGE: usize = 2;

/// What a user writes.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// How the names begin.
    prefix: String,
}

/// One way to break the contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Fault {
    #[default]
    None,
    /// An item is listed twice.
    NamesTwice,
    /// Versions change, and the content does not.
    ListChanges,
    /// An item is put behind what is there.
    Appends,
    /// What is there is taken for the item.
    KeepsWhatIsThere,
    /// It leaves something beside the item.
    WritesElsewhere,
    /// An item is said to be larger than it is.
    SizeLies,
    /// A file is said to be another one.
    PathLies,
    /// What is not there is an empty file.
    UnknownIsEmpty,
    /// A source out of reach is taken for an empty one.
    DeniedIsEmpty,
    /// Options are not looked at.
    ValidateAcceptsAll,
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

fn get(name: &str) -> Result<Option<String>> {
    http::endpoint("shelf").get(format!("/{name}")).send()?.found()?.map(http::Response::text).transpose()
}

/// The names of the items, in their order.
fn names(options: &Options) -> Result<Vec<String>> {
    let all = match http::endpoint("shelf").get("/").send() {
        Err(_) if is(Fault::DeniedIsEmpty) => return Ok(Vec::new()),
        all => all?.ok()?.text()?,
    };
    let mut names: Vec<String> = all.lines().filter_map(|name| name.strip_suffix(".1")).map(str::to_owned).collect();
    names.retain(|name| name.starts_with(&options.prefix));
    if is(Fault::NamesTwice) {
        names.extend(names.first().cloned());
    }
    Ok(names)
}

fn part(name: &str, number: u32) -> Result<String> {
    match get(&format!("{name}.{number}"))? {
        Some(part) => Ok(part),
        None if is(Fault::UnknownIsEmpty) => Ok(String::new()),
        None => Err(Error::not_found(format!("there is no {name}"))),
    }
}

impl Fetcher for Faulty {
    type Options = Options;

    fn describe() -> Descriptor {
        let options = json!({ "type": "object", "properties": { "prefix": { "type": "string" } } });
        Descriptor::new("faulty-fetcher", env!("CARGO_PKG_VERSION"), "Breaks the contract").options(&options)
    }

    fn check() -> Result<()> {
        http::endpoint("shelf").get("/").send()?.ok()?;
        Ok(())
    }

    fn validate(options: &Options) -> Vec<Problem> {
        let problem = |problem: &str| Problem {
            field: "prefix".to_owned(),
            problem: problem.to_owned(),
            allowed: "a few letters".to_owned(),
        };
        if is(Fault::ValidateAcceptsAll) {
            return vec![problem("")];
        }
        if options.prefix.is_empty() { vec![problem("it is empty")] } else { Vec::new() }
    }

    fn items(request: &FetchRequest<Options>, cursor: Option<&str>) -> Result<Page<Item>> {
        let names = names(&request.options)?;
        let begin: usize = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or_default();
        let end = names.len().min(begin + PAGE);
        let item = |name: &String| -> Result<Item> {
            let bytes = part(name, 1)?.len() + part(name, 2)?.len() + usize::from(is(Fault::SizeLies));
            let reference = name.clone().into_bytes();
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let version = is(Fault::ListChanges).then(|| now.as_nanos().to_string());
            Ok(Item { name: name.clone(), size: Some(bytes as u64), version, reference })
        };
        let entries = names.iter().take(end).skip(begin).map(item).collect::<Result<_>>()?;
        Ok(Page { entries, next: (end < names.len()).then(|| end.to_string()) })
    }

    fn fetch(request: &FetchRequest<Options>, item: &Item) -> Result<Fetched> {
        let mut name = String::from_utf8_lossy(&item.reference).into_owned();
        if is(Fault::UnknownIsEmpty) {
            name.retain(|letter| letter.is_ascii_alphanumeric());
        }
        if !name.chars().all(|letter| letter.is_ascii_alphanumeric()) {
            return Err(Error::not_found("no item of this source"));
        }
        let dir = work::path().join(&request.destination);
        fs::create_dir_all(&dir)?;
        let path = dir.join(&name);
        if is(Fault::KeepsWhatIsThere) && path.exists() {
            let bytes = fs::metadata(&path)?.len();
            return Ok(Fetched { path: name, bytes, version: None });
        }
        let first = part(&name, 1)?;
        let mut file = fs::File::options()
            .append(is(Fault::Appends))
            .write(true)
            .create(true)
            .truncate(!is(Fault::Appends))
            .open(&path)?;
        file.write_all(first.as_bytes())?;
        file.write_all(part(&name, 2)?.as_bytes())?;
        if is(Fault::WritesElsewhere) {
            fs::write(work::path().join("output/mark"), "x")?;
        }
        let bytes = file.metadata()?.len();
        let path = if is(Fault::PathLies) { format!("../{name}") } else { name };
        Ok(Fetched { path, bytes, version: None })
    }
}
